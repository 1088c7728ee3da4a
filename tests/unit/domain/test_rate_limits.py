from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.rate_limits import Bucket, RateLimit, Standing
from shared.errors import PermanentError
from tests.factories import NOW

WRITES = RateLimit(name="writes", per_minute=60, burst=10)


def later(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def test_a_full_bucket_holds_the_burst() -> None:
    """Who has asked nothing for a while may ask `burst` times at once, and then waits a second."""
    bucket = Bucket.full(WRITES, now=NOW)
    for _ in range(10):
        given, bucket = bucket.take(1, WRITES, now=NOW)
        assert given == 1
    assert bucket.take(1, WRITES, now=NOW)[0] == 0
    assert bucket.take(1, WRITES, now=NOW + later(0.999))[0] == 0
    assert bucket.take(1, WRITES, now=NOW + later(1))[0] == 1


def test_tokens_come_back_steadily_up_to_the_burst() -> None:
    """60 a minute is one a second; a long rest saves up no more than the burst."""
    empty = Bucket(tokens=0, refilled_at=NOW)
    assert empty.refilled(WRITES, now=NOW + later(2.5)).tokens == pytest.approx(2.5)
    assert empty.refilled(WRITES, now=NOW + later(3600)).tokens == 10


def test_another_workers_clock_gives_nothing_twice() -> None:
    """A worker whose clock is behind adds nothing, and does not turn the bucket's time back."""
    bucket = Bucket(tokens=3, refilled_at=NOW).refilled(WRITES, now=NOW - later(60))
    assert bucket == Bucket(tokens=3, refilled_at=NOW)


def test_a_lowered_limit_counts_at_once() -> None:
    """What was saved up under a larger burst is cut to the new one."""
    bucket = Bucket(tokens=100, refilled_at=NOW)
    assert bucket.refilled(WRITES, now=NOW).tokens == 10


@pytest.mark.parametrize(
    ("tokens", "wanted", "expected"),
    [(10, 2, 2), (10, 8, 5), (3, 2, 1), (1.9, 2, 1), (1, 1, 1), (0.99, 1, 0), (0, 5, 0)],
)
def test_a_batch_leaves_half_for_the_others(tokens: float, wanted: int, expected: int) -> None:
    """One token is given while there is one; more only up to half of what is there."""
    given, rest = Bucket(tokens=tokens, refilled_at=NOW).take(wanted, WRITES, now=NOW)
    assert given == expected
    assert rest.tokens == pytest.approx(tokens - expected)


@given(
    steps=st.lists(
        st.tuples(st.floats(0, 30), st.integers(1, 20)),
        max_size=60,
    )
)
def test_no_way_of_asking_gets_more_than_the_limit(steps: list[tuple[float, int]]) -> None:
    """In any stretch from the start, at most the burst and what came back is given out."""
    bucket, now, total = Bucket.full(WRITES, now=NOW), NOW, 0
    for seconds, wanted in steps:
        now += later(seconds)
        given_now, bucket = bucket.take(wanted, WRITES, now=now)
        total += given_now
        assert total <= 10 + (now - NOW).total_seconds() + 1e-6
        assert 0 <= bucket.tokens <= 10


def test_reset_is_when_the_whole_burst_is_there() -> None:
    """With 4 of 10 left and one a second, six seconds."""
    assert Standing(limit=WRITES, is_allowed=True, remaining=4).reset_seconds == 6


@pytest.mark.parametrize("figures", [(0.0, 1), (-1.0, 1), (1.0, 0)])
def test_a_limit_that_lets_nobody_through_is_refused(figures: tuple[float, int]) -> None:
    """A setting of zero would close the API; it is told, not obeyed."""
    with pytest.raises(PermanentError, match="writes"):
        RateLimit(name="writes", per_minute=figures[0], burst=figures[1])
