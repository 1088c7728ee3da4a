"""Time zones by their IANA names, always from the pinned `tzdata` package.

`ZoneInfo(name)` prefers the host's own database, which may be years old: rules that changed since
(British Columbia stops changing its clocks in 2026) would shift every schedule by an hour. Here the
host is never asked, and no process-wide search path has to be set before anybody else looks.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

_NO_PLACE = "Factory"  # what tzdata calls a machine whose zone nobody has set

_SECOND = timedelta(seconds=1)


def find_zone(name: str) -> ZoneInfo | None:
    """Return the zone of an IANA name such as Europe/Rome, or None; letter case counts."""
    return _load(name) if name in _names() else None


def first_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return when clocks in the zone first show `wall` (naive, whole seconds), in UTC.

    A time that clocks show twice means its first pass. One that they leap over means the moment of
    the leap, the first there is after it.
    """
    instant = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall:
        return instant
    # Within a gap, fold 0 counts with the offset before it and ends after the leap; fold 1 counts
    # with the offset after it and ends before the leap (PEP 495).
    before, after = wall.replace(tzinfo=zone, fold=1).astimezone(UTC), instant
    new_offset = after.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // _SECOND // 2 * _SECOND
        if middle.astimezone(zone).utcoffset() == new_offset:
            after = middle
        else:
            before = middle
    return after


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    names = files("tzdata").joinpath("zones").read_text(encoding="ascii").split()
    return frozenset(names) - {_NO_PLACE}


@cache  # bounded by the names there are
def _load(name: str) -> ZoneInfo:
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)
