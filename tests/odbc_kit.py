"""A stand-in for pyodbc that notes what SQLAlchemy asks of it; no ODBC library is needed."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

MICROSOFT = "ODBC Driver 18 for SQL Server"


class OdbcError(Exception):
    """As pyodbc's: SQLSTATE and message."""


def odbc_error(state: str, number: int, text: str = "told") -> OdbcError:
    return OdbcError(state, f"[{state}] [Microsoft][{MICROSOFT}]{text} ({number}) (SQLExec)")


class FakeOdbc(SimpleNamespace):
    """The module. `refusals` are raised by the next connects, in order.

    `refused` are errors raised by statements that begin with their key.
    """

    def __init__(self, drivers: Sequence[str] = (MICROSOFT,), **values: Any) -> None:
        self.installed = list(drivers)
        self.refusals: list[OdbcError] = []
        self.refused: dict[str, OdbcError] = {}
        self.connects: list[tuple[str, dict[str, Any]]] = []
        self.statements: list[str] = []
        self.sizes: list[list[Any]] = []
        names = ("Error", "DatabaseError", "ProgrammingError", "OperationalError", "IntegrityError")
        super().__init__(
            **dict.fromkeys(names, OdbcError),
            version="5.5.0",
            paramstyle="qmark",
            threadsafety=1,
            pooling=True,
            SQL_VARCHAR=12,
            SQL_WVARCHAR=-9,
            SQL_DECIMAL=3,
            DATETIME=object,
            NUMBER=float,
            Binary=bytes,
            Cursor=FakeCursor,
            **values,
        )

    def drivers(self) -> list[str]:
        return self.installed

    def connect(self, connection_string: str, **values: Any) -> FakeConnection:
        self.connects.append((connection_string, values))
        if self.refusals:
            raise self.refusals.pop(0)
        return FakeConnection(self)


class FakeConnection:
    def __init__(self, module: FakeOdbc) -> None:
        self.module = module
        self.autocommit = False

    def cursor(self) -> FakeCursor:
        return FakeCursor(self.module)

    def add_output_converter(self, _type: int, _convert: Any) -> None:
        pass

    def commit(self) -> None:
        self.module.statements.append("COMMIT")

    def rollback(self) -> None:
        self.module.statements.append("ROLLBACK")

    def close(self) -> None:
        self.module.statements.append("CLOSE")


class FakeCursor:
    """Answers what SQLAlchemy asks when it connects; any other query has no rows."""

    rowcount = -1
    fast_executemany = False

    def __init__(self, module: FakeOdbc) -> None:
        self.module = module
        self.description: Any = None
        self.rows: list[tuple[Any, ...]] = []

    def execute(self, statement: str, *_params: Any) -> FakeCursor:
        self.module.statements.append(statement)
        for beginning, error in self.module.refused.items():
            if statement.startswith(beginning):
                raise error
        answers = {"ProductVersion": "16.0.1000.6", "schema_name": "dbo", "SELECT 1": 1}
        found = [value for text, value in answers.items() if text in statement]
        self.rows = [(value,) for value in found[:1]]
        self.description = [("value", str, None, None, None, None, True)]
        return self

    def executemany(self, statement: str, _rows: Any) -> None:
        self.module.statements.append(statement)
        self.description = None

    def setinputsizes(self, sizes: list[Any]) -> None:
        self.module.sizes.append(sizes)

    def fetchone(self) -> tuple[Any, ...] | None:
        return self.rows.pop(0) if self.rows else None

    def fetchall(self) -> list[tuple[Any, ...]]:
        rows, self.rows = self.rows, []
        return rows

    def nextset(self) -> bool:
        return False

    def close(self) -> None:
        pass
