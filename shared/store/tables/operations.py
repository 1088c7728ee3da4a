"""What keeps the service itself in order: breakers, budgets, mails and the audit trail."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
)

from shared.domain.breakers import CircuitState
from shared.domain.notifications import NoticeStatus, NotificationEvent
from shared.store.tables.base import filtered_index, id_column, listing, metadata, timestamps
from shared.store.types import EnumText, Json, Key, Label, Name, UtcDateTime

UNSENT: Final = "status = 'pending'"
SENT: Final = "status = 'sent'"

provider_health = Table(
    "provider_health",
    metadata,
    id_column(),
    Column("provider", Key(64), nullable=False),
    Column("account", Name(255), nullable=False),
    # '' is the account's circuit breaker, any other name one of its request budgets.
    Column("budget", Key(32), nullable=False),
    Column("state", EnumText(CircuitState), nullable=False),
    Column("failures", Integer(), nullable=False),
    Column("openings", Integer(), nullable=False),
    Column("opened_at", UtcDateTime(), nullable=True),
    Column("retry_at", UtcDateTime(), nullable=True),
    Column("probe_id", Key(), nullable=False),
    Column("last_error", Label(2000), nullable=False),
    Column("ledger", Json(), nullable=True),
    *timestamps(),
    UniqueConstraint("provider", "account", "budget"),
    listing("provider_health", "budget"),
)

rate_buckets = Table(
    "rate_buckets",
    metadata,
    id_column(),
    Column("caller", Key(64), nullable=False),
    Column("bucket", Key(32), nullable=False),
    Column("tokens", Float(53), nullable=False),
    Column("refilled_at", UtcDateTime(), nullable=False),
    *timestamps(),
    UniqueConstraint("caller", "bucket"),
)

notification_settings = Table(
    "notification_settings",
    metadata,
    id_column(),
    Column("profile_id", Key(), ForeignKey("integrator_profiles.id"), nullable=False),
    Column("recipients", Json(), nullable=False),
    Column("events", Json(), nullable=False),
    *timestamps(),
    UniqueConstraint("profile_id"),
)

outbox = Table(
    "outbox",
    metadata,
    id_column(),
    Column("profile_id", Key(), nullable=False),
    Column("instance_id", Key(), nullable=False),
    Column("event", EnumText(NotificationEvent), nullable=False),
    Column("detail", Label(2000), nullable=False),
    Column("dedupe_key", Key(128), nullable=False),
    Column("mail_id", Key(), nullable=False),
    Column("status", EnumText(NoticeStatus), nullable=False),
    Column("attempts", Integer(), nullable=False),
    Column("not_before", UtcDateTime(), nullable=False),
    Column("sent_at", UtcDateTime(), nullable=True),
    Column("error", Label(2000), nullable=False),
    *timestamps(),
    UniqueConstraint("dedupe_key"),
    filtered_index("ix_outbox_unsent", "not_before", "id", where=UNSENT),
    filtered_index("ix_outbox_mails", "profile_id", "mail_id", "not_before", where=UNSENT),
    filtered_index("ix_outbox_sent", "profile_id", "sent_at", where=SENT),
    Index("ix_outbox_notices", "instance_id", "event", "created_at", "id"),
    listing("outbox"),
)

audit_events = Table(
    "audit_events",
    metadata,
    id_column(),
    Column("actor", Label(450), nullable=False),
    Column("profile_id", Key(), nullable=False),
    Column("action", Key(64), nullable=False),
    Column("target", Label(), nullable=False),
    Column("before", Json(), nullable=False),
    Column("after", Json(), nullable=False),
    Column("ip", Label(64), nullable=False),
    Column("occurred_at", UtcDateTime(), nullable=False),
    *timestamps(),
    listing("audit_events"),
    listing("audit_events", "profile_id"),
    listing("audit_events", "action"),
)
