"""Schedules where clocks change: every rule on real switch-overs, and against a slow reader."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.schedules import Schedule
from tests.unit.domain.test_schedules import local, utc

ROME, NEW_YORK, VANCOUVER = "Europe/Rome", "America/New_York", "America/Vancouver"
LORD_HOWE, CASABLANCA = "Australia/Lord_Howe", "Africa/Casablanca"


@pytest.mark.parametrize(
    ("zone", "clock", "start", "expected"),
    [
        # Clocks go forward: 02:30 does not come, the sync does.
        (
            ROME,
            "02:30",
            "2026-03-27T12:00",
            ["Sat 28 Mar 02:30+0100", "Sun 29 Mar 03:00+0200", "Mon 30 Mar 02:30+0200"],
        ),
        (
            NEW_YORK,
            "02:30",
            "2026-03-06T12:00",
            ["Sat 07 Mar 02:30-0500", "Sun 08 Mar 03:00-0400", "Mon 09 Mar 02:30-0400"],
        ),
        # Clocks go back: 02:30 and 01:30 come twice, the sync once, the first time.
        (
            ROME,
            "02:30",
            "2026-10-23T12:00",
            ["Sat 24 Oct 02:30+0200", "Sun 25 Oct 02:30+0200", "Mon 26 Oct 02:30+0100"],
        ),
        (
            NEW_YORK,
            "01:30",
            "2026-10-30T12:00",
            ["Sat 31 Oct 01:30-0400", "Sun 01 Nov 01:30-0400", "Mon 02 Nov 01:30-0500"],
        ),
        # British Columbia used to go back that day, and does not any more.
        (
            VANCOUVER,
            "01:30",
            "2026-10-30T12:00",
            ["Sat 31 Oct 01:30-0700", "Sun 01 Nov 01:30-0700", "Mon 02 Nov 01:30-0700"],
        ),
        # Half an hour only.
        (
            LORD_HOWE,
            "02:15",
            "2026-10-02T12:00",
            ["Sat 03 Oct 02:15+1030", "Sun 04 Oct 02:30+1100", "Mon 05 Oct 02:15+1100"],
        ),
        (
            LORD_HOWE,
            "01:45",
            "2026-04-03T12:00",
            ["Sat 04 Apr 01:45+1100", "Sun 05 Apr 01:45+1100", "Mon 06 Apr 01:45+1030"],
        ),
        # Morocco goes back for Ramadan and forward after it.
        (
            CASABLANCA,
            "02:30",
            "2026-02-13T12:00",
            ["Sat 14 Feb 02:30+0100", "Sun 15 Feb 02:30+0100", "Mon 16 Feb 02:30+0000"],
        ),
        (
            CASABLANCA,
            "02:30",
            "2026-03-20T12:00",
            ["Sat 21 Mar 02:30+0000", "Sun 22 Mar 03:00+0100", "Mon 23 Mar 02:30+0100"],
        ),
        # Egypt leaps over midnight, Samoa over a day.
        (
            "Africa/Cairo",
            "00:00",
            "2026-04-22T12:00",
            ["Thu 23 Apr 00:00+0200", "Fri 24 Apr 01:00+0300", "Sat 25 Apr 00:00+0300"],
        ),
        (
            "Pacific/Apia",
            "10:00",
            "2011-12-29T00:00",
            ["Thu 29 Dec 10:00-1000", "Sat 31 Dec 00:00+1400", "Sat 31 Dec 10:00+1400"],
        ),
    ],
)
def test_a_daily_sync_comes_every_day_once(
    zone: str, clock: str, start: str, expected: list[str]
) -> None:
    """A time leapt over counts at the leap, a time shown twice counts the first time."""
    assert local(Schedule.parse("daily", {"time": clock}, zone), start, 3) == expected


def test_in_the_second_pass_the_time_is_over() -> None:
    """Asked between the two 02:30 of a night, the next one is tomorrow's."""
    schedule = Schedule.parse("daily", {"time": "02:30"}, ROME)
    for asked in ("2026-10-25T00:30", "2026-10-25T01:10", "2026-10-25T01:30"):
        assert local(schedule, asked, 1) == ["Mon 26 Oct 02:30+0100"]


def test_times_leapt_over_together_are_one() -> None:
    """Two times in the gap and the one at its end make one sync."""
    schedule = Schedule.parse("cron", {"expression": "0,30 2,3 * * *"}, ROME)
    assert local(schedule, "2026-03-28T12:00", 3) == [
        "Sun 29 Mar 03:00+0200",
        "Sun 29 Mar 03:30+0200",
        "Mon 30 Mar 02:00+0200",
    ]


@pytest.mark.parametrize(
    ("frequency", "details", "apart"),
    [
        ("hourly", {"minute": 30}, 60),
        ("cron", {"expression": "30 * * * *"}, 60),
        ("cron", {"expression": "*/15 0-23 * * *"}, 15),
    ],
)
@pytest.mark.parametrize("start", ["2026-03-28T20:00", "2026-10-24T20:00"])
@pytest.mark.parametrize("zone", [ROME, "Europe/Dublin", "Antarctica/Troll", "UTC"])
def test_an_hourly_sync_runs_each_real_hour(
    zone: str, start: str, frequency: str, details: Any, apart: int
) -> None:
    """Clocks that change by whole hours change nothing for it."""
    found = Schedule.parse(frequency, details, zone).upcoming(utc(start), 60)
    steps = {later - earlier for earlier, later in pairwise(found)}
    assert steps == {timedelta(minutes=apart)}


