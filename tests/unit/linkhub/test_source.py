"""LinkHub's feed, read as a sync reads a provider."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from shared.domain.changes import Change, Delete, Page, Truncate, Upsert
from shared.domain.checkpoints import Checkpoint
from shared.sinks.linkhub import LinkHubSource, source
from tests.linkhub_kit import Bench, deal, make_client


@pytest.fixture
def changed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Give a LinkHub with five records, shown two a page."""
    monkeypatch.setattr(source, "PAGE", 2)
    bench.sync(*(deal(str(number)) for number in range(5)))
    return bench


def read(bench: Bench, after: Checkpoint | None = None, *again: str) -> list[Page]:
    client = make_client(bench.running, bench.instance.profile_id)
    made = LinkHubSource(client, revisit=lambda _: again)
    try:
        return list(made.read("initiatives", after))
    finally:
        made.close()


def changes_of(pages: Sequence[Page]) -> list[Change]:
    return [change for page in pages for change in page.changes]


def ids(bench: Bench, *keys: str) -> Iterator[str]:
    links = bench.links(*keys)
    return (links[key].linkhub_id for key in keys)


def test_a_first_read_shows_every_record(changed: Bench) -> None:
    """Each under LinkHub's id, with its fields, version and name; the last page ends the read."""
    pages = read(changed)
    found = changes_of(pages)
    assert [change.key for change in found if isinstance(change, Upsert)] == list(
        ids(changed, *"01234")
    )
    first = found[0]
    assert isinstance(first, Upsert)
    assert (first.stream, first.record["version"]) == ("initiatives", 1)
    assert first.record["fields"]["name"] == "Deal 0"
    assert (first.record["source"], first.record["externalKey"]) == (
        changed.instance.id,
        "deals/0",
    )
    assert [page.checkpoint.resume is None for page in pages] == [False, False, True]


def test_a_read_goes_on_after_any_page(changed: Bench) -> None:
    """From each page's checkpoint exactly the rest follows."""
    pages = read(changed)
    for number, page in enumerate(pages[:-1]):
        rest = read(changed, page.checkpoint)
        assert changes_of(rest) == changes_of(pages[number + 1 :])


def test_the_next_read_shows_what_changed_since(changed: Bench) -> None:
    """Edits and tombstones, and nothing else."""
    watermark = read(changed)[-1].checkpoint
    assert changes_of(read(changed, watermark)) == []
    changed.sync(deal("3", amount="99"), Delete("deals", "1"))
    edited, gone = ids(changed, "3", "1")
    after = changes_of(read(changed, watermark))
    assert {
        (type(change).__name__, change.key) for change in after if not isinstance(change, Truncate)
    } == {
        ("Upsert", edited),
        ("Delete", gone),
    }


def test_records_can_be_shown_again(changed: Bench) -> None:
    """Once, before what changed; one that LinkHub has no more is a Delete, and a resumed read
    does not repeat them.
    """
    watermark = read(changed)[-1].checkpoint
    (known,) = ids(changed, "2")
    pages = read(changed, watermark, known, "gone", known)
    first, second = changes_of(pages)
    assert (first.stream, second) == ("initiatives", Delete("initiatives", "gone"))
    assert isinstance(first, Upsert)
    assert first.key == known
    assert changes_of(read(changed, pages[0].checkpoint, known)) == []
    assert changes_of(read(changed, None, known)) == changes_of(read(changed))
