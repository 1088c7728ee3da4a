"""Which minutes of which days a schedule names, and the five cron fields that can say it.

    minute (0-59)  hour (0-23)  day of month (1-31)  month (1-12, jan-dec)  weekday (0-7, sun-sat)

A field is `*`, or a list of numbers and ranges: `5`, `1-5`, `0,30`, `*/15`, `8-18/2`. Sunday is 0
and 7. As in Vixie cron (crontab(5)) a day fits either of the two day fields where both are
restricted, and both of them where one begins with `*`: `0 6 1 * mon` is the first of a month and
every Monday, `0 6 */2 * mon` the Mondays that are odd days. Seconds, years, `L`, `W`, `#`, `?`
and `@daily` are refused rather than read in one of their several ways.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Final

from shared.errors import InvalidInputError

MIN_MINUTES_APART: Final = 15
"""A schedule may not name two times of day closer than this."""

MAX_LENGTH: Final = 200

HOURS: Final = frozenset(range(24))
DAYS: Final = frozenset(range(1, 32))
MONTHS: Final = frozenset(range(1, 13))
WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
"""By their cron numbers: Sunday is 0."""

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ONE_DAY = timedelta(days=1)
_DAY_MINUTES = 24 * 60
_ITEM = re.compile(r"(?:(?P<all>\*)|(?P<low>\w+)(?:-(?P<high>\w+))?)(?:/(?P<step>\w+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """The minutes, hours and days a schedule names; weekdays by cron's numbers, Sunday 0.

    With `either_day` a day fits that has a named day of the month or a named weekday, else it must
    have both. At least one day that fits exists: whoever makes a pattern sees to it.
    """

    minutes: frozenset[int]
    hours: frozenset[int] = HOURS
    days: frozenset[int] = DAYS
    months: frozenset[int] = MONTHS
    weekdays: frozenset[int] = frozenset(range(7))
    either_day: bool = False

    @property
    def every_hour(self) -> bool:
        """Whether no hour of the day is left out."""
        return self.hours == HOURS

    @property
    def times(self) -> tuple[time, ...]:
        """The times of day, in order."""
        return tuple(time(h, m) for h in sorted(self.hours) for m in sorted(self.minutes))

    def has_day(self, day: date) -> bool:
        """Whether a day fits."""
        if day.month not in self.months:
            return False
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return in_month or in_week if self.either_day else in_month and in_week

    def next_day(self, start: date) -> date:
        """Return the first day from `start` on that fits.

        29 February can be eight years ahead, and 40 where it must be a Sunday.
        """
        day = start
        while not self.has_day(day):
            day += _ONE_DAY
        return day


def parse_cron(expression: str) -> Pattern:
    """Return the pattern of a five-field cron expression.

    Raise InvalidInputError, its message naming the field at fault, for one that cannot be read,
    names a day that never comes, or two times of day less than MIN_MINUTES_APART apart.
    """
    if len(expression) > MAX_LENGTH:
        raise InvalidInputError(f"It is longer than {MAX_LENGTH} characters.")
    fields = expression.split()
    if len(fields) != len(_FIELDS):
        raise InvalidInputError(
            "It must have five fields: minute, hour, day of month, month, weekday."
        )
    minutes, hours, days, months, weekdays = (
        field.parse(text) for field, text in zip(_FIELDS, fields, strict=True)
    )
    pattern = Pattern(
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=frozenset(day % 7 for day in weekdays),
        either_day=not fields[2].startswith("*") and not fields[4].startswith("*"),
    )
    if not pattern.either_day and min(days) > max(_LONGEST[month - 1] for month in months):
        raise InvalidInputError("It names a day that never comes: no such month is that long.")
    apart = _least_apart(pattern)
    if apart < MIN_MINUTES_APART:
        raise InvalidInputError(
            f"It names times only {apart} min apart; a sync can start every {MIN_MINUTES_APART} "
            f"minutes at most, as with */{MIN_MINUTES_APART} for the minute."
        )
    return pattern


def _least_apart(pattern: Pattern) -> int:
    """Return the least minutes between two times of day, the last and the next day's first too."""
    times = [hour * 60 + minute for hour in pattern.hours for minute in pattern.minutes]
    times.sort()
    following = [*times[1:], times[0] + _DAY_MINUTES]
    return min(later - earlier for earlier, later in zip(times, following, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """One of the five: the numbers it may hold and the names that stand for some of them."""

    label: str
    low: int
    high: int
    names: Mapping[str, int]

    def parse(self, text: str) -> frozenset[int]:
        found: set[int] = set()
        for item in text.split(","):
            found.update(self._parse_item(item))
        return frozenset(found)

    def _parse_item(self, item: str) -> range:
        match = _ITEM.fullmatch(item)
        if match is None:
            raise self._refused(f"{item!r} is neither *, a number nor a range, such as 1-5 or */15")
        if match["all"]:
            low, high = self.low, self.high
        else:
            low = self._number(match["low"])
            high = low if match["high"] is None else self._range_end(match["high"])
        if low > high:
            raise self._refused(f"the range {item!r} ends before it begins")
        if match["step"] is None:
            return range(low, high + 1)
        if match["high"] is None and not match["all"]:
            range_ = f"{low}-{self.high}/{match['step']}"
            raise self._refused(f"the step of {item!r} has no range; write {range_}")
        step = self._digits(match["step"])
        if not 1 <= step <= self.high:
            raise self._refused(f"the step of {item!r} must be from 1 to {self.high}")
        return range(low, high + 1, step)

    def _range_end(self, text: str) -> int:
        # A week may end on its Sunday: fri-sun.
        ends_week = text.lower() == WEEKDAYS[0] and WEEKDAYS[0] in self.names
        return self.high if ends_week else self._number(text)

    def _number(self, text: str) -> int:
        number = self.names.get(text.lower())
        if number is None:
            number = self._digits(text)
        if not self.low <= number <= self.high:
            raise self._refused(f"{text} is not from {self.low} to {self.high}")
        return number

    def _digits(self, text: str) -> int:
        if not (text.isascii() and text.isdigit()):
            raise self._refused(f"{text!r} is no number")
        return int(text)

    def _refused(self, why: str) -> InvalidInputError:
        return InvalidInputError(f"Its {self.label} cannot be read: {why}.")


_FIELDS = (
    _Field(label="minute", low=0, high=59, names={}),
    _Field(label="hour", low=0, high=23, names={}),
    _Field(label="day of month", low=1, high=31, names={}),
    _Field(label="month", low=1, high=12, names={n: i + 1 for i, n in enumerate(_MONTH_NAMES)}),
    _Field(label="weekday", low=0, high=7, names={n: i for i, n in enumerate(WEEKDAYS)}),
)
