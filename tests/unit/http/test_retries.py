"""The first rung of the ladder, as a rule that returns a value."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.http.retries import BACKGROUND, INTERACTIVE, Ladder, parse_retry_after

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def climb(ladder: Ladder) -> list[float]:
    """Return all waits of a call that never succeeds."""
    waits: list[float] = []
    while True:
        wait = ladder.next_wait(attempt=len(waits) + 1, waited=sum(waits))
        if wait is None:
            return waits
        waits.append(wait)


def test_background_calls_wait_1_2_4_8_16_seconds() -> None:
    """Without jitter the waits are those of the ladder, and there are five of them."""
    assert climb(replace(BACKGROUND, random=lambda: 0.5)) == [1, 2, 4, 8, 16]


@pytest.mark.parametrize(("number", "first"), [(0.0, 0.75), (0.999999, 1.25)])
def test_jitter_moves_a_wait_by_a_quarter(number: float, first: float) -> None:
    """A wait of one second lies between 0.75 and 1.25 seconds."""
    assert climb(replace(BACKGROUND, random=lambda: number))[0] == pytest.approx(first)


@pytest.mark.parametrize("number", [0.0, 0.5, 0.999999])
def test_interactive_calls_never_wait_more_than_five_seconds(number: float) -> None:
    """Somebody is looking: all waits together stay within five seconds."""
    assert 2 < sum(climb(replace(INTERACTIVE, random=lambda: number))) <= 5


def test_the_servers_wish_wins_over_the_plan() -> None:
    """`Retry-After` is waited as it is, without jitter."""
    assert BACKGROUND.next_wait(attempt=1, waited=0, retry_after=30) == 30


@pytest.mark.parametrize(("ladder", "wish"), [(BACKGROUND, 61), (INTERACTIVE, 6)])
def test_a_wish_too_long_for_one_call_ends_it(ladder: Ladder, wish: float) -> None:
    """What cannot be waited here is left to the job."""
    assert ladder.next_wait(attempt=1, waited=0, retry_after=wish) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("1.5", 1.5),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        ("", None),
        (None, None),
        ("soon", None),
        ("-3", None),
        ("²", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    """Both forms of RFC 9110 are read; anything else says nothing."""
    assert parse_retry_after(text, now=NOW) == seconds
