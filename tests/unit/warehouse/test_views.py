from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.changes import Delete
from shared.domain.checkpoints import Mode
from shared.sinks.warehouse import mssql_ddl
from shared.sinks.warehouse.types import CREATED, Column, ColumnType
from tests.warehouse_kit import SCOPE, Warehouse, load_full, numbered, saved_checkpoint, upserts


def _loaded(warehouse: Warehouse, records: list[dict[str, Any]], *, number: int = 1) -> None:
    sink = warehouse.sink(run_id=f"run-{number}")
    load_full(sink, {"flights": records}, job_id=f"job-{number}")
    sink.close()


def _change(warehouse: Warehouse, changes: list[Any]) -> None:
    saved = saved_checkpoint(mode=Mode.INCREMENTAL, watermark="w", job_id="changes")
    sink = warehouse.sink(run_id="changes")
    sink.begin(SCOPE, saved)
    sink.write(SCOPE, changes)
    sink.commit(SCOPE, saved)
    sink.finish(SCOPE, saved, {})
    sink.close()


def _shown(warehouse: Warehouse) -> list[str]:
    return list(warehouse.rows("flights_view")[0])


def test_a_table_has_a_view_with_its_time_and_without_our_columns(warehouse: Warehouse) -> None:
    """The view has key, raw time, the time itself and the fields; nothing begins `_linkhub_`."""
    created = 1_700_000_000_123.25
    _loaded(warehouse, [{"_id": "1", "_creationTime": created, "order": "x", "odd": {"a": 1}}])

    (row,) = warehouse.rows("flights_view")

    assert list(row) == ["_id", "_creationTime", "_creationTimeUtc", "order", "odd"]
    time = row.pop("_creationTimeUtc")
    if warehouse.url.startswith("mssql"):
        # Babelfish adds milliseconds as to a DATETIME, in steps of some.
        off = abs(time - datetime(2023, 11, 14, 22, 13, 20, 123_000))  # noqa: DTZ001  as DATETIME2 has it
        assert off <= timedelta(milliseconds=4 if warehouse.is_babelfish() else 0)
    else:
        assert time == "2023-11-14T22:13:20.123Z"
    assert row == {"_id": "1", "_creationTime": created, "order": "x", "odd": '{"a":1}'}


@pytest.mark.parametrize("created", [None, 0.0, -1.0, 1e300, -1e300, 253_402_300_799_000.0])
def test_no_time_breaks_a_view(warehouse: Warehouse, created: float | None) -> None:
    """Whatever number a document has for its time, its row can be queried."""
    _loaded(warehouse, [{"_id": "1", "_creationTime": created}])
    (row,) = warehouse.rows("flights_view")
    assert row["_creationTime"] == created
    assert (row["_creationTimeUtc"] is None) == (created is None or abs(created) > 1e299)


def test_sql_server_is_asked_for_no_time_it_does_not_have() -> None:
    """DATETIME2 has the years 1 to 9999: a cast of what lies beyond would end each query."""
    columns = [Column(field=CREATED, name=CREATED, type=ColumnType.FLOAT)]
    told = mssql_ddl.create_view("[v]", "[t]", columns, time_name="time")
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    first = int((datetime(1, 1, 1, tzinfo=UTC) - epoch).total_seconds())
    last = int((datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - epoch).total_seconds())
    assert f"CASE WHEN [_creationTime] BETWEEN {first * 1000} AND {last * 1000 + 999}" in told


def test_a_view_follows_every_change_of_its_table(warehouse: Warehouse) -> None:
    """After a swap and after a column that an incremental sync brings, it shows what there is."""
    _loaded(warehouse, numbered(1))
    assert _shown(warehouse)[3:] == ["number"]
    _loaded(warehouse, numbered(2, late="x"), number=2)
    assert _shown(warehouse)[3:] == ["number", "late"]
    assert len(warehouse.rows("flights_view")) == 2

    _change(warehouse, upserts("flights", [{"_id": "new", "number": 1.5, "later": 1}]))
    assert _shown(warehouse)[3:] == ["number", "late", "later"]
    assert {row["number"] for row in warehouse.rows("flights_view")} == {0, 1, 1.5}
    assert warehouse.views() == {"flights_view"}


def test_a_stream_that_first_comes_in_an_incremental_sync_has_a_view(warehouse: Warehouse) -> None:
    """Its view is there with the first commit."""
    _change(warehouse, upserts("flights", numbered(2)))
    assert len(warehouse.rows("flights_view")) == 2


def test_a_view_somebody_dropped_is_made_again(warehouse: Warehouse) -> None:
    """The next sync that ends brings it back."""
    _loaded(warehouse, numbered(3))
    warehouse.execute(f"DROP VIEW {warehouse.quoted('flights_view')}")
    _change(warehouse, [Delete("flights", "k000000")])
    assert len(warehouse.rows("flights_view")) == 2


def test_the_view_of_a_table_somebody_dropped_goes_too(warehouse: Warehouse) -> None:
    """A view that could only fail is not left behind."""
    _loaded(warehouse, numbered(3))
    warehouse.execute(
        f"DROP VIEW {warehouse.quoted('flights_view')}",
        f"DROP TABLE {warehouse.quoted('flights')}",
        f"CREATE VIEW {warehouse.quoted('flights_view')} AS SELECT 1 AS a",
    )
    _change(warehouse, upserts("planes", numbered(1)))
    assert warehouse.views() == {"planes_view"}


def test_a_view_moves_with_its_table(warehouse: Warehouse) -> None:
    """Where the table gets another name, the view has that one, and the old view is gone."""
    _loaded(warehouse, numbered(3))
    sink = warehouse.sink(run_id="run-2", table_prefix="app_")
    load_full(sink, {"flights": numbered(3)}, job_id="job-2")
    sink.close()
    assert warehouse.views() == {"app_flights_view"}


def test_somebody_elses_object_of_a_views_name_stays(warehouse: Warehouse) -> None:
    """The view gets a hash to its name; a stream so called gets one too."""
    warehouse.execute(f"CREATE TABLE {warehouse.quoted('flights_view')} (a INT)")
    _loaded(warehouse, numbered(2))
    assert warehouse.rows("flights_view") == []
    (view,) = warehouse.views()
    assert view.startswith("flights_view_")
    assert len(warehouse.rows(view)) == 2

    sink = warehouse.sink(run_id="run-2")
    load_full(sink, {"planes_view": numbered(1), "planes": numbered(2)})
    sink.close()
    assert warehouse.registered()["planes_view"]["table_name"].startswith("planes_view_")
    assert len(warehouse.rows("planes_view")) == 2
