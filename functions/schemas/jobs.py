"""Jobs, logs and dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from functions.schemas.base import Wire
from shared.domain import jobs as domain_jobs
from shared.domain.checkpoints import Mode
from shared.domain.reconciliation import TableCheck
from shared.domain.tallies import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts(Wire):
    """How many records ended how: processed = success + warning + error."""

    processed: int
    success: int
    warning: int
    error: int
    unchanged: int
    deleted: int

    @classmethod
    def of(cls, tally: Tally) -> Self:
        """Return the counts of a tally."""
        return cls.like(tally)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMismatch(Wire):
    """A table of the warehouse that does not hold what was written to it."""

    stream: str
    table: str
    rows: int
    rows_due: int
    has_checksum: bool
    read_back: int
    differing: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation(Wire):
    """The warehouse's tables compared with what was written: all of them, and those that differ."""

    tables_checked: int
    rows_checked: int
    rows_read_back: int
    mismatches: list[TableMismatch]

    @classmethod
    def of(cls, checks: Sequence[TableCheck]) -> Self:
        """Return what these checks say together."""
        return cls(
            tables_checked=len(checks),
            rows_checked=sum(check.rows for check in checks),
            rows_read_back=sum(check.read_back for check in checks),
            mismatches=[TableMismatch.like(check) for check in checks if not check.is_equal],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Wire):
    """A job and, once it has started, what it has done so far."""

    id: str
    instance_id: str
    kind: domain_jobs.JobKind
    mode: Mode
    trigger: domain_jobs.JobTrigger
    status: domain_jobs.JobStatus
    attempts: int
    not_before: datetime | None
    cancel_requested_at: datetime | None
    approved_at: datetime | None
    target_job_id: str
    target_record_id: str
    started_at: datetime | None
    finished_at: datetime | None
    error_class: str
    error_message: str
    created_at: datetime
    updated_at: datetime
    log_id: str | None
    counts: Counts | None
    reconciliation: Reconciliation | None
    duration_ms: int | None

    @classmethod
    def of(cls, job: domain_jobs.Job, log: domain_jobs.SyncLog | None = None) -> Self:
        """Return the job with its log's counts where it has one."""
        return cls.like(
            job,
            log_id=log and log.id,
            counts=log and Counts.of(log.tally),
            reconciliation=_reconciliation(log),
            duration_ms=log and log.duration_ms,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Log(Wire):
    """What one job did."""

    id: str
    job_id: str
    instance_id: str
    provider: str
    operation: str
    stream: str
    entity: str
    status: str
    mode: Mode
    success: bool
    counts: Counts
    reconciliation: Reconciliation | None
    error_message: str
    duration_ms: int
    logged_at: datetime
    created_at: datetime

    @classmethod
    def of(cls, log: domain_jobs.SyncLog) -> Self:
        """Return the log as its owner sees it."""
        return cls.like(log, counts=Counts.of(log.tally), reconciliation=_reconciliation(log))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord(Wire):
    """A record that was not synced as it stands, and why."""

    id: str
    stream: str
    external_id: str
    field: str
    severity: str
    error: str
    resolved_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, record: domain_jobs.LogRecord) -> Self:
        """Return the record as its owner sees it."""
        return cls.like(record)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter(Wire):
    """A message whose job could not be run."""

    id: str
    job_id: str
    attempt: int
    queue: str
    error_class: str
    error: str
    state: domain_jobs.DeadLetterState
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, letter: domain_jobs.DeadLetter) -> Self:
        """Return the letter as an admin sees it."""
        return cls.like(letter)


def _reconciliation(log: domain_jobs.SyncLog | None) -> Reconciliation | None:
    checks = log and log.reconciliation
    return Reconciliation.of(checks) if checks else None
