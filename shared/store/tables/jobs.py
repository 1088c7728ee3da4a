"""Jobs, what they did, and the messages that led nowhere.

`profile_id` and `provider` stand on each row that a list narrows by them: one index serves the
list, and what happened stays true when the instance is gone.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    Table,
    UniqueConstraint,
)

from shared.domain.checkpoints import Mode
from shared.domain.jobs import DeadLetterState, JobKind, JobStatus, JobTrigger
from shared.store.tables.base import filtered_index, id_column, listing, metadata, timestamps
from shared.store.types import EnumText, Json, Key, Label, LongText, Name, UtcDateTime

UNFINISHED: Final = "status IN ('pending', 'running', 'waiting_approval')"
RUNNING: Final = "status = 'running'"
PENDING: Final = "status = 'pending'"

sync_jobs = Table(
    "sync_jobs",
    metadata,
    id_column(),
    Column("instance_id", Key(), ForeignKey("integration_instances.id"), nullable=False),
    Column("profile_id", Key(), nullable=False),
    Column("provider", Key(64), nullable=False),
    Column("kind", EnumText(JobKind), nullable=False),
    Column("mode", EnumText(Mode), nullable=False),
    Column("trigger", EnumText(JobTrigger), nullable=False),
    Column("priority", Integer(), nullable=False),
    Column("status", EnumText(JobStatus), nullable=False),
    Column("run_id", Key(), nullable=False),
    Column("lease_expires_at", UtcDateTime(), nullable=True),
    Column("enqueued_at", UtcDateTime(), nullable=True),
    Column("not_before", UtcDateTime(), nullable=True),
    Column("attempts", Integer(), nullable=False),
    Column("redrives", Integer(), nullable=False),
    Column("cancel_requested_at", UtcDateTime(), nullable=True),
    Column("approved_at", UtcDateTime(), nullable=True),
    Column("asked_deletes", BigInteger(), nullable=False),
    Column("approved_deletes", BigInteger(), nullable=False),
    Column("target_job_id", Key(), nullable=False),
    Column("target_record_id", Key(), nullable=False),
    Column("started_at", UtcDateTime(), nullable=True),
    Column("finished_at", UtcDateTime(), nullable=True),
    Column("error_class", Key(64), nullable=False),
    Column("error_message", Label(2000), nullable=False),
    *timestamps(),
    filtered_index("ux_sync_jobs_unfinished", "instance_id", where=UNFINISHED, unique=True),
    filtered_index("ix_sync_jobs_leases", "lease_expires_at", "id", where=RUNNING),
    filtered_index("ix_sync_jobs_messages", "enqueued_at", "id", where=PENDING),
    listing("sync_jobs", "profile_id"),
    listing("sync_jobs", "profile_id", "status"),
    listing("sync_jobs", "profile_id", "provider"),
    listing("sync_jobs", "instance_id"),
)

sync_logs = Table(
    "sync_logs",
    metadata,
    id_column(),
    Column("job_id", Key(), ForeignKey("sync_jobs.id"), nullable=False),
    Column("instance_id", Key(), ForeignKey("integration_instances.id"), nullable=False),
    Column("profile_id", Key(), nullable=False),
    Column("provider", Key(64), nullable=False),
    Column("operation", Key(32), nullable=False),
    Column("stream", Label(), nullable=False),
    Column("entity", Label(), nullable=False),
    Column("status", Key(32), nullable=False),
    Column("mode", EnumText(Mode), nullable=False),
    Column("records_processed", BigInteger(), nullable=False),
    Column("records_success", BigInteger(), nullable=False),
    Column("records_warning", BigInteger(), nullable=False),
    Column("records_error", BigInteger(), nullable=False),
    Column("records_unchanged", BigInteger(), nullable=False),
    Column("records_deleted", BigInteger(), nullable=False),
    Column("records_capped", BigInteger(), nullable=False),
    Column("success", Boolean(), nullable=False),
    Column("error_message", Label(2000), nullable=False),
    Column("error_stack_trace", LongText(), nullable=False),
    Column("reconciliation", Json(), nullable=True),
    Column("duration_ms", BigInteger(), nullable=False),
    Column("logged_at", UtcDateTime(), nullable=False),
    *timestamps(),
    UniqueConstraint("job_id"),
    listing("sync_logs", "profile_id"),
    listing("sync_logs", "profile_id", "status"),
    listing("sync_logs", "profile_id", "provider"),
    listing("sync_logs", "instance_id"),
)

sync_log_records = Table(
    "sync_log_records",
    metadata,
    id_column(),
    Column("log_id", Key(), ForeignKey("sync_logs.id"), nullable=False),
    Column("problem_hash", Key(64), nullable=False),
    Column("stream", Label(), nullable=False),
    Column("external_id", Label(450), nullable=False),
    Column("field", Label(), nullable=False),
    Column("severity", Key(16), nullable=False),
    Column("error", Label(2000), nullable=False),
    Column("resolved_at", UtcDateTime(), nullable=True),
    *timestamps(),
    UniqueConstraint("log_id", "problem_hash"),
    listing("sync_log_records"),
    listing("sync_log_records", "log_id"),
    listing("sync_log_records", "log_id", "severity"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    id_column(),
    Column("job_id", Key(), nullable=False),
    Column("attempt", Integer(), nullable=False),
    Column("body_hash", Key(64), nullable=False),
    Column("profile_id", Key(), nullable=False),
    Column("provider", Key(64), nullable=False),
    Column("queue", Name(63), nullable=False),
    Column("body", LongText(), nullable=False),
    Column("error_class", Key(64), nullable=False),
    Column("error", Label(2000), nullable=False),
    Column("state", EnumText(DeadLetterState), nullable=False),
    *timestamps(),
    UniqueConstraint("job_id", "attempt", "body_hash"),
    listing("dead_letters"),
    listing("dead_letters", "state"),
    listing("dead_letters", "provider"),
)