def test_an_hourly_sync_follows_the_minute_hand() -> None:
    """Where clocks change by half an hour it comes early once and late once a year."""
    schedule = Schedule.parse("hourly", {"minute": 45}, LORD_HOWE)
    assert local(schedule, "2026-04-04T14:00", 3) == [
        "Sun 05 Apr 01:45+1100",
        "Sun 05 Apr 01:45+1030",
        "Sun 05 Apr 02:45+1030",
    ]
    schedule = Schedule.parse("hourly", {"minute": 15}, LORD_HOWE)
    assert local(schedule, "2026-10-03T14:00", 3) == [
        "Sun 04 Oct 01:15+1030",
        "Sun 04 Oct 03:15+1100",
        "Sun 04 Oct 04:15+1100",
    ]


def test_clocks_that_go_back_over_midnight_lose_nothing() -> None:
    """In Newfoundland 00:01 once became 23:01 of the day before: no hour of it is lost."""
    schedule = Schedule.parse("hourly", {"minute": 0}, "America/St_Johns")
    assert local(schedule, "2010-11-07T01:00", 4) == [
        "Sat 06 Nov 23:00-0230",
        "Sun 07 Nov 00:00-0230",
        "Sun 07 Nov 00:00-0330",
        "Sun 07 Nov 01:00-0330",
    ]


CHANGES = [
    (ROME, "2026-03-28"),
    (ROME, "2026-10-24"),
    (NEW_YORK, "2026-10-31"),
    (VANCOUVER, "2026-03-07"),
    (VANCOUVER, "2026-10-31"),
    (LORD_HOWE, "2026-04-03"),
    (LORD_HOWE, "2026-10-02"),
    (CASABLANCA, "2026-02-14"),
    (CASABLANCA, "2026-09-19"),
    ("Antarctica/Troll", "2026-03-28"),
    ("Africa/Cairo", "2026-10-29"),
    ("Pacific/Apia", "2011-12-29"),
    ("America/St_Johns", "2010-11-06"),
    ("Asia/Kathmandu", "2026-06-01"),
]
MINUTE = timedelta(minutes=1)
HOURS = ["*", "2", "0,1,2,3", "0-4", "0-22", "1,23"]


def read_slowly(schedule: Schedule, start: datetime, days: int) -> list[datetime]:
    """Return the occurrences by the rules' words alone, looking at every minute on the clock."""
    pattern = schedule.pattern
    assert pattern is not None
    minutes = [start + n * MINUTE for n in range(days * 1440)]
    shown = [at.astimezone(schedule.zone).replace(tzinfo=None) for at in minutes]
    named = {
        datetime.combine(day, time(hour, minute))
        for day in {wall.date() + timedelta(days=n) for wall in shown[::60] for n in (0, 1)}
        if pattern.has_day(day)
        for hour in pattern.hours
        for minute in pattern.minutes
    }
    if pattern.every_hour:
        return [at for at, wall in zip(minutes, shown, strict=True) if wall in named]
    found = set()
    reached = shown[0]
    for at, wall in zip(minutes[1:], shown[1:], strict=True):
        if any(reached < leap <= wall for leap in named if abs(leap - wall) < timedelta(days=2)):
            found.add(at)
        reached = max(reached, wall)
    return sorted(found)


@settings(max_examples=40, deadline=None)
@given(
    place=st.sampled_from(CHANGES),
    minute=st.sampled_from(["0", "7", "30", "0,30", "*/15", "1,59"]),
    hour=st.sampled_from(HOURS),
    weekday=st.sampled_from(["*", "sat", "sun", "mon-fri"]),
    later=st.integers(0, 12 * 60),
)
def test_every_occurrence_is_right_and_none_is_missing(
    place: tuple[str, str], minute: str, hour: str, weekday: str, later: int
) -> None:
    """Around a switch-over the answer is that of a reader who looks at each minute in turn."""
    zone, day = place
    if (minute, hour) in {("1,59", "*"), ("1,59", "0-22"), ("1,59", "0-4"), ("1,59", "0,1,2,3")}:
        minute = "1,31"  # 59 and 1 of the next hour are too close
    expression = f"{minute} {hour} * * {weekday}"
    schedule = Schedule.parse("cron", {"expression": expression}, zone)
    start = utc(day) + later * MINUTE
    end = start + timedelta(days=3)
    found = [at for at in schedule.upcoming(start, 3 * 96 + 8) if at < end]
    assert found == [at for at in read_slowly(schedule, start, 3) if at > start]


ZONES = sorted({zone for zone, _ in CHANGES} - {"America/St_Johns"})


@settings(max_examples=200, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    clock=st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    hours=st.integers(0, 175 * 365 * 24),
    seconds=st.integers(0, 3600),
)
def test_days_follow_each_other(zone: str, clock: time, hours: int, seconds: int) -> None:
    """Each next time is later; clocks show the time asked for, or have just leapt over it."""
    schedule = Schedule.parse("daily", {"time": clock.strftime("%H:%M")}, zone)
    moment = utc("1975-01-01T00:00") + timedelta(hours=hours, seconds=seconds)
    found = schedule.upcoming(moment, 4)
    assert moment < found[0] < found[1] < found[2] < found[3]
    for at in found:
        assert at.tzinfo is UTC
        after = at.astimezone(schedule.zone).replace(tzinfo=None)
        before = (at - MINUTE).astimezone(schedule.zone).replace(tzinfo=None)
        named = [datetime.combine(day, clock) for day in {before.date(), after.date()}]
        assert after in named or any(before < wall < after for wall in named)
    assert len({at.astimezone(schedule.zone).replace(tzinfo=None) for at in found}) == 4
