"""The queue of jobs."""

from __future__ import annotations

from typing import Protocol


class JobQueue(Protocol):
    """Sends job ids to the queue functions; raises TransientError when it cannot."""

    def send(self, job_id: str, *, scheduled: bool, delay: float = 0) -> None:
        """Enqueue a job, to be seen after `delay` seconds (at most 7 days)."""

    def ping(self) -> None:
        """Return if the queue service answers; raise TransientError if not."""
