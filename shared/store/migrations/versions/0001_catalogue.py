"""Providers, profiles, instances and what is set up for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.store import types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "providers",
        sa.Column("id", types.Key(36), nullable=False),
        sa.Column("slug", types.Key(64), nullable=False),
        sa.Column("name", types.Label(200), nullable=False),
        sa.Column("description", types.LongText(), nullable=False),
        sa.Column("logo_url", types.LongText(), nullable=False),
        sa.Column("categories", types.Json(), nullable=False),
        sa.Column("sync_directions", types.Json(), nullable=False),
        sa.Column("sink", types.Key(32), nullable=False),
        sa.Column("auth_type", types.Key(32), nullable=False),
        sa.Column("oauth_url", types.LongText(), nullable=False),
        sa.Column("oauth_scopes", types.Json(), nullable=False),
        sa.Column("api_key_label", types.Label(200), nullable=False),
        sa.Column("docs_url", types.LongText(), nullable=False),
        sa.Column("connection_options", types.Json(), nullable=False),
        sa.Column("several_instances", sa.Boolean(), nullable=False),
        sa.Column("single_scope", sa.Boolean(), nullable=False),
        sa.Column("incremental", sa.Boolean(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_providers")),
        sa.UniqueConstraint("slug", name=op.f("uq_providers_slug")),
    )
    op.create_table(
        "integrator_profiles",
        sa.Column("id", types.Key(36), nullable=False),
        sa.Column("issuer", types.Name(400), nullable=True),
        sa.Column("subject", types.Name(255), nullable=True),
        sa.Column("name", types.Label(200), nullable=False),
        sa.Column("email", types.Label(320), nullable=False),
        sa.Column("locale", types.Key(35), nullable=False),
        sa.Column("time_zone", types.Key(64), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_integrator_profiles")),
    )
    op.create_index(
        "ux_integrator_profiles_caller",
        "integrator_profiles",
        ["issuer", "subject"],
        unique=True,
        sqlite_where=sa.text("issuer IS NOT NULL AND subject IS NOT NULL"),
        mssql_where=sa.text("issuer IS NOT NULL AND subject IS NOT NULL"),
    )
    op.create_table(
        "integration_instances",
        sa.Column("id", types.Key(36), nullable=False),
        sa.Column("profile_id", types.Key(36), nullable=False),
        sa.Column("provider", types.Key(64), nullable=False),
        sa.Column("connection_key", types.Name(200), nullable=False),
        sa.Column("name", types.Label(200), nullable=False),
        sa.Column("setup_step", types.Key(32), nullable=False),
        sa.Column("status", types.Key(32), nullable=False),
        sa.Column("status_reason", types.Label(200), nullable=False),
        sa.Column("sync_direction", types.Key(32), nullable=False),
        sa.Column("destination", types.Key(36), nullable=False),
        sa.Column("frequency", types.Key(32), nullable=False),
        sa.Column("frequency_details", types.Json(), nullable=False),
        sa.Column("time_zone", types.Key(64), nullable=False),
        sa.Column("options", types.Json(), nullable=False),
        sa.Column("policies", types.Json(), nullable=False),
        sa.Column("config_version", sa.Integer(), nullable=False),
        sa.Column("deleted_at", types.UtcDateTime(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["profile_id"],
            ["integrator_profiles.id"],
            name=op.f("fk_integration_instances_profile_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider"], ["providers.slug"], name=op.f("fk_integration_instances_provider")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_integration_instances")),
    )
    op.create_index(
        "ix_integration_instances_profile_id_created",
        "integration_instances",
        ["profile_id", "created_at", "id"],
        unique=False,
        sqlite_where=sa.text("deleted_at IS NULL"),
        mssql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "ix_integration_instances_profile_id_provider_created",
        "integration_instances",
        ["profile_id", "provider", "created_at", "id"],
        unique=False,
        sqlite_where=sa.text("deleted_at IS NULL"),
        mssql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "ix_integration_instances_profile_id_status_created",
        "integration_instances",
        ["profile_id", "status", "created_at", "id"],
        unique=False,
        sqlite_where=sa.text("deleted_at IS NULL"),
        mssql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "ix_integration_instances_provider", "integration_instances", ["provider"], unique=False
    )
    op.create_index(
        "ux_integration_instances_connection",
        "integration_instances",
        ["profile_id", "provider", "connection_key"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        mssql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "instance_state",
        sa.Column("instance_id", types.Key(36), nullable=False),
        sa.Column("account", types.Name(200), nullable=False),
        sa.Column("secret_ref", types.Key(127), nullable=False),
        sa.Column("token_expires_at", types.UtcDateTime(), nullable=True),
        sa.Column("refresh_lease_id", types.Key(36), nullable=False),
        sa.Column("refresh_lease_expires_at", types.UtcDateTime(), nullable=True),
        sa.Column("refresh_sent_at", types.UtcDateTime(), nullable=True),
        sa.Column("refresh_awaited_at", types.UtcDateTime(), nullable=True),
        sa.Column("refresh_not_before", types.UtcDateTime(), nullable=True),
        sa.Column("refresh_problem", types.Label(2000), nullable=False),
        sa.Column("last_sync_at", types.UtcDateTime(), nullable=True),
        sa.Column("watermark_at", types.UtcDateTime(), nullable=True),
        sa.Column("next_sync_at", types.UtcDateTime(), nullable=True),
        sa.Column("last_error", types.Label(2000), nullable=False),
        sa.Column("failures_in_a_row", sa.Integer(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"],
            ["integration_instances.id"],
            name=op.f("fk_instance_state_instance_id"),
        ),
        sa.PrimaryKeyConstraint("instance_id", name=op.f("pk_instance_state")),
    )
    op.create_index(
        "ix_instance_state_due",
        "instance_state",
        ["next_sync_at"],
        unique=False,
        sqlite_where=sa.text("next_sync_at IS NOT NULL"),
        mssql_where=sa.text("next_sync_at IS NOT NULL"),
    )
    op.create_index(
        "ix_instance_state_tokens",
        "instance_state",
        ["token_expires_at"],
        unique=False,
        sqlite_where=sa.text("token_expires_at IS NOT NULL"),
        mssql_where=sa.text("token_expires_at IS NOT NULL"),
    )
    op.create_index(
        "ix_instance_state_watermarks",
        "instance_state",
        ["watermark_at"],
        unique=False,
        sqlite_where=sa.text("watermark_at IS NOT NULL"),
        mssql_where=sa.text("watermark_at IS NOT NULL"),
    )
    op.create_table(
        "field_mappings",
        sa.Column("id", types.Key(36), nullable=False),
        sa.Column("instance_id", types.Key(36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("stream", types.Name(128), nullable=False),
        sa.Column("external_field", types.Name(200), nullable=False),
        sa.Column("linkhub_entity", types.Key(64), nullable=False),
        sa.Column("linkhub_field", types.Name(128), nullable=False),
        sa.Column("transform", types.Json(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"],
            ["integration_instances.id"],
            name=op.f("fk_field_mappings_instance_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_field_mappings")),
        sa.UniqueConstraint(
            "instance_id",
            "stream",
            "linkhub_entity",
            "linkhub_field",
            name=op.f("uq_field_mappings_instance_id_stream_linkhub_entity_linkhub_field"),
        ),
    )
    op.create_table(
        "table_selections",
        sa.Column("id", types.Key(36), nullable=False),
        sa.Column("instance_id", types.Key(36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("component", types.Name(128), nullable=False),
        sa.Column("table_name", types.Name(128), nullable=False),
        sa.Column("mode", types.Key(32), nullable=False),
        sa.Column("drift", types.Key(32), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"],
            ["integration_instances.id"],
            name=op.f("fk_table_selections_instance_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_table_selections")),
        sa.UniqueConstraint(
            "instance_id",
            "component",
            "table_name",
            name=op.f("uq_table_selections_instance_id_component_table_name"),
        ),
    )
    op.create_table(
        "discoveries",
        sa.Column("instance_id", types.Key(36), nullable=False),
        sa.Column("tables", types.Json(), nullable=False),
        sa.Column("discovered_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["integration_instances.id"], name=op.f("fk_discoveries_instance_id")
        ),
        sa.PrimaryKeyConstraint("instance_id", name=op.f("pk_discoveries")),
    )
    op.create_table(
        "secret_removals",
        sa.Column("name", types.Key(127), nullable=False),
        sa.Column("owner_id", types.Key(36), nullable=False),
        sa.Column("due_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secret_removals")),
    )
    op.create_index("ix_secret_removals_due_at", "secret_removals", ["due_at"], unique=False)
    op.create_index(
        "ix_secret_removals_owner_id",
        "secret_removals",
        ["owner_id", "due_at"],
        unique=False,
    )
    op.create_table(
        "oauth_states",
        sa.Column("id", types.Key(36), nullable=False),
        sa.Column("state_hash", types.Key(64), nullable=False),
        sa.Column("instance_id", types.Key(36), nullable=False),
        sa.Column("profile_id", types.Key(36), nullable=False),
        sa.Column("provider", types.Key(64), nullable=False),
        sa.Column("expires_at", types.UtcDateTime(), nullable=False),
        sa.Column("used_at", types.UtcDateTime(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["integration_instances.id"], name=op.f("fk_oauth_states_instance_id")
        ),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["integrator_profiles.id"], name=op.f("fk_oauth_states_profile_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_states")),
        sa.UniqueConstraint("state_hash", name=op.f("uq_oauth_states_state_hash")),
    )
    op.create_index("ix_oauth_states_expires_at", "oauth_states", ["expires_at"], unique=False)
    op.create_index("ix_oauth_states_instance_id", "oauth_states", ["instance_id"], unique=False)
    op.create_index("ix_oauth_states_profile_id", "oauth_states", ["profile_id"], unique=False)
    op.create_table(
        "warehouses",
        sa.Column("id", types.Key(36), nullable=False),
        sa.Column("profile_id", types.Key(36), nullable=False),
        sa.Column("name", types.Label(200), nullable=False),
        sa.Column("host", types.Label(255), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("database_name", types.Name(128), nullable=False),
        sa.Column("schema_name", types.Name(128), nullable=False),
        sa.Column("login", types.Name(128), nullable=False),
        sa.Column("secret_ref", types.Key(127), nullable=False),
        sa.Column("trust_server_certificate", sa.Boolean(), nullable=False),
        sa.Column("config_version", sa.Integer(), nullable=False),
        sa.Column("deleted_at", types.UtcDateTime(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["integrator_profiles.id"], name=op.f("fk_warehouses_profile_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_warehouses")),
    )
    op.create_index(
        "ix_warehouses_profile_id_created",
        "warehouses",
        ["profile_id", "created_at", "id"],
        unique=False,
        sqlite_where=sa.text("deleted_at IS NULL"),
        mssql_where=sa.text("deleted_at IS NULL"),
    )


def downgrade() -> None:
    """Drop the tables with all they hold."""
    op.drop_table("warehouses")
    op.drop_table("oauth_states")
    op.drop_table("secret_removals")
    op.drop_table("discoveries")
    op.drop_table("table_selections")
    op.drop_table("field_mappings")
    op.drop_table("instance_state")
    op.drop_table("integration_instances")
    op.drop_table("integrator_profiles")
    op.drop_table("providers")
