"""How staging tables of SQL Server are filled by several connections at once.

By bulk copy where a trial says that it works, by the statements of `mssql_rows` elsewhere. A table
of few rows is left to the transaction: a connection costs more than it would save.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from shared.sinks.warehouse.errors import BulkRefusedError
from shared.sinks.warehouse.feeds import Part, Send
from shared.sinks.warehouse.mssql_ddl import quote
from shared.sinks.warehouse.types import BATCH, COMPANION, HASH, KEY, Column

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from shared.sinks.warehouse.mssql import MssqlDialect
    from shared.sinks.warehouse.mssql_bulk import BulkRoute


class MssqlFeeds:
    """See `SideRoute`."""

    fewest_rows = 2_000
    engine: Engine

    def __init__(
        self, dialect: MssqlDialect, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """Rows that go by statements are inserted by `dialect`."""
        self.bulk: BulkRoute | None = None
        self._dialect = dialect
        self._clock = clock
        self._rows, self._seconds = 0, 0.0

    def is_worth(
        self, connection: Connection, table: str, columns: Sequence[Column], *, rows: int
    ) -> bool:
        """Bulk copy is, once statements would take longer for the rows than it takes to begin."""
        bulk = self.bulk
        if bulk is not None and bulk.is_chosen is None:
            bulk.try_with(connection, self._dialect.table(table), columns)
        if bulk is None or not bulk.is_chosen:
            return True
        return rows >= bulk.opening * self._speed

    def insert(
        self, connection: Connection, table: str, columns: Sequence[Column], rows: Part
    ) -> None:
        """Insert, and remember how long it took."""
        started = self._clock()
        self._dialect.insert(connection, table, columns, rows, with_companion=True)
        self._seconds += self._clock() - started
        self._rows += len(rows)

    @property
    def _speed(self) -> float:
        """Rows a second that go by statements: as measured, or a guess before."""
        if self._rows < self.fewest_rows or not self._seconds:
            return self._dialect.rows.speed
        return self._rows / self._seconds

    def sender(self, table: str, columns: Sequence[Column]) -> Send:
        """Return one bulk copy of all parts, or a transaction for each."""
        bulk, dialect = self.bulk, self._dialect
        if bulk is not None and bulk.is_chosen:
            names = [KEY, HASH, *(column.name for column in columns), COMPANION]
            return partial(_copy, bulk, dialect.table(table), names)

        def send(parts: Iterator[Part]) -> None:
            with self.engine.connect() as connection:
                for rows in parts:
                    with connection.begin():
                        dialect.insert(connection, table, columns, rows, with_companion=True)

        return send

    def drop_batches(self, connection: Connection, table: str, *, after: int) -> None:
        """Wait for whoever still writes into the table, and delete."""
        name = self._dialect.table(table)
        connection.exec_driver_sql(
            f"DELETE FROM {name} WITH (TABLOCKX) WHERE {quote(BATCH)} > {after:d}"  # noqa: S608  quoted
        )


def _copy(bulk: BulkRoute, table: str, names: Sequence[str], parts: Iterator[Part]) -> None:
    """Send all parts by one bulk copy; where that fails, everything goes by statements next."""
    sent = 0

    def rows() -> Iterator[Part]:
        nonlocal sent
        for part in parts:
            sent += len(part)
            yield part

    try:
        if bulk.copy(table, names, chain.from_iterable(rows())) != sent:
            raise BulkRefusedError("not every row arrived")  # noqa: TRY301  one answer to all
    except BulkRefusedError as error:
        bulk.give_up(error)
        raise
