"""What a driver's error means to a caller."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

from sqlalchemy import exc

from shared.errors import IntegratorError, PermanentError, TransientError

# Microsoft, "Troubleshoot transient connection errors in SQL Database", and the ends of a
# transaction that another attempt may not meet: deadlock, lock time-out, snapshot conflict.
TRANSIENT_NUMBERS: Final = frozenset(
    {
        *(1205, 1222, 3960),
        *(4060, 4221, 40143, 40197, 40501, 40540, 40613, 49918, 49919, 49920, 10928, 10929),
        *(233, 10053, 10054, 10060),
    }
)
_TRANSIENT_STATES: Final = frozenset({"08001", "08003", "08007", "08S01", "HYT00", "HYT01"})
_SIGN_IN_NUMBERS: Final = frozenset({18452, 18456, 40532})
_UNIQUE_NUMBERS: Final = frozenset({2601, 2627})
_FOREIGN_KEY_NUMBERS: Final = frozenset({547})
_NUMBER: Final = re.compile(r"\((\d+)\)")

_SQLITE_BUSY: Final = 5
_SQLITE_LOCKED: Final = 6
_SQLITE_UNIQUE: Final = frozenset({2067, 1555})
_SQLITE_FOREIGN_KEY: Final = 787


class Fault(Enum):
    """What happened, whichever database said it."""

    TRANSIENT = auto()
    SIGN_IN = auto()
    UNIQUE = auto()
    FOREIGN_KEY = auto()
    OTHER = auto()


class UniqueError(Exception):
    """A unique rule forbids the row; the repository says which one in its own words."""


class ForeignKeyError(Exception):
    """The row names another that does not exist."""


def fault_of(error: BaseException) -> Fault:
    """Return what a driver's error (not SQLAlchemy's wrapper) means."""
    sqlite_code = getattr(error, "sqlite_errorcode", None)
    if sqlite_code is not None:
        return _fault_of_sqlite(sqlite_code)
    state, numbers = _state_and_numbers(error)
    if numbers & TRANSIENT_NUMBERS:
        return Fault.TRANSIENT
    if numbers & _SIGN_IN_NUMBERS or state == "28000":
        return Fault.SIGN_IN
    if numbers & _UNIQUE_NUMBERS:
        return Fault.UNIQUE
    if numbers & _FOREIGN_KEY_NUMBERS:
        return Fault.FOREIGN_KEY
    return Fault.TRANSIENT if state in _TRANSIENT_STATES else Fault.OTHER


def translated(error: Exception) -> Exception:
    """Return the error to raise instead: ours where this one means something to us."""
    if isinstance(error, exc.TimeoutError):
        return TransientError("Every connection to the database is in use. Try again.")
    if not isinstance(error, exc.StatementError) or error.orig is None:
        return error
    if isinstance(error.orig, IntegratorError):
        return error.orig
    fault = fault_of(error.orig)
    if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
        fault = Fault.TRANSIENT
    return _meaning(fault, error.orig) or error


def _meaning(fault: Fault, error: BaseException) -> Exception | None:
    match fault:
        case Fault.TRANSIENT:
            return TransientError(f"The database cannot answer now ({_brief(error)}). Try again.")
        case Fault.SIGN_IN:
            return PermanentError(
                "The database refuses the sign-in. Check the user of DATABASE_URL, or that the "
                "managed identity has a user in the database (python -m ops sql-user)."
            )
        case Fault.UNIQUE:
            return UniqueError(str(error))
        case Fault.FOREIGN_KEY:
            return ForeignKeyError(str(error))
        case Fault.OTHER:
            return None


def _fault_of_sqlite(code: int) -> Fault:
    if code & 0xFF in {_SQLITE_BUSY, _SQLITE_LOCKED}:
        return Fault.TRANSIENT
    if code in _SQLITE_UNIQUE:
        return Fault.UNIQUE
    return Fault.FOREIGN_KEY if code == _SQLITE_FOREIGN_KEY else Fault.OTHER


def _state_and_numbers(error: BaseException) -> tuple[str, frozenset[int]]:
    """Return the SQLSTATE and the server's numbers, which ODBC puts in its text as `(40613)`."""
    args = [str(argument) for argument in error.args]
    numbers = frozenset(int(found) for found in _NUMBER.findall(" ".join(args[1:])))
    return (args[0] if args else ""), numbers


def _brief(error: BaseException) -> str:
    """Return what identifies the fault without the driver's text, which may quote data."""
    name = getattr(error, "sqlite_errorname", None)
    if name is not None:
        return str(name)
    state, numbers = _state_and_numbers(error)
    known = sorted(numbers & TRANSIENT_NUMBERS)
    return f"error {known[0]}" if known else f"SQLSTATE {state}"
