"""What becomes of a job, its log and its instance when a run ends; each in one unit of work."""

from __future__ import annotations

import traceback
from dataclasses import replace
from datetime import timedelta

from shared.domain.instances import StatusReason
from shared.domain.jobs import Job, JobKind, JobStatus
from shared.engine.sync import Outcome
from shared.errors import ApprovalNeededError, NotFoundError, SyncError
from shared.logs import redacted
from shared.services.deps import Now, OpenUow
from shared.services.notifications import ask_approval, mark_broken
from shared.services.run_log import elapsed_ms

BUG = "bug"
"""The error class of everything that is not an error of ours."""


class Settlement:
    """Settles one run. `secrets` are struck out of every text it stores or returns.

    `warehouse_id` is where the run's tables went, '' for the default warehouse.
    """

    def __init__(self, job: Job, *, open_uow: OpenUow, now: Now) -> None:
        self._job = job
        self._open_uow = open_uow
        self._now = now
        self.secrets: tuple[str, ...] = ()
        self.warehouse_id = ""

    def text(self, error: BaseException) -> str:
        """Return what a person is told of an error."""
        known = isinstance(error, (SyncError, NotFoundError))
        return redacted(str(error) if known else repr(error), self.secrets)

    def trace(self, error: BaseException) -> str:
        """Return an error's stack trace."""
        return redacted("".join(traceback.format_exception(error)), self.secrets)

    def complete(self, outcome: Outcome) -> None:
        """Every scope is in: success, or partial where records failed or a table of the warehouse
        is not what was written, or an undo left some; the instance is well.
        """
        failed = outcome.tally.error
        if self._job.kind is JobKind.UNDO:
            failed += outcome.tally.warning
        is_whole = not failed and all(check.is_equal for check in outcome.checks)
        status = JobStatus.SUCCESS if is_whole else JobStatus.PARTIAL
        # How an instance fares is told by its syncs, not by one record or an undo.
        is_sync = self._job.kind is JobKind.SYNC and not self._job.target_record_id
        self._close(status, error=None, outcome=outcome if is_sync else None)

    def discovered(self) -> None:
        """End a look at the source's tables: success. How its syncs fare is another matter."""
        self._close(JobStatus.SUCCESS, error=None)

    def fail(self, error: SyncError, reason: StatusReason, *, note: str = "") -> None:
        """No retry can help: the job has failed, and its instance waits for a person.

        `note` follows the error's text.
        """
        self._close(JobStatus.FAILED, error=error, reason=reason, note=note)

    def wait_for_approval(self, error: ApprovalNeededError) -> None:
        """End the lease and ask a person; nothing goes on before they have answered."""
        self._close(JobStatus.WAITING_APPROVAL, error=error)

    def cancel(self, error: NotFoundError | None) -> None:
        """Stop the job on request, or because its instance is gone; what is committed stays."""
        self._close(JobStatus.CANCELLED, error=error)

    def postpone(self, error: SyncError | None, *, seconds: float) -> None:
        """End the lease; the job may go on after `seconds`. No attempt is counted."""
        self._release(error, seconds=seconds, failed=False)

    def count_attempt(self, error: Exception) -> None:
        """End the lease and write the failed attempt down; the host brings the message again."""
        self._release(error, seconds=0, failed=True)

    def _release(self, error: Exception | None, *, seconds: float, failed: bool) -> None:
        now = self._now()
        with self._open_uow() as uow:
            uow.jobs.release(
                self._job.id,
                self._job.run_id,
                not_before=now + timedelta(seconds=seconds) if seconds else None,
                failed=failed,
                error_class=_error_class(error),
                error_message=self.text(error) if error is not None else "",
                now=now,
            )
            if error is not None:
                state = uow.instances.get_state(self._job.instance_id)
                uow.instances.save_state(replace(state, last_error=self.text(error)), now=now)
            uow.commit()

    def _close(
        self,
        status: JobStatus,
        *,
        error: Exception | None,
        outcome: Outcome | None = None,
        reason: StatusReason | None = None,
        note: str = "",
    ) -> None:
        job, now = self._job, self._now()
        text = f"{self.text(error)} {note}".rstrip() if error is not None else ""
        is_asking = status is JobStatus.WAITING_APPROVAL
        trace = self.trace(error) if error is not None and not is_asking else ""
        with self._open_uow() as uow:
            uow.jobs.finish(
                job.id,
                job.run_id,
                status=status,
                error_class=_error_class(error),
                error_message=text,
                asked_deletes=error.deletes if isinstance(error, ApprovalNeededError) else 0,
                now=now,
            )
            uow.logs.finish(
                job.id,
                status=status.value,
                success=status is JobStatus.SUCCESS,
                error_message=text,
                error_stack_trace=trace,
                reconciliation=(outcome and outcome.checks) or None,
                duration_ms=elapsed_ms(job, now),
                now=now,
            )
            state = uow.instances.get_state(job.instance_id)
            if outcome is not None:
                state = replace(state, last_sync_at=now, last_error="", failures_in_a_row=0)
                if job.kind is JobKind.SYNC and not job.target_record_id:
                    state = replace(state, watermark_at=now if outcome.leaves_watermark else None)
                uow.instances.heal(job.instance_id, now=now)
                for load in outcome.loads:
                    uow.generations.add(
                        self.warehouse_id,
                        load.table,
                        load.generation,
                        load.row_count,
                        job.id,
                        now=now,
                    )
            if reason is not None and job.kind is JobKind.SYNC and not job.target_record_id:
                failures = state.failures_in_a_row + 1
                state = replace(state, last_error=text, failures_in_a_row=failures)
                mark_broken(uow, job.instance_id, reason, detail=text, now=now)
            if is_asking:
                ask_approval(uow, job.instance_id, detail=text, now=now)
            uow.instances.save_state(state, now=now)
            uow.commit()


def _error_class(error: Exception | None) -> str:
    if error is None:
        return ""
    return error.kind if isinstance(error, (SyncError, NotFoundError)) else BUG
