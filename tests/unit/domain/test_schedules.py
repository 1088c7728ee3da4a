"""What a person can ask for, and when it comes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.ids import new_id
from shared.domain.instances import Frequency
from shared.domain.schedules import JITTER_SECONDS, Schedule, is_due, jitter_of
from shared.errors import InvalidInputError
from tests.factories import NOW


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(schedule: Schedule, start: str, count: int = 4) -> list[str]:
    """Return the next times as clocks in the schedule's zone show them, with their offsets."""
    found = schedule.upcoming(utc(start), count)
    return [at.astimezone(schedule.zone).strftime("%a %d %b %H:%M%z") for at in found]


def test_by_hand_means_never() -> None:
    """A manual schedule has no next time."""
    schedule = Schedule.parse("manual", {}, "Europe/Rome")
    assert schedule.next_after(NOW) is None
    assert schedule.upcoming(NOW) == ()


def test_hourly_at_a_minute() -> None:
    """Every hour, by the minutes of the zone: Kathmandu is 5:45 ahead."""
    schedule = Schedule.parse("hourly", {"minute": 20}, "Asia/Kathmandu")
    assert schedule.upcoming(utc("2026-06-01T10:35"), 3) == (
        utc("2026-06-01T11:35"),
        utc("2026-06-01T12:35"),
        utc("2026-06-01T13:35"),
    )


def test_daily_at_a_time_of_the_zone() -> None:
    """The day begins where the zone says."""
    schedule = Schedule.parse("daily", {"time": "06:30"}, "Pacific/Auckland")
    assert local(schedule, "2026-06-01T18:30", 2) == [
        "Wed 03 Jun 06:30+1200",
        "Thu 04 Jun 06:30+1200",
    ]


def test_weekly_on_some_days() -> None:
    """Each named day, in the order of the week."""
    details = {"weekdays": ["sun", "mon", "thu"], "time": "23:45"}
    schedule = Schedule.parse("weekly", details, "Europe/Rome")
    assert local(schedule, "2026-06-01T00:00") == [
        "Mon 01 Jun 23:45+0200",
        "Thu 04 Jun 23:45+0200",
        "Sun 07 Jun 23:45+0200",
        "Mon 08 Jun 23:45+0200",
    ]


def test_cron() -> None:
    """Office hours on working days."""
    schedule = Schedule.parse("cron", {"expression": "*/30 17-18 * * mon-fri"}, "Europe/Rome")
    assert local(schedule, "2026-06-05T16:00") == [
        "Fri 05 Jun 18:30+0200",
        "Mon 08 Jun 17:00+0200",
        "Mon 08 Jun 17:30+0200",
        "Mon 08 Jun 18:00+0200",
    ]


def test_the_29th_of_february_waits_for_a_leap_year() -> None:
    """2100 is none, so after 2096 comes 2104."""
    schedule = Schedule.parse("cron", {"expression": "0 6 29 feb *"}, "UTC")
    assert schedule.upcoming(utc("2092-03-01T00:00"), 2) == (
        utc("2096-02-29T06:00"),
        utc("2104-02-29T06:00"),
    )


def test_the_31st_skips_shorter_months() -> None:
    """It is not moved to their last day."""
    schedule = Schedule.parse("cron", {"expression": "0 6 31 * *"}, "UTC")
    months = [at.month for at in schedule.upcoming(utc("2026-01-01T00:00"), 7)]
    assert months == [1, 3, 5, 7, 8, 10, 12]


def test_next_is_later_than_now() -> None:
    """An occurrence is not its own next one; a second before, it is."""
    schedule = Schedule.parse("daily", {"time": "06:30"}, "UTC")
    at = utc("2026-06-01T06:30")
    assert schedule.next_after(at) == at + timedelta(days=1)
    assert schedule.next_after(at - timedelta(microseconds=1)) == at


def test_a_moment_without_a_zone_is_refused() -> None:
    """It would be read in the zone of whatever machine this runs on."""
    schedule = Schedule.parse("daily", {"time": "06:30"}, "UTC")
    with pytest.raises(ValueError, match="no time zone"):
        schedule.next_after(datetime(2026, 6, 1))  # noqa: DTZ001 - what must be refused


