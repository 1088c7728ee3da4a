"""One transaction: how repositories reach the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, CursorResult, Executable, RowMapping, UpdateBase
from sqlalchemy.exc import SQLAlchemyError

from shared.store.faults import translated

_READ_ONLY: Final = "This unit of work was opened read-only."


class SqlSession:
    """Runs statements in one transaction and turns a driver's errors into ours.

    Each may raise TransientError, UniqueError, ForeignKeyError, InvalidInputError, or what the
    driver said. After an error the transaction is never continued: `commit` refuses. Rows written
    are asked back with RETURNING, never counted: under `SET NOCOUNT ON` SQL Server counts nothing.
    """

    def __init__(self, connection: Connection, *, read_only: bool = False) -> None:
        self._connection = connection
        self.read_only = read_only
        self._broken = False

    @property
    def connection(self) -> Connection:
        """The connection itself, for its dialect."""
        return self._connection

    @property
    def dialect(self) -> str:
        """`sqlite` or `mssql`."""
        return self._connection.dialect.name

    def run(self, statement: Executable, rows: Sequence[Mapping[str, Any]] | None = None) -> None:
        """Run a statement that writes, once or for each row."""
        if self.read_only:
            raise RuntimeError(_READ_ONLY)
        with self._translating():
            self._execute(statement, rows).close()

    def run_native(self, sql: str, values: tuple[Any, ...]) -> None:
        """Run a statement that writes, as the driver has it: a `?` for each of `values`, bound."""
        if self.read_only:
            raise RuntimeError(_READ_ONLY)
        with self._translating():
            self._connection.exec_driver_sql(sql, values).close()

    def first(self, statement: Executable) -> RowMapping | None:
        """Run a statement and return its first row, None where there is none."""
        with self._translating():
            return self._execute(statement).mappings().first()

    def all(self, statement: Executable) -> Sequence[RowMapping]:
        """Run a statement and return all of its rows."""
        with self._translating():
            return self._execute(statement).mappings().all()

    def commit(self) -> None:
        """Make everything durable."""
        if self._broken:
            raise RuntimeError("A statement of this unit of work failed: redo all of it.")
        with self._translating():
            self._connection.commit()

    def _execute(
        self, statement: Executable, rows: Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        if self.read_only and isinstance(statement, UpdateBase):
            raise RuntimeError(_READ_ONLY)
        return self._connection.execute(statement, rows)

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            self._broken = True
            raise translated(error) from error
