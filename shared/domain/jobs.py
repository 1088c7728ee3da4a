"""Jobs, their runs and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.checkpoints import Mode
from shared.domain.reconciliation import TableCheck
from shared.domain.tallies import Tally


class JobStatus(StrEnum):
    """`pending → running → success | partial | failed | cancelled`, or waiting for an approval."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING_APPROVAL = "waiting_approval"
    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL_STATUSES = frozenset(
    {JobStatus.SUCCESS, JobStatus.PARTIAL, JobStatus.FAILED, JobStatus.CANCELLED}
)


_ASKED = "approval_needed"
"""The error class of a question."""


class JobKind(StrEnum):
    """What a job does."""

    SYNC = "sync"
    DISCOVER = "discover"
    UNDO = "undo"


class JobTrigger(StrEnum):
    """Who asked for a job."""

    MANUAL = "manual"
    SCHEDULED = "scheduled"
    RETRY = "retry"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The request to sync. At most one unfinished job exists per instance.

    While RUNNING it belongs to `run_id` until `lease_expires_at`; `attempts` counts the runs that
    ended in an error; `not_before` is when the next one may start. `approved_at`: when a
    person answered its last question with yes; `asked_deletes`: how many records that question said
    it would delete in all, `approved_deletes`: how many it may. `target_job_id`: the job an UNDO
    takes back, '' for every other kind. `target_record_id`: the log record a REPLAY syncs again,
    '' where a job reads all there is.
    """

    id: str
    instance_id: str
    kind: JobKind = JobKind.SYNC
    mode: Mode = Mode.INCREMENTAL
    trigger: JobTrigger = JobTrigger.MANUAL
    priority: int = 0
    status: JobStatus = JobStatus.PENDING
    run_id: str = ""
    lease_expires_at: datetime | None = None
    enqueued_at: datetime | None = None
    not_before: datetime | None = None
    attempts: int = 0
    redrives: int = 0
    cancel_requested_at: datetime | None = None
    approved_at: datetime | None = None
    asked_deletes: int = 0
    approved_deletes: int = 0
    target_job_id: str = ""
    target_record_id: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error_class: str = ""
    error_message: str = ""
    created_at: datetime
    updated_at: datetime

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to this job."""
        return self.status in FINAL_STATUSES

    @property
    def is_rejected(self) -> bool:
        """Whether it asked a person, who did not agree: what it has read is worth nothing."""
        return self.status is JobStatus.CANCELLED and self.error_class == _ASKED


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncLog:
    """What a job did, one row per job, brought up to date with each page.

    `reconciliation`: the warehouse tables that were compared, None where there is no warehouse.
    """

    id: str
    job_id: str
    instance_id: str
    provider: str
    operation: str
    stream: str
    entity: str
    status: str
    mode: Mode
    tally: Tally
    success: bool
    records_capped: int = 0
    error_message: str = ""
    error_stack_trace: str = ""
    reconciliation: Sequence[TableCheck] | None = None
    duration_ms: int = 0
    logged_at: datetime
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One record with a problem, as a person sees it in the log."""

    id: str
    log_id: str
    stream: str
    external_id: str
    field: str
    severity: str
    error: str
    resolved_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


class DeadLetterState(StrEnum):
    """What became of a message that ended in a poison queue."""

    OPEN = "open"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message whose job could not be run; `job_id` is '' where the message could not be read."""

    id: str
    job_id: str
    attempt: int
    body_hash: str
    queue: str
    body: str
    error_class: str
    error: str
    state: DeadLetterState
    created_at: datetime
    updated_at: datetime
