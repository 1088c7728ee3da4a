"""When an instance syncs by itself.

A frequency and its details, as a wizard sends and the database keeps them:

    manual  {}
    hourly  {"minute": 5}
    daily   {"time": "06:30"}
    weekly  {"weekdays": ["mon", "thu"], "time": "06:30"}
    cron    {"expression": "*/15 8-18 * * mon-fri"}          (see `cron`)

Times are those of the clocks in the schedule's zone. Where these change:

- a time they leap over counts at the moment of the leap, so that no day goes without its sync;
- a time they show twice counts once, the first time;
- but a schedule that leaves out no hour (`hourly`, cron with every hour) follows the minute hand:
  it goes on through both passes of a repeated hour and skips what is leapt over.

Occurrences missed while nothing ran are made up for by one sync: whoever finds a schedule due
starts it once and asks for `next_after` the present, not after the occurrence missed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

from shared.domain.conversions import quote
from shared.domain.cron import WEEKDAYS, Pattern, parse_cron
from shared.domain.instances import Frequency
from shared.domain.zones import find_zone, first_instant
from shared.errors import InvalidInputError

JITTER_SECONDS: Final = 60
"""How far the syncs of one moment are drawn apart."""

_ONE_DAY = timedelta(days=1)
_ONE_MINUTE = timedelta(minutes=1)
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_KEY_SHOWN = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A frequency in a zone; `pattern` is None for a manual one, which never occurs by itself."""

    frequency: Frequency
    zone: ZoneInfo
    pattern: Pattern | None

    @classmethod
    def parse(cls, frequency: str, details: Any, time_zone: str) -> Self:
        """Return the schedule that a frequency, its details and an IANA zone describe.

        Raise InvalidInputError whose `errors` name each part at fault by its name on the wire.
        """
        errors: list[tuple[str, str]] = []
        pattern = None
        if frequency in set(Frequency):
            reader = _Details(details)
            pattern = _READERS[Frequency(frequency)](reader)
            errors += reader.finish()
        else:
            errors.append(("frequency", f"{quote(frequency)} is none of {', '.join(Frequency)}."))
        zone = find_zone(time_zone)
        if zone is None:
            text = f"{quote(time_zone)} is no IANA time zone such as Europe/Rome."
            errors.append(("timeZone", text))
        if errors or zone is None:
            wrong = " ".join(message for _, message in errors)
            raise InvalidInputError(f"The schedule cannot be used: {wrong}", errors=errors)
        return cls(frequency=Frequency(frequency), zone=zone, pattern=pattern)

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first occurrence later than `moment` (aware), in UTC; None for a manual one.

        Raise ValueError for a naive moment: it would be read in the host's zone.
        """
        if moment.tzinfo is None:
            raise ValueError(f"{moment!r} has no time zone.")
        if self.pattern is None:
            return None
        start = moment.astimezone(UTC)
        if self.pattern.every_hour:
            return _by_minute_hand(self.pattern, self.zone, start)
        return _by_wall_clock(self.pattern, self.zone, start)

    def upcoming(self, moment: datetime, count: int = 5) -> tuple[datetime, ...]:
        """Return the next `count` occurrences later than `moment`, in UTC; none for a manual."""
        found: list[datetime] = []
        at = self.next_after(moment)
        while at is not None and len(found) < count:
            found.append(at)
            at = self.next_after(at)
        return tuple(found)


def is_due(next_at: datetime | None, now: datetime) -> bool:
    """Whether a stored next occurrence has come, however long ago."""
    return next_at is not None and next_at <= now


def jitter_of(instance_id: str) -> timedelta:
    """Return how long after an occurrence this instance starts: whole seconds, always the same.

    It keeps thousands of instances that say 06:00 from starting in one second. Times people see
    are those without it.
    """
    digest = hashlib.blake2b(instance_id.encode(), digest_size=8).digest()
    return timedelta(seconds=int.from_bytes(digest, "big") % (JITTER_SECONDS + 1))


def _by_minute_hand(pattern: Pattern, zone: ZoneInfo, moment: datetime) -> datetime:
    at = moment.replace(second=0, microsecond=0) + _ONE_MINUTE
    while True:
        local = at.astimezone(zone)
        if not pattern.has_day(local.date()):
            morning = datetime.combine(pattern.next_day(local.date()), time())
            at = max(first_instant(morning, zone), at + _ONE_MINUTE)
        elif local.minute in pattern.minutes:
            return at
        else:
            at += _ONE_MINUTE


def _by_wall_clock(pattern: Pattern, zone: ZoneInfo, moment: datetime) -> datetime:
    shown = moment.astimezone(zone).replace(tzinfo=None)
    times = pattern.times
    day = pattern.next_day(shown.date())
    while True:
        for clock in times:
            wall = datetime.combine(day, clock)
            # What clocks have shown once is over, also while they show it again.
            if wall > shown and (at := first_instant(wall, zone)) > moment:
                return at
        day = pattern.next_day(day + _ONE_DAY)


class _Details:
    """The details of one schedule: taken key by key, with what is wrong collected."""

    def __init__(self, details: Any) -> None:
        self._left: dict[Any, Any] = {}
        self._errors: list[tuple[str, str]] = []
        if isinstance(details, Mapping):
            self._left.update(details)
        else:
            self._errors.append(("frequencyDetails", "The details must be an object."))

    def finish(self) -> list[tuple[str, str]]:
        """Return what is wrong, keys nobody took included."""
        for key in self._left:
            self._refuse(str(key), f"{quote(key)} is no detail of this frequency.")
        return self._errors

    def minute(self) -> int:
        value = self._left.pop("minute", None)
        if isinstance(value, int) and not isinstance(value, bool) and value in range(60):
            return value
        self._refuse("minute", "The minute must be a whole number from 0 to 59.")
        return 0

    def clock(self) -> time:
        value = self._left.pop("time", None)
        match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
        if match is not None:
            return time(int(match[1]), int(match[2]))
        self._refuse("time", "The time must be written HH:MM, from 00:00 to 23:59.")
        return time()

    def weekdays(self) -> frozenset[int]:
        value = self._left.pop("weekdays", None)
        if isinstance(value, list | tuple) and value and all(day in WEEKDAYS for day in value):
            return frozenset(WEEKDAYS.index(day) for day in value)
        week = ", ".join((*WEEKDAYS[1:], WEEKDAYS[0]))
        self._refuse("weekdays", f"The weekdays must be a list of one or more of {week}.")
        return frozenset()

    def expression(self) -> Pattern | None:
        value = self._left.pop("expression", None)
        if not isinstance(value, str):
            self._refuse("expression", "The expression must be text such as 30 6 * * mon-fri.")
            return None
        try:
            return parse_cron(value)
        except InvalidInputError as error:
            self._refuse("expression", f"The cron expression is not right. {error}")
            return None

    def _refuse(self, key: str, message: str) -> None:
        self._errors.append((f"frequencyDetails.{key[:_KEY_SHOWN]}", message))


def _hourly(details: _Details) -> Pattern:
    return Pattern(minutes=frozenset({details.minute()}))


def _daily(details: _Details) -> Pattern:
    clock = details.clock()
    return Pattern(minutes=frozenset({clock.minute}), hours=frozenset({clock.hour}))


def _weekly(details: _Details) -> Pattern:
    weekdays, clock = details.weekdays(), details.clock()
    return Pattern(
        minutes=frozenset({clock.minute}), hours=frozenset({clock.hour}), weekdays=weekdays
    )


_READERS = {
    Frequency.MANUAL: lambda _: None,
    Frequency.HOURLY: _hourly,
    Frequency.DAILY: _daily,
    Frequency.WEEKLY: _weekly,
    Frequency.CRON: _Details.expression,
}
