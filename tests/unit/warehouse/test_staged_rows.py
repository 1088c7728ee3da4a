"""Full loads whose rows go beside the transaction: a crash anywhere loses and doubles nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest

from shared.domain.changes import Change, Truncate
from shared.domain.checkpoints import Checkpoint, Mode, Stage
from shared.errors import LeaseLostError, PermanentError, ReadAgainError
from shared.sinks.warehouse import held
from shared.sinks.warehouse.sink import WarehouseSink
from tests.side_route_kit import AsideWarehouse, aside_warehouse
from tests.warehouse_kit import SCOPE, numbered, saved_checkpoint, upserts

SIZES = {"airports": 3, "flights": 23, "planes": 12}
"""A table that stays small, and two that do not."""
PAGE = 4


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsideWarehouse:
    return aside_warehouse(tmp_path, monkeypatch)


def _pages() -> list[list[Change]]:
    """Every table's rows; each page has a field more than the one before, some a longer text."""
    pages = []
    for stream, size in SIZES.items():
        records = numbered(size)
        for start in range(0, size, PAGE):
            more = {f"field_{start // 8}": start, "text": "x" * 5 * start}
            some = [{**record, **more} for record in records[start : start + PAGE]]
            first: list[Change] = [Truncate(stream)] if start == 0 else []
            pages.append([*first, *upserts(stream, some)])
    return pages


def _read(sink: WarehouseSink, pages: Sequence[list[Change]], *, dies_after: int = 99) -> Any:
    """Write the pages from the last checkpoint on; None if it died in between."""
    saved = sink.load(SCOPE) or saved_checkpoint()
    sink.begin(SCOPE, saved)
    for number in range(saved.checkpoint.resume or 0, len(pages)):
        sink.write(SCOPE, pages[number])
        if number == dies_after:
            return None
        sink.commit(SCOPE, replace(saved, checkpoint=Checkpoint(resume=number + 1)))
    read = replace(saved, stage=Stage.READ, checkpoint=Checkpoint())
    sink.commit(SCOPE, read)
    return sink.finish(SCOPE, read, SIZES)


def _assert_whole(warehouse: AsideWarehouse, finished: Any) -> None:
    assert {check.stream: check.rows for check in finished.checks} == SIZES
    assert all(check.is_equal for check in finished.checks)
    for stream, size in SIZES.items():
        assert [row["_id"] for row in warehouse.rows(stream)] == [f"k{n:06}" for n in range(size)]


def test_large_tables_go_aside_and_small_ones_do_not(warehouse: AsideWarehouse) -> None:
    """What counts in the end is the same: rows, checksums, and nothing left of the batches."""
    sink = warehouse.sink()
    _assert_whole(warehouse, _read(sink, _pages()))
    sink.close()
    assert {name.rsplit("_", 1)[1] for name in warehouse.server.fed} == {"flights", "planes"}
    assert "_linkhub_batch" not in warehouse.rows("flights")[0]


def test_changes_follow_a_load_whose_rows_had_numbers(warehouse: AsideWarehouse) -> None:
    """The live table has none any more, and nothing of it is taken for a rest of the load."""
    sink = warehouse.sink()
    _read(sink, _pages())
    sink.close()
    changes = saved_checkpoint(mode=Mode.INCREMENTAL, watermark="w", job_id="changes")
    sink = warehouse.sink(run_id="changes")
    sink.begin(SCOPE, changes)
    sink.write(SCOPE, upserts("flights", numbered(1, start=SIZES["flights"])))
    sink.commit(SCOPE, changes)
    sink.close()
    assert [row["number"] for row in warehouse.rows("flights")] == [*range(SIZES["flights"] + 1)]


