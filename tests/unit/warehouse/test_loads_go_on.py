"""Whole runs whose rows go beside the transaction: paused, failed, refused, and gone on with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from shared.domain.checkpoints import Checkpoint
from shared.domain.tallies import Tally
from shared.engine.sync import Ending, Outcome, run_sync
from shared.errors import ReadAgainError, TransientError
from tests.factories import make_plan
from tests.fakes import FakeRunLog, FakeSource
from tests.side_route_kit import AsideWarehouse, aside_warehouse
from tests.warehouse_kit import load_full, numbered

ROWS = 60


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsideWarehouse:
    return aside_warehouse(tmp_path, monkeypatch)


def _run(
    warehouse: AsideWarehouse,
    source: FakeSource,
    *,
    run_id: str = "run-1",
    clock: Callable[[], float] = lambda: 0.0,
) -> Outcome:
    with closing(warehouse.sink(run_id=run_id, clock=lambda: 0.0)) as sink:
        sink.batch_size = 4
        return run_sync(
            plan=make_plan(),
            source=source,
            sink=sink,
            run_log=FakeRunLog(),
            budget_seconds=10,
            clock=clock,
        )


def _assert_whole(warehouse: AsideWarehouse, outcome: Outcome, *, rows: int = ROWS) -> None:
    assert outcome.ending is Ending.COMPLETED
    assert outcome.tally == Tally(success=rows)
    assert all(check.is_equal for check in outcome.checks)
    assert {row["n"] for row in warehouse.rows("deals")} == set(range(rows))


def test_a_run_that_pauses_counts_all_that_it_wrote(warehouse: AsideWarehouse) -> None:
    """Its checkpoints waited for their rows; the next run begins where this one stopped."""
    source = FakeSource(ROWS)
    ticks = count()
    outcome = _run(warehouse, source, clock=lambda: float(next(ticks)))
    assert outcome.ending is Ending.PAUSED
    written = outcome.tally.success
    assert 8 < written < ROWS
    outcome = _run(warehouse, source, run_id="run-2")
    assert source.reads == [None, Checkpoint(resume=written)]
    _assert_whole(warehouse, outcome)


def test_a_source_that_fails_costs_no_page_before(warehouse: AsideWarehouse) -> None:
    """What was committed counts though the run failed."""
    source = FakeSource(ROWS, fail_at={40: TransientError("busy")})
    with pytest.raises(TransientError):
        _run(warehouse, source)
    outcome = _run(warehouse, source, run_id="run-2")
    assert source.reads == [None, Checkpoint(resume=40)]
    _assert_whole(warehouse, outcome)


@pytest.mark.parametrize("parts", [0, 1, 5, 11, 12])
def test_a_bulk_route_that_fails_ends_no_run(warehouse: AsideWarehouse, parts: int) -> None:
    """Whenever it fails, the same run reads again from what counts, and goes by statements."""
    warehouse.server.refuses = parts
    source = FakeSource(ROWS)
    _assert_whole(warehouse, _run(warehouse, source))
    assert len(source.reads) == 2
    assert source.reads[1] is not None
    assert 0 < source.reads[1].resume <= 8


def test_reading_again_is_tried_once(
    warehouse: AsideWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sink that asks for it again and again is left to the queue's retries."""
    monkeypatch.setattr(warehouse.server, "on_part", _refuse)
    source = FakeSource(ROWS)
    with pytest.raises(ReadAgainError):
        _run(warehouse, source)
    assert len(source.reads) == 2


def _refuse() -> None:
    raise ReadAgainError("refused")


@pytest.mark.parametrize(("rows", "part"), [(8, 1), *((ROWS, part) for part in range(1, 14))])
def test_rows_that_did_not_arrive_count_for_no_checkpoint(
    warehouse: AsideWarehouse, rows: int, part: int
) -> None:
    """Whichever part is lost with its connection, the next run brings all that was on its way."""
    taken = count(1)

    def cut() -> None:
        if next(taken) == part:
            raise TransientError("gone")

    warehouse.server.on_part = cut
    source = FakeSource(rows)
    with pytest.raises(TransientError):
        _run(warehouse, source)
    _assert_whole(warehouse, _run(warehouse, source, run_id="run-2"), rows=rows)


def test_a_table_that_soon_gets_more_columns_has_one_feed(warehouse: AsideWarehouse) -> None:
    """Its first page waits for the second, which shows them: a feed costs a log-in."""
    sink = warehouse.sink()
    early = numbered(8)
    late = numbered(12, start=8, late="x", text="y" * 90)
    _, finished = load_full(sink, {"flights": [*early, *late]}, page_size=8)
    sink.close()
    assert len(warehouse.server.fed) == 1
    assert all(check.is_equal for check in finished.checks)
    assert [row["late"] for row in warehouse.rows("flights")] == [None] * 8 + ["x"] * 12
