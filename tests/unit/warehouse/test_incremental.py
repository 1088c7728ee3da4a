from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.changes import Delete, Truncate, Upsert
from shared.domain.checkpoints import Checkpoint, Mode, Stage
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


def test_a_stream_begun_again_is_staged_and_new_ones_get_a_table(warehouse: Warehouse) -> None:
    """After a truncate the old rows are seen until `finish`; a new stream becomes a table."""
    _loaded(warehouse)
    under_way = replace(_CHANGES, checkpoint=Checkpoint(resume="r", watermark="w1"))
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
    sink.commit(SCOPE, under_way)
    sink.close()
    assert len(warehouse.rows("flights")) == 3
    assert len(warehouse.rows("planes")) == 2

    heir = warehouse.sink(run_id="run-3")
    assert heir.load(SCOPE) == under_way
    heir.begin(SCOPE, under_way)
    heir.write(SCOPE, [*upserts("flights", numbered(1, start=8)), Delete("planes", "k000000")])
    heir.commit(SCOPE, under_way)
    finished = heir.finish(SCOPE, replace(under_way, stage=Stage.READ), {})
    heir.close()
    assert [row["number"] for row in warehouse.rows("flights")] == [7, 8]
    assert len(warehouse.rows("flights__prev")) == 3
    assert len(warehouse.rows("planes")) == 1
    assert warehouse.rows("empty") == []
    assert {load.table: load.row_count for load in finished.loads} == {"flights": 2, "empty": 0}


def test_a_stream_that_repeats_itself_ends_as_its_last_word(warehouse: Warehouse) -> None:
    """Within a full load, over pages and runs, the last record or delete of a key counts."""
    saved = saved_checkpoint()
    sink = warehouse.sink(run_id="run-1")
    sink.begin(SCOPE, saved)
    begun = [Truncate("flights", repeats=True), *upserts("flights", numbered(4))]
    again = [Upsert("flights", "k000001", {"_id": "k000001", "late": "x"}), *begun[2:4]]
    sink.write(SCOPE, [*begun, Delete("flights", "k000000"), *again])
    sink.commit(SCOPE, replace(saved, checkpoint=Checkpoint(resume=1)))
    sink.close()

    heir = warehouse.sink(run_id="run-2")
    taken = heir.load(SCOPE)
    assert taken is not None
    heir.begin(SCOPE, taken)
    result = heir.write(
        SCOPE,
        [
            Delete("flights", "k000002"),
            Upsert("flights", "k000003", {"_id": "k000003", "number": 30}),
            Upsert("flights", "k000000", {"_id": "k000000", "number": 7}),
            Delete("flights", "never there"),
        ],
    )
    read = replace(taken, stage=Stage.READ, checkpoint=Checkpoint(watermark="w"))
    heir.commit(SCOPE, read)
    (load,) = heir.finish(SCOPE, read, {}).loads
    heir.close()

    assert result.tally == Tally(success=4, deleted=2)
    assert warehouse.records("flights") == {
        "k000000": {"number": 7},
        "k000001": {"_creationTime": 2.5, "number": 1},
        "k000003": {"number": 30},
    }
    assert load.row_count == 3


def test_a_new_incremental_read_drops_what_an_abandoned_one_staged(warehouse: Warehouse) -> None:
    """What was staged belongs to one read: the next one that starts at a watermark voids it."""
    _loaded(warehouse)
    sink = warehouse.sink(run_id="run-2")
    sink.begin(SCOPE, _CHANGES)
    sink.write(SCOPE, [Truncate("flights"), *upserts("flights", numbered(1, start=7))])
    sink.commit(SCOPE, replace(_CHANGES, checkpoint=Checkpoint(resume="r", watermark="w1")))
    sink.begin(SCOPE, _CHANGES)
    sink.write(SCOPE, [Delete("flights", "k000000")])
    sink.commit(SCOPE, _CHANGES)
    assert sink.finish(SCOPE, _CHANGES, {}).loads == ()
    sink.close()
    assert [row["number"] for row in warehouse.rows("flights")] == [1, 2]
    assert warehouse.registered(role="staging") == {}


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
