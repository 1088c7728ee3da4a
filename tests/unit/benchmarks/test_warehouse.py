"""What the warehouse benchmark works out: addresses, comparisons, ratios; and that it runs."""

from __future__ import annotations

import argparse
import io
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import sqlglot
from sqlalchemy import make_url

from benchmarks import warehouse
from benchmarks.destinations import (
    SERVER_URL,
    SqliteFiles,
    SqlServer,
    dlt_url,
    find_destination,
    schema_of,
    server_url,
    sling_url,
)
from benchmarks.warehouse_check import compare
from benchmarks.warehouse_loads import COLUMNS
from benchmarks.warehouse_sqlserver import LOADS, create_table, parsed

_URL = make_url(
    "mssql+pyodbc://s%40:p%2F%3A%3F@db.test:1444/My%20Data"
    "?driver=ODBC+Driver+18+for+SQL+Server&TrustServerCertificate=yes"
)


@pytest.mark.parametrize(
    ("made", "database"),
    [
        (dlt_url(_URL), lambda parts: unquote(parts.path[1:])),
        (sling_url(_URL), lambda parts: parse_qs(parts.query)["database"][0]),
    ],
    ids=["dlt", "sling"],
)
def test_peers_are_told_the_same_server(made: str, database: Any) -> None:
    """Login, host, port and database come through, whatever characters they are made of."""
    parts = urlsplit(made)
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == ("s@", "p/:?")
    assert (parts.hostname, parts.port, database(parts)) == ("db.test", 1444, "My Data")
    assert parse_qs(parts.query)["TrustServerCertificate"][0] in {"yes", "true"}


def test_a_certificate_is_checked_where_nobody_said_otherwise() -> None:
    """Microsoft's driver checks it by itself, FreeTDS never does; peers do as ours does."""
    strict = make_url("mssql+pyodbc://u:p@h/d?driver=ODBC+Driver+18+for+SQL+Server")
    loose = make_url("mssql+pyodbc://u:p@h/d?driver=FreeTDS")
    assert "TrustServerCertificate=no" in dlt_url(strict)
    assert "TrustServerCertificate=false" in sling_url(strict)
    assert "TrustServerCertificate=yes" in dlt_url(loose)
    assert "driver" not in dlt_url(loose)
    assert "h:1433" in sling_url(strict)


def test_the_server_is_taken_where_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TEST_SQLSERVER_URL decides unless the caller does; without it SQL Server is no choice."""
    monkeypatch.delenv(SERVER_URL, raising=False)
    assert isinstance(find_destination(tmp_path, wanted=None), SqliteFiles)
    with pytest.raises(SystemExit, match=SERVER_URL):
        find_destination(tmp_path, wanted="sqlserver")
    monkeypatch.setenv(SERVER_URL, _URL.render_as_string(hide_password=False))
    assert isinstance(find_destination(tmp_path, wanted=None), SqlServer)
    assert isinstance(find_destination(tmp_path, wanted="sqlite"), SqliteFiles)
    assert server_url() == _URL


def test_every_contestant_has_a_load_and_a_schema() -> None:
    """Each name runs, in a schema whose name needs no quotes."""
    assert set(SqlServer.ours) == set(LOADS)
    assert all(schema_of(name).isidentifier() for name in LOADS)


def test_the_loop_says_t_sql_and_rows_in_its_order() -> None:
    """The table has a column for each value of a row, nested ones as JSON."""
    (statement,) = sqlglot.parse(create_table("[s].[t]"), dialect="tsql")
    assert statement is not None
    named = [column.name for column in statement.find_all(sqlglot.exp.ColumnDef)]
    assert named == list(COLUMNS)
    file = io.BytesIO(b'{"_id":"x","year":2013,"meta":{"a":1}}\n')
    (row,) = parsed(file)
    told = dict(zip(COLUMNS, row, strict=True))
    assert (told["_id"], told["year"], told["meta"], told["tags"]) == ("x", 2013, '{"a":1}', None)


def _compared(found: dict[str, Any], wanted: dict[str, Any], *, exactly: bool) -> bool:
    rows = [tuple(found.values())]
    return compare("t", list(found), {}, rows, [wanted], exactly=exactly).is_correct


def test_what_peers_may_spell_otherwise_is_the_same() -> None:
    """A decimal, a time and a nested value in parts are right for a peer, and not for ours."""
    at = datetime(2013, 1, 1, 10, tzinfo=UTC)
    found = {"_id": "x", "n": Decimal("1.5"), "at": at, "m__a": 1}
    wanted = {"_id": "x", "n": 1.5, "at": "2013-01-01T10:00:00Z", "m": {"a": 1}}
    assert _compared(found, wanted, exactly=False)
    assert not _compared(found, wanted, exactly=True)
    assert not _compared({**found, "n": Decimal("1.6")}, wanted, exactly=False)
    assert not _compared({"_id": "x", "n": 1}, {"_id": "x", "n": 1.0}, exactly=True)


def test_ratios_are_by_the_fastest_loop_of_a_round() -> None:
    """Rounds are told apart, and a loop that does not work here is no rival."""
    rounds: list[warehouse.Round] = [
        {"tenth": {"s": 1}, "linkhub": {"s": 10}, "raw-a": {"s": 8}, "raw-b": {"s": 9}},
        {"tenth": {"s": 2}, "linkhub": {"s": 20}, "raw-a": None, "raw-b": {"s": 18}},
        {"tenth": {"s": 1}, "linkhub": {"s": 12}, "raw-a": {"s": 6}, "raw-b": None},
    ]
    assert warehouse.by_fastest_loop(rounds, "s") == 0.8
    assert warehouse.by_tenth(rounds, "s", share=0.1) == 1.0
    assert warehouse.by_fastest_loop([{"linkhub": {"s": 1}, "raw-a": None}], "s") is None


def test_a_small_run_is_correct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours and the loop load the same rows into SQLite, and every value is compared."""
    monkeypatch.delenv(SERVER_URL, raising=False)
    options = argparse.Namespace(rows=600, runs=1, peer_rows=0, into=None)
    report = warehouse.run(options)
    assert report.is_correct
    assert [result.name for result in report.results] == ["linkhub", "raw-loop"]
    assert all(result.figures["typed"] for result in report.results)
