"""A SQLite warehouse that fills its staging tables as SQL Server's are: beside the transaction.

SQLite has one writer, so what goes aside is kept in memory, where it survives a rollback and a
crash as it would in a server, and joins its table when the load is sealed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from shared.sinks.warehouse.errors import BulkRefusedError
from shared.sinks.warehouse.feeds import Part, Send
from shared.sinks.warehouse.sqlite import SqliteDialect
from shared.sinks.warehouse.types import BATCH, BATCH_COLUMN, Column
from tests.warehouse_kit import Warehouse


@dataclass(slots=True)
class AsideServer:
    """What stands beside the file: rows by table, and how the bulk route behaves.

    `fewest_rows`: how many make a table worth a feed. `refuses`: the bulk route fails once that
    many parts have come, as often as it is tried; statements, which come next, never do.
    """

    fewest_rows: int = 6
    refuses: int | None = None
    is_bulk: bool = True
    fed: list[str] = field(default_factory=list)
    parts: int = 0
    rows: dict[str, list[tuple[tuple[str, ...], tuple[Any, ...]]]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    on_part: Callable[[], None] = lambda: None

    def is_worth(
        self, connection: Connection, table: str, columns: Sequence[Column], *, rows: int
    ) -> bool:
        """Look at nothing but their number."""
        del connection, table, columns
        return rows >= self.fewest_rows

    def insert(
        self, connection: Connection, table: str, columns: Sequence[Column], rows: Part
    ) -> None:
        """Insert them as ever."""
        SqliteDialect().insert(connection, table, columns, rows, with_companion=True)

    def sender(self, table: str, columns: Sequence[Column]) -> Send:
        """Keep rows as they come; a bulk route shows them only when it has ended."""
        names = tuple(column.name for column in columns)
        assert names[-1] == BATCH
        self.fed.append(table)
        is_bulk = self.is_bulk

        def send(parts: Iterator[Part]) -> None:
            kept: list[Any] = []
            for part in parts:
                self.parts += 1
                self.on_part()
                if is_bulk and self.refuses is not None and self.parts > self.refuses:
                    self.is_bulk = False
                    self._keep(table, kept)
                    raise BulkRefusedError("RuntimeError")
                kept += ((names, row) for row in part)
            self._keep(table, kept)

        return send

    def drop_batches(self, connection: Connection, table: str, *, after: int) -> None:
        """Delete from both."""
        # In brackets: SQLite would take a quoted name that is no column's for a text.
        connection.exec_driver_sql(f"DELETE FROM [{table}] WHERE [{BATCH}] > {after}")  # noqa: S608  our own
        with self.lock:
            here = self.rows.get(table, [])
            self.rows[table] = [(names, row) for names, row in here if row[-2] <= after]

    def arrive(self, dialect: SqliteDialect, connection: Connection, table: str) -> None:
        """Put what was kept into the table itself."""
        with self.lock:
            kept = self.rows.pop(table, [])
        for names, row in kept:
            columns = [Column(field=n, name=n, type=BATCH_COLUMN.type) for n in names]
            dialect.insert(connection, table, columns, [row], with_companion=True)

    def _keep(self, table: str, rows: list[Any]) -> None:
        with self.lock:
            self.rows.setdefault(table, []).extend(rows)


@dataclass(frozen=True, kw_only=True)
class AsideWarehouse(Warehouse):
    """A warehouse whose sinks all write to one `server`."""

    server: AsideServer


def aside_warehouse(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsideWarehouse:
    """Make SQLite's dialect fill its staging tables aside, for one test."""
    server = AsideServer()

    class Aside(SqliteDialect):
        """Rows that came aside are there once the table is sealed."""

        aside = server

        def drop(self, connection: Connection, table: str) -> None:
            server.rows.pop(table, None)
            super().drop(connection, table)

        def seal(self, connection: Connection, table: str, *, index: str) -> None:
            server.arrive(self, connection, table)
            found = connection.exec_driver_sql("SELECT name FROM pragma_table_info(?)", (table,))
            if BATCH in {row[0] for row in found}:
                connection.exec_driver_sql(f'ALTER TABLE "{table}" DROP COLUMN "{BATCH}"')
            super().seal(connection, table, index=index)

    monkeypatch.setattr("shared.sinks.warehouse.engines.SqliteDialect", Aside)
    return AsideWarehouse(url=f"sqlite:///{folder / 'warehouse.db'}", server=server)
