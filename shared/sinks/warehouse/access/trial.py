"""Whether a login may do what loading takes: it is done, and rolled back."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from typing import Any, Final

_AT_CONNECT: Final = ("SET NOCOUNT ON", "SET XACT_ABORT ON", "SET LOCK_TIMEOUT 4000")
_RENAME: Final = "EXEC sp_rename @objname = ?, @newname = ?, @objtype = N'OBJECT'"
_NUMBER: Final = re.compile(r"\((\d{2,8})\)")


class RefusedError(Exception):
    """SQL Server refused a step of the trial; `numbers` are its errors."""

    def __init__(self, step: str, error: BaseException) -> None:
        super().__init__(step)
        self.step = step
        self.state, self.numbers = told_by(error)


def try_out(connection: Any, schema: str) -> None:
    """Do with a table of no meaning what loading does with all, and roll everything back.

    Raise RefusedError for the first step that does not work. `connection` is the driver's own,
    without autocommit; SQL Server's DDL is transactional.
    """
    cursor = connection.cursor()
    step = "open a session"
    try:
        for statement in _AT_CONNECT:
            cursor.execute(statement)
        for step, statement, *values in _steps(schema, secrets.token_hex(8)):  # noqa: B007  told below
            cursor.execute(statement, *values)
            # An error may hide behind the first result.
            while cursor.nextset():
                pass
    except Exception as error:  # noqa: BLE001  the driver's, known only when it is loaded
        raise RefusedError(step, error) from None
    finally:
        connection.rollback()


def told_by(error: BaseException) -> tuple[str, frozenset[int]]:
    """Return the SQLSTATE and SQL Server's error numbers of a driver's error."""
    state = str(error.args[0]) if error.args else ""
    text = " ".join(str(argument) for argument in error.args[1:])
    return state, frozenset(int(number) for number in _NUMBER.findall(text))


def _steps(schema: str, mark: str) -> Iterator[tuple[str, ...]]:
    made, renamed = f"_linkhub_trial_{mark}", f"_linkhub_tried_{mark}"
    table, view = f"{_quote(schema)}.{_quote(made)}", f"{_quote(schema)}.{_quote(made + '_v')}"
    later = f"{_quote(schema)}.{_quote(renamed)}"
    columns = "[k] NVARCHAR(100) NOT NULL PRIMARY KEY, [n] BIGINT NULL"
    yield "create tables", f"CREATE TABLE {table} ({columns})"
    yield "alter tables", f"ALTER TABLE {table} ADD [t] NVARCHAR(MAX) NULL"
    yield "insert rows", f"INSERT INTO {table} ([k], [n]) VALUES (N'a', 1)"  # noqa: S608  quoted
    yield "update rows", f"UPDATE {table} SET [n] = 2 WHERE [k] = N'a'"  # noqa: S608  quoted
    yield "read rows", f"SELECT [n] FROM {table}"  # noqa: S608  quoted
    yield "create views", f"CREATE VIEW {view} AS SELECT [n] FROM {table}"  # noqa: S608  quoted
    yield "drop views", f"DROP VIEW {view}"
    yield "rename tables", _RENAME, table, renamed
    yield "delete rows", f"DELETE FROM {later}"  # noqa: S608  quoted
    yield "drop tables", f"DROP TABLE {later}"


def _quote(name: str) -> str:
    return "[" + name.replace("]", "]]") + "]"
