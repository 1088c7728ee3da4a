"""Waiting before a limit is hit."""

from __future__ import annotations

import pytest

from shared.http.rate import HeaderBudget, Pace
from tests.http_kit import Script, Sleeps, answer, make_client


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def test_no_window_holds_more_than_its_requests() -> None:
    """Twelve calls at five a second take two seconds, in three bursts."""
    clock = Clock()
    pace = Pace(requests=5, seconds=1, sleep=clock.sleep, clock=clock)
    for _ in range(12):
        pace.wait()
    assert clock.waits == [1, 1]


def test_slow_callers_do_not_wait() -> None:
    """Calls that are apart anyway are not slowed down."""
    clock = Clock()
    pace = Pace(requests=5, seconds=1, sleep=clock.sleep, clock=clock)
    for _ in range(12):
        pace.wait()
        clock.now += 0.2
    assert clock.waits == []


def test_requests_count_from_their_answers() -> None:
    """However long requests are on their way, no second of the other side's holds six."""
    clock = Clock()
    pace = Pace(requests=5, seconds=1, sleep=clock.sleep, clock=clock)
    arrivals = []
    for late, early in [(0.4, 0.0), (0.0, 0.1), (0.2, 0.2), (0.3, 0.0), (0.0, 0.0)] * 4:
        pace.wait()
        clock.now += late
        arrivals.append(clock.now)
        clock.now += early
        pace.note({})
    assert all(b - a >= 1 for a, b in zip(arrivals, arrivals[5:], strict=False))


def budget(sleep: Sleeps) -> HeaderBudget:
    return HeaderBudget(remaining_header="X-Left", interval_header="X-Interval", sleep=sleep)


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({"X-Left": "0", "X-Interval": "10000"}, [10]),
        ({"X-Left": "5", "X-Interval": "10000"}, [10]),
        ({"X-Left": "6", "X-Interval": "10000"}, []),
        ({"X-Left": "0", "X-Interval": "86400000"}, [60]),
        ({"X-Left": "0"}, []),
        ({"X-Left": "many", "X-Interval": "x"}, []),
        ({}, []),
    ],
)
def test_a_spent_budget_waits_a_window(headers: dict[str, str], waits: list[float]) -> None:
    """The call after an answer that left too little waits one interval, once."""
    sleep = Sleeps()
    rate = budget(sleep)
    client = make_client(answer(200, headers=headers), sleep=sleep, rate=rate)
    client.get_json("/x")
    assert sleep.waits == []
    rate.wait()
    rate.wait()
    assert sleep.waits == waits


def test_retries_are_counted_too() -> None:
    """Every attempt of a call asks the rate first."""
    clock = Clock()
    script = Script(answer(503), answer(503), answer(200))
    pace = Pace(requests=1, seconds=1, sleep=clock.sleep, clock=clock)
    make_client(transport=script, rate=pace).get_json("/x")
    assert len(clock.waits) == 2
