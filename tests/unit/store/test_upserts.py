"""How rows travel to SQL Server."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlglot
from sqlalchemy import Column, Integer, MetaData, Table

from shared.errors import InvalidInputError
from shared.store.database import Database
from shared.store.rows import to_row
from shared.store.session import SqlSession
from shared.store.tables import record_links
from shared.store.upserts import MOST_ROWS, bound_rows, insert_from_rows, update_from_rows, upsert
from tests.odbc_kit import FakeOdbc
from tests.store_kit import make_link

_ODD = 'a "quoted" \\ name\n\r\t\x01 ü😀'
_KEY = ("instance_id", "stream", "external_id")


def _rows(*links: Any) -> list[dict[str, Any]]:
    return [to_row(link) for link in links]


def test_every_value_is_a_parameter_of_its_own() -> None:
    """Nothing is escaped on the way, so no server can leave an escape in; NULL is no parameter."""
    link = make_link("an-instance", _ODD, base={"name": _ODD, "tags": [1, None]})
    rows = bound_rows(record_links, _rows(replace(link, deleted_at=None)))
    sql, values = insert_from_rows(record_links, rows, _KEY)
    assert _ODD in values
    assert {"name": _ODD, "tags": [1, None]} in [
        json.loads(value) for value in values if isinstance(value, str) and value[:1] == "{"
    ]
    assert sql.count("?") == len(values)
    assert None not in values
    assert "CAST(NULL AS DATETIME2(3))" in sql


def test_an_update_sends_its_own_columns_only() -> None:
    """The key, and what is set; each once, where a column is both."""
    rows = bound_rows(record_links, _rows(make_link("an-instance", "1")))
    sql, values = update_from_rows(record_links, rows, _KEY, ("external_id", "linkhub_id"))
    assert "AS s ([instance_id], [stream], [external_id], [linkhub_id])" in sql
    assert len(values) == 4
    assert len(sqlglot.parse(sql, read="tsql")) == 1


def test_values_are_those_of_the_columns_types() -> None:
    """Times go as naive UTC cut to milliseconds; a key that could not be held is refused."""
    at = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    (row,) = bound_rows(record_links, _rows(replace(make_link("i", "1"), deleted_at=at)))
    assert row["deleted_at"] == datetime(2026, 1, 2, 3, 4, 5, 678_000)  # noqa: DTZ001  the driver's
    with pytest.raises(InvalidInputError, match="key of ours"):
        bound_rows(record_links, _rows(make_link("ü", "1")))


def test_rows_of_few_columns_are_a_thousand_a_statement_at_most() -> None:
    """Of several rows with one key the last one goes; the order of parameters is the rows'."""
    odbc = FakeOdbc()
    table = Table("t", MetaData(), Column("a", Integer, primary_key=True))
    database = Database("mssql+pyodbc://server.test/app", driver_module=odbc)
    with database.engine.connect() as connection:
        upsert(SqlSession(connection), table, [{"a": n} for n in [*range(1_500), 0]], key=("a",))
    written = [sql for sql in odbc.statements if sql.startswith("INSERT INTO [t]")]
    assert [sql.count("?") for sql in written] == [MOST_ROWS, 500]


def test_a_read_only_unit_of_work_sends_nothing() -> None:
    """The same as for every other statement that writes."""
    odbc = FakeOdbc()
    database = Database("mssql+pyodbc://server.test/app", driver_module=odbc)
    with database.open_uow(read_only=True) as uow, pytest.raises(RuntimeError, match="read-only"):
        uow.links.save_many([make_link("an-id", "1")])
    assert not [sql for sql in odbc.statements if "record_links" in sql]
