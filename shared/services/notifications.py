"""Telling people: a notice goes into the outbox in the unit of work that found the trouble."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from shared.domain.ids import new_id
from shared.domain.instances import Instance, InstanceStatus, StatusReason
from shared.domain.notifications import (
    Notice,
    NoticeStatus,
    NotificationEvent,
    due_at,
    event_of,
    trouble_of,
)
from shared.errors import NotFoundError

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork


def mark_broken(
    uow: UnitOfWork, instance_id: str, reason: StatusReason, *, detail: str, now: datetime
) -> None:
    """Put an instance in status ERROR for this reason and tell its profile, if it is news.

    `detail` is the message people read, free of secrets, '' for none. A deleted instance stays as
    it is. Call it with the instance's state row locked (`get_state`), so that only one does.
    """
    try:
        before = uow.instances.get(instance_id, profile_id=None)
    except NotFoundError:
        return
    uow.instances.set_status(instance_id, InstanceStatus.ERROR, reason.value, now=now)
    event = event_of(reason)
    if event is not None:
        notify(uow, instance=before, event=event, detail=detail, now=now)


def ask_approval(uow: UnitOfWork, instance_id: str, *, detail: str, now: datetime) -> None:
    """Tell an instance's profile that a job waits for somebody to approve or reject it."""
    try:
        instance = uow.instances.get(instance_id, profile_id=None)
    except NotFoundError:
        return
    event = NotificationEvent.APPROVAL_NEEDED
    notify(uow, instance=instance, event=event, detail=detail, now=now)


def notify(
    uow: UnitOfWork, *, instance: Instance, event: NotificationEvent, detail: str, now: datetime
) -> None:
    """Write a notice into the outbox, unless its profile knows already or does not want it.

    `instance` is as it was before the event: one that was in that trouble already is no news. The
    rules of `shared.domain.notifications` say when the notice may leave.
    """
    if trouble_of(instance) is event:
        return
    if event not in uow.notifications.get(instance.profile_id).events:
        return
    last = uow.outbox.find_last(instance.id, event)
    if last is not None and last.status is NoticeStatus.PENDING:
        return
    uow.outbox.add(
        Notice(
            id=new_id(),
            profile_id=instance.profile_id,
            instance_id=instance.id,
            event=event,
            detail=detail,
            dedupe_key=f"{event}:{instance.id}:{last.id if last else ''}",
            not_before=due_at(
                now,
                told_at=last.sent_at if last else None,
                mailed_at=uow.outbox.find_last_mail_at(instance.profile_id),
            ),
            created_at=now,
            updated_at=now,
        )
    )
