"""Reading numbers, truth values, days, instants and text as sources send them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.conversions import (
    Rounding,
    format_instant,
    read_boolean,
    read_date,
    read_instant,
    read_number,
    read_text,
    round_number,
)
from shared.errors import RecordError

ROME = ZoneInfo("Europe/Rome")


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("12.50", "12.50"),
        (" -3 ", "-3"),
        ("1e3", "1E+3"),
        (0.1, "0.1"),
        (-0.0, "0"),
        ("0e400", "0"),
        (10**37, str(10**37)),
        (Decimal("1.20"), "1.20"),
    ],
)
def test_a_number_is_read_exactly(value: Any, number: str) -> None:
    """What was written comes back digit by digit; zero has no sign and no exponent."""
    assert str(read_number(value)) == str(Decimal(number))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("1,5", "is no number"),
        ("1_000", "is no number"),
        ("١٢", "is no number"),
        ("12 EUR", "is no number"),
        ("1e99999999999999999999", "is no number"),
        ("9" * 101, "is no number"),
        ("1e400", "too large"),
        (10**38, "too large"),
        pytest.param(10**10_000, "a huge integer is too large", id="huge"),
        ("1e-400", "too close to zero"),
        ("NaN", "not a finite"),
        (float("inf"), "not a finite"),
        (Decimal("NaN"), "not a finite"),
        (True, "'True' is no number"),
        ({"a": 1}, "A nested object is no number"),
        ([1], "A list is no number"),
        (b"1", "Binary data is no number"),
    ],
)
def test_what_is_no_number_is_refused(value: Any, says: str) -> None:
    """A value that cannot be a number is named in the message, shortened where it is long."""
    with pytest.raises(RecordError, match=says) as caught:
        read_number(value)
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("rounding", "rounded"),
    [
        (Rounding.HALF_EVEN, ["2", "-2", "4"]),
        (Rounding.HALF_UP, ["3", "-3", "4"]),
        (Rounding.FLOOR, ["2", "-3", "3"]),
        (Rounding.CEILING, ["3", "-2", "4"]),
        (Rounding.TRUNCATE, ["2", "-2", "3"]),
    ],
)
def test_each_rounding_does_what_its_name_says(rounding: Rounding, rounded: list[str]) -> None:
    """Halves and the sign decide as the rounding says."""
    numbers = [Decimal("2.5"), Decimal("-2.5"), Decimal("3.5000001")]
    assert [str(round_number(n, 0, rounding)) for n in numbers] == rounded


def test_rejecting_refuses_only_digits_that_mean_something() -> None:
    """Zeros may be dropped silently, other digits may not."""
    assert str(round_number(Decimal("12.5000"), 2, Rounding.REJECT)) == "12.50"
    with pytest.raises(RecordError, match="only 2 digits after the point"):
        round_number(Decimal("12.505"), 2, Rounding.REJECT)


def test_rounding_to_zero_leaves_no_sign() -> None:
    """There is one zero, so that equal amounts are equal texts."""
    assert str(round_number(Decimal("-0.001"), 2, Rounding.HALF_EVEN)) == "0.00"


@given(
    number=st.decimals(min_value=-(10**20), max_value=10**20, allow_nan=False, places=8),
    scale=st.integers(min_value=0, max_value=7),
    rounding=st.sampled_from([r for r in Rounding if r is not Rounding.REJECT]),
)
def test_rounding_moves_a_number_by_less_than_one_step(
    number: Decimal, scale: int, rounding: Rounding
) -> None:
    """A rounded number has its scale, lies next to the original, and rounds to itself."""
    rounded = round_number(number, scale, rounding)
    assert rounded.as_tuple().exponent == -scale
    assert abs(rounded - number) < Decimal(1).scaleb(-scale)
    assert round_number(rounded, scale, Rounding.REJECT) == rounded


@pytest.mark.parametrize("value", [True, "TRUE", " yes ", "y", "on", "1", 1, 1.0, "t"])
def test_words_for_true_are_true(value: Any) -> None:
    """The documented words and numbers are true in any case."""
    assert read_boolean(value) is True


@pytest.mark.parametrize("value", [False, "false", "No", "n", "OFF", "0", 0, Decimal(0), "F"])
def test_words_for_false_are_false(value: Any) -> None:
    """The documented words and numbers are false in any case."""
    assert read_boolean(value) is False


@pytest.mark.parametrize("value", ["maybe", 2, float("nan"), {}, "ja"])
def test_other_words_are_neither(value: Any) -> None:
    """Nothing is guessed to be true or false."""
    with pytest.raises(RecordError, match="neither true nor false"):
        read_boolean(value)


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("2026-01-31", date(2026, 1, 31)),
        ("2026-01-31T23:30:00Z", date(2026, 2, 1)),
        ("2026-01-31T23:30:00.123456789+01:00", date(2026, 1, 31)),
        ("2026-01-31 23:30", date(2026, 1, 31)),
        ("1769902200000", date(2026, 2, 1)),
        (1769902200000, date(2026, 2, 1)),
        (1769902200000.0, date(2026, 2, 1)),
        ("-86400000000", date(1967, 4, 7)),
        (date(2026, 1, 31), date(2026, 1, 31)),
        (datetime(2026, 1, 31, 23, 30, tzinfo=UTC), date(2026, 2, 1)),
    ],
)
def test_a_day_is_the_day_in_its_zone(value: Any, day: date) -> None:
    """An instant becomes the day in Rome; a plain day and a local time keep theirs."""
    assert read_date(value, ROME) == day


@pytest.mark.parametrize(
    "value",
    [
        "31.01.2026",
        "2026-02-30",
        "2026-1-31",
        "20260131",
        "1769902200",
        "2026-W05-6",
        "2026-01-31x12:00",
        "2026-01-31T25:00:00Z",
        "tomorrow",
        "9" * 30,
        "9" * 200,
        "0001-01-01T00:00:00+02:00x",
        1.5e12 + 0.5,
        True,
        [],
    ],
)
def test_what_is_no_clear_date_is_refused(value: Any) -> None:
    """Neither a wrong nor an ambiguous date is guessed at."""
    with pytest.raises(RecordError, match=r"date|years"):
        read_date(value, ROME)


def test_an_instant_outside_the_calendar_is_refused() -> None:
    """An instant that a zone would move before year 1 is a record error, not a crash."""
    with pytest.raises(RecordError, match="outside the years"):
        read_instant("0001-01-01T00:00:00+10:00", UTC)
    with pytest.raises(RecordError, match="outside the years"):
        read_date("0001-01-01T00:00:00Z", ZoneInfo("America/New_York"))


@pytest.mark.parametrize(
    ("local", "instant"),
    [
        ("2026-06-01T12:00:00", "2026-06-01T10:00:00Z"),
        ("2026-06-01", "2026-05-31T22:00:00Z"),
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00Z"),
        ("2026-06-01T12:00:00+05:00", "2026-06-01T07:00:00Z"),
        ("2026-06-01T12:00:00.250Z", "2026-06-01T12:00:00.250000Z"),
    ],
)
def test_a_local_time_becomes_its_instant(local: str, instant: str) -> None:
    """A skipped hour moves on by the gap, a repeated one is the first; an offset wins."""
    assert format_instant(read_instant(local, ROME)) == instant


@given(
    st.datetimes(
        min_value=datetime(1972, 1, 1),  # noqa: DTZ001 - hypothesis wants naive bounds
        max_value=datetime(9990, 1, 1),  # noqa: DTZ001
        timezones=st.sampled_from([UTC, ROME, ZoneInfo("Asia/Kathmandu")]),
    )
)
def test_an_instant_reads_back_from_every_form(instant: datetime) -> None:
    """ISO text in any zone and epoch milliseconds name the same instant."""
    utc = instant.astimezone(UTC)
    whole = utc.replace(microsecond=utc.microsecond // 1000 * 1000)
    milliseconds = (whole - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert read_instant(format_instant(utc), ROME) == utc
    assert read_instant(utc.astimezone(ROME).isoformat(), ROME) == utc
    assert read_instant(str(milliseconds), ROME) == whole
    assert read_instant(milliseconds, ROME) == whole


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as is ", "as is "),
        (12, "12"),
        (12.0, "12"),
        (0.1, "0.1"),
        (1e21, "1000000000000000000000"),
        (Decimal("1.50"), "1.5"),
        (True, "true"),
        (date(2026, 1, 31), "2026-01-31"),
        (datetime(2026, 1, 31, 1, tzinfo=ROME), "2026-01-31T00:00:00Z"),
    ],
)
def test_text_of_a_value_is_plain(value: Any, text: str) -> None:
    """Numbers have no exponent and no needless zeros; moments are ISO 8601."""
    assert read_text(value) == text


@pytest.mark.parametrize("value", [{}, [], b"x", float("nan")])
def test_what_has_no_plain_text_is_refused(value: Any) -> None:
    """Nested values and NaN do not turn into look-alike text."""
    with pytest.raises(RecordError):
        read_text(value)
