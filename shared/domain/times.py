"""Points in time: always aware, always UTC, exact to the millisecond SQL keeps."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the present, cut to whole milliseconds so that what is stored reads back equal."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
