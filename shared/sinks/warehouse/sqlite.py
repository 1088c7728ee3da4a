"""SQLite: the embedded warehouse, a file of its own."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from shared.sinks.warehouse.dialect import SideRoute
from shared.sinks.warehouse.fitting import all_finite, holds_negative_zero
from shared.sinks.warehouse.hashing import Total, wrapped
from shared.sinks.warehouse.types import (
    COMPANION,
    CREATED,
    EXACT_INTEGERS,
    HASH,
    KEY,
    Column,
    ColumnType,
)
from shared.sinks.warehouse.values import is_encodable, is_negative_zero

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_TYPES = {
    ColumnType.TEXT: "TEXT",
    ColumnType.INTEGER: "BIGINT",
    ColumnType.FLOAT: "REAL",
    ColumnType.BOOLEAN: "BOOLEAN",
    ColumnType.BINARY: "BLOB",
    ColumnType.JSON: "TEXT",
}
_AT_CONNECT = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    # No more than the processor's own cache holds: an index is sorted in pieces of this size.
    "PRAGMA cache_size = -4096",
    "PRAGMA wal_autocheckpoint = 2000",
    # Else renaming a live table would rewrite a person's views to show the old generation.
    "PRAGMA legacy_alter_table = ON",
)


def quote(name: str) -> str:
    """Return an identifier that means `name` and nothing else."""
    return '"' + name.replace('"', '""') + '"'


class SqliteDialect:
    """See `Dialect`. The unique index is built once the rows are in, by one sort: kept up row by
    row under random keys it costs more than the rows themselves.
    """

    max_columns = 900
    max_row = 0
    bounds_text = False
    schema = ""
    aside: SideRoute | None = None
    """None: a file has one writer, and nothing is faster than its transaction."""

    def takes(self, column: Column) -> int:  # noqa: ARG002  it does not matter which
        """Nothing: a row goes on in as many pages as it needs."""
        return 0

    def holds_text(self, text: str) -> bool:
        """Whether the text has a UTF-8 form; NUL is fine."""
        return is_encodable(text)

    def holds_float(self, number: float) -> bool:
        """NaN would become NULL and -0.0 would become 0.0 (sqlite.org/floatingpoint.html)."""
        return number == number and not is_negative_zero(number)  # noqa: PLR0124  NaN differs from itself

    def holds_all_floats(self, numbers: array[float]) -> bool:
        """Whether there is neither a NaN, an infinity nor a -0.0 among them."""
        return all_finite(numbers) and not holds_negative_zero(numbers)

    def prepare(self, engine: Engine) -> None:
        """Let us begin transactions ourselves, as writers: a reader that turns writer may fail."""
        from sqlalchemy import event

        @event.listens_for(engine, "connect")
        def connected(raw: Any, _record: Any) -> None:
            raw.isolation_level = None
            for pragma in _AT_CONNECT:
                raw.execute(pragma)

        @event.listens_for(engine, "begin")
        def begun(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    def check(self, connection: Connection) -> None:
        """Nothing to check: there are no schemas."""

    def has_object(self, connection: Connection, name: str) -> bool:
        """Ask the catalogue, which folds the case of ASCII letters."""
        sql = "SELECT 1 FROM sqlite_master WHERE name = ? COLLATE NOCASE"
        return connection.exec_driver_sql(sql, (name,)).first() is not None

    def has_view(self, connection: Connection, name: str) -> bool:
        """Ask the catalogue for views only."""
        sql = "SELECT 1 FROM sqlite_master WHERE name = ? COLLATE NOCASE AND type = 'view'"
        return connection.exec_driver_sql(sql, (name,)).first() is not None

    def list_objects(self, connection: Connection) -> set[str]:
        """List the file."""
        sql = "SELECT lower(name) FROM sqlite_master WHERE type IN ('table', 'view')"
        return {row[0] for row in connection.exec_driver_sql(sql)}

    def offer_bulk(self, text: Callable[[], str]) -> None:
        """Need none."""

    def create(self, connection: Connection, table: str, columns: Sequence[Column]) -> None:
        """Create a table; its key becomes unique when it is sealed."""
        connection.exec_driver_sql(create_table(table, columns))

    def add(self, connection: Connection, table: str, columns: Sequence[Column]) -> None:
        """Add one column after the other."""
        for column in columns:
            connection.exec_driver_sql(
                f"ALTER TABLE {quote(table)} ADD COLUMN {_definition(column)}"
            )

    def may_become(self, connection: Connection, table: str, old: Column, new: Column) -> bool:
        """Look for rows that would be rounded."""
        name = quote(old.name)
        sql = (
            f"SELECT 1 FROM {quote(table)} "  # noqa: S608  quoted
            f"WHERE {name} NOT BETWEEN -{EXACT_INTEGERS} AND {EXACT_INTEGERS} LIMIT 1"
        )
        return new.type is old.type or connection.exec_driver_sql(sql).first() is None

    def widen(self, connection: Connection, table: str, columns: Sequence[Column]) -> None:
        """Copy the table, as sqlite.org/lang_altertable.html says: no column changes its type.

        What else there is in it stays: indexes, triggers, columns a person added.
        """
        types = {column.name: _TYPES[column.type] for column in columns}
        beside = connection.exec_driver_sql(
            "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND type IN ('index', 'trigger') "
            "AND sql IS NOT NULL",
            (table,),
        ).all()
        found = connection.exec_driver_sql(f"PRAGMA table_info({quote(table)})").all()
        parts = [
            f"{quote(name)} {types.get(name, declared)}{' NOT NULL' if is_needed else ''}"
            for _, name, declared, is_needed, *_ in found
        ]
        names = ", ".join(quote(row[1]) for row in found)
        copy = quote(f"_copy_{table}")
        for sql in (
            f"CREATE TABLE {copy} ({', '.join(parts)})",
            f"INSERT INTO {copy} ({names}) SELECT {names} FROM {quote(table)}",  # noqa: S608  quoted
            f"DROP TABLE {quote(table)}",
            f"ALTER TABLE {copy} RENAME TO {quote(table)}",
            *(row[0] for row in beside),
        ):
            connection.exec_driver_sql(sql)

    def seal(self, connection: Connection, table: str, *, index: str) -> None:
        """Build the unique index of the key."""
        connection.exec_driver_sql(
            f"CREATE UNIQUE INDEX {quote(index)} ON {quote(table)} ({quote(KEY)})"
        )

    def insert(
        self,
        connection: Connection,
        table: str,
        columns: Sequence[Column],
        rows: Iterable[tuple[Any, ...]],
        *,
        with_companion: bool,
    ) -> None:
        """Hand the rows to the driver, which takes them one by one from the iterator."""
        raw: Any = connection.connection.driver_connection
        raw.executemany(insert_rows(table, columns, with_companion=with_companion), rows)

    def delete(self, connection: Connection, table: str, keys: Sequence[str]) -> Total:
        """Delete by the index; where records are mostly new there is nothing to delete."""
        rest = f"FROM {quote(table)} {_WITH_KEYS}"
        given = (json.dumps(keys),)
        found = _total(connection, rest, given)
        if found.rows:
            connection.exec_driver_sql(f"DELETE {rest}", given)
        return found

    def create_view(
        self,
        connection: Connection,
        view: str,
        table: str,
        columns: Sequence[Column],
        *,
        time_name: str,
    ) -> None:
        """Show the time as ISO 8601 text, in UTC to the millisecond."""
        connection.exec_driver_sql(create_view(view, table, columns, time_name=time_name))

    def drop_view(self, connection: Connection, view: str) -> None:
        """Drop a view if it is there."""
        if self.has_view(connection, view):
            connection.exec_driver_sql(f"DROP VIEW {quote(view)}")

    def total(self, connection: Connection, table: str) -> Total:
        """Return how many rows there are, and what their hashes add up to."""
        return _total(connection, f"FROM {quote(table)}", ())

    def read_back(
        self, connection: Connection, table: str, columns: Sequence[Column], keys: Sequence[str]
    ) -> list[Sequence[Any]]:
        """Return the rows of these keys, as far as they are there."""
        names = ", ".join(map(quote, [KEY, HASH, COMPANION, *(c.name for c in columns)]))
        sql = f"SELECT {names} FROM {quote(table)} {_WITH_KEYS}"  # noqa: S608  quoted
        return [tuple(row) for row in connection.exec_driver_sql(sql, (json.dumps(keys),))]

    def keys_from(self, connection: Connection, table: str, start: str, limit: int) -> list[str]:
        """Walk along the index."""
        key = quote(KEY)
        sql = f"SELECT {key} FROM {quote(table)} WHERE {key} >= ? ORDER BY {key} LIMIT ?"  # noqa: S608  quoted
        return [row[0] for row in connection.exec_driver_sql(sql, (start, limit))]

    def first_repeated_key(self, connection: Connection, table: str) -> str | None:
        """Group by the key."""
        key = quote(KEY)
        sql = f"SELECT {key} FROM {quote(table)} GROUP BY {key} HAVING COUNT(*) > 1 LIMIT 1"  # noqa: S608  quoted
        row = connection.exec_driver_sql(sql).first()
        return None if row is None else str(row[0])

    def drop(self, connection: Connection, table: str) -> None:
        """Drop a table if it is there, and its index with it."""
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {quote(table)}")

    def rename(self, connection: Connection, table: str, new: str) -> None:
        """Rename a table, inside the transaction."""
        connection.exec_driver_sql(f"ALTER TABLE {quote(table)} RENAME TO {quote(new)}")


_WITH_KEYS = f"WHERE {quote(KEY)} IN (SELECT value FROM json_each(?))"  # noqa: S608  constants


def _total(connection: Connection, rest: str, given: tuple[str, ...]) -> Total:
    """Add up halves of 32 bits: SQLite's integers would overflow."""
    name = quote(HASH)
    sums = f"COUNT(*), SUM({name} >> 32), SUM({name} & {_LOW})"
    row = connection.exec_driver_sql(f"SELECT {sums} {rest}", given).one()
    return Total(int(row[0]), wrapped(((row[1] or 0) << 32) + (row[2] or 0)))


