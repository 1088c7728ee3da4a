"""What goes to SQL Server, looked at without one: parsed as T-SQL, and replayed to a fake."""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url
from sqlalchemy.dialects import mssql as sqlalchemy_mssql
from sqlalchemy.engine.interfaces import BindTyping
from sqlalchemy.schema import CreateTable
from sqlglot import expressions

from shared.errors import PermanentError
from shared.sinks.warehouse import mssql_ddl
from shared.sinks.warehouse.mssql import MssqlDialect
from shared.sinks.warehouse.mssql_rows import JsonRows, ParameterRows, RowRoute, json_calls
from shared.sinks.warehouse.registry import Registry
from shared.sinks.warehouse.sink import WarehouseSink
from shared.sinks.warehouse.state import ScopeStates, Tables, utc_now
from shared.sinks.warehouse.types import Column, ColumnType
from tests.warehouse_kit import saved_checkpoint, sqlserver_url

_HOSTILE = "x]; DROP TABLE y--"
_COLUMNS = [
    Column(field=kind.value, name=f"{_HOSTILE} {kind.value}", type=kind) for kind in ColumnType
]
_CREATED = Column(field="_creationTime", name="_creationTime", type=ColumnType.FLOAT)
_SHORT = Column(field="name", name=_HOSTILE, type=ColumnType.TEXT, length=100)
_COUNT = Column(field="count", name="count", type=ColumnType.INTEGER)


class _Cursor:
    def __init__(self, heard: list[tuple[str, Any]]) -> None:
        self._heard = heard

    def execute(self, sql: str, values: Any = ()) -> None:
        self._heard.append((sql, values))

    def nextset(self) -> bool:
        return False

    def close(self) -> None:
        pass


class _Result:
    def __init__(self, found: int | None) -> None:
        self._found = found

    def first(self) -> tuple[int] | None:
        return None if self._found is None else (self._found,)

    def one(self) -> tuple[int, Decimal]:
        return self._found or 0, Decimal(2**64 + 5)

    def __iter__(self) -> Iterator[tuple[str]]:
        return iter([("Flights",), ("flights_view",)])


class _Connection:
    """Stands for SQLAlchemy's connection; hears every statement and finds what it is told to."""

    def __init__(self, *, found: int | None = 1) -> None:
        self.heard: list[tuple[str, Any]] = []
        self._found = found

    @property
    def connection(self) -> _Connection:
        return self

    @property
    def driver_connection(self) -> _Connection:
        return self

    @property
    def engine(self) -> Any:
        return SimpleNamespace(connect=lambda: nullcontext(self))

    def invalidate(self) -> None:
        """Nothing to give up."""

    def cursor(self) -> _Cursor:
        return _Cursor(self.heard)

    def exec_driver_sql(self, sql: str, values: Any = ()) -> _Result:
        self.heard.append((sql, values))
        return _Result(self._found)


def _statements(schema: str, rows: RowRoute | None = None) -> list[tuple[str, Any]]:
    """Every statement the dialect can say."""
    dialect, connection = MssqlDialect(schema=schema), _Connection()
    fake: Any = connection
    row = ("k", 7, "text", 1, 1.5, True, b"\x00\xff", "{}", "{}")
    dialect.check(fake)
    dialect.rows = rows or JsonRows()
    dialect.has_object(fake, "flights")
    dialect.create(fake, "flights", _COLUMNS)
    dialect.create(fake, "empty", [])
    dialect.add(fake, "flights", _COLUMNS)
    dialect.seal(fake, "flights", index="unused")
    dialect.insert(fake, "flights", _COLUMNS, [row], with_companion=True)
    dialect.insert(fake, "flights", _COLUMNS, [row[:-1]], with_companion=False)
    dialect.aside.drop_batches(fake, "flights", after=3)
    dialect.delete(fake, "flights", ["k"])
    assert dialect.total(fake, "flights") == (1, 5)
    dialect.read_back(fake, "flights", _COLUMNS, ["k"])
    dialect.keys_from(fake, "flights", "k", 64)
    assert dialect.first_repeated_key(fake, "flights") is None
    dialect.drop(fake, "flights")
    dialect.rename(fake, "flights", "flights__prev")
    assert dialect.has_view(fake, "flights_view")
    assert dialect.list_objects(fake) == {"flights", "flights_view"}
    dialect.create_view(fake, "v", "flights", [_CREATED, *_COLUMNS], time_name="time")
    dialect.drop_view(fake, "v")
    dialect.widen(fake, "flights", [_SHORT, replace(_SHORT, length=0), *_COLUMNS])
    none: Any = _Connection(found=None)
    assert dialect.may_become(none, "flights", _COUNT, replace(_COUNT, type=ColumnType.FLOAT))
    return [*connection.heard, *none.heard]


