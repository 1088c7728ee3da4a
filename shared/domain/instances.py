"""A profile's set-up of a provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.domain.providers import Direction


class SetupStep(StrEnum):
    """The last wizard step that is done."""

    NOT_STARTED = "not_started"
    CONNECTION = "connection"
    MAPPING = "mapping"
    SYNC_CONFIG = "sync_config"
    COMPLETED = "completed"


class InstanceStatus(StrEnum):
    """PAUSED is only ever a person's act; ERROR carries a `status_reason`."""

    SETUP_INCOMPLETE = "setup_incomplete"
    ACTIVE = "active"
    PAUSED = "paused"
    ERROR = "error"


class Frequency(StrEnum):
    """How often an instance syncs by itself."""

    MANUAL = "manual"
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    CRON = "cron"


class StatusReason(StrEnum):
    """Why an instance is in status ERROR."""

    NEEDS_RECONNECT = "needs_reconnect"
    DEAD_LETTER = "dead_letter"
    SYNC_FAILED = "sync_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """What a person set up. `destination` is '' for the profile's LinkHub or its default warehouse,
    else a warehouse's id; `options` are the provider's connection options, never secrets;
    `config_version` is the ETag: wizard writes bump it, machines never do.
    """

    id: str
    profile_id: str
    provider: str
    connection_key: str
    name: str
    setup_step: SetupStep
    status: InstanceStatus
    status_reason: str = ""
    sync_direction: Direction = Direction.IMPORT
    destination: str = ""
    frequency: Frequency = Frequency.MANUAL
    frequency_details: Mapping[str, Any] = field(default_factory=dict)
    time_zone: str = "UTC"
    options: Mapping[str, str] = field(default_factory=dict)
    policies: Mapping[str, Any] = field(default_factory=dict)
    config_version: int = 1
    deleted_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceState:
    """What machines know of an instance; never part of its ETag.

    `account` is the provider's own id of what the credentials open ('' if it tells none): the
    instance is bound to it. `token_expires_at` is when its sign-in ends unless it is refreshed
    before, None where it does not end by itself. Of a refresh: who holds the lease, since when its
    answer has not been seen (`refresh_sent_at`), since when somebody waits for what it brings,
    before when none may begin, and why none can work until a person reconnects ('' if one can).
    `watermark_at` is when the last sync ended, if the next one can go on from it, else None.
    """

    instance_id: str
    account: str = ""
    secret_ref: str = ""
    token_expires_at: datetime | None = None
    refresh_lease_id: str = ""
    refresh_lease_expires_at: datetime | None = None
    refresh_sent_at: datetime | None = None
    refresh_awaited_at: datetime | None = None
    refresh_not_before: datetime | None = None
    refresh_problem: str = ""
    last_sync_at: datetime | None = None
    watermark_at: datetime | None = None
    next_sync_at: datetime | None = None
    last_error: str = ""
    failures_in_a_row: int = 0


def without_refresh(state: InstanceState) -> InstanceState:
    """Return the state with nothing left of refreshes: what they were of is not used any more."""
    return replace(
        state,
        token_expires_at=None,
        refresh_lease_id="",
        refresh_lease_expires_at=None,
        refresh_sent_at=None,
        refresh_awaited_at=None,
        refresh_not_before=None,
        refresh_problem="",
    )
