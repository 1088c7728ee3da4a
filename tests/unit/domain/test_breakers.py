"""When a breaker opens, for how long, and what closes it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.breakers import (
    FAILURES,
    FIRST_OPEN,
    PROBE_LEASE,
    Breaker,
    CircuitState,
)
from tests.factories import NOW
from tests.store_kit import make_breaker


def opened() -> Breaker:
    breaker = make_breaker()
    for _ in range(FAILURES):
        breaker = breaker.failed("run", "503", now=NOW)
    return breaker


def test_it_opens_with_the_third_failure_in_a_row() -> None:
    """Two failures are only counted; the third says from when on one may try again."""
    breaker = make_breaker()
    for count in (1, 2):
        breaker = breaker.failed("run", "503", now=NOW)
        assert (breaker.state, breaker.failures) == (CircuitState.CLOSED, count)
        assert not breaker.blocks(NOW)
    breaker = breaker.failed("run", "503", now=NOW)
    assert (breaker.state, breaker.opened_at) == (CircuitState.OPEN, NOW)
    assert breaker.retry_at == NOW + FIRST_OPEN
    assert breaker.blocks(NOW)
    assert not breaker.blocks(NOW + FIRST_OPEN)


def test_an_answer_between_failures_starts_the_count_anew() -> None:
    """Only failures in a row count."""
    breaker = make_breaker()
    for _ in range(2 * FAILURES):
        breaker = breaker.failed("run", "503", now=NOW).closed(now=NOW)
    assert (breaker.state, breaker.failures) == (CircuitState.CLOSED, 0)


def test_each_failed_probe_opens_it_for_twice_as_long_up_to_a_bound() -> None:
    """It waits 1, 2, 4, 8, 16 minutes, and then half an hour each time."""
    breaker, now, spans = opened(), NOW, []
    for number in range(8):
        assert breaker.retry_at is not None
        spans.append((breaker.retry_at - now) / FIRST_OPEN)
        now = breaker.retry_at
        breaker = breaker.probed(f"p{number}", now=now).failed(f"p{number}", "503", now=now)
    assert spans == [1, 2, 4, 8, 16, 30, 30, 30]
    assert breaker.opened_at == NOW
    assert breaker.failures == FAILURES + 8


@pytest.mark.parametrize(("wish", "wait"), [(300, 300), (5, 60), (1e9, 1800), (float("inf"), 1800)])
def test_the_providers_own_wish_counts(wish: float, wait: float) -> None:
    """It stays open as long as the provider asked for, within the bound."""
    breaker = make_breaker(failures=FAILURES - 1).failed("run", "503", now=NOW, at_least=wish)
    assert breaker.retry_at == NOW + timedelta(seconds=wait)


def test_a_probe_keeps_others_out_until_it_counts_as_dead() -> None:
    """Half open, nobody else goes through; a probe that says nothing is replaced."""
    probed = opened().probed("p", now=NOW + FIRST_OPEN)
    assert probed.state is CircuitState.HALF_OPEN
    assert probed.blocks(NOW + FIRST_OPEN + PROBE_LEASE - timedelta(seconds=1))
    assert not probed.blocks(NOW + FIRST_OPEN + PROBE_LEASE)


def test_only_the_present_probe_decides() -> None:
    """Failures of those who began before it opened, or of a dead probe, change nothing."""
    breaker = opened()
    assert breaker.failed("late", "503", now=NOW) is breaker
    probed = breaker.probed("p", now=NOW)
    assert probed.failed("late", "503", now=NOW) is probed
    assert probed.abandoned("late", now=NOW) is probed
    assert breaker.abandoned("p", now=NOW) is breaker


def test_a_probe_that_learnt_nothing_makes_room_at_once() -> None:
    """It is open again, for nobody's time."""
    breaker = opened().probed("p", now=NOW).abandoned("p", now=NOW)
    assert breaker.state is CircuitState.OPEN
    assert not breaker.blocks(NOW)
    assert breaker.openings == 1


def test_closing_forgets_all_but_the_last_error() -> None:
    """The next outage begins with the shortest wait; what was wrong stays readable."""
    breaker = opened().probed("p", now=NOW).closed(now=NOW)
    assert breaker == make_breaker(id=breaker.id, last_error="503")
