"""The SQL side of a run: lease, counts and problems, every write fenced by the run id."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.domain.changes import RecordProblem
from shared.domain.checkpoints import Mode
from shared.domain.jobs import Job
from shared.domain.tallies import Tally
from shared.services.deps import Now, OpenUow

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork


class SqlRunLog:
    """The `RunLog` of one run."""

    def __init__(
        self,
        job: Job,
        *,
        log_id: str,
        open_uow: OpenUow,
        lease_seconds: float,
        records_cap: int,
        now: Now,
    ) -> None:
        self._job = job
        self._log_id = log_id
        self._open_uow = open_uow
        self._lease = timedelta(seconds=lease_seconds)
        self._records_cap = records_cap
        self._now = now

    def lease_until(self) -> datetime:
        """Return when a lease taken now ends."""
        return self._now() + self._lease

    def opened(self, mode: Mode) -> None:
        """Note the mode that is really used."""
        with self._open_uow() as uow:
            self._renew(uow)
            uow.jobs.set_mode(self._job.id, mode, now=self._now())
            uow.logs.set_mode(self._job.id, mode, now=self._now())
            uow.commit()

    def record(self, tally: Tally, problems: Sequence[RecordProblem]) -> bool:
        """Set the counts, add the problems, renew the lease; return whether a cancel was asked."""
        now = self._now()
        with self._open_uow() as uow:
            job = self._renew(uow)
            uow.logs.set_progress(
                self._job.id, tally, duration_ms=elapsed_ms(self._job, now), now=now
            )
            if problems:
                uow.logs.add_records(self._log_id, problems, cap=self._records_cap, now=now)
            uow.commit()
        return job.cancel_requested_at is not None

    def note(self, uow: UnitOfWork, tally: Tally | None, problems: Sequence[RecordProblem]) -> None:
        """Set the counts (None: leave them) and add problems in a unit of work of the caller's."""
        now = self._now()
        if tally is not None:
            elapsed = elapsed_ms(self._job, now)
            uow.logs.set_progress(self._job.id, tally, duration_ms=elapsed, now=now)
        if problems:
            uow.logs.add_records(self._log_id, problems, cap=self._records_cap, now=now)

    def heartbeat(self) -> bool:
        """Renew the lease; return whether a cancel was asked."""
        with self._open_uow() as uow:
            job = self._renew(uow)
            uow.commit()
        return job.cancel_requested_at is not None

    def _renew(self, uow: UnitOfWork) -> Job:
        return uow.jobs.renew_lease(self._job.id, self._job.run_id, until=self.lease_until())


def elapsed_ms(job: Job, now: datetime) -> int:
    """Return the milliseconds since the job's first run started."""
    return 0 if job.started_at is None else round((now - job.started_at).total_seconds() * 1000)
