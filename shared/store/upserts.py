"""Writing rows that may be there already, many at a time.

SQLite has ON CONFLICT. On SQL Server it is UPDATE, then INSERT of what is missing, in the unit of
work's transaction: MERGE races with itself there. The rows travel as one JSON parameter, which is
one round trip for hundreds of rows whatever the driver, and well under the parameter limit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Table, TextClause, bindparam, text
from sqlalchemy.dialects import mssql, sqlite
from sqlalchemy.engine import Dialect

from shared.store.lists import chunks
from shared.store.session import SqlSession
from shared.store.types import BINARY_COLLATION, Json, LongText

_ROWS_A_STATEMENT = 1000


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
    for chunk in chunks(unique, _ROWS_A_STATEMENT):
        parameter = [{"rows": rows_as_json(session.connection.dialect, table, chunk)}]
        if update:
            session.run(update_from_json(table, columns, key, update), parameter)
        session.run(insert_from_json(table, columns, key), parameter)


def rows_as_json(dialect: Dialect, table: Table, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a JSON array of what each column's type would bind.

    JSON stands in it as itself, not as text: some servers leave a text's escapes in it.
    """
    binders = {
        name: table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in rows[0]
    }
    documents = {name for name in rows[0] if _is_json(table, name)}

    def bound(name: str, value: Any) -> Any:
        binder = binders[name]
        told = value if binder is None else binder(value)
        return json.loads(told) if told is not None and name in documents else told

    listed = [{name: bound(name, value) for name, value in row.items()} for row in rows]
    return json.dumps(listed, separators=(",", ":"), default=_isoformat)


@cache
def update_from_json(
    table: Table, columns: tuple[str, ...], key: tuple[str, ...], update: tuple[str, ...]
) -> TextClause:
    """Return the T-SQL that brings existing rows up to date from `:rows`."""
    changes = ", ".join(f"{_quoted(name)} = s.{_quoted(name)}" for name in update)
    return _with_rows(
        f"UPDATE t SET {changes} FROM {_quoted(table.name)} AS t "  # noqa: S608 - names are ours
        f"INNER JOIN {_source(table, columns)} AS s ON {_same(table, key)}"
    )


@cache
def insert_from_json(table: Table, columns: tuple[str, ...], key: tuple[str, ...]) -> TextClause:
    """Return the T-SQL that inserts the rows of `:rows` whose key is not there.

    The hints keep another transaction from inserting the same key in between.
    """
    names = ", ".join(_quoted(name) for name in columns)
    values = ", ".join(f"s.{_quoted(name)}" for name in columns)
    return _with_rows(
        f"INSERT INTO {_quoted(table.name)} ({names}) "  # noqa: S608 - names are ours
        f"SELECT {values} FROM {_source(table, columns)} AS s WHERE NOT EXISTS "
        f"(SELECT 1 FROM {_quoted(table.name)} AS t WITH (UPDLOCK, HOLDLOCK) "
        f"WHERE {_same(table, key)})"
    )


def _source(table: Table, columns: Sequence[str]) -> str:
    dialect = mssql.dialect()  # type: ignore[no-untyped-call]
    described = ", ".join(
        f"{_quoted(name)} {_type_of(table, name, dialect)} '$.{name}'"
        f"{' AS JSON' if _is_json(table, name) else ''}"
        for name in columns
    )
    # A long parameter may arrive as NTEXT, which OPENJSON does not take.
    return f"OPENJSON(CAST(:rows AS NVARCHAR(MAX))) WITH ({described})"


def _type_of(table: Table, name: str, dialect: Dialect) -> str:
    """Return a column's type without its collation, which WITH does not take."""
    return table.c[name].type.compile(dialect).split(" COLLATE ")[0]


def _is_json(table: Table, name: str) -> bool:
    """Whether a column holds JSON: of these, every one holds an object or an array, or NULL."""
    return isinstance(table.c[name].type, Json)


def _same(table: Table, key: Sequence[str]) -> str:
    """Return the comparison of two keys; text from JSON has the database's own collation."""
    dialect = mssql.dialect()  # type: ignore[no-untyped-call]
    parts = []
    for name in key:
        is_text = "CHAR" in _type_of(table, name, dialect)
        collation = f" COLLATE {BINARY_COLLATION}" if is_text else ""
        parts.append(f"t.{_quoted(name)} = s.{_quoted(name)}{collation}")
    return " AND ".join(parts)


def _quoted(name: str) -> str:
    return f"[{name}]"


def _with_rows(statement: str) -> TextClause:
    # A colon before a name marks a parameter; there is no other one in these statements.
    return text(statement).bindparams(bindparam("rows", type_=LongText()))


def _isoformat(value: Any) -> str:
    return str(value.isoformat())
