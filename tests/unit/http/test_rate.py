"""Waiting before a limit is hit."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from shared.http.rate import HeaderBudget, Pace, Rate, paced
from shared.ports.provider import ConnectRequest, Credentials
from tests.http_kit import Script, answer, make_client


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


def told(limit: str, left: str, interval: str = "10000") -> dict[str, str]:
    return {"X-Limit": limit, "X-Left": left, "X-Interval": interval}


def budget(clock: Clock) -> HeaderBudget:
    return HeaderBudget(
        limit_header="X-Limit",
        remaining_header="X-Left",
        interval_header="X-Interval",
        sleep=clock.sleep,
        clock=clock,
    )


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        (told("100", "99"), []),
        (told("1", "0"), [10]),
        (told("100", "0"), [10]),
        (told("1", "0", "86400000"), [60]),
        ({"X-Left": "0", "X-Interval": "10000"}, [10]),
        ({"X-Limit": "100", "X-Left": "0"}, []),
        (told("100", "many", "x"), []),
        ({}, []),
    ],
)
def test_a_spent_budget_waits_a_window(headers: dict[str, str], waits: list[float]) -> None:
    """The call after an answer that left nothing waits one interval; unknown headers, nobody."""
    clock = Clock()
    rate = budget(clock)
    make_client(answer(200, headers=headers), rate=rate).get_json("/x")
    assert clock.waits == []
    rate.wait()
    assert clock.waits == waits


class RollingLimit:
    """A server that allows `limit` requests in any ten seconds and counts them as they arrive."""

    def __init__(self, clock: Clock, *, limit: int) -> None:
        self.clock = clock
        self.limit = limit
        self.arrivals: list[float] = []
        self.refused = 0

    def serve(self) -> dict[str, str]:
        recent = [t for t in self.arrivals if t > self.clock.now - 10]
        if len(recent) >= self.limit:
            self.refused += 1
            return told(str(self.limit), "0")
        self.arrivals.append(self.clock.now)
        return told(str(self.limit), str(self.limit - len(recent) - 1))


@pytest.mark.parametrize("seed", range(5))
def test_a_rolling_limit_is_used_up_and_never_hit(seed: int) -> None:
    """Over six windows at least 95 % of what is allowed is used, without one refusal."""
    clock, random = Clock(), Random(seed)  # noqa: S311  no secret is made of it
    server, rate = RollingLimit(clock, limit=100), budget(clock)
    while clock.now < 160:
        rate.wait()
        clock.now += random.uniform(0, 0.03)
        headers = server.serve()
        clock.now += random.uniform(0, 0.03)
        rate.note(headers)
    assert server.refused == 0
    assert len(server.arrivals) >= 0.95 * 600


def test_what_others_use_is_left_to_them() -> None:
    """Two processes share a budget by what its headers say, with hardly a refusal."""
    clock = Clock()
    server = RollingLimit(clock, limit=100)
    rates = [budget(clock), budget(clock)]
    while clock.now < 160:
        for rate in rates:
            rate.wait()
            clock.now += 0.02
            rate.note(server.serve())
    assert server.refused <= 6
    assert len(server.arrivals) >= 0.9 * 600


def test_retries_are_counted_too() -> None:
    """Every attempt of a call asks the rate first."""
    clock = Clock()
    script = Script(answer(503), answer(503), answer(200))
    pace = Pace(requests=1, seconds=1, sleep=clock.sleep, clock=clock)
    make_client(transport=script, rate=pace).get_json("/x")
    assert len(clock.waits) == 2


def request(clock: Clock, **values: Any) -> ConnectRequest:
    return ConnectRequest(
        credentials=Credentials(values={}), work_dir=Path(), sleep=clock.sleep, **values
    )


def test_an_adapters_limit_is_the_connections_own_where_none_is_shared() -> None:
    """Without a database two calls at one a minute are a minute apart."""
    clock = Clock()
    rate = paced(request(clock), "search", requests=1, seconds=60)
    rate.wait()
    rate.wait()
    assert clock.waits == [pytest.approx(60, abs=1)]


def test_an_adapters_limit_is_the_accounts_where_it_is_shared() -> None:
    """The adapter's name and figures go to whoever keeps the account's limits."""
    clock, asked = Clock(), []

    def budgets(name: str, *, requests: int, seconds: float) -> Rate:
        asked.append((name, requests, seconds))
        return shared

    shared = Pace(requests=5, seconds=1, sleep=clock.sleep)
    assert paced(request(clock, budgets=budgets), "search", requests=5, seconds=1) is shared
    assert asked == [("search", 5, 1)]
