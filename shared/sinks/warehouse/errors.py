"""What a database error means for a sync."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from typing import Any

from shared.domain.reconciliation import TableCheck
from shared.errors import PermanentError, SyncError, TransientError

_SQLITE_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
}
_PASSING_STATES = ("08", "40", "HYT")
_PASSING_NUMBERS = {
    1205,  # deadlock
    1222,  # lock time-out
    2714,  # another run made the same table a moment before
    4060,  # database not open to us yet (Azure SQL fails over)
    10928,
    10929,
    40197,
    40501,
    40613,
    49918,
    49919,
    49920,
}
_LOGIN_NUMBERS = {18452, 18456, 18470, 18486, 18487, 18488}
_NUMBER = re.compile(r"\((\d{3,5})\)")


class BrokenLoadError(PermanentError):
    """What the source sent cannot become a table; the staged rows are void, the live ones stay."""


class BulkRefusedError(Exception):
    """A bulk route does not work; the text holds no secret."""


class MismatchError(Exception):
    """A full load whose staged rows are not those that were read; the live tables stay."""

    def __init__(self, checks: Sequence[TableCheck]) -> None:
        super().__init__("The staged tables differ from what was read.")
        self.checks = checks


def translated(error: BaseException) -> SyncError:
    """Return the SyncError a driver's error amounts to; its text has neither SQL nor values bound.

    `error` is a DBAPI error, or SQLAlchemy's wrapping of one.
    """
    cause: Any = getattr(error, "orig", None) or error
    text = " ".join(str(cause).split())[:400]
    if isinstance(cause, sqlite3.Error):
        code = (getattr(cause, "sqlite_errorcode", None) or 0) & 0xFF
        if code in _SQLITE_PASSING:
            return TransientError(f"The warehouse file cannot be written now: {text}.")
        return PermanentError(f"The warehouse file refused what it was asked: {text}.")
    state = str(cause.args[0]) if cause.args else ""
    numbers = {int(number) for number in _NUMBER.findall(text)}
    if state == "28000" or numbers & _LOGIN_NUMBERS:
        # Not an AuthError: it is not the provider that must be connected again.
        return PermanentError(
            f"The warehouse refuses the login. Save its right password, then resume: {text}"
        )
    if state.startswith(_PASSING_STATES) or numbers & _PASSING_NUMBERS:
        return TransientError(f"The warehouse cannot answer now: {text}")
    return PermanentError(f"The warehouse refused what it was asked: {text}")


def is_integrity_error(error: BaseException) -> bool:
    """Whether a unique key or a NOT NULL was violated."""
    cause = getattr(error, "orig", None) or error
    return type(cause).__name__ == "IntegrityError"
