from __future__ import annotations

import re

import pytest

from shared.domain.changes import Delete, Truncate
from shared.domain.checkpoints import Stage
from shared.errors import PermanentError
from shared.ports.sink import TableLoad
from shared.sinks.warehouse.sink import WarehouseSink
from shared.sinks.warehouse.swap import SwapRules
from tests.warehouse_kit import (
    SCOPE,
    Warehouse,
    load_full,
    numbered,
    saved_checkpoint,
    upserts,
)


def test_tables_become_live_together_when_the_load_is_finished(warehouse: Warehouse) -> None:
    """Nothing is to be seen before `finish`; then every table is there with all of its rows."""
    sink = warehouse.sink()
    sink.begin(SCOPE, saved_checkpoint())
    for stream in ("flights", "airlines"):
        sink.write(SCOPE, [Truncate(stream), *upserts(stream, numbered(3))])
    sink.commit(SCOPE, saved_checkpoint(stage=Stage.READ))
    assert not {"flights", "airlines"} & warehouse.tables()

    finished = sink.finish(SCOPE, saved_checkpoint(stage=Stage.READ), {"flights": 3, "airlines": 3})

    assert list(finished.loads) == [
        TableLoad(table="airlines", generation=1, row_count=3),
        TableLoad(table="flights", generation=1, row_count=3),
    ]
    assert warehouse.tables() == {"flights", "airlines", "_linkhub_state", "_linkhub_tables"}
    assert [row["number"] for row in warehouse.rows("flights")] == [0, 1, 2]
    saved = sink.load(SCOPE)
    assert saved is not None
    assert saved.stage is Stage.FINISHED
    sink.close()


def test_a_second_load_replaces_the_table_and_keeps_the_one_before(warehouse: Warehouse) -> None:
    """The new generation is live, the last one is `__prev`, the one before that is gone."""
    for generation in (1, 2, 3):
        sink = warehouse.sink(run_id=f"run-{generation}")
        _, finished = load_full(sink, {"flights": numbered(generation)}, job_id=f"job-{generation}")
        assert finished.loads[0].generation == generation
        sink.close()

    assert len(warehouse.rows("flights")) == 3
    assert len(warehouse.rows("flights__prev")) == 2
    assert warehouse.registered(role="previous")["flights"]["job_id"] == "job-2"
    assert {name for name in warehouse.tables() if "flights" in name} == {
        "flights",
        "flights__prev",
    }


def test_generations_can_be_given_up(warehouse: Warehouse) -> None:
    """Without `keep_previous` the old table is dropped."""
    for run_id in ("run-1", "run-2"):
        sink = warehouse.sink(run_id=run_id, rules=SwapRules(keep_previous=False))
        load_full(sink, {"flights": numbered(2)})
        sink.close()

    assert "flights__prev" not in warehouse.tables()
    assert warehouse.registered(role="previous") == {}


@pytest.mark.parametrize("counted", [2, 4, 0])
def test_a_load_with_other_rows_than_the_source_counted_leaves_the_old_table(
    warehouse: Warehouse, counted: int
) -> None:
    """A wrong count names stream and both numbers; live stays, what was staged is dropped."""
    first = warehouse.sink()
    load_full(first, {"flights": numbered(7)})
    first.close()
    sink = warehouse.sink(run_id="run-2")

    _, finished = load_full(
        sink, {"flights": numbered(3)}, job_id="job-2", totals={"flights": counted}
    )

    assert (finished.is_void, finished.loads) == (True, ())
    (check,) = finished.checks
    assert (check.rows, check.rows_due, check.is_equal) == (3, counted, False)
    (problem,) = finished.problems
    assert f"flights came with 3 rows where {counted} were due" in problem.message

    assert len(warehouse.rows("flights")) == 7
    assert warehouse.registered(role="staging") == {}
    assert not [name for name in warehouse.tables() if name.startswith("_stg_")]
    assert sink.load(SCOPE) is None
    load_full(sink, {"flights": numbered(3)}, job_id="job-3")
    assert len(warehouse.rows("flights")) == 3
    sink.close()


def test_a_stream_that_was_counted_but_never_came_voids_the_load(warehouse: Warehouse) -> None:
    """A stream with a count and no rows is missing, even where nothing was staged for it; the
    tables that came whole are not taken over either.
    """
    sink = warehouse.sink()
    _, finished = load_full(sink, {"flights": numbered(1)}, totals={"flights": 1, "planes": 5})
    sink.close()
    assert finished.is_void
    assert [(check.stream, check.is_equal) for check in finished.checks] == [
        ("flights", True),
        ("planes", False),
    ]
    (problem,) = finished.problems
    assert "planes came with 0 rows where 5 were due" in problem.message
    assert "flights" not in warehouse.tables()


