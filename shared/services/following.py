"""The log of an export that follows an import in one job."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.changes import RecordProblem
from shared.domain.checkpoints import Mode
from shared.domain.tallies import Tally
from shared.ports.run_log import RunLog


class Following:
    """The run log of an export that follows an import: its counts are added to those before.

    The job's mode is the import's.
    """

    def __init__(self, run_log: RunLog, before: Tally) -> None:
        self._run_log = run_log
        self._before = before

    def opened(self, mode: Mode) -> None:
        """Leave the mode as it is."""
        del mode
        self._run_log.heartbeat()

    def record(self, tally: Tally, problems: Sequence[RecordProblem]) -> bool:
        """Set the counts of both ways."""
        return self._run_log.record(self._before + tally, problems)

    def heartbeat(self) -> bool:
        """Renew the lease."""
        return self._run_log.heartbeat()