@pytest.mark.parametrize(
    ("frequency", "details", "where"),
    [
        ("yearly", {}, "frequency"),
        ("", {}, "frequency"),
        ("manual", {"minute": 5}, "frequencyDetails.minute"),
        ("manual", None, "frequencyDetails"),
        ("hourly", {}, "frequencyDetails.minute"),
        ("hourly", {"minute": 60}, "frequencyDetails.minute"),
        ("hourly", {"minute": -1}, "frequencyDetails.minute"),
        ("hourly", {"minute": True}, "frequencyDetails.minute"),
        ("hourly", {"minute": 5.0}, "frequencyDetails.minute"),
        ("hourly", {"minute": "5"}, "frequencyDetails.minute"),
        ("daily", {}, "frequencyDetails.time"),
        ("daily", {"time": "6:30"}, "frequencyDetails.time"),
        ("daily", {"time": "24:00"}, "frequencyDetails.time"),
        ("daily", {"time": "06:60"}, "frequencyDetails.time"),
        ("daily", {"time": "06:30:00"}, "frequencyDetails.time"),
        ("daily", {"time": "06:30\n"}, "frequencyDetails.time"),
        ("daily", {"time": "٠٦:٣٠"}, "frequencyDetails.time"),
        ("daily", {"time": "06:30", "zone": "UTC"}, "frequencyDetails.zone"),
        ("weekly", {"weekdays": [], "time": "06:30"}, "frequencyDetails.weekdays"),
        ("weekly", {"weekdays": "mon", "time": "06:30"}, "frequencyDetails.weekdays"),
        ("weekly", {"weekdays": ["Mon"], "time": "06:30"}, "frequencyDetails.weekdays"),
        ("weekly", {"weekdays": [1], "time": "06:30"}, "frequencyDetails.weekdays"),
        ("weekly", {"weekdays": [["mon"]], "time": "06:30"}, "frequencyDetails.weekdays"),
        ("weekly", {"weekdays": ["mon"]}, "frequencyDetails.time"),
        ("cron", {}, "frequencyDetails.expression"),
        ("cron", {"expression": 5}, "frequencyDetails.expression"),
        ("cron", {"expression": "* * * * *"}, "frequencyDetails.expression"),
    ],
)
def test_what_is_wrong_is_named(frequency: str, details: Any, where: str) -> None:
    """The error stands at the part that must change, and only there."""
    with pytest.raises(InvalidInputError, match="cannot be used") as caught:
        Schedule.parse(frequency, details, "UTC")
    assert [place for place, _ in caught.value.errors] == [where]


def test_everything_wrong_is_told_at_once() -> None:
    """A person mends it in one go."""
    with pytest.raises(InvalidInputError) as caught:
        Schedule.parse("weekly", {"weekdays": ["x"], "time": "", "at": 1}, "Rome")
    places = [place for place, _ in caught.value.errors]
    assert places == [
        "frequencyDetails.weekdays",
        "frequencyDetails.time",
        "frequencyDetails.at",
        "timeZone",
    ]
    assert all(message in str(caught.value) for _, message in caught.value.errors)


def test_long_input_is_not_echoed() -> None:
    """A megabyte sent is not a megabyte answered."""
    with pytest.raises(InvalidInputError) as caught:
        Schedule.parse("x" * 10**6, {"x" * 10**6: 1}, "x" * 10**6)
    assert len(str(caught.value)) < 1000
    with pytest.raises(InvalidInputError) as caught:
        Schedule.parse(Frequency.MANUAL, {"x" * 10**6: 1}, "UTC")
    assert len(str(caught.value) + str(caught.value.errors)) < 1000


def test_due_is_what_has_come() -> None:
    """At its moment and however long after it; never where nothing is planned."""
    assert is_due(NOW, NOW)
    assert is_due(NOW - timedelta(days=400), NOW)
    assert not is_due(NOW + timedelta(milliseconds=1), NOW)
    assert not is_due(None, NOW)


def test_after_downtime_one_sync_makes_up_for_all() -> None:
    """A day late, the next time is the one after now, not each of those missed."""
    schedule = Schedule.parse("hourly", {"minute": 0}, "UTC")
    planned, now = utc("2026-06-01T06:00"), utc("2026-06-02T06:10")
    assert is_due(planned, now)
    following = schedule.next_after(now)
    assert following == utc("2026-06-02T07:00")
    assert not is_due(following, now)


def test_jitter_draws_instances_apart() -> None:
    """Each instance always has the same whole seconds, and together they use the whole span."""
    ids = [new_id() for _ in range(3000)]
    seconds = [jitter_of(i).total_seconds() for i in ids]
    assert seconds == [jitter_of(i).total_seconds() for i in ids]
    assert set(seconds) == set(range(JITTER_SECONDS + 1))
    assert max(seconds.count(second) for second in set(seconds)) < 3000 * 4 / JITTER_SECONDS
