"""Checkpoints, record links, conflicts and the change journal."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.store import types

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "checkpoints",
        sa.Column("id", types.Key(36), nullable=False),
        sa.Column("instance_id", types.Key(36), nullable=False),
        sa.Column("scope", types.Name(200), nullable=False),
        sa.Column("direction", types.Key(32), nullable=False),
        sa.Column("checkpoint", types.Json(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["integration_instances.id"], name=op.f("fk_checkpoints_instance_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkpoints")),
        sa.UniqueConstraint(
            "instance_id",
            "scope",
            "direction",
            name=op.f("uq_checkpoints_instance_id_scope_direction"),
        ),
    )
    op.create_table(
        "record_links",
        sa.Column("id", types.Key(36), nullable=False),
        sa.Column("instance_id", types.Key(36), nullable=False),
        sa.Column("stream", types.Name(128), nullable=False),
        sa.Column("external_id", types.Name(450), nullable=False),
        sa.Column("entity", types.Key(64), nullable=False),
        sa.Column("linkhub_id", types.Name(128), nullable=False),
        sa.Column("base", types.Json(), nullable=False),
        sa.Column("external_base", types.Json(), nullable=False),
        sa.Column("external_etag", types.Label(450), nullable=False),
        sa.Column("sent_hash", types.Key(64), nullable=False),
        sa.Column("linkhub_key", types.Name(510), nullable=False),
        sa.Column("seen_job_id", types.Key(36), nullable=False),
        sa.Column("deleted_at", types.UtcDateTime(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["integration_instances.id"], name=op.f("fk_record_links_instance_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record_links")),
        sa.UniqueConstraint(
            "instance_id",
            "stream",
            "external_id",
            name=op.f("uq_record_links_instance_id_stream_external_id"),
        ),
    )
    op.create_index(
        "ix_record_links_linkhub",
        "record_links",
        ["instance_id", "entity", "linkhub_id"],
        unique=False,
    )
    op.create_index(
        "ix_record_links_key",
        "record_links",
        ["instance_id", "entity", "linkhub_key"],
        unique=False,
        sqlite_where=sa.text("linkhub_key <> ''"),
        mssql_where=sa.text("linkhub_key <> ''"),
    )
    op.create_table(
        "conflicts",
        sa.Column("id", types.Key(36), nullable=False),
        sa.Column("instance_id", types.Key(36), nullable=False),
        sa.Column("profile_id", types.Key(36), nullable=False),
        sa.Column("provider", types.Key(64), nullable=False),
        sa.Column("record_link_id", types.Key(36), nullable=False),
        sa.Column("field", types.Name(128), nullable=False),
        sa.Column("external_value", types.Json(), nullable=True),
        sa.Column("linkhub_value", types.Json(), nullable=True),
        sa.Column("base_value", types.Json(), nullable=True),
        sa.Column("status", types.Key(32), nullable=False),
        sa.Column("settled_by", types.Label(200), nullable=False),
        sa.Column("settled_at", types.UtcDateTime(), nullable=True),
        sa.Column("closed_at", types.UtcDateTime(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["integration_instances.id"], name=op.f("fk_conflicts_instance_id")
        ),
        sa.ForeignKeyConstraint(
            ["record_link_id"], ["record_links.id"], name=op.f("fk_conflicts_record_link_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conflicts")),
    )
    op.create_index(
        "ix_conflicts_instance_id_created",
        "conflicts",
        ["instance_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_conflicts_profile_id_created",
        "conflicts",
        ["profile_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_conflicts_profile_id_provider_created",
        "conflicts",
        ["profile_id", "provider", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_conflicts_profile_id_status_created",
        "conflicts",
        ["profile_id", "status", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ux_conflicts_open",
        "conflicts",
        ["record_link_id", "field"],
        unique=True,
        sqlite_where=sa.text("status = 'open'"),
        mssql_where=sa.text("status = 'open'"),
    )
    op.create_index(
        "ix_conflicts_settled",
        "conflicts",
        ["instance_id", "settled_at"],
        unique=False,
        sqlite_where=sa.text(
            "status IN ('settled_external', 'settled_linkhub') AND closed_at IS NULL"
        ),
        mssql_where=sa.text(
            "status IN ('settled_external', 'settled_linkhub') AND closed_at IS NULL"
        ),
    )
    op.create_index("ix_conflicts_record_link_id", "conflicts", ["record_link_id"], unique=False)
    op.create_table(
        "change_journal",
        sa.Column("id", types.Key(36), nullable=False),
        sa.Column("job_id", types.Key(36), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("action", types.Key(32), nullable=False),
        sa.Column("stream", types.Name(200), nullable=False),
        sa.Column("external_id", types.Name(450), nullable=False),
        sa.Column("entity", types.Key(64), nullable=False),
        sa.Column("linkhub_id", types.Name(128), nullable=False),
        sa.Column("linkhub_key", types.Name(510), nullable=False),
        sa.Column("before_image", types.Json(), nullable=True),
        sa.Column("after_hash", types.Key(64), nullable=False),
        sa.Column("outcome", types.Key(32), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["sync_jobs.id"], name=op.f("fk_change_journal_job_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change_journal")),
        sa.UniqueConstraint("job_id", "sequence", name=op.f("uq_change_journal_job_id_sequence")),
    )
    op.create_index(
        "ix_change_journal_created", "change_journal", ["created_at", "id"], unique=False
    )


def downgrade() -> None:
    """Drop the tables with all they hold."""
    op.drop_table("change_journal")
    op.drop_table("conflicts")
    op.drop_table("record_links")
    op.drop_table("checkpoints")
