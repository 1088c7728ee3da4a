"""How many requests a caller may make: a token bucket, as pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from shared.errors import PermanentError


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """`burst` requests at once, and `per_minute` of them for good.

    `is_shared`: all workers count together, in SQL. Otherwise each worker counts what it serves.
    """

    name: str
    per_minute: float
    burst: int
    is_shared: bool = True

    def __post_init__(self) -> None:
        if self.per_minute <= 0 or self.burst < 1:
            raise PermanentError(
                f"The limit for {self.name} must be above 0 a minute, with a burst of 1 or more."
            )

    def seconds_for(self, tokens: float) -> float:
        """Return how long so many tokens take to come; 0 for none."""
        return max(0.0, tokens) * 60 / self.per_minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A request takes a token; they come back steadily until there are `burst` of them."""

    tokens: float
    refilled_at: datetime

    @classmethod
    def full(cls, limit: RateLimit, *, now: datetime) -> Self:
        """Return the bucket of somebody who has asked nothing for a while."""
        return cls(tokens=limit.burst, refilled_at=now)

    def refilled(self, limit: RateLimit, *, now: datetime) -> Bucket:
        """Return the bucket with what came back since; an earlier `now` (another clock's) adds 0.

        A limit that was lowered meanwhile takes effect at once.
        """
        seconds = max(0.0, (now - self.refilled_at).total_seconds())
        tokens = min(limit.burst, self.tokens + seconds * limit.per_minute / 60)
        return Bucket(tokens=tokens, refilled_at=max(now, self.refilled_at))

    def take(self, wanted: int, limit: RateLimit, *, now: datetime) -> tuple[int, Bucket]:
        """Return how many of the `wanted` tokens are given, and the bucket after that.

        One token is given where there is one; more than one only up to half of what is there, so
        that a worker which takes a batch leaves something for the others.
        """
        bucket = self.refilled(limit, now=now)
        given = min(wanted, max(1, int(bucket.tokens / 2)), int(bucket.tokens))
        return given, Bucket(tokens=bucket.tokens - given, refilled_at=bucket.refilled_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a caller stands with a limit after a request, as far as this worker knows."""

    limit: RateLimit
    is_allowed: bool
    remaining: int
    retry_after: float = 0.0
    """Seconds until the next request may pass, where this one did not."""

    @property
    def reset_seconds(self) -> float:
        """Seconds until the whole burst is there again."""
        return self.limit.seconds_for(self.limit.burst - self.remaining)
