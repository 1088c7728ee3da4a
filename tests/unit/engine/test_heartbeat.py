from __future__ import annotations

import time

import pytest

from shared.engine.heartbeat import Heartbeat
from shared.errors import LeaseLostError, TransientError
from tests.fakes import FakeRunLog

WAIT = 60
"""Seconds after which what was waited for will not come any more."""


def test_the_lease_is_renewed_while_the_run_waits() -> None:
    """Beats go on during a wait that is longer than their interval."""
    run_log = FakeRunLog()
    with Heartbeat(run_log, interval=0.01):
        assert run_log.beats.acquire(timeout=WAIT)
        assert run_log.beats.acquire(timeout=WAIT)


def test_a_lost_lease_ends_a_wait_at_once() -> None:
    """A run that waits for a provider stops as soon as another run owns the job."""
    run_log = FakeRunLog(lost=True)
    with Heartbeat(run_log, interval=0.01) as heartbeat, pytest.raises(LeaseLostError):
        heartbeat.sleep(WAIT * 60)


def test_a_cancel_ends_a_wait_at_once() -> None:
    """Somebody who cancels does not wait for the provider's Retry-After."""
    started = time.monotonic()
    with Heartbeat(FakeRunLog(cancel=True), interval=0.01) as heartbeat:
        heartbeat.sleep(WAIT * 60)
        assert heartbeat.cancel_requested
    assert time.monotonic() - started < WAIT


def test_a_beat_that_fails_is_tried_again() -> None:
    """One failed renewal does not end the run: the lease outlives several."""

    class Shaky(FakeRunLog):
        failures = 1

        def heartbeat(self) -> bool:
            if self.failures:
                self.failures -= 1
                raise TransientError("the database is busy")
            return super().heartbeat()

    run_log = Shaky()
    with Heartbeat(run_log, interval=0.01) as heartbeat:
        assert run_log.beats.acquire(timeout=WAIT)
        heartbeat.check()
