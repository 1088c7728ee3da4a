"""The ledger of an account's requests, as arithmetic."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.rate_budgets import Lease, Ledger, RollingLimit
from shared.errors import PermanentError

TEN = RollingLimit(requests=10, seconds=10)


def lease(ledger: Ledger, holder: str = "a", **values: Any) -> tuple[Lease, Ledger]:
    return ledger.lease(holder, TEN, **{"wanted": 1, "answered": (), "now": 100.0, **values})


def test_what_is_free_is_given_at_once() -> None:
    """The first of an account begin now, and hold at most half of the limit."""
    given_, _ = lease(Ledger(), wanted=9)
    assert given_ == Lease(starts=(100.0,) * 5, wait=0.0)


def test_several_holders_get_less_each() -> None:
    """The more have leased, the less one more may hold; one is always given."""
    ledger = Ledger()
    sizes = []
    for holder in "abcde":
        found, ledger = lease(ledger, holder, wanted=9)
        sizes.append(len(found.starts))
    assert sizes == [5, 2, 1, 1, 1]


def test_a_report_replaces_what_was_leased() -> None:
    """Answered requests stay until a window after their answers; the rest is free again."""
    _, ledger = lease(Ledger(), wanted=5)
    _, ledger = lease(ledger, answered=[100.5, 101.0], now=101.0, wanted=5)
    [grant] = ledger.grants
    assert [(until, count) for until, _, count in ledger.spent] == [(110.5, 1), (111.0, 1)]
    assert grant.starts == (101.0,) * 5


def test_a_silent_holder_is_forgotten() -> None:
    """Its requests count as sent late and slowly, and then no more."""
    _, ledger = lease(Ledger(), wanted=5)
    _, there = lease(ledger, "b", now=112.9)
    _, gone = lease(ledger, "b", now=113.1)
    assert [len(there.grants), len(gone.grants)] == [2, 1]


def test_a_clock_that_was_wrong_blocks_for_a_window_at_most() -> None:
    """What was written from the far future holds nobody up for longer than what is new."""
    wrong = 100.0 + 3600
    _, ledger = lease(Ledger(), "b", answered=[wrong] * 10, now=wrong, wanted=5)
    found, _ = lease(ledger)
    assert 0 < found.wait <= 10.05


def test_too_long_a_wait_leases_nothing() -> None:
    """The caller learns how long it would be, and keeps no place."""
    _, full = lease(Ledger(), answered=[100.0] * 10)
    found, ledger = lease(full, "b", longest=5)
    assert found.starts == ()
    assert found.wait == pytest.approx(10)
    assert ledger.grants[-1].starts == ()


def test_urgent_ones_have_a_share_of_their_own() -> None:
    """Of a hundred used up by others, four are left to urgent ones, and no fifth."""
    limit = RollingLimit(requests=100, seconds=10)
    _, ledger = Ledger().lease("job", limit, wanted=1, answered=[99.9] * 96, now=100.0)
    waits = []
    for holder in range(5):
        found, ledger = ledger.lease(
            str(holder), limit, wanted=1, answered=(), now=100.0, urgent=True
        )
        waits.append(found.wait)
    assert waits[:4] == [0, 0, 0, 0]
    assert waits[4] > 9


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 5), st.booleans()), max_size=40))
def test_no_window_holds_more_than_the_limit(steps: Sequence[tuple[str, int, bool]]) -> None:
    """Whoever leases when, and reports or dies: any requests sent when allowed keep the limit."""
    limit = RollingLimit(requests=50, seconds=10)
    ledger, now = Ledger(), 100.0
    held: dict[tuple[str, bool], tuple[float, ...]] = {}
    sent: list[float] = []
    for holder, wait, urgent in steps:
        now += wait / 2
        due = [at for at in held.get((holder, urgent), ()) if at + limit.use_seconds >= now]
        answered = [max(at, now) for at in due]
        sent += answered
        now = max((now, *answered))
        found, ledger = ledger.lease(
            f"{holder}{urgent}", limit, wanted=20, answered=answered, now=now, urgent=urgent
        )
        held[holder, urgent] = found.starts
    sent.sort()
    assert all(b - a >= 10 for a, b in zip(sent, sent[50:], strict=False))


def test_a_ledger_survives_json() -> None:
    """What is kept is read back as it was; nothing kept is an empty ledger."""
    _, ledger = lease(Ledger(), answered=[99.0, 99.5], wanted=3, urgent=True)
    _, ledger = lease(ledger, "b")
    assert Ledger.from_json(json.loads(json.dumps(ledger.to_json()))) == ledger
    assert Ledger.from_json(None) == Ledger()


@pytest.mark.parametrize(("requests", "seconds"), [(0, 1), (1, 0)])
def test_a_limit_must_let_something_through(requests: int, seconds: float) -> None:
    """Neither no requests nor no time is a limit."""
    with pytest.raises(PermanentError):
        RollingLimit(requests=requests, seconds=seconds)
