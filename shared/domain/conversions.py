"""Reading values as sources send them: numbers, truth values, days, instants, text.

Every reader takes anything JSON can hold, plus Decimal, date and datetime, and raises RecordError
with a message that quotes the value. Empty values never get here: they are settled before.
Nothing here rounds, cuts or guesses.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    Context,
    Decimal,
    Inexact,
    InvalidOperation,
)
from enum import StrEnum
from typing import Any

from shared.errors import RecordError

MAX_DIGITS = 38
"""The most digits a decimal may have in all: what SQL Server's DECIMAL holds."""

TRUE_WORDS = frozenset({"true", "t", "yes", "y", "on", "1"})
FALSE_WORDS = frozenset({"false", "f", "no", "n", "off", "0"})

_MAX_NUMBER_TEXT = 100
_MAX_INTEGER_BITS = 400
_SMALLEST_EXPONENT = -60
_EPOCH_TEXT = re.compile(r"-?[0-9]{1,20}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MIN_EPOCH_MS = 10**10
_DATE_LENGTH = len("2026-01-31")
_MINUTE_LENGTH = len("2026-01-31T12:30")
_QUOTE_LENGTH = 60
_ZERO = Decimal(0)
_STEPS = [Decimal((0, (1,), -scale)) for scale in range(MAX_DIGITS + 1)]
_EXACT = Context(prec=2 * MAX_DIGITS + 60)
_EXACT_OR_RAISE = Context(prec=2 * MAX_DIGITS + 60, traps=[Inexact])


class Rounding(StrEnum):
    """What becomes of digits there is no room for. REJECT: the record is at fault."""

    HALF_EVEN = "half_even"
    HALF_UP = "half_up"
    FLOOR = "floor"
    CEILING = "ceiling"
    TRUNCATE = "truncate"
    REJECT = "reject"


_DECIMAL_ROUNDING = {
    Rounding.HALF_EVEN: ROUND_HALF_EVEN,
    Rounding.HALF_UP: ROUND_HALF_UP,
    Rounding.FLOOR: ROUND_FLOOR,
    Rounding.CEILING: ROUND_CEILING,
    Rounding.TRUNCATE: ROUND_DOWN,
}


def quote(value: Any) -> str:
    """Return a value as a message shows it: at most about 60 characters."""
    if isinstance(value, int) and value.bit_length() > _MAX_INTEGER_BITS:
        return "a huge integer"
    text = value if isinstance(value, str) else str(value)
    return repr(text if len(text) <= _QUOTE_LENGTH else text[:_QUOTE_LENGTH] + "…")


def is_empty(value: Any) -> bool:
    """Whether a value says nothing: None, or text of white space only."""
    return value is None or (isinstance(value, str) and (not value or value.isspace()))


def read_number(value: Any) -> Decimal:
    """Return an exact decimal; a float counts as the shortest text that gives it.

    Refused with RecordError: truth values, NaN and infinities, a comma or any other separator, more
    than 38 digits before the point, and anything smaller than 1e-60 that is not zero.
    """
    number = _exact(value)
    if not number:
        return _ZERO
    size = number.adjusted()
    if size >= MAX_DIGITS:
        raise RecordError(f"{quote(value)} is too large: at most {MAX_DIGITS} digits fit.")
    if size < _SMALLEST_EXPONENT:
        raise RecordError(f"{quote(value)} is too close to zero to be kept.")
    return number


def _exact(value: Any) -> Decimal:
    """Return a finite decimal of any size."""
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, str):
        number = _parse_number(value)
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RecordError(f"{_describe(value)} is no number.")
    elif isinstance(value, int) and value.bit_length() > _MAX_INTEGER_BITS:
        raise RecordError(f"{quote(value)} is too large: at most {MAX_DIGITS} digits fit.")
    else:
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        raise RecordError(f"{quote(value)} is not a finite number.")
    return number


def _parse_number(text: str) -> Decimal:
    """Return the decimal a text holds, white space around it aside."""
    try:
        # Decimal would also read 1_000 and digits of any script
        if len(text) <= _MAX_NUMBER_TEXT and text.isascii() and "_" not in text:
            return Decimal(text)
    except InvalidOperation:
        pass
    raise RecordError(f"{quote(text)} is no number; numbers look like 1234.5.")


