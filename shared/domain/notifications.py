"""What people are told by mail, when, and how often at most.

A *notice* is one thing to tell about one instance; notices of a profile that fall due together
leave as one mail. The rules here keep a failure, however often it repeats, from becoming a storm:

    a state is told once     nothing more is said of an instance that is still broken the same way
    a day between            the same event of the same instance is told once in `SAME_AGAIN_AFTER`
    mails are gathered       a notice waits `GATHERED_FOR` for others of its profile
    an hour between          a profile that got a mail gets its next one `MAIL_AGAIN_AFTER` later

What is no longer so when its time comes is not told at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from shared.domain.instances import Instance, InstanceStatus, StatusReason

GATHERED_FOR: Final = timedelta(minutes=5)
MAIL_AGAIN_AFTER: Final = timedelta(hours=1)
SAME_AGAIN_AFTER: Final = timedelta(hours=24)

_RETRY_AFTER: Final = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360, 720, 1440, 1440)
)
"""Nearly three days in all: a mail server's long weekend."""

MOST_ATTEMPTS: Final = len(_RETRY_AFTER) + 1


class NotificationEvent(StrEnum):
    """What a person can be told of."""

    RECONNECT_NEEDED = "reconnect_needed"
    SYNC_FAILED = "sync_failed"
    APPROVAL_NEEDED = "approval_needed"


class NoticeStatus(StrEnum):
    """PENDING leads to SENT, to FAILED (given up), or to DROPPED (no longer so, or not wanted)."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"


_EVENTS: Final[Mapping[str, NotificationEvent]] = MappingProxyType(
    {
        StatusReason.NEEDS_RECONNECT: NotificationEvent.RECONNECT_NEEDED,
        StatusReason.DEAD_LETTER: NotificationEvent.SYNC_FAILED,
        StatusReason.SYNC_FAILED: NotificationEvent.SYNC_FAILED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationSettings:
    """Whom a profile wants told of what; no recipients means the profile's own address."""

    profile_id: str
    recipients: tuple[str, ...] = ()
    events: tuple[NotificationEvent, ...] = tuple(NotificationEvent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One row of the outbox. Its `created_at` is when the thing happened.

    `mail_id` is '' until a sender gathers it into a mail, and never changes then: it makes the
    Message-ID. `not_before` is when it may be sent or, while a sender holds it, when another may
    take it over. `dedupe_key` is unique: it names the notice this one follows.
    """

    id: str
    profile_id: str
    instance_id: str
    event: NotificationEvent
    detail: str
    dedupe_key: str
    mail_id: str = ""
    status: NoticeStatus = NoticeStatus.PENDING
    attempts: int = 0
    not_before: datetime
    sent_at: datetime | None = None
    error: str = ""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What a template tells of one notice; `detail` may be '', `url` is '' without a dashboard."""

    event: NotificationEvent
    provider: str
    instance: str
    detail: str
    happened_at: datetime
    url: str


def trouble_of(instance: Instance) -> NotificationEvent | None:
    """Return what an instance's present state calls for; None where nothing is wrong with it."""
    if instance.status is not InstanceStatus.ERROR:
        return None
    return event_of(instance.status_reason)


def event_of(reason: str) -> NotificationEvent | None:
    """Return what a status reason is told as; None for one that is nobody's to act on."""
    return _EVENTS.get(reason)


def due_at(now: datetime, *, told_at: datetime | None, mailed_at: datetime | None) -> datetime:
    """Return when a new notice may be sent.

    `told_at`: when the same was last told of the same instance; `mailed_at`: when the profile last
    got a mail. Either may be None for never.
    """
    due = now + GATHERED_FOR
    if told_at is not None:
        due = max(due, told_at + SAME_AGAIN_AFTER)
    if mailed_at is not None:
        due = max(due, mailed_at + MAIL_AGAIN_AFTER)
    return due


def retry_after(attempts: int) -> timedelta | None:
    """Return the wait after that many failed attempts, 1 or more; None means give up."""
    return _RETRY_AFTER[attempts - 1] if attempts < MOST_ATTEMPTS else None
