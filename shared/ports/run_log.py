"""How a run tells what it does, and learns whether it may go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.domain.changes import RecordProblem
from shared.domain.tallies import Tally


class RunLog(Protocol):
    """One run's row in the job and log tables; every write is fenced by its run id."""

    def heartbeat(self) -> bool:
        """Renew the lease; return whether a cancel was asked; raise LeaseLostError if it is lost."""

    def record(self, tally: Tally, problems: Sequence[RecordProblem]) -> None:
        """Set the job's counts to `tally` and add problems; the same problem twice is one row."""
