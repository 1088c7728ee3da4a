"""Jobs: who may run one, and what became of it. Every change is a compare-and-set."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Update,
    and_,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)

from shared.domain.checkpoints import Mode
from shared.domain.instances import Instance
from shared.domain.jobs import FINAL_STATUSES, Job, JobStatus
from shared.domain.paging import ListQuery, Slice
from shared.errors import ConflictError, LeaseLostError, NotFoundError
from shared.store.faults import UniqueError
from shared.store.lists import fetch_slice, where_given
from shared.store.repositories.filters import member_of
from shared.store.repositories.instances import SqlInstanceRepository
from shared.store.rows import columns_of, from_row, to_row
from shared.store.session import SqlSession
from shared.store.tables import sync_jobs as jobs
from shared.store.tables import sync_logs as logs
from shared.store.tables.jobs import PENDING, RUNNING, UNFINISHED
from shared.store.types import UtcDateTime

_COLUMNS = columns_of(jobs, Job)


class SqlJobRepository:
    """Jobs. A run's writes are fenced by its `run_id`: LeaseLostError once it is not its own."""

    def __init__(self, session: SqlSession) -> None:
        self._session = session

    def add(self, job: Job) -> None:
        """Store a new job; ConflictError where its instance has an unfinished one."""
        owner = self._owner_of(job)
        row = to_row(job) | {"profile_id": owner.profile_id, "provider": owner.provider}
        try:
            self._session.run(insert(jobs).values(**row))
        except UniqueError:
            raise ConflictError("This instance has an unfinished job: wait or cancel it.") from None

    def get(self, job_id: str, *, profile_id: str | None = None) -> Job:
        """Return a job of this profile (None: of any); NotFoundError if there is none."""
        statement = select(*_COLUMNS).where(jobs.c.id == job_id)
        row = self._session.first(where_given(statement, (jobs.c.profile_id, profile_id)))
        if row is None:
            raise NotFoundError("There is no such job.")
        return from_row(Job, row)

    def find_open(self, instance_id: str) -> Job | None:
        """Return an instance's unfinished job."""
        return self._job_of(
            select(*_COLUMNS).where(jobs.c.instance_id == instance_id, text(UNFINISHED))
        )

    def list_page(
        self, profile_id: str, query: ListQuery, *, instance_id: str | None = None
    ) -> Slice[Job]:
        """Return a profile's jobs, newest first, narrowed by time, status, provider, instance."""
        statement = where_given(
            select(*_COLUMNS).where(jobs.c.profile_id == profile_id),
            (jobs.c.status, member_of(JobStatus, query.status)),
            (jobs.c.provider, query.provider),
            (jobs.c.instance_id, instance_id),
        )
        return fetch_slice(self._session, statement, jobs, query, lambda row: from_row(Job, row))

    def claim(
        self, job_id: str, *, run_id: str, now: datetime, lease_until: datetime
    ) -> Job | None:
        """Make a job this run's own and return it; None where it is not to be had now.

        To be had: pending and due, or running with a lease that ran out.
        """
        is_due = or_(jobs.c.not_before.is_(None), jobs.c.not_before <= now)
        return self._job_of(
            update(jobs)
            .where(
                jobs.c.id == job_id,
                or_(
                    and_(jobs.c.status == JobStatus.PENDING, is_due),
                    and_(jobs.c.status == JobStatus.RUNNING, jobs.c.lease_expires_at <= now),
                ),
            )
            .values(
                status=JobStatus.RUNNING,
                run_id=run_id,
                lease_expires_at=lease_until,
                started_at=_or(jobs.c.started_at, now),
                updated_at=now,
            )
            .returning(*_COLUMNS)
        )

    def renew_lease(self, job_id: str, run_id: str, *, until: datetime) -> Job:
        """Keep a job until then and return it: it tells whether a cancel was asked."""
        return self._fenced(_run_of(job_id, run_id).values(lease_expires_at=until))

    def release(
        self,
        job_id: str,
        run_id: str,
        *,
        not_before: datetime | None,
        failed: bool,
        error_class: str,
        error_message: str,
        now: datetime,
    ) -> Job:
        """End a run without ending the job: pending again, `attempts` one more if it failed.

        Its message counts as enqueued now: the host redelivers it, or the run sends another.
        """
        return self._fenced(
            _run_of(job_id, run_id).values(
                status=JobStatus.PENDING,
                run_id="",
                lease_expires_at=None,
                enqueued_at=now,
                not_before=not_before,
                attempts=jobs.c.attempts + int(failed),
                error_class=error_class,
                error_message=error_message,
                updated_at=now,
            )
        )

    def finish(
        self,
        job_id: str,
        run_id: str,
        *,
        status: JobStatus,
        error_class: str = "",
        error_message: str = "",
        asked_deletes: int = 0,
        now: datetime,
    ) -> Job:
        """End a run and, unless it waits for an approval (of so many deletes), the job."""
        return self._fenced(
            _run_of(job_id, run_id).values(
                status=status,
                lease_expires_at=None,
                not_before=None,
                finished_at=now if status in FINAL_STATUSES else None,
                asked_deletes=asked_deletes,
                error_class=error_class,
                error_message=error_message,
                updated_at=now,
            )
        )

    def set_mode(self, job_id: str, mode: Mode, *, now: datetime) -> None:
        """Note the mode a run really uses: an incremental job may have to read everything."""
        self._session.run(update(jobs).where(jobs.c.id == job_id).values(mode=mode, updated_at=now))

    def set_enqueued(self, job_id: str, *, now: datetime) -> None:
        """Note that a message for this job was sent."""
        self._session.run(update(jobs).where(jobs.c.id == job_id).values(enqueued_at=now))

    def request_cancel(self, job_id: str, *, now: datetime) -> Job:
        """Cancel a job that does not run, ask a running one to stop; ConflictError if it ended.

        A log that an earlier run began ends with its job: no run will close it any more.
        """
        asked = _or(jobs.c.cancel_requested_at, now)
        waiting = jobs.c.status.in_([JobStatus.PENDING, JobStatus.WAITING_APPROVAL])
        by_id = update(jobs).where(jobs.c.id == job_id).values(updated_at=now)
        cancelled = self._job_of(
            by_id.where(waiting)
            .values(status=JobStatus.CANCELLED, cancel_requested_at=asked, finished_at=now)
            .returning(*_COLUMNS)
        )
        if cancelled is not None:
            self._set_log(job_id, JobStatus.CANCELLED, now=now)
            return cancelled
        job = self._job_of(
            by_id.where(jobs.c.status == JobStatus.RUNNING)
            .values(cancel_requested_at=asked)
            .returning(*_COLUMNS)
        )
        return job or self._refuse(job_id, "cancelled")

    def approve(self, job_id: str, *, now: datetime) -> Job:
        """Let a waiting job go on and delete what it asked for; ConflictError if it does not wait.

        It is pending again, its log open. Send its message and call `set_enqueued` after.
        """
        job = self._job_of(
            _waiting(job_id)
            .values(
                status=JobStatus.PENDING,
                run_id="",
                enqueued_at=None,
                approved_at=now,
                approved_deletes=jobs.c.asked_deletes,
                error_class="",
                error_message="",
                updated_at=now,
            )
            .returning(*_COLUMNS)
        )
        if job is not None:
            self._set_log(job_id, JobStatus.RUNNING, now=now, error_message="")
        return job or self._refuse(job_id, "approved")

    def reject(self, job_id: str, *, now: datetime) -> Job:
        """Cancel a job that waits for an approval; ConflictError if it does not wait."""
        job = self._job_of(
            _waiting(job_id)
            .values(status=JobStatus.CANCELLED, finished_at=now, updated_at=now)
            .returning(*_COLUMNS)
        )
        if job is not None:
            self._set_log(job_id, JobStatus.CANCELLED, now=now)
        return job or self._refuse(job_id, "rejected")

    def list_reapable(
        self, *, now: datetime, enqueued_before: datetime, limit: int
    ) -> Sequence[Job]:
        """Return jobs that nobody works on and no message may stand for.

        Running with a lease that ran out, or pending and due; and never enqueued since that time.
        """
        found: list[Job] = []
        for statement in reapable_statements(now=now, enqueued_before=enqueued_before):
            rows = self._session.all(statement.limit(limit))
            found += [from_row(Job, row) for row in rows]
        return found[:limit]

    def redrive(self, job_id: str, *, not_before: datetime, now: datetime) -> Job:
        """Make an unfinished job that nobody runs pending for then; its error is kept.

        ConflictError where it is alive or ended. Send its message and call `set_enqueued` after.
        """
        job = self._job_of(
            _idle(job_id, now)
            .values(
                status=JobStatus.PENDING,
                run_id="",
                lease_expires_at=None,
                enqueued_at=None,
                not_before=not_before,
                redrives=jobs.c.redrives + 1,
                updated_at=now,
            )
            .returning(*_COLUMNS)
        )
        return job or self._refuse(job_id, "driven again")

    def fail(self, job_id: str, *, error_class: str, error_message: str, now: datetime) -> Job:
        """End an unfinished job that nobody runs as failed; ConflictError if alive or ended."""
        job = self._job_of(
            _idle(job_id, now)
            .values(
                status=JobStatus.FAILED,
                lease_expires_at=None,
                finished_at=now,
                error_class=error_class,
                error_message=error_message,
                updated_at=now,
            )
            .returning(*_COLUMNS)
        )
        return job or self._refuse(job_id, "failed")

    def _set_log(self, job_id: str, status: JobStatus, *, now: datetime, **values: str) -> None:
        changed = {"status": status.value, "logged_at": now, "updated_at": now, **values}
        self._session.run(update(logs).where(logs.c.job_id == job_id).values(**changed))

    def _owner_of(self, job: Job) -> Instance:
        return SqlInstanceRepository(self._session).get(job.instance_id, profile_id=None)

    def _job_of(self, statement: Any) -> Job | None:
        row = self._session.first(statement)
        return None if row is None else from_row(Job, row)

    def _fenced(self, statement: Update) -> Job:
        job = self._job_of(statement.returning(*_COLUMNS))
        if job is None:
            raise LeaseLostError("This run lost its job: the lease ran out or another run took it.")
        return job

    def _refuse(self, job_id: str, verb: str) -> Job:
        job = self.get(job_id)
        raise ConflictError(f"The job is {job.status} and cannot be {verb} now.")


