"""Jobs, logs, dead letters and table generations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.store import types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "sync_jobs",
        sa.Column("id", types.Key(36), nullable=False),
        sa.Column("instance_id", types.Key(36), nullable=False),
        sa.Column("profile_id", types.Key(36), nullable=False),
        sa.Column("provider", types.Key(64), nullable=False),
        sa.Column("kind", types.Key(32), nullable=False),
        sa.Column("mode", types.Key(32), nullable=False),
        sa.Column("trigger", types.Key(32), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("status", types.Key(32), nullable=False),
        sa.Column("run_id", types.Key(36), nullable=False),
        sa.Column("lease_expires_at", types.UtcDateTime(), nullable=True),
        sa.Column("enqueued_at", types.UtcDateTime(), nullable=True),
        sa.Column("not_before", types.UtcDateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("redrives", sa.Integer(), nullable=False),
        sa.Column("cancel_requested_at", types.UtcDateTime(), nullable=True),
        sa.Column("approved_at", types.UtcDateTime(), nullable=True),
        sa.Column("asked_deletes", sa.BigInteger(), nullable=False),
        sa.Column("approved_deletes", sa.BigInteger(), nullable=False),
        sa.Column("target_job_id", types.Key(36), nullable=False),
        sa.Column("target_record_id", types.Key(36), nullable=False),
        sa.Column("started_at", types.UtcDateTime(), nullable=True),
        sa.Column("finished_at", types.UtcDateTime(), nullable=True),
        sa.Column("error_class", types.Key(64), nullable=False),
        sa.Column("error_message", types.Label(2000), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["integration_instances.id"], name=op.f("fk_sync_jobs_instance_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_jobs")),
    )
    op.create_index(
        "ix_sync_jobs_instance_id_created",
        "sync_jobs",
        ["instance_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_sync_jobs_leases",
        "sync_jobs",
        ["lease_expires_at", "id"],
        unique=False,
        sqlite_where=sa.text("status = 'running'"),
        mssql_where=sa.text("status = 'running'"),
    )
    op.create_index(
        "ix_sync_jobs_messages",
        "sync_jobs",
        ["enqueued_at", "id"],
        unique=False,
        sqlite_where=sa.text("status = 'pending'"),
        mssql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "ix_sync_jobs_profile_id_created",
        "sync_jobs",
        ["profile_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_sync_jobs_profile_id_provider_created",
        "sync_jobs",
        ["profile_id", "provider", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_sync_jobs_profile_id_status_created",
        "sync_jobs",
        ["profile_id", "status", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ux_sync_jobs_unfinished",
        "sync_jobs",
        ["instance_id"],
        unique=True,
        sqlite_where=sa.text("status IN ('pending', 'running', 'waiting_approval')"),
        mssql_where=sa.text("status IN ('pending', 'running', 'waiting_approval')"),
    )
    op.create_table(
        "sync_logs",
        sa.Column("id", types.Key(36), nullable=False),
        sa.Column("job_id", types.Key(36), nullable=False),
        sa.Column("instance_id", types.Key(36), nullable=False),
        sa.Column("profile_id", types.Key(36), nullable=False),
        sa.Column("provider", types.Key(64), nullable=False),
        sa.Column("operation", types.Key(32), nullable=False),
        sa.Column("stream", types.Label(200), nullable=False),
        sa.Column("entity", types.Label(200), nullable=False),
        sa.Column("status", types.Key(32), nullable=False),
        sa.Column("mode", types.Key(32), nullable=False),
        sa.Column("records_processed", sa.BigInteger(), nullable=False),
        sa.Column("records_success", sa.BigInteger(), nullable=False),
        sa.Column("records_warning", sa.BigInteger(), nullable=False),
        sa.Column("records_error", sa.BigInteger(), nullable=False),
        sa.Column("records_unchanged", sa.BigInteger(), nullable=False),
        sa.Column("records_deleted", sa.BigInteger(), nullable=False),
        sa.Column("records_capped", sa.BigInteger(), nullable=False),
        sa.Column("success", sa.Boolean(), nullable=False),
        sa.Column("error_message", types.Label(2000), nullable=False),
        sa.Column("error_stack_trace", types.LongText(), nullable=False),
        sa.Column("reconciliation", types.Json(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("logged_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["integration_instances.id"], name=op.f("fk_sync_logs_instance_id")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["sync_jobs.id"], name=op.f("fk_sync_logs_job_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_logs")),
        sa.UniqueConstraint("job_id", name=op.f("uq_sync_logs_job_id")),
    )
    op.create_index(
        "ix_sync_logs_instance_id_created",
        "sync_logs",
        ["instance_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_sync_logs_profile_id_created",
        "sync_logs",
        ["profile_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_sync_logs_profile_id_provider_created",
        "sync_logs",
        ["profile_id", "provider", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_sync_logs_profile_id_status_created",
        "sync_logs",
        ["profile_id", "status", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "sync_log_records",
        sa.Column("id", types.Key(36), nullable=False),
        sa.Column("log_id", types.Key(36), nullable=False),
        sa.Column("problem_hash", types.Key(64), nullable=False),
        sa.Column("stream", types.Label(200), nullable=False),
        sa.Column("external_id", types.Label(450), nullable=False),
        sa.Column("field", types.Label(200), nullable=False),
        sa.Column("severity", types.Key(16), nullable=False),
        sa.Column("error", types.Label(2000), nullable=False),
        sa.Column("resolved_at", types.UtcDateTime(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["log_id"], ["sync_logs.id"], name=op.f("fk_sync_log_records_log_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_log_records")),
        sa.UniqueConstraint(
            "log_id", "problem_hash", name=op.f("uq_sync_log_records_log_id_problem_hash")
        ),
    )
    op.create_index(
        "ix_sync_log_records_created", "sync_log_records", ["created_at", "id"], unique=False
    )
    op.create_index(
        "ix_sync_log_records_log_id_created",
        "sync_log_records",
        ["log_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_sync_log_records_log_id_severity_created",
        "sync_log_records",
        ["log_id", "severity", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", types.Key(36), nullable=False),
        sa.Column("job_id", types.Key(36), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("body_hash", types.Key(64), nullable=False),
        sa.Column("profile_id", types.Key(36), nullable=False),
        sa.Column("provider", types.Key(64), nullable=False),
        sa.Column("queue", types.Name(63), nullable=False),
        sa.Column("body", types.LongText(), nullable=False),
        sa.Column("error_class", types.Key(64), nullable=False),
        sa.Column("error", types.Label(2000), nullable=False),
        sa.Column("state", types.Key(32), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letters")),
        sa.UniqueConstraint(
            "job_id", "attempt", "body_hash", name=op.f("uq_dead_letters_job_id_attempt_body_hash")
        ),
    )
    op.create_index("ix_dead_letters_created", "dead_letters", ["created_at", "id"], unique=False)
    op.create_index(
        "ix_dead_letters_provider_created",
        "dead_letters",
        ["provider", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_dead_letters_state_created", "dead_letters", ["state", "created_at", "id"], unique=False
    )
    op.create_table(
        "table_generations",
        sa.Column("id", types.Key(36), nullable=False),
        sa.Column("warehouse_id", types.Key(36), nullable=False),
        sa.Column("table_name", types.Name(256), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("job_id", types.Key(36), nullable=False),
        sa.Column("swapped_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["sync_jobs.id"], name=op.f("fk_table_generations_job_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_table_generations")),
        sa.UniqueConstraint(
            "warehouse_id",
            "table_name",
            "generation",
            name=op.f("uq_table_generations_warehouse_id_table_name_generation"),
        ),
    )
    op.create_index("ix_table_generations_job_id", "table_generations", ["job_id"], unique=False)


def downgrade() -> None:
    """Drop the tables with all they hold."""
    op.drop_table("table_generations")
    op.drop_table("dead_letters")
    op.drop_table("sync_log_records")
    op.drop_table("sync_logs")
    op.drop_table("sync_jobs")
