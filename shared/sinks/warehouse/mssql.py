"""SQL Server, Azure SQL and Babelfish, by any ODBC driver.

Rows travel inside our own transaction, by whichever way `mssql_rows` finds to work. No MERGE, and
nothing else the three databases understand differently.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from shared.errors import PermanentError
from shared.sinks.warehouse import mssql_ddl as ddl
from shared.sinks.warehouse.drift import units
from shared.sinks.warehouse.fitting import all_finite, holds_negative_zero
from shared.sinks.warehouse.hashing import Total, wrapped
from shared.sinks.warehouse.mssql_bulk import BulkRoute
from shared.sinks.warehouse.mssql_ddl import quote
from shared.sinks.warehouse.mssql_feeds import MssqlFeeds
from shared.sinks.warehouse.mssql_rows import JsonRows, RowRoute, choose
from shared.sinks.warehouse.types import BATCH, COMPANION, HASH, KEY, KEY_LENGTH, Column
from shared.sinks.warehouse.values import is_encodable, is_negative_zero

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

AT_CONNECT: Final = ("SET NOCOUNT ON", "SET XACT_ABORT ON", "SET LOCK_TIMEOUT 60000")
"""NOCOUNT: an error behind a row count would stay unseen. XACT_ABORT: an error ends it all."""


class MssqlDialect:
    """See `Dialect`. `schema` is '' for the login's default one."""

    max_columns = 900
    max_row = ddl.ROW_FOR_COLUMNS
    bounds_text = True

    def __init__(self, *, schema: str = "") -> None:
        self.schema = schema
        self.aside = MssqlFeeds(self)
        self._has_chosen = False
        self.rows: RowRoute = JsonRows()

    def takes(self, column: Column) -> int:
        """Return bits of the one page that a row must fit into."""
        return ddl.row_bits(column)

    def offer_bulk(self, text: Callable[[], str]) -> None:
        """Say how a connection of its own is opened."""
        self.aside.bulk = BulkRoute(text)

    def holds_text(self, text: str) -> bool:
        """Whether the text survives the way through JSON: no NUL, no lone surrogate."""
        return "\0" not in text and is_encodable(text)

    def holds_float(self, number: float) -> bool:
        """FLOAT knows neither NaN nor infinities nor subnormal numbers; of -0.0 nobody says."""
        if number == 0:
            return not is_negative_zero(number)
        return sys.float_info.min <= abs(number) <= sys.float_info.max

    def holds_all_floats(self, numbers: array[float]) -> bool:
        """Whether every one is zero or a normal number."""
        if not all_finite(numbers) or holds_negative_zero(numbers):
            return False
        return all(number == 0 or abs(number) >= sys.float_info.min for number in numbers)

    def table(self, name: str) -> str:
        """Return a table's quoted name with its schema."""
        return f"{quote(self.schema)}.{quote(name)}" if self.schema else quote(name)

    def prepare(self, engine: Engine) -> None:
        """Set every new session's options."""
        from sqlalchemy import event

        from shared.store.sqlserver import say_null_in_words

        self.aside.engine = engine
        say_null_in_words(engine)

        @event.listens_for(engine, "connect")
        def connected(raw: Any, _record: Any) -> None:
            cursor = raw.cursor()
            for statement in AT_CONNECT:
                cursor.execute(statement)
            cursor.close()
            raw.commit()

    def check(self, connection: Connection) -> None:
        """Raise PermanentError when the schema does not exist; choose how rows travel."""
        if self.schema and _scalar(connection, "SELECT SCHEMA_ID(?)", self.schema) is None:
            raise PermanentError(
                f"The warehouse has no schema {self.schema!r}: create it, or name another one."
            )
        if not self._has_chosen:
            with connection.engine.connect() as own:
                self.rows = choose(own)
                own.invalidate()
            self._has_chosen = True

    def has_object(self, connection: Connection, name: str) -> bool:
        """Ask the catalogue, which compares under the database's collation."""
        return self._find(connection, ddl.object_query(self.schema), name)

    def has_view(self, connection: Connection, name: str) -> bool:
        """Ask the catalogue of views."""
        return self._find(connection, ddl.object_query(self.schema, kind="views"), name)

    def list_objects(self, connection: Connection) -> set[str]:
        """List the schema."""
        rows = connection.exec_driver_sql(ddl.names_query(self.schema), self._given)
        return {row[0].lower() for row in rows}

    def create(self, connection: Connection, table: str, columns: Sequence[Column]) -> None:
        """Create a table with its primary key."""
        _run(connection, ddl.create_table(self.table(table), columns))

    def add(self, connection: Connection, table: str, columns: Sequence[Column]) -> None:
        """Add column by column: Babelfish takes one a statement. None of them touches a row."""
        for column in columns:
            _run(connection, f"ALTER TABLE {self.table(table)} ADD {ddl.definitions([column])}")

    def may_become(self, connection: Connection, table: str, old: Column, new: Column) -> bool:
        """Look for rows that would be rounded, and for an index that stands in the way."""
        name = self.table(table)
        if new.type is old.type and new.length:
            return True
        if new.type is not old.type and _scalar(connection, ddl.find_inexact(name, old)):
            return False
        return not _scalar(connection, ddl.INDEX_OF_COLUMN, name, old.name)

    def widen(self, connection: Connection, table: str, columns: Sequence[Column]) -> None:
        """Alter column by column: longer texts by the catalogue alone, floats row by row."""
        for column in columns:
            _run(connection, ddl.alter_column(self.table(table), column))

    def seal(self, connection: Connection, table: str, *, index: str) -> None:  # noqa: ARG002  it has none
        """Drop the numbers of batches; the primary key was there from the start."""
        name = self.table(table)
        if _scalar(connection, "SELECT COL_LENGTH(?, ?)", name, BATCH) is not None:
            _run(connection, f"ALTER TABLE {name} DROP COLUMN {quote(BATCH)}")

    def insert(
        self,
        connection: Connection,
        table: str,
        columns: Sequence[Column],
        rows: Iterable[tuple[Any, ...]],
        *,
        with_companion: bool,
    ) -> None:
        """Insert in calls of bounded rows and bytes."""
        name = self.table(table)
        for sql, values in self.rows.insertions(name, columns, rows, with_companion=with_companion):
            _run(connection, sql, *values)

    def delete(self, connection: Connection, table: str, keys: Sequence[str]) -> Total:
        """Count, then delete, by one statement each a call: under NOCOUNT a delete tells no number,
        and where records are mostly new there is nothing to delete.
        """
        rows = checksum = 0
        for where, values in self.rows.of_keys([*filter(self._holds_key, keys)]):
            rest = f"FROM {self.table(table)} {where}"
            found = _total(connection, rest, *values)
            if found.rows:
                _run(connection, f"DELETE {rest}", *values)
            rows += found.rows
            checksum += found.checksum
        return Total(rows, wrapped(checksum))

    def create_view(
        self,
        connection: Connection,
        view: str,
        table: str,
        columns: Sequence[Column],
        *,
        time_name: str,
    ) -> None:
        """Show the time as DATETIME2(3)."""
        names = self.table(view), self.table(table)
        _run(connection, ddl.create_view(*names, columns, time_name=time_name))

    def drop_view(self, connection: Connection, view: str) -> None:
        """Drop a view if it is there."""
        if self.has_view(connection, view):
            _run(connection, f"DROP VIEW {self.table(view)}")

    def total(self, connection: Connection, table: str) -> Total:
        """Return how many rows there are, and what their hashes add up to."""
        return _total(connection, f"FROM {self.table(table)}")

    def read_back(
        self, connection: Connection, table: str, columns: Sequence[Column], keys: Sequence[str]
    ) -> list[Sequence[Any]]:
        """Return the rows of these keys, as far as they are there."""
        names = ", ".join(map(quote, [KEY, HASH, COMPANION, *(c.name for c in columns)]))
        rows: list[Sequence[Any]] = []
        for where, values in self.rows.of_keys(keys):
            sql = f"SELECT {names} FROM {self.table(table)} {where}"  # noqa: S608  quoted
            rows += map(tuple, connection.exec_driver_sql(sql, values))
        return rows

    def keys_from(self, connection: Connection, table: str, start: str, limit: int) -> list[str]:
        """Walk along the primary key."""
        key = quote(KEY)
        sql = (
            f"SELECT TOP ({limit:d}) {key} FROM {self.table(table)} WHERE {key} >= ? ORDER BY {key}"  # noqa: S608  quoted
        )
        return [row[0] for row in connection.exec_driver_sql(sql, (start,))]

    def first_repeated_key(self, connection: Connection, table: str) -> str | None:
        """None: the primary key lets no key stand twice."""

    def drop(self, connection: Connection, table: str) -> None:
        """Drop a table if it is there."""
        if self.has_object(connection, table):
            _run(connection, f"DROP TABLE {self.table(table)}")

    def rename(self, connection: Connection, table: str, new: str) -> None:
        """Rename by sp_rename, which is transactional too."""
        _run(connection, ddl.RENAME, self.table(table), new)

    def _holds_key(self, key: str) -> bool:
        """Whether a row may have the key. SQL Server would take another row's for one that ends
        with a space or is too long.
        """
        return units(key) <= KEY_LENGTH and not key.endswith(" ") and self.holds_text(key)

    @property
    def _given(self) -> tuple[str, ...]:
        return (self.schema,) if self.schema else ()

    def _find(self, connection: Connection, sql: str, name: str) -> bool:
        return _scalar(connection, sql, *self._given, name) is not None


def _total(connection: Connection, rest: str, *values: Any) -> Total:
    """Add up decimals: the sum of a few integers of 64 bits is beyond them."""
    sums = f"COUNT_BIG(*), SUM(CAST({quote(HASH)} AS DECIMAL(38, 0)))"
    row = connection.exec_driver_sql(f"SELECT {sums} {rest}", values).one()
    return Total(int(row[0]), wrapped(int(row[1] or 0)))


def _run(connection: Connection, sql: str, *values: Any) -> None:
    """Execute, and look at every result: an error may hide behind the first one."""
    raw: Any = connection.connection.driver_connection
    cursor = raw.cursor()
    try:
        cursor.execute(sql, values)
        while cursor.nextset():
            pass
    finally:
        cursor.close()


def _scalar(connection: Connection, sql: str, *values: str) -> Any:
    row = connection.exec_driver_sql(sql, values).first()
    return None if row is None else row[0]
