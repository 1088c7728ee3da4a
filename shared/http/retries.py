"""How long to wait before one HTTP call is made again.

The ladder is ours rather than stamina's: every wait must go through the `sleep` of the connection
(it keeps the job's lease alive), a `Retry-After` must win over the plan, and interactive calls
need another plan than background ones. stamina waits with `time.sleep`, is switched by
process-wide globals and cannot take a wish of the server into account.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 60.0
"""Seconds. A server that asks for more gets its way through the job's `not_before` instead."""

_JITTER = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """The waits between the attempts of one call, in seconds.

    `longest` bounds a single `Retry-After`, `total` the whole time after which no other attempt is
    made. `random` returns a number in [0, 1).
    """

    waits: tuple[float, ...]
    longest: float = LONGEST_WAIT
    total: float = float("inf")
    random: Callable[[], float] = random.random

    def next_wait(
        self, *, attempt: int, waited: float, retry_after: float | None = None
    ) -> float | None:
        """Return the seconds to wait after failed attempt `attempt` (from 1); None to give up.

        `waited` is how many seconds the call has taken so far.
        The server's own wish is taken as it is; ours varies by a quarter either way, so that
        callers which failed together do not come back together.
        """
        if attempt > len(self.waits):
            return None
        if retry_after is not None:
            wait = retry_after
        else:
            wait = self.waits[attempt - 1] * (1 + _JITTER * (2 * self.random() - 1))
            wait = min(wait, max(self.total - waited, 0.0))
        if wait > self.longest or waited + wait > self.total:
            return None
        return wait


BACKGROUND = Ladder(waits=(1, 2, 4, 8, 16))
"""Six attempts within about half a minute."""

INTERACTIVE = Ladder(waits=(0.5, 1, 1.5, 2), longest=5, total=5)
"""Somebody is looking: no attempt begins later than five seconds after the first."""


def parse_retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Return the seconds a `Retry-After` header asks for; None where it says nothing usable.

    Seconds and HTTP dates are both valid (RFC 9110, section 10.2.3); a date gone by means 0.
    """
    text = (value or "").strip()
    if not text:
        return None
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max((at - (now or datetime.now(UTC))).total_seconds(), 0.0)
