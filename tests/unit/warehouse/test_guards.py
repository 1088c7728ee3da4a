from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.changes import Truncate
from shared.domain.checkpoints import Checkpoint, Mode, Stage
from shared.errors import ApprovalNeededError
from shared.sinks.warehouse.swap import SwapRules
from tests.warehouse_kit import SCOPE, Warehouse, load_full, numbered, saved_checkpoint, upserts


def _load(warehouse: Warehouse, count: int, *, number: int, rules: SwapRules | None = None) -> None:
    sink = warehouse.sink(run_id=f"run-{number}", rules=rules)
    try:
        load_full(sink, {"flights": numbered(count), "planes": numbered(1)}, job_id=f"job-{number}")
    finally:
        sink.close()


@pytest.mark.parametrize(
    ("before", "after", "percent"),
    [(100, 89, 10), (100, 0, 10), (10, 5, 10), (100, 95, 0), (100, 49, 50)],
)
def test_a_load_that_would_shrink_a_table_asks_first(
    warehouse: Warehouse, before: int, after: int, percent: int
) -> None:
    """The error names table and both counts; every table stays, and so does what was staged."""
    _load(warehouse, before, number=1)
    with pytest.raises(ApprovalNeededError) as caught:
        _load(warehouse, after, number=2, rules=SwapRules(shrink_percent=percent))
    assert f"more than {percent} %: 'flights' from {before:,} to {after:,} rows" in str(
        caught.value
    )
    assert "planes" not in str(caught.value)
    assert len(warehouse.rows("flights")) == before
    assert warehouse.registered()["planes"]["generation"] == 1
    assert warehouse.registered(role="staging").keys() == {"flights", "planes"}


@pytest.mark.parametrize(
    ("before", "after", "percent"),
    [(100, 90, 10), (6, 2, 10), (100, 200, 0), (100, 100, 0), (100, 0, 100)],
)
def test_a_load_that_shrinks_a_table_little_does_not_ask(
    warehouse: Warehouse, before: int, after: int, percent: int
) -> None:
    """A share that the policy lets pass, and a handful of rows, go without a question."""
    _load(warehouse, before, number=1)
    _load(warehouse, after, number=2, rules=SwapRules(shrink_percent=percent))
    assert len(warehouse.rows("flights")) == after


def test_an_approved_job_goes_on_without_reading_again(warehouse: Warehouse) -> None:
    """Its next run finds everything read and staged, and swaps it in by `finish` alone."""
    _load(warehouse, 50, number=1)
    with pytest.raises(ApprovalNeededError):
        _load(warehouse, 3, number=2)

    sink = warehouse.sink(run_id="approved", rules=SwapRules(is_approved=True))
    saved = sink.load(SCOPE)
    assert saved is not None
    assert (saved.stage, saved.job_id) == (Stage.READ, "job-2")
    sink.begin(SCOPE, saved)
    finished = sink.finish(SCOPE, saved, {"flights": 3, "planes": 1})
    sink.close()

    assert {load.table: load.row_count for load in finished.loads} == {"flights": 3, "planes": 1}
    assert len(warehouse.rows("flights")) == 3
    assert len(warehouse.rows("flights__prev")) == 50


def test_a_rejected_load_leaves_nothing_behind_once_another_begins(warehouse: Warehouse) -> None:
    """The next full load drops what was staged and asks for itself."""
    _load(warehouse, 50, number=1)
    with pytest.raises(ApprovalNeededError):
        _load(warehouse, 3, number=2)
    _load(warehouse, 49, number=3)
    assert len(warehouse.rows("flights")) == 49
    assert warehouse.registered(role="staging") == {}


def test_a_stream_begun_again_asks_too(warehouse: Warehouse) -> None:
    """An incremental sync that replaces a table by a much smaller one is no different."""
    _load(warehouse, 50, number=1)
    saved = saved_checkpoint(mode=Mode.INCREMENTAL, watermark="w", job_id="changes")
    sink = warehouse.sink(run_id="changes")
    sink.begin(SCOPE, saved)
    sink.write(SCOPE, [Truncate("flights"), *upserts("flights", numbered(1))])
    read = replace(saved, stage=Stage.READ, checkpoint=Checkpoint(watermark="x"))
    sink.commit(SCOPE, read)
    with pytest.raises(ApprovalNeededError):
        sink.finish(SCOPE, read, {})
    sink.close()
    assert len(warehouse.rows("flights")) == 50