@pytest.mark.parametrize("rows", [JsonRows(), ParameterRows()])
@pytest.mark.parametrize("schema", ["", "stage]; DROP TABLE y--"])
def test_every_statement_is_one_statement_of_t_sql(schema: str, rows: RowRoute) -> None:
    """Each text parses as T-SQL, as one statement, whatever columns and schema are called."""
    heard = _statements(schema, rows)
    assert len(heard) >= 11
    for sql, values in heard:
        assert sql.count("?") == len(values), sql
        parsed = sqlglot.parse(sql, read="tsql", error_level=sqlglot.ErrorLevel.RAISE)
        (statement,) = parsed
        assert statement is not None
        if "[flights]" in sql and not sql.startswith("EXEC"):
            tables = {table.name for table in statement.find_all(expressions.Table)}
            assert "flights" in tables, sql
            assert "y" not in tables, sql


def test_a_column_changes_only_where_nothing_is_lost() -> None:
    """Neither where a row would be rounded, nor under an index that a longer text breaks."""
    dialect = MssqlDialect(schema="dbo")
    found: Any = _Connection()
    assert not dialect.may_become(found, "t", _COUNT, replace(_COUNT, type=ColumnType.FLOAT))
    assert not dialect.may_become(found, "t", _SHORT, replace(_SHORT, length=0))
    assert dialect.may_become(found, "t", _SHORT, replace(_SHORT, length=850))
    assert [values for _, values in found.heard] == [(), ("[dbo].[t]", _HOSTILE)]


def test_columns_grow_by_statements_every_server_takes() -> None:
    """ALTER COLUMN names the type and nothing else; a text has its length or MAX."""
    grown = mssql_ddl.alter_column("[t]", replace(_SHORT, name="a]b"))
    assert grown == 'ALTER TABLE [t] ALTER COLUMN "a]b" NVARCHAR(100)'
    assert mssql_ddl.sql_type(replace(_SHORT, length=0)) == "NVARCHAR(MAX)"
    assert mssql_ddl.definitions([_SHORT, _COUNT]).endswith(
        "NVARCHAR(100) NULL, [count] BIGINT NULL"
    )


def test_no_statement_differs_between_the_databases() -> None:
    """Nothing SQL Server, Azure SQL and Babelfish understand differently is said."""
    for sql, _ in _statements("dbo"):
        for word in ("MERGE", "TRANSFER", "OUTPUT deleted", "CREATE OR ALTER", " INDEX"):
            assert word not in sql


def test_the_create_statement_types_every_column() -> None:
    """Keys compare by code unit, text and JSON are NVARCHAR(MAX), and the companion is last."""
    sql = mssql_ddl.create_table(
        "[t]", [Column(field="a", name="a", type=kind) for kind in ColumnType]
    )
    assert sql == (
        "CREATE TABLE [t] ([_id] NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL "
        "PRIMARY KEY, [_linkhub_hash] BIGINT NOT NULL, [a] NVARCHAR(MAX) NULL, [a] BIGINT NULL, "
        "[a] FLOAT(53) NULL, [a] BIT NULL, [a] VARBINARY(MAX) NULL, "
        "[a] NVARCHAR(MAX) NULL, [_linkhub_extra] NVARCHAR(MAX) NULL)"
    )


def test_our_own_tables_compile_for_sql_server() -> None:
    """The state tables are created with exact keys, and fencing reads back what it changed."""
    dialect = sqlalchemy_mssql.dialect()  # type: ignore[no-untyped-call]
    tables = Tables("dbo")
    for table in (tables.state, tables.registry):
        sql = str(CreateTable(table).compile(dialect=dialect))
        sqlglot.parse_one(sql, read="tsql")
        assert "instance_id VARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL" in sql
        assert "[checkpoint] NVARCHAR(max) NULL" in sql

    said: list[str] = []
    spy: Any = _Speaker(said, dialect)
    states = ScopeStates(tables, instance_id="i", run_id="r", now=utc_now)
    states.find(spy, "*")
    states.claim(spy, "*", saved_checkpoint(), seen=0)
    states.claim(spy, "*", saved_checkpoint(), seen=1)
    states.hold(spy, "*")
    Registry(tables, instance_id="i", now=utc_now).owners_of(spy, "flights")
    assert len(said) == 5
    for sql in said:
        sqlglot.parse_one(sql, read="tsql")
    assert "OUTPUT inserted.version" in said[3]
    assert "run_id = " in said[3]
    assert "FROM dbo._linkhub_tables WITH (NOLOCK) " in " ".join(said[4].split())


