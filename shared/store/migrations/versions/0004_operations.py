"""Breakers, budgets, notifications and the audit trail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.store import types

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "provider_health",
        sa.Column("id", types.Key(36), nullable=False),
        sa.Column("provider", types.Key(64), nullable=False),
        sa.Column("account", types.Name(255), nullable=False),
        sa.Column("budget", types.Key(32), nullable=False),
        sa.Column("state", types.Key(32), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("openings", sa.Integer(), nullable=False),
        sa.Column("opened_at", types.UtcDateTime(), nullable=True),
        sa.Column("retry_at", types.UtcDateTime(), nullable=True),
        sa.Column("probe_id", types.Key(36), nullable=False),
        sa.Column("last_error", types.Label(2000), nullable=False),
        sa.Column("ledger", types.Json(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_health")),
        sa.UniqueConstraint(
            "provider",
            "account",
            "budget",
            name=op.f("uq_provider_health_provider_account_budget"),
        ),
    )
    op.create_index(
        "ix_provider_health_budget_created",
        "provider_health",
        ["budget", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "rate_buckets",
        sa.Column("id", types.Key(36), nullable=False),
        sa.Column("caller", types.Key(64), nullable=False),
        sa.Column("bucket", types.Key(32), nullable=False),
        sa.Column("tokens", sa.Float(precision=53), nullable=False),
        sa.Column("refilled_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rate_buckets")),
        sa.UniqueConstraint("caller", "bucket", name=op.f("uq_rate_buckets_caller_bucket")),
    )
    op.create_table(
        "notification_settings",
        sa.Column("id", types.Key(36), nullable=False),
        sa.Column("profile_id", types.Key(36), nullable=False),
        sa.Column("recipients", types.Json(), nullable=False),
        sa.Column("events", types.Json(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["profile_id"],
            ["integrator_profiles.id"],
            name=op.f("fk_notification_settings_profile_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification_settings")),
        sa.UniqueConstraint("profile_id", name=op.f("uq_notification_settings_profile_id")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", types.Key(36), nullable=False),
        sa.Column("profile_id", types.Key(36), nullable=False),
        sa.Column("instance_id", types.Key(36), nullable=False),
        sa.Column("event", types.Key(32), nullable=False),
        sa.Column("detail", types.Label(2000), nullable=False),
        sa.Column("dedupe_key", types.Key(128), nullable=False),
        sa.Column("mail_id", types.Key(36), nullable=False),
        sa.Column("status", types.Key(32), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", types.UtcDateTime(), nullable=False),
        sa.Column("sent_at", types.UtcDateTime(), nullable=True),
        sa.Column("error", types.Label(2000), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_outbox_dedupe_key")),
    )
    op.create_index("ix_outbox_created", "outbox", ["created_at", "id"], unique=False)
    op.create_index(
        "ix_outbox_mails",
        "outbox",
        ["profile_id", "mail_id", "not_before"],
        unique=False,
        sqlite_where=sa.text("status = 'pending'"),
        mssql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "ix_outbox_notices",
        "outbox",
        ["instance_id", "event", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_outbox_sent",
        "outbox",
        ["profile_id", "sent_at"],
        unique=False,
        sqlite_where=sa.text("status = 'sent'"),
        mssql_where=sa.text("status = 'sent'"),
    )
    op.create_index(
        "ix_outbox_unsent",
        "outbox",
        ["not_before", "id"],
        unique=False,
        sqlite_where=sa.text("status = 'pending'"),
        mssql_where=sa.text("status = 'pending'"),
    )
    op.create_table(
        "audit_events",
        sa.Column("id", types.Key(36), nullable=False),
        sa.Column("actor", types.Label(450), nullable=False),
        sa.Column("profile_id", types.Key(36), nullable=False),
        sa.Column("action", types.Key(64), nullable=False),
        sa.Column("target", types.Label(200), nullable=False),
        sa.Column("before", types.Json(), nullable=False),
        sa.Column("after", types.Json(), nullable=False),
        sa.Column("ip", types.Label(64), nullable=False),
        sa.Column("occurred_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )
    op.create_index(
        "ix_audit_events_action_created",
        "audit_events",
        ["action", "created_at", "id"],
        unique=False,
    )
    op.create_index("ix_audit_events_created", "audit_events", ["created_at", "id"], unique=False)
    op.create_index(
        "ix_audit_events_profile_id_created",
        "audit_events",
        ["profile_id", "created_at", "id"],
        unique=False,
    )


def downgrade() -> None:
    """Drop the tables with all they hold."""
    op.drop_table("audit_events")
    op.drop_table("outbox")
    op.drop_table("notification_settings")
    op.drop_table("rate_buckets")
    op.drop_table("provider_health")
