from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.domain.changes import Delete
from shared.domain.checkpoints import Checkpoint, Mode, SavedCheckpoint, Stage
from shared.errors import LeaseLostError, PermanentError
from shared.ports.sink import Restorable, TableLoad
from shared.sinks.warehouse.swap import SwapRules
from tests.warehouse_kit import SCOPE, Warehouse, load_full, numbered, saved_checkpoint, upserts


def _load(warehouse: Warehouse, number: int, tables: dict[str, list[dict[str, Any]]]) -> None:
    """Load in full; what the source says at the end is the watermark `w<number>`."""
    sink = warehouse.sink(run_id=f"run-{number}", rules=SwapRules(is_approved=True))
    load_full(sink, tables, job_id=f"job-{number}", watermark=f"w{number}")
    sink.close()


def _change(warehouse: Warehouse, number: int, changes: list[Any]) -> None:
    sink = warehouse.sink(run_id=f"run-{number}")
    saved = saved_checkpoint(
        mode=Mode.INCREMENTAL, watermark=f"w{number}", job_id=f"job-{number}", stage=Stage.READ
    )
    sink.begin(SCOPE, replace(saved, stage=Stage.READING))
    sink.write(SCOPE, changes)
    sink.commit(SCOPE, saved)
    sink.finish(SCOPE, saved, {})
    sink.close()


def _loaded_at(warehouse: Warehouse) -> SavedCheckpoint | None:
    sink = warehouse.sink(run_id="reader")
    saved = sink.load(SCOPE)
    sink.close()
    return saved


def _undo(warehouse: Warehouse, number: int, *, by: str = "undo-1") -> Any:
    sink = warehouse.sink(run_id=by)
    assert isinstance(sink, Restorable)
    try:
        return sink.restore_generations(f"job-{number}", undo_job_id=by)
    finally:
        sink.close()


def test_an_undo_gives_back_rows_view_and_checkpoint(warehouse: Warehouse) -> None:
    """The generation before is live, as it was when the load began; the new one is `__prev`."""
    _load(warehouse, 1, {"flights": numbered(3), "planes": numbered(1)})
    _change(warehouse, 2, [Delete("flights", "k000000")])
    _load(warehouse, 3, {"flights": numbered(9, late="x"), "planes": numbered(2)})

    result = _undo(warehouse, 3)

    assert set(result.loads) == {
        TableLoad(table="flights", generation=1, row_count=2),
        TableLoad(table="planes", generation=1, row_count=1),
    }
    assert [row["number"] for row in warehouse.rows("flights")] == [1, 2]
    assert "late" not in warehouse.rows("flights_view")[0]
    assert len(warehouse.rows("flights__prev")) == 9
    assert warehouse.views() == {"flights_view", "planes_view"}
    saved = _loaded_at(warehouse)
    assert saved is not None
    assert (saved.checkpoint, saved.stage) == (Checkpoint(watermark="w2"), Stage.FINISHED)
    assert {problem.stream for problem in result.problems} == {"flights", "planes"}
    assert {problem.severity for problem in result.problems} == {"info"}


def test_an_undo_goes_back_behind_later_incremental_syncs(warehouse: Warehouse) -> None:
    """What they changed is gone with the load; their changes come again from the checkpoint."""
    _load(warehouse, 1, {"flights": numbered(3)})
    _load(warehouse, 2, {"flights": numbered(4)})
    _change(warehouse, 3, upserts("flights", numbered(1, start=7)))

    _undo(warehouse, 2)

    assert [row["number"] for row in warehouse.rows("flights")] == [0, 1, 2]
    saved = _loaded_at(warehouse)
    assert saved is not None
    assert saved.checkpoint.watermark == "w1"
    _change(warehouse, 4, upserts("flights", numbered(1, start=7)))
    assert len(warehouse.rows("flights")) == 4


def test_a_table_the_load_had_made_is_set_aside(warehouse: Warehouse) -> None:
    """It is `__prev`, without a view; a stream of that name may come again in either mode."""
    _load(warehouse, 1, {"flights": numbered(3)})
    _load(warehouse, 2, {"flights": numbered(4), "planes": numbered(2)})

    result = _undo(warehouse, 2)

    assert result.set_aside == ("planes",)
    assert "planes" not in warehouse.tables()
    assert len(warehouse.rows("planes__prev")) == 2
    assert warehouse.views() == {"flights_view"}
    _change(warehouse, 3, upserts("planes", numbered(1)))
    _load(warehouse, 4, {"planes": numbered(5)})
    assert len(warehouse.rows("planes")) == 5
    assert len(warehouse.rows("planes__prev")) == 1


