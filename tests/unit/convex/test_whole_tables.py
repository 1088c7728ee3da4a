"""Tables that a person wants whole with every sync, beside those of which changes are followed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from shared.domain.changes import Change, Delete, Page, Truncate, Upsert
from shared.domain.checkpoints import Checkpoint
from tests.convex_kit import Server, read_all

SELECTION: Mapping[str, Sequence[str]] = {"cars": (), "wheels": (), "shop/cars": ()}
WHOLE = frozenset({"wheels", "shop/cars"})
WHEEL = "w0000000000000000000000000000001"
CAR = "c0000000000000000000000000000003"


@pytest.fixture
def pro(server: Server) -> Server:
    server.settle(plan="pro", pageRows=2)
    return server


def _read(
    server: Server, work_dir: Path, checkpoint: Checkpoint | None = None, **changes: Any
) -> tuple[list[Page], list[Change]]:
    options = {"selection": SELECTION, "whole": WHOLE, **changes}
    return read_all(server.connect(work_dir, **options), checkpoint)


def _keys(changes: Sequence[Change], stream: str) -> list[str]:
    """Return the keys of what came of a stream after it was begun last; it must have been."""
    its = [change for change in changes if change.stream == stream]
    begun = max(at for at, change in enumerate(its) if isinstance(change, Truncate))
    return sorted(change.key for change in its[begun:] if isinstance(change, Upsert))


def _stored(checkpoint: Checkpoint) -> Checkpoint:
    return Checkpoint(
        resume=json.loads(json.dumps(checkpoint.resume)),
        watermark=json.loads(json.dumps(checkpoint.watermark)),
    )


def test_they_come_whole_and_the_others_as_they_changed(pro: Server, work_dir: Path) -> None:
    """Each read begins them again, after what changed of the others; all ends at one watermark."""
    first, changes = _read(pro, work_dir)
    assert {change.stream for change in changes} == SELECTION.keys()
    pro.mutate(
        {"op": "patch", "table": "cars", "id": CAR, "document": {"n": "four"}},
        {"op": "delete", "table": "wheels", "id": WHEEL},
    )
    second, changes = _read(pro, work_dir, _stored(first[-1].checkpoint))
    assert [c for c in changes if c.stream == "cars"] == [
        Upsert("cars", CAR, pro.documents("cars")[CAR])
    ]
    assert not [change for change in changes if isinstance(change, Delete)]
    assert _keys(changes, "wheels") == sorted(pro.documents("wheels"))
    assert _keys(changes, "shop/cars") == sorted(pro.documents("shop/cars"))
    third, changes = _read(pro, work_dir, _stored(second[-1].checkpoint))
    assert {change.stream for change in changes} == WHOLE
    assert third[-1].checkpoint == second[-1].checkpoint


def test_a_read_goes_on_at_every_page(pro: Server, work_dir: Path) -> None:
    """What comes after any checkpoint is what came after it in a read that nobody stopped."""
    first, _ = _read(pro, work_dir)
    pro.mutate({"op": "patch", "table": "cars", "id": CAR, "document": {"n": 4.5}})
    start = _stored(first[-1].checkpoint)
    pages, _ = _read(pro, work_dir, start)
    assert len(pages) > 3
    for number, page in enumerate(pages[:-1], 1):
        rest, changes = _read(pro, work_dir, _stored(page.checkpoint))
        assert changes == [change for later in pages[number:] for change in later.changes]
        assert rest[-1].checkpoint == pages[-1].checkpoint


@pytest.mark.parametrize("page", [0, -2])
def test_a_lost_cursor_begins_only_its_own_tables_again(
    pro: Server, work_dir: Path, page: int
) -> None:
    """The tables read whole do not make those be read again of which changes are followed."""
    first, _ = _read(pro, work_dir)
    pages, _ = _read(pro, work_dir, _stored(first[-1].checkpoint))
    pro.fault("cursor_expired")
    again, changes = _read(pro, work_dir, _stored(pages[page].checkpoint))
    assert {change.stream for change in changes} == WHOLE
    assert _keys(changes, "wheels") == sorted(pro.documents("wheels"))
    assert again[-1].checkpoint == first[-1].checkpoint


def test_where_all_are_wanted_whole_nothing_is_followed(pro: Server, work_dir: Path) -> None:
    """There is no watermark to keep: the next job is a full one, in its name too."""
    pages, changes = _read(pro, work_dir, selection={"wheels": ()}, whole=frozenset({"wheels"}))
    assert {change.stream for change in changes} == {"wheels"}
    assert pages[-1].checkpoint == Checkpoint()
    rest, changes = _read(
        pro,
        work_dir,
        _stored(pages[0].checkpoint),
        selection={"wheels": ()},
        whole=frozenset({"wheels"}),
    )
    assert changes == [change for page in pages[1:] for change in page.changes]
    assert rest[-1].checkpoint == Checkpoint()


def test_a_table_that_is_gone_is_a_problem_of_each_read(pro: Server, work_dir: Path) -> None:
    """Once by its own part of the read, wherever that was interrupted."""
    options: dict[str, Any] = {"selection": {**SELECTION, "lost": ()}, "whole": WHOLE | {"lost"}}
    pages, _ = _read(pro, work_dir, **options)
    for start in (pages[-1], pages[-2]):
        again, _ = _read(pro, work_dir, _stored(start.checkpoint), **options)
        assert [problem.stream for page in again for problem in page.problems] == ["lost"]


def test_a_snapshot_brings_everything_anyway(server: Server, work_dir: Path) -> None:
    """On a plan without data syncs the choice changes nothing."""
    _, changes = _read(server, work_dir)
    assert {change.stream for change in changes} == SELECTION.keys()