class _Speaker:
    """Stands for a connection; compiles what it is given instead of sending it."""

    def __init__(self, said: list[str], dialect: Any) -> None:
        self._said = said
        self._dialect = dialect

    def execute(self, statement: Any) -> _Nothing:
        self._said.append(str(statement.compile(dialect=self._dialect)))
        return _Nothing(found=len(self._said) > 1)


class _Nothing:
    def __init__(self, *, found: bool) -> None:
        self._found = found

    def first(self) -> tuple[int] | None:
        return (1,) if self._found else None

    def __iter__(self) -> Iterator[Any]:
        return iter(())


def test_rows_travel_as_json_in_calls_of_bounded_size() -> None:
    """Bits are 0 and 1, bytes are hexadecimal, NULLs are left out; calls end at their limits."""
    types = [ColumnType.TEXT, ColumnType.BOOLEAN, ColumnType.BINARY, ColumnType.FLOAT]
    (call,) = json_calls([("k", True, b"\x00\xff", 0.1), ("l", None, None, None)], types)
    assert json.loads(call) == [{"c0": "k", "c1": 1, "c2": "00ff", "c3": 0.1}, {"c0": "l"}]

    many = list(json_calls(((str(n),) for n in range(12_000)), [ColumnType.TEXT]))
    assert [len(json.loads(call)) for call in many] == [5_000, 5_000, 2_000]
    large = list(json_calls((("x" * 3_000_000,) for _ in range(3)), [ColumnType.TEXT]))
    assert [len(json.loads(call)) for call in large] == [1, 1, 1]
    assert list(json_calls([], [ColumnType.TEXT])) == []


@given(st.lists(st.floats(), max_size=9), st.lists(st.text(st.characters()), max_size=5))
def test_a_batch_is_judged_like_its_values(numbers: list[float], texts: list[str]) -> None:
    """The quick look at a whole column never lets through what a single look refuses."""
    dialect = MssqlDialect()
    if dialect.holds_all_floats(array("d", numbers)):
        assert all(dialect.holds_float(number) for number in numbers)
    if dialect.holds_text("".join(texts)):
        assert all(dialect.holds_text(text) for text in texts)


def test_what_sql_server_cannot_hold() -> None:
    """NaN, infinities, subnormal numbers, -0.0, NUL and half characters are set aside."""
    dialect = MssqlDialect()
    for number in (float("nan"), float("inf"), 5e-324, -0.0):
        assert not dialect.holds_float(number)
    for number in (0.0, 1.5, -1.7976931348623157e308, 2.2250738585072014e-308):
        assert dialect.holds_float(number)
    assert not dialect.holds_text("a\0b")
    assert not dialect.holds_text("\ud800")
    assert dialect.holds_text("😀 \x01")


def test_the_engine_leaves_out_what_freetds_cannot_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither input sizes nor `fast_executemany`: with FreeTDS they fail or end the process."""
    # The real module does not import where there is no ODBC driver manager.
    driver = SimpleNamespace(
        version="5.5.0", paramstyle="qmark", Error=RuntimeError, Cursor=_Cursor
    )
    monkeypatch.setitem(sys.modules, "pyodbc", driver)
    url = "mssql+pyodbc://u:p@host/db?driver=FreeTDS"
    sink = WarehouseSink(url=url, instance_id="i", run_id="r", schema="s")
    dialect: Any = sink._engine.dialect
    assert dialect.bind_typing is not BindTyping.SETINPUTSIZES
    assert dialect.fast_executemany is False
    assert dialect.use_insertmanyvalues is False
    sink.close()


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an ODBC driver manager the error says so, and shows nothing of the address."""
    monkeypatch.setitem(sys.modules, "pyodbc", None)
    with pytest.raises(PermanentError, match="no driver for a mssql URL") as caught:
        WarehouseSink(url="mssql+pyodbc://u:secret@host/db", instance_id="i", run_id="r")
    assert "secret" not in str(caught.value)


_FREE_TDS = "?driver=FreeTDS&TDS_Version=7.4&ClientCharset=UTF-8&port=1433"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("mssql+pyodbc://sa:p%40ss@127.0.0.1:1433/db", _FREE_TDS),
        ("mssql+pyodbc://sa:p%40ss@127.0.0.1:1433/db?driver=Mine&Encrypt=no", ""),
        ("mssql+pyodbc://?odbc_connect=Server%3Dx", ""),
    ],
)
def test_a_server_to_test_with_needs_no_driver_in_its_address(
    monkeypatch: pytest.MonkeyPatch, given: str, wanted: str
) -> None:
    """The best driver there is stands in where none is named; the password stays as it was."""
    monkeypatch.setenv("TEST_SQLSERVER_URL", given)
    assert make_url(sqlserver_url(["FreeTDS"])) == make_url(given + wanted)