@pytest.mark.parametrize("seconds", [0.0, 12.0, 60.0], ids=["none", "some", "each"])
@pytest.mark.parametrize("dies_after", range(len(_pages())))
@pytest.mark.parametrize("closes", [True, False], ids=["closed", "killed"])
def test_a_resumed_load_neither_repeats_nor_skips(
    warehouse: AsideWarehouse, dies_after: int, seconds: float, closes: bool
) -> None:
    """Whichever page it dies after, however many checkpoints waited: what nobody counted is taken
    away before it comes again.
    """
    ticks = count()
    dying = warehouse.sink(run_id="dies", clock=lambda: seconds * next(ticks))
    assert _read(dying, _pages(), dies_after=dies_after) is None
    if closes:
        dying.close()
    else:  # as a killed process leaves it: its connections are gone, nobody settled anything
        dying._reset()
    sink = warehouse.sink(run_id="ends")
    _assert_whole(warehouse, _read(sink, _pages()))
    sink.close()


def test_checkpoints_wait_for_rows_on_their_way(warehouse: AsideWarehouse) -> None:
    """Another run sees the last one that counts, until enough time has passed; closing counts all
    that was committed.
    """
    now = [0.0]
    sink = warehouse.sink(run_id="one", clock=lambda: now[0])
    other = warehouse.sink(run_id="two")
    pages = _pages()
    saved = saved_checkpoint()
    sink.begin(SCOPE, saved)

    def resume() -> Any:
        found = other.load(SCOPE)
        assert found is not None
        return found.checkpoint.resume

    seen = []
    for number, page in enumerate(pages):
        sink.write(SCOPE, page)
        now[0] += 20.0
        sink.commit(SCOPE, replace(saved, checkpoint=Checkpoint(resume=number + 1)))
        seen.append(resume())
    # The small table and the first pages of the others: at once. Then every third page.
    assert seen == sorted(seen)
    assert seen[:2] == [1, 2]
    assert any(before == after for before, after in pairwise(seen))
    assert all(number + 1 - count <= held.LONGEST // 20 + 1 for number, count in enumerate(seen))
    sink.close()
    assert resume() == len(pages)
    other.close()


def test_a_bulk_route_that_fails_is_read_again_without_it(warehouse: AsideWarehouse) -> None:
    """The rows of its batches are taken away, the checkpoint that counts is the one before, and
    what comes again goes by statements.
    """
    warehouse.server.refuses = 2
    sink = warehouse.sink()
    with pytest.raises(ReadAgainError):
        _read(sink, _pages())
    _assert_whole(warehouse, _read(sink, _pages()))
    assert not warehouse.server.is_bulk
    sink.close()


def test_an_overtaken_run_counts_nothing_of_what_waits(warehouse: AsideWarehouse) -> None:
    """Its checkpoints waited; the heir goes on from the last one that counted."""
    zombie = warehouse.sink(run_id="zombie", clock=lambda: 0.0)
    saved, pages = saved_checkpoint(), _pages()
    zombie.begin(SCOPE, saved)
    for number, page in enumerate(pages[:5]):
        zombie.write(SCOPE, page)
        zombie.commit(SCOPE, replace(saved, checkpoint=Checkpoint(resume=number + 1)))
    heir = warehouse.sink(run_id="heir")
    taken = heir.load(SCOPE)
    assert taken is not None
    assert taken.checkpoint.resume == 2
    heir.begin(SCOPE, taken)
    with pytest.raises(LeaseLostError):
        zombie.write(SCOPE, pages[5])
    zombie.close()
    _assert_whole(warehouse, _read(heir, pages))
    heir.close()


def test_a_key_that_comes_twice_is_found_in_the_end(warehouse: AsideWarehouse) -> None:
    """The load is refused, the live table stays, and the next one begins afresh."""
    sink = warehouse.sink()
    pages = _pages()
    twice = [*pages[:-1], [*pages[-1], *upserts("planes", numbered(1))]]
    with pytest.raises(PermanentError, match="twice"):
        _read(sink, twice)
    _assert_whole(warehouse, _read(sink, pages))
    sink.close()
