"""What a database error means for a sync."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from typing import Any

from shared.domain.reconciliation import TableCheck
from shared.errors import (
    DestinationError,
    PermanentError,
    ReadAgainError,
    SyncError,
    TransientError,
)
from shared.sinks.warehouse.refusals import MISSING, NO_ROOM, refusal_of

_SQLITE_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
}
_NUMBER = re.compile(r"\((\d{3,5})\)(?= \(|;|['\"]|$)")
"""An error's number stands behind its text, and the driver's own function may follow."""
_SQLITE_MISSING = re.compile(r"no such (table|column)|has no column named")
_LONGEST = 400


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

    `error` is a DBAPI error, SQLAlchemy's wrapping of one, or a BulkRefusedError.
    """
    if isinstance(error, BulkRefusedError):
        return ReadAgainError(f"A bulk copy into the warehouse failed: {error}.")
    cause: Any = getattr(error, "orig", None) or error
    whole = " ".join(str(cause).split())
    text = whole[:_LONGEST]
    if isinstance(cause, sqlite3.Error):
        return _of_file(cause, text)
    state = str(cause.args[0]) if cause.args else ""
    refusal = refusal_of(state, {int(number) for number in _NUMBER.findall(whole)})
    if refusal.is_ours:
        # Never an AuthError: it is not the provider that must be connected again.
        return DestinationError(refusal.said(text))
    return (TransientError if refusal.passes else PermanentError)(refusal.said(text))


def _of_file(error: sqlite3.Error, text: str) -> SyncError:
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return TransientError(NO_ROOM.said(text))
    if code in _SQLITE_PASSING:
        return TransientError(f"The warehouse file cannot be written now: {text}.")
    if _SQLITE_MISSING.search(text):
        return PermanentError(MISSING.said(text))
    return PermanentError(f"The warehouse file refused what it was asked: {text}.")


def is_integrity_error(error: BaseException) -> bool:
    """Whether a unique key or a NOT NULL was violated."""
    cause = getattr(error, "orig", None) or error
    return type(cause).__name__ == "IntegrityError"
