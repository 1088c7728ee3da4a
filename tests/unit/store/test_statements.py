"""Every statement the repositories can make: how SQLite runs it and how SQL Server reads it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest
import sqlglot
from sqlalchemy import ClauseElement, event
from sqlalchemy.dialects import mssql
from sqlalchemy.dialects.sqlite import Insert

from shared.store.database import Database
from shared.store.unit_of_work import UnitOfWork
from shared.store.upserts import bound_rows, insert_from_rows, update_from_rows
from tests.store_kit import make_database
from tests.unit.store.calls import call_everything

SQL_SERVER = mssql.dialect()  # type: ignore[no-untyped-call]

FEW = {"providers", "field_mappings", "table_selections"}
"""Read whole by nature: the catalogue, and what one person chose for one instance."""

NEWEST_LETTERS = "SCAN dead_letters USING INDEX ix_dead_letters_created"
"""The list without a filter: in the index's order, up to its limit."""


@pytest.fixture(name="ran")
def ran_fixture() -> Iterator[tuple[Database, list[tuple[ClauseElement, Any]]]]:
    """Yield a database on which everything was called, and what ran."""
    database = make_database()
    seen: list[tuple[ClauseElement, Any]] = []

    def note(_connection: Any, clause: Any, many: Any, params: Any, _options: Any) -> None:
        if isinstance(clause, ClauseElement):
            seen.append((clause, (many[0] if many else params) or {}))

    event.listen(database.engine, "before_execute", note)
    with database.open_uow() as uow:
        call_everything(uow)
        uow.commit()
    event.remove(database.engine, "before_execute", note)
    yield database, seen
    database.dispose()


def for_sql_server(clause: ClauseElement, params: Any) -> Iterator[str]:
    """Yield the T-SQL of a statement; an ON CONFLICT is two statements there."""
    if not isinstance(clause, Insert) or clause._post_values_clause is None:
        options = {"render_postcompile": True}
        keys = list(params) or None
        compiled = clause.compile(dialect=SQL_SERVER, column_keys=keys, compile_kwargs=options)
        yield str(compiled)
        return
    conflict: Any = clause._post_values_clause
    table: Any = clause.table
    key = tuple(conflict.inferred_target_elements)
    update = tuple(getattr(conflict, "update_values_to_set", ()))
    rows = bound_rows(table, [params])
    if update:
        yield update_from_rows(table, rows, key, update)[0]
    yield insert_from_rows(table, rows, key)[0]


def test_every_method_of_every_repository_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the other tests here say, they say of all statements."""
    database = make_database()
    called: set[str] = set()
    expected: set[str] = set()

    def noting(name: str, method: Any) -> Any:
        def call(*args: Any, **values: Any) -> Any:
            called.add(name)
            return method(*args, **values)

        return call

    with database.open_uow() as uow:
        for group in [name for name in vars(UnitOfWork) if not name.startswith("_")]:
            repository = getattr(uow, group)
            if not type(repository).__module__.startswith("shared.store.repositories"):
                continue
            for name, method in inspect.getmembers(repository, inspect.ismethod):
                if not name.startswith("_"):
                    expected.add(f"{group}.{name}")
                    monkeypatch.setattr(repository, name, noting(f"{group}.{name}", method))
        call_everything(uow)
    database.dispose()
    assert isinstance(uow, UnitOfWork)
    assert called == expected


def test_sql_server_can_read_every_statement(
    ran: tuple[Database, list[tuple[ClauseElement, Any]]],
) -> None:
    """Compiled for its dialect, each parses as T-SQL and uses nothing that bites there."""
    statements = {sql for clause, params in ran[1] for sql in for_sql_server(clause, params)}
    assert len(statements) > 60
    for sql in statements:
        named = re.sub(r"(?<![:\w]):(\w+)", r"@\1", sql)
        named = re.sub(r"__\[POSTCOMPILE_\w+\]", "1", named)
        assert len(sqlglot.parse(named, read="tsql")) == 1, sql
        assert "MERGE" not in sql
        assert "LIMIT" not in sql
        assert "NULLS" not in sql


def test_rows_are_cast_to_the_columns_own_types(
    ran: tuple[Database, list[tuple[ClauseElement, Any]]],
) -> None:
    """Keys stay VARCHAR, text Unicode, and the comparison is binary on both sides."""
    statements = {sql for clause, params in ran[1] for sql in for_sql_server(clause, params)}
    links = next(sql for sql in statements if sql.startswith("INSERT INTO [record_links]"))
    assert "(VALUES (CAST(? AS VARCHAR(36)), " in links
    assert "CAST(? AS NVARCHAR(450))" in links
    assert "CAST(NULL AS DATETIME2(3))" in links
    assert "t.[external_id] = s.[external_id] COLLATE Latin1_General_100_BIN2" in links
    [letters] = [sql for sql in statements if sql.startswith("UPDATE t SET [error_class]")]
    assert "t.[attempt] = s.[attempt] AND" in letters


def test_every_query_is_served_by_an_index(
    ran: tuple[Database, list[tuple[ClauseElement, Any]]],
) -> None:
    """No list, no machine query, no write by key reads a whole table or sorts one."""
    database, seen = ran
    plans = {}
    with database.engine.connect() as connection:
        for clause, params in seen:
            if isinstance(clause, Insert):
                continue
            compiled: Any = clause.compile(
                dialect=database.engine.dialect,
                column_keys=list(params) or None,
                compile_kwargs={"render_postcompile": True},
            )
            values = tuple(None for _ in compiled.positiontup)
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", values)
            plans[str(compiled)] = [row[3] for row in rows]
    assert len(plans) > 50
    for sql, plan in plans.items():
        of_few = FEW & set(re.findall(r"(?:FROM|UPDATE) (\w+)", sql))
        for step in plan:
            reads_all = step.startswith("SCAN") and step != NEWEST_LETTERS
            assert of_few or not (reads_all or "TEMP B-TREE" in step), (step, sql)
