from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from sqlalchemy import exc

from shared.errors import InvalidInputError, PermanentError, TransientError
from shared.store.faults import ForeignKeyError, UniqueError, translated
from tests.odbc_kit import odbc_error


def sqlite_error(code: int, name: str) -> Exception:
    error = sqlite3.OperationalError("told")
    error.sqlite_errorcode, error.sqlite_errorname = code, name
    return error


def wrapped(error: BaseException, **values: Any) -> exc.DBAPIError:
    return exc.DBAPIError("SELECT 1", {}, error, **values)


@pytest.mark.parametrize(
    "error",
    [
        *(odbc_error("42000", n) for n in (40613, 40197, 40501, 49918, 49919, 49920)),
        *(odbc_error("42000", n) for n in (10928, 10929, 4060)),
        odbc_error("40001", 1205),
        odbc_error("08S01", 0),
        odbc_error("HYT00", 0),
        odbc_error("28000", 4060, "login failed"),
        sqlite_error(sqlite3.SQLITE_BUSY, "SQLITE_BUSY"),
        sqlite_error(sqlite3.SQLITE_BUSY_SNAPSHOT, "SQLITE_BUSY_SNAPSHOT"),
        sqlite_error(sqlite3.SQLITE_LOCKED, "SQLITE_LOCKED"),
    ],
    ids=str,
)
def test_what_may_go_away_is_transient(error: Exception) -> None:
    """Azure SQL's documented numbers, lost connections, deadlocks, a busy file."""
    assert isinstance(translated(wrapped(error)), TransientError)


def test_a_lost_connection_is_transient_whatever_was_said() -> None:
    """SQLAlchemy found out that the connection is gone."""
    error = wrapped(odbc_error("HY000", 0), connection_invalidated=True)
    assert isinstance(translated(error), TransientError)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (odbc_error("23000", 2627), UniqueError),
        (odbc_error("23000", 2601), UniqueError),
        (odbc_error("23000", 547), ForeignKeyError),
        (odbc_error("28000", 18456), PermanentError),
        (sqlite_error(sqlite3.SQLITE_CONSTRAINT_UNIQUE, "x"), UniqueError),
        (sqlite_error(sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, "x"), UniqueError),
        (sqlite_error(sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY, "x"), ForeignKeyError),
        (InvalidInputError("too long"), InvalidInputError),
    ],
)
def test_an_error_with_a_meaning_gets_its_class(
    error: Exception, expected: type[Exception]
) -> None:
    """Repositories and callers handle meanings, not drivers."""
    assert type(translated(wrapped(error))) is expected


def test_an_unknown_error_stays_itself() -> None:
    """It is a bug, and its trace must show where."""
    unknown = wrapped(odbc_error("42S02", 208))
    assert translated(unknown) is unknown
    busy = exc.TimeoutError("pool")
    assert isinstance(translated(busy), TransientError)


def test_a_message_shows_the_number_and_not_the_drivers_text() -> None:
    """The driver quotes values and names; people get what identifies the fault."""
    error = odbc_error("42000", 40613, "Database 'secret-name' is paused")
    assert str(translated(wrapped(error))) == (
        "The database cannot answer now (error 40613). Try again."
    )