_LOW = 2**32 - 1


def create_table(table: str, columns: Sequence[Column]) -> str:
    """Return the statement that creates a table."""
    first = [f"{quote(KEY)} TEXT NOT NULL", f"{quote(HASH)} BIGINT NOT NULL"]
    parts = [*first, *map(_definition, columns), f"{quote(COMPANION)} TEXT"]
    return f"CREATE TABLE {quote(table)} ({', '.join(parts)})"


def create_view(view: str, table: str, columns: Sequence[Column], *, time_name: str) -> str:
    """Return the statement that creates a view: key, columns, and the time in between."""
    shown = [quote(KEY)]
    for column in columns:
        name = quote(column.name)
        shown.append(name)
        if column.field == CREATED:
            seconds = f"CAST({name} AS INTEGER) / 1000.0"
            time = f"strftime('%Y-%m-%dT%H:%M:%fZ', {seconds}, 'unixepoch')"
            shown.append(f"{time} AS {quote(time_name)}")
    return f"CREATE VIEW {quote(view)} AS SELECT {', '.join(shown)} FROM {quote(table)}"  # noqa: S608  quoted


def insert_rows(table: str, columns: Sequence[Column], *, with_companion: bool) -> str:
    """Return the statement that inserts one row by position."""
    beside = [COMPANION] if with_companion else []
    names = [KEY, HASH, *(column.name for column in columns), *beside]
    quoted = ", ".join(map(quote, names))
    marks = ", ".join("?" * len(names))
    return f"INSERT INTO {quote(table)} ({quoted}) VALUES ({marks})"  # noqa: S608  quoted


def _definition(column: Column) -> str:
    return f"{quote(column.name)} {_TYPES[column.type]}"
