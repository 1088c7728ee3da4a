"""When a timer is due: NCRONTAB expressions and time spans, in UTC as on Azure.

Source: Microsoft Learn, "Timer trigger for Azure Functions", and NCrontab's own rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from croniter import CroniterBadCronError, CroniterBadDateError, croniter

from local.host.config import parse_timespan
from local.host.errors import HostError

_WITH_SECONDS = 6
_ITEM = r"(?:\*|\d+|[A-Za-z]{3,})(?:-(?:\d+|[A-Za-z]{3,}))?(?:/\d+)?"
_FIELD = re.compile(rf"{_ITEM}(?:,{_ITEM})*")
_ONE_MINUTE = timedelta(minutes=1)


class Schedule(Protocol):
    """Something that recurs."""

    def after(self, moment: datetime) -> datetime:
        """Return the first occurrence later than `moment`."""

    def is_monitored(self, now: datetime) -> bool:
        """Tell whether occurrences are written down, so that a missed one is made up for."""


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """`{second} {minute} {hour} {day} {month} {day-of-week}`; Sunday is 0.

    Unlike Unix cron, day and day-of-week must both fit.
    """

    expression: str

    def after(self, moment: datetime) -> datetime:
        """Return the first occurrence later than `moment`."""
        cron = croniter(self.expression, moment, second_at_beginning=True, day_or=False)
        found = cron.get_next(datetime)
        if not isinstance(found, datetime):
            raise TypeError(found)
        return found

    def is_monitored(self, now: datetime) -> bool:
        """Tell whether it occurs at most once a minute: Azure writes down no faster ones."""
        if any(field != "*" for field in self.expression.split()[1:]):
            return True
        return self.after(self.after(now)) - now > _ONE_MINUTE


@dataclass(frozen=True, slots=True)
class ConstantSchedule:
    """Every `period`, counted from the last run."""

    period: timedelta

    def after(self, moment: datetime) -> datetime:
        """Return `moment` and one period."""
        return moment + self.period

    def is_monitored(self, now: datetime) -> bool:  # noqa: ARG002 - the protocol's
        """Tell whether the period is a minute or longer."""
        return self.period >= _ONE_MINUTE


def parse_schedule(text: str) -> Schedule:
    """Return the schedule of an NCRONTAB expression (5 or 6 fields) or a time span.

    Raises HostError for anything NCrontab does not accept, such as `L`, `#` or Sunday as 7, and
    for a day that never comes.
    """
    text = text.strip()
    if ":" in text:
        return ConstantSchedule(timedelta(seconds=parse_timespan(text, name="A timer's schedule")))
    fields = text.split()
    if len(fields) == _WITH_SECONDS - 1:
        fields = ["0", *fields]
    problem = HostError(
        f"The schedule '{text}' is no NCRONTAB expression: write second, minute, hour, day, month "
        "and day of the week (0 to 6, Sunday is 0), such as '0 */5 * * * *'."
    )
    if len(fields) != _WITH_SECONDS or not all(_FIELD.fullmatch(field) for field in fields):
        raise problem
    days = re.sub(r"/\d+", "", fields[5])
    if any(int(number) > 6 for number in re.findall(r"\d+", days)):  # noqa: PLR2004 - Saturday
        raise problem
    schedule = CronSchedule(" ".join(_short_names(field) for field in fields))
    try:
        schedule.after(datetime.now(UTC))
    except (CroniterBadCronError, CroniterBadDateError, ValueError):
        raise problem from None
    return schedule


def _short_names(field: str) -> str:
    """Return the field with month and day names cut to the three letters cron knows."""
    return re.sub(r"[A-Za-z]+", lambda name: name[0][:3], field)
