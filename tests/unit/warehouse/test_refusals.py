"""Whatever a warehouse refuses, a person reads what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from shared.domain.changes import Delete
from shared.domain.checkpoints import Mode
from shared.errors import DestinationError, PermanentError, SyncError, TransientError
from shared.sinks.warehouse.errors import translated
from shared.sinks.warehouse.sink import WarehouseSink
from tests.odbc_kit import odbc_error
from tests.warehouse_kit import SCOPE, Warehouse, load_full, numbered, saved_checkpoint, upserts


@pytest.mark.parametrize(
    ("number", "state", "kind", "said"),
    [
        (1105, "42000", TransientError, "is full: .* Make room"),
        (9002, "42000", TransientError, "is full: .* Make room"),
        (40544, "42000", TransientError, "is full: .* Make room"),
        (208, "42S02", PermanentError, "not there any more: .* start a full sync"),
        (15225, "42000", PermanentError, "not there any more: .* start a full sync"),
        (229, "42000", DestinationError, "may not do that .* grant script"),
        (262, "42000", DestinationError, "may not do that .* grant script"),
        (5074, "42000", PermanentError, "ties a table .* Drop that"),
        (15336, "42000", PermanentError, "ties a table .* Drop that"),
        (3906, "25000", DestinationError, "cannot be written: .* read-write"),
        (1222, "HYT00", TransientError, "keeps a table .* locked: .* long query"),
        (976, "HY000", TransientError, "cannot answer now"),
        (42109, "HY000", TransientError, "cannot answer now"),
        (18456, "28000", DestinationError, "refuses the login: .* right password"),
        (8134, "22012", PermanentError, "refused what it was asked: .* keeps the database"),
    ],
)
def test_each_refusal_says_what_to_do(
    number: int, state: str, kind: type[SyncError], said: str
) -> None:
    """By its number: whether trying again helps, and who does what."""
    error = translated(odbc_error(state, number))
    assert type(error) is kind
    assert error.message.endswith(".")
    with pytest.raises(kind, match=said):
        raise error


def test_a_number_is_found_behind_a_long_text_and_only_there() -> None:
    """Names of 128 characters come before it, and a length in brackets is no number."""
    text = f"[42000] [Microsoft][SQL Server]The statistics '{'x' * 500}' (5074) (SQLExecDirectW)"
    assert "ties a table" in translated(Exception("42000", text)).message
    text = "[42000] Column or parameter #1: nvarchar(208) was given 3 characters. (2715) (SQLExec)"
    assert "refused what it was asked" in translated(Exception("42000", text)).message


@pytest.mark.parametrize(
    "write",
    [
        lambda sink: sink.write(SCOPE, upserts("flights", numbered(2, start=20))),
        lambda sink: sink.write(SCOPE, [Delete("flights", "k000001")]),
    ],
)
def test_a_table_that_somebody_renamed_is_named(
    warehouse: Warehouse, write: Callable[[WarehouseSink], object]
) -> None:
    """An incremental sync cannot go on without it; a full one makes it anew beside the other."""
    with closing(warehouse.sink(run_id="first")) as sink:
        load_full(sink, {"flights": numbered(8)})
    warehouse.execute(f"DROP VIEW {warehouse.quoted('flights_view')}")
    warehouse.execute(warehouse.renaming("flights", "mine"))
    with closing(warehouse.sink(run_id="second")) as sink:
        sink.begin(SCOPE, saved_checkpoint(mode=Mode.INCREMENTAL, job_id="second", watermark="w"))
        with pytest.raises(PermanentError, match=r"flights.* start a full sync"):
            write(sink)
    with closing(warehouse.sink(run_id="third")) as sink:
        load_full(sink, {"flights": numbered(9)}, job_id="third")
    assert (len(warehouse.rows("flights")), len(warehouse.rows("mine"))) == (9, 8)


def test_a_disk_that_is_full_harms_nothing(tmp_path: Path) -> None:
    """The load waits for room, the old table stays; once there is some, the same job loads it."""
    warehouse = Warehouse(url=f"sqlite:///{tmp_path / 'warehouse.db'}")
    with closing(warehouse.sink(run_id="first")) as sink:
        load_full(sink, {"flights": numbered(8)})
    large = {"flights": numbered(3_000, text="x" * 200)}
    with closing(warehouse.sink(run_id="second")) as sink:

        @event.listens_for(sink._engine, "connect")
        def bound(raw: Any, _record: Any) -> None:
            raw.execute("PRAGMA max_page_count = 60")

        with pytest.raises(TransientError, match=r"is full: .* Make room"):
            load_full(sink, large, job_id="second")
    assert len(warehouse.rows("flights")) == 8
    with closing(warehouse.sink(run_id="third")) as sink:
        load_full(sink, large, job_id="second")
    assert len(warehouse.rows("flights")) == 3_000
