"""How HubSpot writes times."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1)


@lru_cache(maxsize=4096)
def _day(number: int) -> str:
    return (_EPOCH + timedelta(days=number)).isoformat()


def to_iso(milliseconds: int) -> str:
    """Return the instant as HubSpot writes it: UTC, and no fraction where it would be zero."""
    days, rest = divmod(milliseconds, DAY_MS)
    seconds, fraction = divmod(rest, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    tail = f".{fraction:03}Z" if fraction else "Z"
    return f"{_day(days)}T{hour:02}:{minute:02}:{second:02}{tail}"


def to_day(milliseconds: int) -> str:
    """Return the UTC day of the instant, `YYYY-MM-DD`."""
    return _day(milliseconds // DAY_MS)


def to_ms(text: str) -> int:
    """Return the instant of an ISO-8601 text or of epoch milliseconds written as digits.

    Raise ValueError where it is neither. A text without a zone is UTC.
    """
    if text.lstrip("-").isdigit():
        return int(text)
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
