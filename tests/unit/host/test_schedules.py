from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from local.host.errors import HostError
from local.host.schedules import parse_schedule

SATURDAY = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "first"),
    [
        ("*/5 * * * * *", "2026-11-21T10:00:05"),
        ("0 */5 * * * *", "2026-11-21T10:05:00"),
        ("0 0 * * * *", "2026-11-21T11:00:00"),
        ("0 0 0 * * 0", "2026-11-22T00:00:00"),
        ("0 0 0 * * 6", "2026-11-28T00:00:00"),
        ("0 0 0 * * 1-5", "2026-11-23T00:00:00"),
        ("0 30 9 * * Mon-Fri", "2026-11-23T09:30:00"),
        ("0 30 9 * January Monday", "2027-01-04T09:30:00"),
        ("0 5,15 12 1 * *", "2026-12-01T12:05:00"),
        ("*/10 * * * *", "2026-11-21T10:10:00"),
        ("00:05:00", "2026-11-21T10:05:00"),
    ],
)
def test_first_occurrence(expression: str, first: str) -> None:
    """Seconds come first, Sunday is 0, five fields have no seconds, a time span is a period."""
    assert parse_schedule(expression).after(SATURDAY) == at(first)


def test_day_and_weekday_must_both_fit() -> None:
    """`13 * 5` is Friday the 13th, unlike Unix cron's any Friday or any 13th."""
    assert parse_schedule("0 0 0 13 * 5").after(SATURDAY) == at("2027-08-13T00:00:00")


def test_an_occurrence_is_later_than_its_moment() -> None:
    """From an occurrence on, the next one follows."""
    schedule = parse_schedule("0 * * * * *")
    assert schedule.after(SATURDAY) == SATURDAY + timedelta(minutes=1)


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 0 * * 7",
        "0 0 0 L * *",
        "0 0 0 * * 5#2",
        "0 0 0 ? * *",
        "* * *",
        "0 99 * * * *",
        "0 0 0 31 2 *",
        "@daily",
        "",
    ],
)
def test_what_ncrontab_does_not_know_is_refused(expression: str) -> None:
    """An expression that Azure would refuse, or that never comes, is refused here."""
    with pytest.raises(HostError, match="NCRONTAB"):
        parse_schedule(expression)


@pytest.mark.parametrize(
    ("expression", "is_monitored"),
    [
        ("0 * * * * *", True),
        ("*/30 * * * * *", False),
        ("*/30 0 * * * *", True),
        ("00:00:30", False),
        ("00:01:00", True),
    ],
)
def test_only_schedules_of_a_minute_or_slower_are_monitored(
    expression: str, *, is_monitored: bool
) -> None:
    """The host writes no status for a timer faster than a minute."""
    assert parse_schedule(expression).is_monitored(SATURDAY) is is_monitored
