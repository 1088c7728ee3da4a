"""When an account's provider has failed so often that it is left alone for a while: pure rules.

closed ──a failure, the third in a row──► open ──its time is over: one probe──► half_open
  ▲                                        ▲                                       │
  │                                        └─────────the probe fails, longer───────┤
  └────────────────────the probe, or any other sync, gets an answer────────────────┘
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

FAILURES: Final = 3
"""So many syncs in a row that gave up on the provider open the breaker."""
FIRST_OPEN: Final = timedelta(minutes=1)
LONGEST_OPEN: Final = timedelta(minutes=30)
PATIENCE: Final = timedelta(days=1)
"""After so long without an answer people are to be told: jobs do not just wait any more."""
PROBE_LEASE: Final = timedelta(minutes=10)
"""A probe that has said nothing for so long has died: another takes its place."""


class CircuitState(StrEnum):
    """CLOSED lets everybody through, OPEN nobody, HALF_OPEN one probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """How syncs of one account have fared with its provider.

    `failures` in a row, `openings` without an answer between them. `retry_at`: while open, when a
    probe may begin; while half open, when `probe_id` counts as dead.
    """

    id: str
    provider: str
    account: str
    state: CircuitState = CircuitState.CLOSED
    failures: int = 0
    openings: int = 0
    opened_at: datetime | None = None
    retry_at: datetime | None = None
    probe_id: str = ""
    last_error: str = ""
    created_at: datetime
    updated_at: datetime

    def blocks(self, now: datetime) -> bool:
        """Return whether nobody may call the provider now, not even as a probe."""
        return self.retry_at is not None and now < self.retry_at

    def is_hopeless(self, now: datetime) -> bool:
        """Return whether the outage has lasted so long that waiting for its end is no plan."""
        return self.opened_at is not None and now - self.opened_at >= PATIENCE

    def probed(self, probe_id: str, *, now: datetime) -> Breaker:
        """Return the breaker with this probe on its way; it must be neither closed nor blocked."""
        return replace(
            self,
            state=CircuitState.HALF_OPEN,
            probe_id=probe_id,
            retry_at=now + PROBE_LEASE,
            updated_at=now,
        )

    def failed(self, caller_id: str, error: str, *, now: datetime, at_least: float = 0) -> Breaker:
        """Return the breaker after a failure: counted, opened, or opened for longer.

        It stays open for `at_least` so many seconds, the provider's own wish. Failures of those who
        began before it opened change nothing.
        """
        if self.state is CircuitState.CLOSED:
            counted = replace(self, failures=self.failures + 1, last_error=error, updated_at=now)
            return counted if counted.failures < FAILURES else _opened(counted, now, at_least)
        if self.state is CircuitState.HALF_OPEN and self.probe_id == caller_id:
            again = replace(self, failures=self.failures + 1, last_error=error)
            return _opened(again, now, at_least)
        return self

    def closed(self, *, now: datetime) -> Breaker:
        """Return the breaker after an answer: everything forgotten but the last error."""
        return replace(
            self,
            state=CircuitState.CLOSED,
            failures=0,
            openings=0,
            opened_at=None,
            retry_at=None,
            probe_id="",
            updated_at=now,
        )

    def abandoned(self, caller_id: str, *, now: datetime) -> Breaker:
        """Return the breaker after a probe ended without having learnt anything: the next may go.

        Unchanged where it is another's by now.
        """
        if self.state is not CircuitState.HALF_OPEN or self.probe_id != caller_id:
            return self
        return replace(self, state=CircuitState.OPEN, probe_id="", retry_at=now, updated_at=now)


def _opened(breaker: Breaker, now: datetime, at_least: float) -> Breaker:
    span = min(FIRST_OPEN * 2 ** min(breaker.openings, 16), LONGEST_OPEN)
    span = max(span, timedelta(seconds=min(at_least, LONGEST_OPEN.total_seconds())))
    return replace(
        breaker,
        state=CircuitState.OPEN,
        openings=breaker.openings + 1,
        opened_at=breaker.opened_at or now,
        retry_at=now + span,
        probe_id="",
        updated_at=now,
    )