def round_number(number: Decimal, scale: int, rounding: Rounding) -> Decimal:
    """Return the number with exactly `scale` digits after the point; zero has no sign."""
    step = _STEPS[scale]
    if rounding is Rounding.REJECT:
        try:
            rounded = number.quantize(step, None, _EXACT_OR_RAISE)
        except Inexact:
            room = f"{scale} digits after the point" if scale else "whole numbers"
            raise RecordError(
                f"{quote(format(number, 'f'))} does not fit, only {room}; "
                "give its field a transform with a rounding."
            ) from None
    else:
        rounded = number.quantize(step, _DECIMAL_ROUNDING[rounding], _EXACT)
    return rounded or step * 0


def read_boolean(value: Any) -> bool:
    """Return the truth value of true/t/yes/y/on/1 or false/f/no/n/off/0, in any case."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float, Decimal)):
        if value in {0, 1}:
            return bool(value)
    elif isinstance(value, str):
        word = value.strip().lower()
        if word in TRUE_WORDS:
            return True
        if word in FALSE_WORDS:
            return False
    raise RecordError(f"{_describe(value)} is neither true nor false (nor yes/no, on/off, 1/0).")


def read_date(value: Any, zone: tzinfo) -> date:
    """Return the day; an instant becomes the day it falls on in `zone`, a plain day stays."""
    moment = _read_moment(value)
    if not isinstance(moment, datetime):
        return moment
    try:
        return (moment if moment.tzinfo is None else moment.astimezone(zone)).date()
    except OverflowError:
        raise RecordError(f"{quote(value)} lies outside the years 1 to 9999.") from None


def read_instant(value: Any, zone: tzinfo) -> datetime:
    """Return the instant in UTC; what names no zone is local to `zone`, a plain day its midnight.

    A local time that daylight saving skips is moved on by the length of the gap (02:30 is read as
    03:30); one that occurs twice is the first of the two (PEP 495 with fold 0).
    """
    moment = _read_moment(value)
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise RecordError(f"{quote(value)} lies outside the years 1 to 9999.") from None


def read_text(value: Any) -> str:
    """Return text: numbers without exponent or needless point, days and instants as ISO 8601."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, Decimal)):
        text = format(read_number(value), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime):
        return format_instant(read_instant(value, UTC))
    if isinstance(value, date):
        return value.isoformat()
    raise RecordError(f"{_describe(value)} cannot become text.")


def format_instant(instant: datetime) -> str:
    """Return a UTC instant as ISO 8601 with Z; a fraction stands only where there is one."""
    return instant.replace(tzinfo=None).isoformat() + "Z"


def _read_moment(value: Any) -> date | datetime:
    """Return the day, the local time or the instant a value names.

    Texts are `YYYY-MM-DD` or `YYYY-MM-DDTHH:MM[:SS[.fff]][Z|±HH:MM]` (a space may stand for T).
    Numbers, and texts of digits only, are milliseconds since 1970 as HubSpot and Convex send them.
    Closer to 1970 than 10^10 of them (116 days) they are refused: such a value is a count of
    seconds or a date without dashes far more often than a day in early 1970.
    """
    if isinstance(value, str):
        return _parse_moment(value.strip())
    if isinstance(value, date):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise RecordError(f"{_describe(value)} is no date.")
    return _since_epoch(read_number(value))


def _parse_moment(text: str) -> date | datetime:
    try:
        if text[4] == text[7] == "-":
            if len(text) == _DATE_LENGTH:
                return date.fromisoformat(text)
            if len(text) >= _MINUTE_LENGTH and text[10] in "Tt ":
                return datetime.fromisoformat(text)
    except (IndexError, ValueError):
        pass
    if _EPOCH_TEXT.fullmatch(text):
        return _since_epoch(read_number(text))
    raise RecordError(
        f"{quote(text)} is no date; dates look like 2026-01-31 or 2026-01-31T12:30:00Z."
    )


def _since_epoch(milliseconds: Decimal) -> datetime:
    if milliseconds != int(milliseconds):
        raise RecordError(f"{quote(milliseconds)} is no date: milliseconds have no fraction.")
    if abs(milliseconds) < _MIN_EPOCH_MS:
        raise RecordError(
            f"{quote(milliseconds)} is no clear date; dates look like 2026-01-31, or are "
            "milliseconds since 1970 with at least 11 digits."
        )
    try:
        return _EPOCH + timedelta(milliseconds=int(milliseconds))
    except OverflowError:
        raise RecordError(f"{quote(milliseconds)} lies outside the years 1 to 9999.") from None


def _describe(value: Any) -> str:
    """Return what a value is, for a message: its kind where showing it would not help."""
    if isinstance(value, dict):
        return "A nested object"
    if isinstance(value, (list, tuple)):
        return "A list"
    if isinstance(value, (bytes, bytearray)):
        return "Binary data"
    return quote(value)
