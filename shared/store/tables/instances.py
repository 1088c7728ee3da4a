"""What a person set up, what machines know of it, and the sign-ins under way."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, UniqueConstraint

from shared.domain.checkpoints import Mode
from shared.domain.instances import Frequency, InstanceStatus, SetupStep
from shared.domain.providers import Direction
from shared.domain.selections import DriftPolicy
from shared.store.tables.base import filtered_index, id_column, listing, metadata, timestamps
from shared.store.types import EnumText, Json, Key, Label, Name, UtcDateTime

NOT_DELETED: Final = "deleted_at IS NULL"
SCHEDULED: Final = "next_sync_at IS NOT NULL"
EXPIRING: Final = "token_expires_at IS NOT NULL"
GOING_ON: Final = "watermark_at IS NOT NULL"

integration_instances = Table(
    "integration_instances",
    metadata,
    id_column(),
    Column("profile_id", Key(), ForeignKey("integrator_profiles.id"), nullable=False),
    Column("provider", Key(64), ForeignKey("providers.slug"), nullable=False),
    Column("connection_key", Name(200), nullable=False),
    Column("name", Label(), nullable=False),
    Column("setup_step", EnumText(SetupStep), nullable=False),
    Column("status", EnumText(InstanceStatus), nullable=False),
    Column("status_reason", Label(), nullable=False),
    Column("sync_direction", EnumText(Direction), nullable=False),
    Column("destination", Key(), nullable=False),
    Column("frequency", EnumText(Frequency), nullable=False),
    Column("frequency_details", Json(), nullable=False),
    Column("time_zone", Key(64), nullable=False),
    Column("options", Json(), nullable=False),
    Column("policies", Json(), nullable=False),
    Column("config_version", Integer(), nullable=False),
    Column("deleted_at", UtcDateTime(), nullable=True),
    *timestamps(),
    filtered_index(
        "ux_integration_instances_connection",
        "profile_id",
        "provider",
        "connection_key",
        where=NOT_DELETED,
        unique=True,
    ),
    listing("integration_instances", "profile_id", where=NOT_DELETED),
    listing("integration_instances", "profile_id", "status", where=NOT_DELETED),
    listing("integration_instances", "profile_id", "provider", where=NOT_DELETED),
    Index("ix_integration_instances_provider", "provider"),
)

instance_state = Table(
    "instance_state",
    metadata,
    Column("instance_id", Key(), ForeignKey("integration_instances.id"), primary_key=True),
    Column("account", Name(200), nullable=False),
    Column("secret_ref", Key(127), nullable=False),
    Column("token_expires_at", UtcDateTime(), nullable=True),
    Column("refresh_lease_id", Key(), nullable=False),
    Column("refresh_lease_expires_at", UtcDateTime(), nullable=True),
    Column("refresh_sent_at", UtcDateTime(), nullable=True),
    Column("refresh_awaited_at", UtcDateTime(), nullable=True),
    Column("refresh_not_before", UtcDateTime(), nullable=True),
    Column("refresh_problem", Label(2000), nullable=False),
    Column("last_sync_at", UtcDateTime(), nullable=True),
    Column("watermark_at", UtcDateTime(), nullable=True),
    Column("next_sync_at", UtcDateTime(), nullable=True),
    Column("last_error", Label(2000), nullable=False),
    Column("failures_in_a_row", Integer(), nullable=False),
    *timestamps(),
    filtered_index("ix_instance_state_due", "next_sync_at", where=SCHEDULED),
    filtered_index("ix_instance_state_tokens", "token_expires_at", where=EXPIRING),
    filtered_index("ix_instance_state_watermarks", "watermark_at", where=GOING_ON),
)

field_mappings = Table(
    "field_mappings",
    metadata,
    id_column(),
    Column("instance_id", Key(), ForeignKey("integration_instances.id"), nullable=False),
    Column("position", Integer(), nullable=False),
    Column("stream", Name(), nullable=False),
    Column("external_field", Name(200), nullable=False),
    Column("linkhub_entity", Key(64), nullable=False),
    Column("linkhub_field", Name(), nullable=False),
    Column("transform", Json(), nullable=True),
    *timestamps(),
    UniqueConstraint("instance_id", "stream", "linkhub_entity", "linkhub_field"),
)

table_selections = Table(
    "table_selections",
    metadata,
    id_column(),
    Column("instance_id", Key(), ForeignKey("integration_instances.id"), nullable=False),
    Column("position", Integer(), nullable=False),
    Column("component", Name(), nullable=False),
    Column("table_name", Name(), nullable=False),
    Column("mode", EnumText(Mode), nullable=False),
    Column("drift", EnumText(DriftPolicy), nullable=False),
    *timestamps(),
    UniqueConstraint("instance_id", "component", "table_name"),
)

discoveries = Table(
    "discoveries",
    metadata,
    Column("instance_id", Key(), ForeignKey("integration_instances.id"), primary_key=True),
    Column("tables", Json(), nullable=False),
    Column("discovered_at", UtcDateTime(), nullable=False),
    *timestamps(),
)

secret_removals = Table(
    "secret_removals",
    metadata,
    Column("name", Key(127), primary_key=True),
    # An instance or a warehouse, so there is no foreign key.
    Column("owner_id", Key(), nullable=False),
    Column("due_at", UtcDateTime(), nullable=False),
    *timestamps(),
    Index("ix_secret_removals_due_at", "due_at"),
    Index("ix_secret_removals_owner_id", "owner_id", "due_at"),
)

oauth_states = Table(
    "oauth_states",
    metadata,
    id_column(),
    Column("state_hash", Key(64), nullable=False),
    Column("instance_id", Key(), ForeignKey("integration_instances.id"), nullable=False),
    Column("profile_id", Key(), ForeignKey("integrator_profiles.id"), nullable=False),
    Column("provider", Key(64), nullable=False),
    Column("expires_at", UtcDateTime(), nullable=False),
    Column("used_at", UtcDateTime(), nullable=True),
    *timestamps(),
    UniqueConstraint("state_hash"),
    Index("ix_oauth_states_expires_at", "expires_at"),
    Index("ix_oauth_states_instance_id", "instance_id"),
    Index("ix_oauth_states_profile_id", "profile_id"),
)
