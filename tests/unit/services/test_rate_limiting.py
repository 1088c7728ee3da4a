"""The limiter as workers use it, over a real database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import pytest

from shared.domain.rate_limits import RateLimit
from shared.errors import TransientError
from shared.services import rate_limiting
from shared.services.rate_limiting import RateLimiter
from shared.store.database import Database
from shared.store.unit_of_work import UnitOfWork
from tests.factories import make_caller
from tests.store_kit import database  # noqa: F401  a fixture
from tests.world import Clock

READS = RateLimit(name="reads", per_minute=600, burst=100)
WRITES = RateLimit(name="writes", per_minute=60, burst=10)
ADA = make_caller()


@dataclass
class Workers:
    """Limiters over one database, as many workers have them; counts what they ask of it."""

    database: Database
    clock: Clock = field(default_factory=Clock)
    asked: int = 0
    is_away: bool = False

    def new(self) -> RateLimiter:
        return RateLimiter(open_uow=self._open, now=self.clock)

    def _open(self, *, read_only: bool = False) -> AbstractContextManager[UnitOfWork]:
        self.asked += 1
        if self.is_away:
            raise TransientError("The database cannot answer now.")
        return self.database.open_uow(read_only=read_only)


@pytest.fixture
def workers(database: Database) -> Workers:  # noqa: F811  the fixture
    return Workers(database)


def allowed(limiter: RateLimiter, limit: RateLimit, times: int) -> int:
    """Return how many of so many requests of Ada's pass."""
    return sum(limiter.take(ADA, limit).is_allowed for _ in range(times))


def test_a_burst_passes_and_no_more(workers: Workers) -> None:
    """Of twenty writes at once ten pass; after three seconds three more."""
    limiter = workers.new()
    assert allowed(limiter, WRITES, 20) == 10
    workers.clock.move(seconds=3)
    assert allowed(limiter, WRITES, 20) == 3


def test_the_standing_counts_down(workers: Workers) -> None:
    """What remains is told with each request, and when one that is refused may come again."""
    limiter = workers.new()
    assert [limiter.take(ADA, WRITES).remaining for _ in range(10)] == [*range(9, -1, -1)]
    refused = limiter.take(ADA, WRITES)
    assert (refused.is_allowed, refused.remaining) == (False, 0)
    assert refused.retry_after == pytest.approx(1.0)
    workers.clock.move(seconds=refused.retry_after)
    assert limiter.take(ADA, WRITES).is_allowed


def test_workers_share_the_bucket(workers: Workers) -> None:
    """Ten requests sent round five workers pass; further ones pass at none."""
    limiters = [workers.new() for _ in range(5)]
    assert sum(allowed(limiter, WRITES, 2) for limiter in limiters) == 10
    assert sum(allowed(limiter, WRITES, 2) for limiter in limiters) == 0


def test_callers_and_kinds_have_buckets_of_their_own(workers: Workers) -> None:
    """One caller's writes use up neither their reads nor anybody else's writes."""
    limiter = workers.new()
    assert allowed(limiter, WRITES, 11) == 10
    assert limiter.take(ADA, READS).is_allowed
    for other in (make_caller(subject="bob"), make_caller(issuer="https://other.test")):
        assert limiter.take(other, WRITES).is_allowed


def test_a_busy_caller_costs_ever_less(workers: Workers) -> None:
    """Batches double up to a tenth of the burst: 1, 2, 4, 8, and then 10 of 100."""
    limiter = workers.new()
    for requests, asked in [(1, 1), (2, 2), (4, 3), (8, 4), (10, 5), (10, 6)]:
        assert allowed(limiter, READS, requests) == requests
        assert workers.asked == asked


def test_a_caller_who_asks_now_and_then_takes_nothing_from_other_workers(workers: Workers) -> None:
    """Forty workers that each see one of forty requests let all of them pass."""
    assert sum(allowed(workers.new(), READS, 1) for _ in range(40)) == 40


def test_a_flood_of_refused_requests_is_no_flood_of_statements(workers: Workers) -> None:
    """Who is refused is refused from memory until a token can be there again."""
    limiter = workers.new()
    allowed(limiter, WRITES, 11)
    asked = workers.asked
    assert allowed(limiter, WRITES, 1000) == 0
    assert workers.asked == asked
    workers.clock.move(seconds=1)
    assert allowed(limiter, WRITES, 1) == 1


def test_leased_tokens_end(workers: Workers) -> None:
    """What a worker did not use within half a minute is gone; it asks again, for one."""
    limiter = workers.new()
    allowed(limiter, READS, 1 + 2 + 4)
    allowed(limiter, READS, 1)
    asked = workers.asked
    workers.clock.move(seconds=31)
    allowed(limiter, READS, 1)
    assert workers.asked == asked + 1
    allowed(limiter, READS, 1)
    assert workers.asked == asked + 2


def test_without_sql_a_lease_in_hand_serves_and_then_it_is_transient(workers: Workers) -> None:
    """A worker with tokens notices nothing; one that needs some says that SQL is away."""
    limiter = workers.new()
    allowed(limiter, READS, 1 + 1)
    workers.is_away = True
    assert limiter.take(ADA, READS).is_allowed
    with pytest.raises(TransientError):
        limiter.take(ADA, READS)
    workers.is_away = False
    assert limiter.take(ADA, READS).is_allowed


def test_threads_of_many_workers_never_get_more_than_the_bucket(workers: Workers) -> None:
    """Of 320 reads at once, from eight threads of four workers, exactly the burst passes."""
    limiters = [workers.new() for _ in range(4)] * 2
    with ThreadPoolExecutor(max_workers=8) as pool:
        passed = sum(pool.map(lambda limiter: allowed(limiter, READS, 40), limiters))
    # A worker may keep unused tokens of its last batch; the sum of all is the burst.
    left = sum(lease.tokens for one in limiters[:4] for lease in one._leases.values())
    assert passed + left == 100


def test_memory_is_bounded(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many callers only the latest are kept, and who was forgotten is not favoured."""
    monkeypatch.setattr(rate_limiting, "_CALLERS_KEPT", 2)
    limiter = workers.new()
    assert allowed(limiter, WRITES, 10) == 10
    for subject in ("bob", "eve", "dan"):
        limiter.take(make_caller(subject=subject), WRITES)
    assert len(limiter._leases) == 2
    assert allowed(limiter, WRITES, 1) == 0


def test_the_store_learns_no_name(workers: Workers) -> None:
    """The bucket's key is a hash: the table tells neither who asks nor where they sign in."""
    workers.new().take(make_caller(subject="ada@example.com"), WRITES)
    with workers.database.engine.connect() as connection:
        [row] = connection.exec_driver_sql("SELECT caller FROM rate_buckets").all()
    assert len(row[0]) == 64
    assert "ada" not in row[0]


def test_a_limit_that_is_not_shared_costs_no_sql(workers: Workers) -> None:
    """Each worker gives the whole burst by itself, refills it, and never opens a unit of work."""
    limit = RateLimit(name="reads", per_minute=600, burst=3, is_shared=False)

    workers.is_away = True
    for limiter in (workers.new(), workers.new()):
        assert allowed(limiter, limit, 4) == 3
        workers.clock.move(seconds=0.1)
        assert allowed(limiter, limit, 2) == 1
    assert workers.asked == 0
