from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from adapters.convex import pages as pages_module
from adapters.convex.pages import read_pages
from adapters.convex.snapshot import Snapshot
from local.sandbox.convex.archive import write_export
from shared.domain.changes import Change, Page, Truncate, Upsert
from tests.convex_kit import documents, small_export, write_zip


def _pages(
    path: Path,
    resume: dict[str, Any] | None = None,
    wanted: Mapping[str, Sequence[str]] | None = None,
) -> list[Page]:
    snapshot = Snapshot.open(path)
    try:
        return list(read_pages(snapshot, resume=resume or {"export": "1"}, wanted=wanted or {}))
    finally:
        snapshot.close()


def _changes(pages: list[Page]) -> list[Change]:
    return [change for page in pages for change in page.changes]


@pytest.fixture
def export(tmp_path: Path) -> Path:
    small_export(tmp_path / "export.zip")
    return tmp_path / "export.zip"


def test_every_table_is_a_truncate_and_its_documents(export: Path) -> None:
    """Root and component tables come as Truncate then Upserts by `_id`; Convex's own do not."""
    pages = _pages(export)
    truncated = [change.stream for change in _changes(pages) if isinstance(change, Truncate)]
    assert truncated == ["cars", "empty", "wheels", "shop/cars", "shop/till/bills"]
    upserts = [change for change in _changes(pages) if isinstance(change, Upsert)]
    assert len(upserts) == 12
    assert all(upsert.key == upsert.record["_id"] for upsert in upserts)


def test_the_last_page_counts_every_table(export: Path) -> None:
    """The totals name each table with its documents, and only the last page has no `resume`."""
    pages = _pages(export)
    assert pages[-1].totals == {
        "cars": 7,
        "empty": 0,
        "wheels": 3,
        "shop/cars": 2,
        "shop/till/bills": 0,
    }
    assert [page.checkpoint.resume is None for page in pages] == [False] * 5 + [True]


def test_resuming_from_every_page_gives_exactly_the_rest(
    export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever page a reading stopped after, going on yields the other changes and all totals."""
    monkeypatch.setattr(pages_module, "PAGE_ROWS", 2)
    pages = _pages(export)
    assert max(len(page.changes) for page in pages) == 2
    for done, page in enumerate(pages[:-1], 1):
        rest = _pages(export, page.checkpoint.resume)
        assert _changes(rest) == _changes(pages[done:])
        assert rest[-1].totals == pages[-1].totals


def test_pages_are_bounded_by_bytes(tmp_path: Path) -> None:
    """Large documents make pages of at most 8 MiB of JSON."""
    path = tmp_path / "export.zip"
    write_export(path, {"t": documents(24, blob="x" * 1_000_000)})
    counts = [len(page.changes) for page in _pages(path)]
    assert counts == [9, 8, 8, 0]


def test_only_wanted_tables_and_fields_are_read(export: Path) -> None:
    """A selection limits tables and fields, `_id` always being there; no fields means all."""
    pages = _pages(export, wanted={"cars": ("n", "gone"), "shop/cars": ()})
    records = [change.record for change in _changes(pages) if isinstance(change, Upsert)]
    assert [set(record) for record in records] == [{"_id", "n"}] * 7 + [
        {"_id", "_creationTime", "n"}
    ] * 2
    assert pages[-1].totals == {"cars": 7, "shop/cars": 2}


def test_a_chosen_table_that_is_gone_is_told(export: Path) -> None:
    """A selected table the export lacks is a problem of the last page, the others are read."""
    pages = _pages(export, wanted={"cars": (), "lost": ()})
    assert [problem.stream for problem in pages[-1].problems] == ["lost"]
    assert pages[-1].totals == {"cars": 7}


def test_an_unknown_place_starts_again(export: Path) -> None:
    """A checkpoint whose entry is not among the tables means reading everything."""
    resume = {"export": "1", "entry": "gone/documents.jsonl", "line": 4, "totals": {"gone": 4}}
    assert _pages(export, resume) == _pages(export)


def test_values_arrive_exactly(tmp_path: Path) -> None:
    """Integers, floats, bytes, special floats and nested values keep their nature; null is as
    good as absent.
    """
    path = tmp_path / "export.zip"
    row = {
        "_id": "a",
        "_creationTime": 1.5,
        "int": 123,
        "float": 123.0,
        "large": 2**53 + 1,
        "zero": -0.0,
        "bytes": b"\x00",
        "nan": math.nan,
        "null": None,
        "text": "Zürich ✈️ $5",
        "nested": {"bytes": b"\x01", "list": [1, 1.0]},
    }
    write_export(path, {"t": [row]})
    (upsert,) = (change for change in _changes(_pages(path)) if isinstance(change, Upsert))
    record = dict(upsert.record)
    assert math.isnan(record.pop("nan"))
    assert math.copysign(1, record.pop("zero")) == -1
    assert [type(record[name]) for name in ("int", "float")] == [int, float]
    assert record.pop("nested") == {"bytes": {"$bytes": "AQ=="}, "list": [1, 1.0]}
    assert record == {name: row[name] for name in record}
    assert set(row) == set(record) | {"nan", "zero", "nested", "null"}


@pytest.mark.parametrize("newline_at_end", [True, False])
def test_lines_across_blocks_are_whole(tmp_path: Path, *, newline_at_end: bool) -> None:
    """Lines longer than a block, and a last line without its newline, are read whole."""
    lines = [b'{"_id":"%d","t":"%s"}' % (n, b"x" * (n * 100_000)) for n in range(8)]
    text = b"\n".join(lines) + b"\n" * newline_at_end
    path = write_zip(tmp_path / "export.zip", {"t/documents.jsonl": text})
    upserts = [change for change in _changes(_pages(path)) if isinstance(change, Upsert)]
    assert [len(change.record["t"]) for change in upserts] == [n * 100_000 for n in range(8)]


def test_an_empty_deployment_is_an_export_too(tmp_path: Path) -> None:
    """An export without any table gives one page: nothing, and no totals."""
    write_export(tmp_path / "export.zip", {})
    (page,) = _pages(tmp_path / "export.zip")
    assert (page.changes, page.totals, page.checkpoint.resume) == ((), {}, None)


def test_files_in_storage_are_left_alone(tmp_path: Path) -> None:
    """Stored files of any name and compression are neither read nor an error."""
    path = write_zip(
        tmp_path / "export.zip",
        {"_tables/documents.jsonl": b"", "_storage/kg2.png": b"\x89PNG", "__MACOSX/._a": b"x"},
    )
    assert _pages(path)[-1].totals == {}
