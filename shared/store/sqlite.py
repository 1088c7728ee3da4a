"""The embedded database."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

READ_ONLY: Final = "linkhub_read_only"
"""The execution option of a connection that begins without taking the write lock."""

_BUSY_SECONDS: Final = 30
_PAUSE_SECONDS: Final = 0.01


def sqlite_engine(url: URL) -> Engine:
    """Return an engine whose write transactions take the write lock when they begin.

    A transaction that reads first and writes later could otherwise fail at once with "database is
    locked", whatever the busy time-out. In memory there is one connection: units of work take
    turns, and the database ends with the engine.
    """
    in_memory = url.database in {None, "", ":memory:"}
    if not in_memory and not str(url.database).startswith("file:"):
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=1 if in_memory else 5,
        max_overflow=0 if in_memory else 20,
        pool_timeout=_BUSY_SECONDS,
        connect_args={"check_same_thread": False, "timeout": _BUSY_SECONDS},
        hide_parameters=True,
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: Any) -> None:
    # The driver must not open transactions of its own: `_begin` does.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
    _write_ahead(connection)
    for pragma in (
        # Survives a crash of the process; a power cut may lose the last commits, whole ones.
        "synchronous = NORMAL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _write_ahead(connection: Any) -> None:
    """Have the file log ahead; of several that begin with a new file, SQLite lets none wait."""
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _begin(connection: Connection) -> None:
    read_only = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
