"""Writing rows that may be there already, many at a time.

SQLite has ON CONFLICT. On SQL Server it is UPDATE, then INSERT of what is missing, in the unit of
work's transaction: MERGE races with itself there. The rows travel as the VALUES of a derived table,
a parameter for every value, which means the same to every server of its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Table
from sqlalchemy.dialects import mssql, sqlite

from shared.store.lists import PARAMETERS, chunks
from shared.store.session import SqlSession
from shared.store.types import BINARY_COLLATION

MOST_ROWS: Final = 1_000
"""Of one statement, however few columns its rows have."""

Row = Mapping[str, Any]
Statement = tuple[str, tuple[Any, ...]]
"""T-SQL with a `?` for each parameter, and these."""


def upsert(
    session: SqlSession,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    key: tuple[str, ...],
    update: tuple[str, ...] = (),
) -> None:
    """Insert rows; where `key` (a unique rule) exists, set the columns of `update` instead.

    With no `update` what exists stays as it is. Of several rows with one key the last counts.
    """
    unique = list({tuple(row[name] for name in key): row for row in rows}.values())
    if not unique:
        return
    if session.dialect == "sqlite":
        insert = sqlite.insert(table)
        if update:
            changes = {name: insert.excluded[name] for name in update}
            statement = insert.on_conflict_do_update(index_elements=list(key), set_=changes)
        else:
            statement = insert.on_conflict_do_nothing(index_elements=list(key))
        session.run(statement, [dict(row) for row in unique])
        return
    columns = tuple(unique[0])
    for chunk in chunks(unique, min(MOST_ROWS, PARAMETERS // len(columns))):
        bound = bound_rows(table, chunk)
        if update:
            session.run_native(*update_from_rows(table, bound, key, update))
        session.run_native(*insert_from_rows(table, bound, key))


def bound_rows(table: Table, rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows with what each column's own type makes of their values for the driver."""
    binders = {name: _binder(table, name) for name in rows[0]}
    return [{name: binders[name](value) for name, value in row.items()} for row in rows]


def update_from_rows(
    table: Table, rows: Sequence[Row], key: tuple[str, ...], update: tuple[str, ...]
) -> Statement:
    """Return the T-SQL that brings existing rows up to date; `rows` are bound ones."""
    columns = tuple(dict.fromkeys([*key, *update]))
    source, values = _source(table, columns, rows)
    changes = ", ".join(f"{_quoted(name)} = s.{_quoted(name)}" for name in update)
    sql = (
        f"UPDATE t SET {changes} FROM {_quoted(table.name)} AS t "  # noqa: S608 - names are ours
        f"INNER JOIN {source} ON {_same(table, key)}"
    )
    return sql, values


def insert_from_rows(table: Table, rows: Sequence[Row], key: tuple[str, ...]) -> Statement:
    """Return the T-SQL that inserts the rows whose key is not there; `rows` are bound ones.

    The hints keep another transaction from inserting the same key in between.
    """
    columns = tuple(rows[0])
    source, values = _source(table, columns, rows)
    taken = ", ".join(f"s.{_quoted(name)}" for name in columns)
    sql = (
        f"INSERT INTO {_quoted(table.name)} ({_names(columns)}) "  # noqa: S608 - names are ours
        f"SELECT {taken} FROM {source} WHERE NOT EXISTS "
        f"(SELECT 1 FROM {_quoted(table.name)} AS t WITH (UPDLOCK, HOLDLOCK) "
        f"WHERE {_same(table, key)})"
    )
    return sql, values


def _source(table: Table, columns: Sequence[str], rows: Sequence[Row]) -> Statement:
    """Return the rows as the derived table `s`. Every value is cast to its column's type, so that
    its size is the column's whatever the driver binds; NULL is said in words, because a parameter
    of it would have no type.
    """
    types = {name: _type_of(table, name) for name in columns}
    given = {name: f"CAST(? AS {kind})" for name, kind in types.items()}
    missing = {name: f"CAST(NULL AS {kind})" for name, kind in types.items()}
    parts = [
        ", ".join(missing[name] if row[name] is None else given[name] for name in columns)
        for row in rows
    ]
    values = tuple(row[name] for row in rows for name in columns if row[name] is not None)
    return f"(VALUES ({'), ('.join(parts)})) AS s ({_names(columns)})", values


@cache
def _binder(table: Table, name: str) -> Callable[[Any], Any]:
    dialect = mssql.dialect()  # type: ignore[no-untyped-call]
    bind = table.c[name].type.dialect_impl(dialect).bind_processor(dialect)
    return bind or (lambda value: value)


@cache
def _type_of(table: Table, name: str) -> str:
    """Return a column's type without its collation, which CAST does not take."""
    dialect = mssql.dialect()  # type: ignore[no-untyped-call]
    return table.c[name].type.compile(dialect).split(" COLLATE ")[0]


def _same(table: Table, key: Sequence[str]) -> str:
    """Return the comparison of two keys; text that was cast has the database's own collation."""
    parts = []
    for name in key:
        collation = f" COLLATE {BINARY_COLLATION}" if "CHAR" in _type_of(table, name) else ""
        parts.append(f"t.{_quoted(name)} = s.{_quoted(name)}{collation}")
    return " AND ".join(parts)


def _names(columns: Sequence[str]) -> str:
    return ", ".join(map(_quoted, columns))


def _quoted(name: str) -> str:
    return f"[{name}]"
