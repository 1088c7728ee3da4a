from __future__ import annotations

import pytest

from shared.domain.changes import Delete, Truncate, Upsert
from shared.domain.checkpoints import Mode, Stage
from shared.domain.tallies import Tally
from shared.errors import LeaseLostError
from tests.warehouse_kit import (
    SCOPE,
    Warehouse,
    load_full,
    numbered,
    saved_checkpoint,
    upserts,
)

_CHANGES = saved_checkpoint(mode=Mode.INCREMENTAL, watermark="w1", job_id="job-2")


def _loaded(warehouse: Warehouse) -> None:
    sink = warehouse.sink()
    load_full(sink, {"flights": numbered(3)})
    sink.close()


def test_changes_reach_the_live_table_with_their_checkpoint(warehouse: Warehouse) -> None:
    """Records replace their rows, deletes remove them, the last change of a key wins."""
    _loaded(warehouse)
    sink = warehouse.sink(run_id="run-2")
    sink.begin(SCOPE, _CHANGES)

    result = sink.write(
        SCOPE,
        [
            Upsert("flights", "k000000", {"_id": "k000000", "number": 70}),
            Upsert("flights", "k000009", {"_id": "k000009", "number": 9, "late": True}),
            Upsert("flights", "k000009", {"_id": "k000009", "number": 10}),
            Delete("flights", "k000001"),
            Delete("flights", "never there"),
        ],
    )
    sink.commit(SCOPE, _CHANGES)
    finished = sink.finish(SCOPE, _CHANGES, {})

    assert result.tally == Tally(success=5, deleted=2)
    assert warehouse.records("flights") == {
        "k000000": {"number": 70},
        "k000002": {"_creationTime": 3.5, "number": 2},
        "k000009": {"number": 10},
    }
    assert finished.loads == ()
    assert "flights__prev" not in warehouse.tables()
    saved = sink.load(SCOPE)
    assert saved is not None
    assert (saved.stage, saved.checkpoint.watermark) == (Stage.FINISHED, "w1")
    sink.close()


def test_changes_of_an_overtaken_run_are_rolled_back(warehouse: Warehouse) -> None:
    """What a run wrote before it was found overtaken is not in the live table."""
    _loaded(warehouse)
    zombie, heir = warehouse.sink(run_id="zombie"), warehouse.sink(run_id="heir")
    zombie.begin(SCOPE, _CHANGES)
    heir.begin(SCOPE, _CHANGES)
    with pytest.raises(LeaseLostError):
        zombie.write(SCOPE, [Delete("flights", "k000000")])
    assert len(warehouse.rows("flights")) == 3
    zombie.close()
    heir.close()


def test_a_truncate_empties_the_live_table_and_new_streams_get_one(warehouse: Warehouse) -> None:
    """A truncate voids every row in the same transaction; a new stream becomes a table."""
    _loaded(warehouse)
    sink = warehouse.sink(run_id="run-2")
    sink.begin(SCOPE, _CHANGES)
    sink.write(
        SCOPE,
        [
            Truncate("flights"),
            *upserts("flights", numbered(1, start=7)),
            *upserts("planes", numbered(2)),
            Truncate("empty"),
        ],
    )
    assert len(warehouse.rows("flights")) == 3
    sink.commit(SCOPE, _CHANGES)
    sink.close()
    assert [row["number"] for row in warehouse.rows("flights")] == [7]
    assert len(warehouse.rows("planes")) == 2
    assert warehouse.rows("empty") == []


def test_a_full_load_replaces_a_table_that_was_changed(warehouse: Warehouse) -> None:
    """After changes a full load swaps in like any other, and counts its generation on."""
    _loaded(warehouse)
    sink = warehouse.sink(run_id="run-2")
    sink.begin(SCOPE, _CHANGES)
    sink.write(SCOPE, upserts("planes", numbered(2)))
    sink.commit(SCOPE, _CHANGES)
    sink.finish(SCOPE, _CHANGES, {})
    _, finished = load_full(sink, {"planes": numbered(5)}, job_id="job-3")
    assert finished.loads[0].generation == 2
    assert len(warehouse.rows("planes")) == 5
    assert len(warehouse.rows("planes__prev")) == 2
    sink.close()