def test_rejected_records_are_not_missed(warehouse: Warehouse) -> None:
    """A record the table cannot have is an error of its own and counts out of the total."""
    sink = warehouse.sink()
    bad = {"_id": "ends with a space ", "number": 1}

    written, finished = load_full(sink, {"flights": [*numbered(2), bad]}, page_size=2)

    tallies = [result.tally for result in written]
    assert sum(tally.success for tally in tallies) == 2
    assert sum(tally.error for tally in tallies) == 1
    (problem,) = [problem for result in written for problem in result.problems]
    assert (problem.key, problem.severity) == ("ends with a space ", "error")
    assert finished.loads[0].row_count == 2
    sink.close()


@pytest.mark.parametrize("page_size", [10, 3])
def test_a_key_that_comes_twice_fails_the_load(warehouse: Warehouse, page_size: int) -> None:
    """The error names stream and key, in one page or in two; the old table stays."""
    first = warehouse.sink()
    load_full(first, {"flights": numbered(7)})
    first.close()
    sink = warehouse.sink(run_id="run-2")

    with pytest.raises(PermanentError, match="'flights' came with the same _id twice") as caught:
        load_full(sink, {"flights": [*numbered(5), *numbered(1, start=1)]}, page_size=page_size)

    # Babelfish names the index alone.
    assert re.search(r"k000001|flights_pkey", caught.value.message)
    assert len(warehouse.rows("flights")) == 7
    assert sink.load(SCOPE) is None
    sink.close()


def test_fields_that_come_late_become_columns(warehouse: Warehouse) -> None:
    """A field first seen, or first filled, on a later page is a column; earlier rows are NULL."""
    sink = warehouse.sink()
    records = [
        *numbered(2, note=None),
        *numbered(2, start=2, note="now", gate={"number": 7}),
    ]

    load_full(sink, {"flights": records}, page_size=2)

    assert warehouse.types("flights") == {
        "_creationTime": "float",
        "number": "integer",
        "note": "text",
        "gate": "json",
    }
    assert [row["note"] for row in warehouse.rows("flights")] == [None, None, "now", "now"]
    sink.close()


def test_an_empty_table_is_a_table(warehouse: Warehouse) -> None:
    """A stream without rows leaves an empty table with the columns every table has."""
    sink = warehouse.sink()
    load_full(sink, {"empty": []})
    assert warehouse.rows("empty") == []
    assert warehouse.types("empty") == {"_creationTime": "float"}
    sink.close()


def test_streams_that_vanished_stay(warehouse: Warehouse) -> None:
    """A table whose stream the source no longer has is left as it is."""
    for run_id, tables in (
        ("run-1", {"a": numbered(1), "b": numbered(2)}),
        ("run-2", {"a": numbered(3)}),
    ):
        sink = warehouse.sink(run_id=run_id)
        load_full(sink, tables)
        sink.close()
    assert len(warehouse.rows("b")) == 2
    assert len(warehouse.rows("a")) == 3


def test_a_truncate_voids_what_came_before_it(warehouse: Warehouse) -> None:
    """After a second truncate of the same load only what follows counts."""
    sink = warehouse.sink()
    sink.begin(SCOPE, saved_checkpoint())
    sink.write(SCOPE, [Truncate("flights"), *upserts("flights", numbered(5, wrong=1))])
    sink.commit(SCOPE, saved_checkpoint(resume=1))
    sink.write(SCOPE, [Truncate("flights"), *upserts("flights", numbered(2))])
    sink.write(SCOPE, [Delete("flights", "k000001")])
    sink.commit(SCOPE, saved_checkpoint(stage=Stage.READ))
    sink.finish(SCOPE, saved_checkpoint(stage=Stage.READ), {"flights": 1})
    assert [row["_id"] for row in warehouse.rows("flights")] == ["k000000"]
    assert "wrong" not in warehouse.types("flights")
    sink.close()


def test_views_go_on_showing_the_live_table(warehouse: Warehouse) -> None:
    """A person's view on a table shows the new generation after the swap, not the old one; but on
    Babelfish, where a view goes with the table it was made on, whatever that is called now.
    """
    first = warehouse.sink()
    load_full(first, {"flights": numbered(1)})
    first.close()
    view, table = warehouse.quoted("my_flights"), warehouse.quoted("flights")
    warehouse.execute(f"CREATE VIEW {view} AS SELECT number FROM {table}")  # noqa: S608  quoted
    second = warehouse.sink(run_id="run-2")
    load_full(second, {"flights": numbered(4)})
    second.close()
    assert len(warehouse.rows("my_flights")) == (1 if warehouse.is_babelfish() else 4)
    warehouse.execute(f"DROP VIEW {view}")


def test_two_scopes_are_loaded_apart(warehouse: Warehouse) -> None:
    """A fresh load of one scope leaves alone what another scope has staged."""
    sink: WarehouseSink = warehouse.sink()
    for scope, stream in (("a", "flights"), ("b", "planes")):
        sink.begin(scope, saved_checkpoint())
        sink.write(scope, [Truncate(stream), *upserts(stream, numbered(2))])
        sink.commit(scope, saved_checkpoint(stage=Stage.READ))
    for scope, stream in (("a", "flights"), ("b", "planes")):
        finished = sink.finish(scope, saved_checkpoint(stage=Stage.READ), {stream: 2})
        assert [load.table for load in finished.loads] == [stream]
    sink.close()