def test_undoing_the_first_load_reads_everything_again(warehouse: Warehouse) -> None:
    """Where nothing was before, nothing is live and nothing was ever read."""
    _load(warehouse, 1, {"flights": numbered(3)})
    _undo(warehouse, 1)
    assert "flights" not in warehouse.tables()
    assert _loaded_at(warehouse) is None


def test_an_undo_that_is_repeated_changes_nothing(warehouse: Warehouse) -> None:
    """A run that died after it had undone all is told the same by the next one."""
    for number in (1, 2):
        _load(warehouse, number, {"flights": numbered(number), "new": numbered(1)})
    first = _undo(warehouse, 2)
    assert _undo(warehouse, 2) == first
    assert len(warehouse.rows("flights")) == 1


@pytest.mark.parametrize(
    ("number", "message"), [(1, "replaced no table"), (3, "incremental"), (9, "nothing to take")]
)
def test_only_the_latest_full_load_can_be_undone(
    warehouse: Warehouse, number: int, message: str
) -> None:
    """An older load, an incremental job and one nobody knows are refused; all stays."""
    _load(warehouse, 1, {"flights": numbered(3)})
    _load(warehouse, 2, {"flights": numbered(4)})
    _change(warehouse, 3, upserts("flights", numbered(1, start=7)))
    with pytest.raises(PermanentError, match=message):
        _undo(warehouse, number)
    assert len(warehouse.rows("flights")) == 5


def test_a_load_is_undone_once(warehouse: Warehouse) -> None:
    """What is live after an undo is no load that another undo could take back."""
    for number in (1, 2):
        _load(warehouse, number, {"flights": numbered(number)})
    _undo(warehouse, 2)
    for number in (1, 2):
        with pytest.raises(PermanentError, match="replaced no table"):
            _undo(warehouse, number, by="undo-2")
    assert len(warehouse.rows("flights")) == 1


def test_without_the_generation_before_nothing_is_undone(warehouse: Warehouse) -> None:
    """If one table's is gone the others stay too, and the error names it."""
    for number in (1, 2):
        _load(warehouse, number, {"flights": numbered(number), "planes": numbered(number)})
    warehouse.execute(f"DROP TABLE {warehouse.quoted('planes__prev')}")
    with pytest.raises(PermanentError, match="not kept of 'planes'"):
        _undo(warehouse, 2)
    assert len(warehouse.rows("flights")) == 2
    assert len(warehouse.rows("planes")) == 2


def test_a_full_load_after_an_undo_counts_on(warehouse: Warehouse) -> None:
    """Its generation has a number of its own, and the one given back is its `__prev`."""
    for number in (1, 2):
        _load(warehouse, number, {"flights": numbered(number)})
    _undo(warehouse, 2)
    _load(warehouse, 3, {"flights": numbered(3)})
    assert warehouse.registered()["flights"]["generation"] == 3
    assert len(warehouse.rows("flights__prev")) == 1
    _undo(warehouse, 3, by="undo-3")
    assert len(warehouse.rows("flights")) == 1


def test_a_run_that_was_under_way_loses_its_scope(warehouse: Warehouse) -> None:
    """A zombie that still stages when somebody undoes can neither go on nor swap in."""
    for number in (1, 2):
        _load(warehouse, number, {"flights": numbered(number)})
    zombie = warehouse.sink(run_id="zombie")
    zombie.begin(SCOPE, saved_checkpoint(job_id="job-3"))
    zombie.write(SCOPE, upserts("flights", numbered(5)))
    zombie.commit(SCOPE, saved_checkpoint(job_id="job-3", resume=1))
    _undo(warehouse, 2)
    with pytest.raises(LeaseLostError):
        zombie.finish(SCOPE, saved_checkpoint(job_id="job-3", stage=Stage.READ), {"flights": 5})
    zombie.close()
    assert len(warehouse.rows("flights")) == 1
