"""Five fields, read strictly."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.cron import MIN_MINUTES_APART, parse_cron
from shared.domain.schedules import Schedule
from shared.errors import InvalidInputError

MONDAY, SUNDAY = date(2026, 6, 15), date(2026, 6, 14)


@pytest.mark.parametrize(
    ("field", "minutes"),
    [
        ("5", {5}),
        ("0,30", {0, 30}),
        ("30,0,30", {0, 30}),
        ("*/20", {0, 20, 40}),
        ("10-50/20", {10, 30, 50}),
        ("00-30/30", {0, 30}),
        ("59", {59}),
        ("*/59", {0, 59}),
    ],
)
def test_a_field_names_numbers(field: str, minutes: set[int]) -> None:
    """Numbers, lists, ranges and steps, in any order."""
    assert parse_cron(f"{field} 6 * * *").minutes == minutes


@pytest.mark.parametrize(
    ("field", "weekdays"),
    [
        ("*", set(range(7))),
        ("0", {0}),
        ("7", {0}),
        ("mon-fri", {1, 2, 3, 4, 5}),
        ("MON,Thu", {1, 4}),
        ("5-7", {0, 5, 6}),
        ("fri-sun", {0, 5, 6}),
        ("sun", {0}),
        ("sun-tue", {0, 1, 2}),
        ("*/2", {0, 2, 4, 6}),
    ],
)
def test_a_week_has_one_sunday(field: str, weekdays: set[int]) -> None:
    """Sunday is 0 and 7, begins a range and ends one."""
    assert parse_cron(f"0 6 * * {field}").weekdays == weekdays


def test_months_have_names() -> None:
    """In either letter case, in ranges too."""
    assert parse_cron("0 6 1 jan-MAR,12 *").months == {1, 2, 3, 12}


def test_blanks_around_fields_do_not_count() -> None:
    """Several stand for one."""
    assert parse_cron("  0\t6  * * * ") == parse_cron("0 6 * * *")


@pytest.mark.parametrize(
    ("expression", "fits", "not_fits"),
    [
        ("0 6 1 * mon", [MONDAY, date(2026, 6, 1), date(2026, 7, 1)], [SUNDAY]),
        ("0 6 * * mon", [MONDAY], [SUNDAY, date(2026, 7, 1)]),
        ("0 6 1 * *", [date(2026, 7, 1)], [MONDAY]),
        ("0 6 */2 * mon", [MONDAY], [date(2026, 6, 22), date(2026, 7, 1)]),
        ("0 6 1 * */7", [date(2026, 11, 1)], [SUNDAY, date(2026, 7, 1)]),
        ("0 6 31 * *", [date(2026, 5, 31)], [date(2026, 6, 30)]),
        ("0 6 31 2 mon", [date(2027, 2, 1)], [MONDAY]),
    ],
)
def test_the_two_day_fields_are_vixies(
    expression: str, fits: list[date], not_fits: list[date]
) -> None:
    """Either fits where both are restricted; both must fit where one begins with a star."""
    pattern = parse_cron(expression)
    assert [day for day in fits if not pattern.has_day(day)] == []
    assert [day for day in not_fits if pattern.has_day(day)] == []


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "five fields"),
        ("0 6 * *", "five fields"),
        ("0 0 6 * * *", "five fields"),
        ("@daily", "five fields"),
        ("60 6 * * *", "minute cannot be read: 60 is not from 0 to 59"),
        ("0 24 * * *", "hour cannot be read: 24"),
        ("0 6 0 * *", "day of month cannot be read: 0 is"),
        ("0 6 32 * *", "day of month cannot be read: 32"),
        ("0 6 * 13 *", "month cannot be read: 13"),
        ("0 6 * * 8", "weekday cannot be read: 8"),
        ("0 6 L * *", "'L' is no number"),
        ("0 6 ? * *", r"'\?' is neither"),
        ("0 6 * * 1#2", "'1#2' is neither"),
        ("-5 6 * * *", "'-5' is neither"),
        ("1- 6 * * *", "'1-' is neither"),
        ("5, 6 * * *", "'' is neither"),
        ("5/15 6 * * *", "write 5-59/15"),
        ("*/0 6 * * *", "from 1 to 59"),
        ("*/60 * * * *", "from 1 to 59"),
        ("*/x 6 * * *", "'x' is no number"),
        ("30-0 6 * * *", "ends before it begins"),
        ("0 22-6 * * *", "ends before it begins"),
        ("0 6 * * fri-mon", "ends before it begins"),
        ("mon 6 * * *", "'mon' is no number"),
        ("0 6 * monday *", "'monday' is no number"),
        ("٣ 6 * * *", "is no number"),
        ("5² 6 * * *", "is no number"),
        ("0 6 30 2 *", "never comes"),
        ("0 6 31 4,6,9,11 *", "never comes"),
        ("0 6 31 2 */2", "never comes"),
        (f"{'0,' * 100}0 6 * * *", "longer than 200"),
        ("* * * * *", "only 1 min apart"),
        ("*/10 * * * *", "only 10 min apart"),
        ("0,50 0,23 * * *", "only 10 min apart"),
    ],
)
def test_what_is_not_clear_is_refused(expression: str, message: str) -> None:
    """The message names the field and what is wrong with it."""
    with pytest.raises(InvalidInputError, match=message):
        parse_cron(expression)


def test_a_quarter_of_an_hour_is_the_least() -> None:
    """What is exactly that far apart passes, over midnight too."""
    assert MIN_MINUTES_APART == 15
    assert len(parse_cron("*/15 * * * *").times) == 96
    assert parse_cron("15,45 0,23 * * *").times[-1] == time(23, 45)


def some(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    pair = st.lists(number, min_size=2, max_size=2, unique=True).map(sorted)
    item = number.map(str) | pair.map(lambda p: f"{p[0]}-{p[1]}")
    return st.just("*") | st.lists(item, min_size=1, max_size=3).map(",".join)


MINUTES = st.sampled_from(["0", "7", "0,30", "*/15", "5-35/30"])
EXPRESSIONS = st.tuples(MINUTES, some(0, 23), some(1, 28), some(1, 12), some(1, 6)).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(expression=EXPRESSIONS, days=st.integers(0, 3000), minutes=st.integers(0, 24 * 60))
def test_days_are_those_another_reader_finds(expression: str, days: int, minutes: int) -> None:
    """In UTC, where clocks never change, the next five times are croniter's."""
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days, minutes=minutes)
    other = croniter(expression, start)
    expected = [other.get_next(datetime) for _ in range(5)]
    schedule = Schedule.parse("cron", {"expression": expression}, "UTC")
    assert list(schedule.upcoming(start)) == expected
