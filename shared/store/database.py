"""The app's database: SQLite embedded, SQL Server in production. Loads SQLAlchemy when used."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from shared.errors import PermanentError, TransientError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from shared.store.unit_of_work import UnitOfWork

_logger = logging.getLogger(__name__)

_OPEN_DELAYS: Final = (1.0, 2.0, 4.0, 8.0)
"""Seconds between attempts to open: a paused serverless database needs some to wake."""


class Database:
    """Opens units of work. Safe to share between threads; connections never cross them.

    `access_token` gives a fresh token of Microsoft Entra ID for each new connection. Nothing is
    loaded or connected before the first unit of work.
    """

    def __init__(
        self,
        url: str,
        *,
        access_token: Callable[[], str] | None = None,
        open_delays: Sequence[float] = _OPEN_DELAYS,
        sleep: Callable[[float], None] = time.sleep,
        driver_module: Any = None,
    ) -> None:
        self._url = url
        self._access_token = access_token
        self._open_delays = open_delays
        self._sleep = sleep
        self._driver_module = driver_module
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    @property
    def engine(self) -> Engine:
        """The engine, made on first use; PermanentError where the URL or driver is unusable."""
        with self._lock:
            if self._engine is None:
                self._engine = self._make_engine()
            return self._engine

    @contextmanager
    def open_uow(self, *, read_only: bool = False) -> Iterator[UnitOfWork]:
        """Open a unit of work; leaving it without `commit` rolls back.

        Raise TransientError where the database cannot be reached, after some fresh attempts.
        """
        from shared.store.unit_of_work import UnitOfWork

        connection = self._open(read_only=read_only)
        try:
            yield UnitOfWork(connection, read_only=read_only)
        finally:
            self._close(connection)

    def ping(self) -> None:
        """Return if the database answers; raise TransientError or PermanentError if not."""
        self._close(self._open(read_only=True, retry=False))

    def dispose(self) -> None:
        """Close every connection that is not in use; the database can be used again."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    def _open(self, *, read_only: bool, retry: bool = True) -> Connection:
        from sqlalchemy.exc import SQLAlchemyError

        from shared.store.faults import translated
        from shared.store.sqlite import READ_ONLY

        # The embedded database has waited for its lock already.
        delays = self._open_delays if retry and self.engine.dialect.name == "mssql" else ()
        for delay in (*delays, None):
            try:
                return self._begin({READ_ONLY: read_only})
            except (SQLAlchemyError, TransientError) as error:
                known = translated(error)
                if delay is None or not isinstance(known, TransientError):
                    raise known from error
                _logger.warning("The database did not open: %s Next attempt in %g s", known, delay)
                self._sleep(delay)
        raise AssertionError

    def _begin(self, options: dict[str, bool]) -> Connection:
        connection = self.engine.connect()
        try:
            connection = connection.execution_options(**options)
            connection.begin()
        except BaseException:
            connection.close()
            raise
        return connection

    def _close(self, connection: Connection) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            connection.close()
        except SQLAlchemyError as error:
            # The server rolls back what was not committed when a connection is gone.
            _logger.warning("The database connection did not close: %s", type(error).__name__)

    def _make_engine(self) -> Engine:
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            url = make_url(self._url)
        except ArgumentError:
            raise PermanentError(
                "DATABASE_URL is no SQLAlchemy URL. Use sqlite:///path or "
                "mssql+pyodbc://server/database."
            ) from None
        if url.get_backend_name() == "sqlite":
            from shared.store.sqlite import sqlite_engine

            return sqlite_engine(url)
        if url.drivername == "mssql+pyodbc":
            from shared.store.sqlserver import sqlserver_engine

            return sqlserver_engine(
                url, access_token=self._access_token, driver_module=self._driver_module
            )
        raise PermanentError(
            f"DATABASE_URL names {url.drivername}: only sqlite and mssql+pyodbc are supported."
        )
