"""How far each scope was read, which record is which, and what was done to LinkHub."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, UniqueConstraint

from shared.domain.conflicts import ConflictStatus
from shared.domain.journal import JournalAction, JournalOutcome
from shared.domain.links import MAX_EXTERNAL_ID, MAX_LINKHUB_KEY
from shared.domain.providers import Direction
from shared.store.tables.base import filtered_index, id_column, listing, metadata, timestamps
from shared.store.types import EnumText, Json, Key, Label, Name, UtcDateTime

OPEN_CONFLICT: Final = "status = 'open'"
SETTLED_CONFLICT: Final = "status IN ('settled_external', 'settled_linkhub') AND closed_at IS NULL"
HAS_LINKHUB_KEY: Final = "linkhub_key <> ''"

checkpoints = Table(
    "checkpoints",
    metadata,
    id_column(),
    Column("instance_id", Key(), ForeignKey("integration_instances.id"), nullable=False),
    Column("scope", Name(200), nullable=False),
    Column("direction", EnumText(Direction), nullable=False),
    Column("checkpoint", Json(), nullable=False),
    Column("version", Integer(), nullable=False),
    *timestamps(),
    UniqueConstraint("instance_id", "scope", "direction"),
)

record_links = Table(
    "record_links",
    metadata,
    id_column(),
    Column("instance_id", Key(), ForeignKey("integration_instances.id"), nullable=False),
    Column("stream", Name(), nullable=False),
    Column("external_id", Name(MAX_EXTERNAL_ID), nullable=False),
    Column("entity", Key(64), nullable=False),
    Column("linkhub_id", Name(), nullable=False),
    Column("base", Json(), nullable=False),
    Column("external_base", Json(), nullable=False),
    Column("external_etag", Label(450), nullable=False),
    Column("sent_hash", Key(64), nullable=False),
    Column("linkhub_key", Name(2 * MAX_LINKHUB_KEY), nullable=False),
    Column("seen_job_id", Key(), nullable=False),
    Column("deleted_at", UtcDateTime(), nullable=True),
    *timestamps(),
    UniqueConstraint("instance_id", "stream", "external_id"),
    Index("ix_record_links_linkhub", "instance_id", "entity", "linkhub_id"),
    filtered_index(
        "ix_record_links_key", "instance_id", "entity", "linkhub_key", where=HAS_LINKHUB_KEY
    ),
)

conflicts = Table(
    "conflicts",
    metadata,
    id_column(),
    Column("instance_id", Key(), ForeignKey("integration_instances.id"), nullable=False),
    Column("profile_id", Key(), nullable=False),
    Column("provider", Key(64), nullable=False),
    Column("record_link_id", Key(), ForeignKey("record_links.id"), nullable=False),
    Column("field", Name(), nullable=False),
    Column("external_value", Json(), nullable=True),
    Column("linkhub_value", Json(), nullable=True),
    Column("base_value", Json(), nullable=True),
    Column("status", EnumText(ConflictStatus), nullable=False),
    Column("settled_by", Label(), nullable=False),
    Column("settled_at", UtcDateTime(), nullable=True),
    Column("closed_at", UtcDateTime(), nullable=True),
    *timestamps(),
    listing("conflicts", "profile_id"),
    listing("conflicts", "profile_id", "status"),
    listing("conflicts", "profile_id", "provider"),
    listing("conflicts", "instance_id"),
    filtered_index(
        "ux_conflicts_open", "record_link_id", "field", where=OPEN_CONFLICT, unique=True
    ),
    filtered_index("ix_conflicts_settled", "instance_id", "settled_at", where=SETTLED_CONFLICT),
    Index("ix_conflicts_record_link_id", "record_link_id"),
)

change_journal = Table(
    "change_journal",
    metadata,
    id_column(),
    Column("job_id", Key(), ForeignKey("sync_jobs.id"), nullable=False),
    Column("sequence", BigInteger(), nullable=False),
    Column("action", EnumText(JournalAction), nullable=False),
    Column("stream", Name(200), nullable=False),
    Column("external_id", Name(MAX_EXTERNAL_ID), nullable=False),
    Column("entity", Key(64), nullable=False),
    Column("linkhub_id", Name(), nullable=False),
    Column("linkhub_key", Name(2 * MAX_LINKHUB_KEY), nullable=False),
    Column("before_image", Json(), nullable=True),
    Column("after_hash", Key(64), nullable=False),
    Column("outcome", EnumText(JournalOutcome), nullable=False),
    *timestamps(),
    UniqueConstraint("job_id", "sequence"),
    listing("change_journal"),
)