def reapable_statements(*, now: datetime, enqueued_before: datetime) -> Sequence[Select[Any]]:
    """Return one query for each reason a job is reapable, so that each has its index."""
    pending = select(*_COLUMNS).where(
        text(PENDING), or_(jobs.c.not_before.is_(None), jobs.c.not_before <= now)
    )
    unsent = or_(jobs.c.enqueued_at.is_(None), jobs.c.enqueued_at < enqueued_before)
    return (
        select(*_COLUMNS)
        .where(text(RUNNING), jobs.c.lease_expires_at <= now, unsent)
        .order_by(jobs.c.lease_expires_at, jobs.c.id),
        pending.where(jobs.c.enqueued_at.is_(None)).order_by(jobs.c.id),
        pending.where(jobs.c.enqueued_at < enqueued_before).order_by(jobs.c.enqueued_at, jobs.c.id),
    )


def _or(column: ColumnElement[Any], now: datetime) -> ColumnElement[Any]:
    """Return the column's value, else now, as the column's type stores it."""
    return func.coalesce(column, literal(now, UtcDateTime()))


def _run_of(job_id: str, run_id: str) -> Update:
    return update(jobs).where(
        jobs.c.id == job_id, jobs.c.run_id == run_id, jobs.c.status == JobStatus.RUNNING
    )


def _waiting(job_id: str) -> Update:
    return update(jobs).where(jobs.c.id == job_id, jobs.c.status == JobStatus.WAITING_APPROVAL)


def _idle(job_id: str, now: datetime) -> Update:
    waiting = jobs.c.status.in_([JobStatus.PENDING, JobStatus.WAITING_APPROVAL])
    dead = and_(jobs.c.status == JobStatus.RUNNING, jobs.c.lease_expires_at <= now)
    return update(jobs).where(jobs.c.id == job_id, or_(waiting, dead))
