"""How a run tells what it does, and learns whether it may go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.domain.changes import RecordProblem
from shared.domain.checkpoints import Mode
from shared.domain.tallies import Tally


class RunLog(Protocol):
    """One run's rows in the job and log tables.

    Every call renews the lease, is fenced by the run id (LeaseLostError once another run owns the
    job) and may come from another thread than the one before.
    """

    def opened(self, mode: Mode) -> None:
        """Note the mode that is really used: another set-up turns an incremental job full."""

    def record(self, tally: Tally, problems: Sequence[RecordProblem]) -> bool:
        """Set the job's counts to `tally` and add problems (the same one twice is one row).

        Return whether somebody asked to cancel the job.
        """

    def heartbeat(self) -> bool:
        """Renew the lease; return whether somebody asked to cancel the job."""
