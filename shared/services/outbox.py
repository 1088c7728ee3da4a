"""Sending what waits in the outbox.

A mail is claimed (its lease and its Message-ID are durable), sent, then marked. A sender that dies
before it sends loses nothing: the lease ends and another takes over. One that dies between sending
and marking makes the next send the same mail once more, under the same Message-ID, by which a mail
program can tell that it is one. No order of steps avoids that: SMTP has no transactions with SQL.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from shared.domain.ids import new_id
from shared.domain.instances import Instance
from shared.domain.jobs import JobStatus
from shared.domain.notifications import (
    GATHERED_FOR,
    MOST_ATTEMPTS,
    Notice,
    NotificationEvent,
    Trouble,
    retry_after,
    trouble_of,
)
from shared.domain.profiles import Profile
from shared.errors import AuthError, NotFoundError, PermanentError, SyncError, TransientError
from shared.ports.mailer import Mailer, MailMessage
from shared.services.deps import Now, OpenUow
from shared.services.mail_templates import render

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork

_log = logging.getLogger(__name__)

LEASE: Final = timedelta(minutes=10)
"""Longer than a slow server needs for one mail."""

BATCH_TIME: Final = timedelta(seconds=20)
"""No further mail is begun after this: the timer that calls has other things to do."""

_RECIPIENTS: Final = 20
_FAILURES_IN_A_ROW: Final = 2
"""After so many the trouble is the server's, and other mails need not lose an attempt to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mail:
    """A claimed mail: one of its notices stands for all; no message if there is none to tell."""

    notice: Notice
    message: MailMessage | None


def send_due(
    *, open_uow: OpenUow, mailer: Mailer, now: Now, limit: int = 50, dashboard_url: str = ""
) -> int:
    """Send at most `limit` mails that are due; return how many a server took.

    What fails is tried again later and later, then given up with its reason kept. Two senders at
    once never hold the same mail.
    """
    sent = failures = 0
    started = now()
    try:
        for _ in range(limit):
            if now() - started > BATCH_TIME or failures >= _FAILURES_IN_A_ROW:
                break
            mail = _claim(open_uow, now(), dashboard_url)
            if mail is None:
                break
            if mail.message is None:
                continue
            try:
                left_out = mailer.send(mail.message)
            except SyncError as error:
                _settle_failure(mail.notice, error, open_uow=open_uow, now=now())
                failures = _failures_after(error, failures)
                continue
            _mark_sent(mail.notice, left_out, open_uow=open_uow, now=now())
            sent, failures = sent + 1, 0
    finally:
        mailer.close()
    return sent


def _claim(open_uow: OpenUow, moment: datetime, dashboard_url: str) -> _Mail | None:
    """Take the next mail and compose it; None where nothing is due."""
    with open_uow() as uow:
        notices = uow.outbox.claim_next(
            mail_id=new_id(),
            now=moment,
            lease_until=moment + LEASE,
            gather_until=moment + GATHERED_FOR,
        )
        if not notices:
            return None
        message = _compose(uow, notices, moment, dashboard_url)
        uow.commit()
    return _Mail(notice=notices[0], message=message)


def _compose(
    uow: UnitOfWork, notices: Sequence[Notice], moment: datetime, dashboard: str
) -> MailMessage | None:
    first = notices[0]
    if first.attempts > MOST_ATTEMPTS:
        reason = first.error or "Its sender stopped again and again before it was out."
        uow.outbox.give_up(first, error=reason, now=moment)
        return None
    wanted = uow.notifications.get(first.profile_id)
    troubles, stale = [], []
    for notice in notices:
        trouble = _trouble(uow, notice, dashboard) if notice.event in wanted.events else None
        if trouble is None:
            stale.append(notice)
        else:
            troubles.append(trouble)
    if stale:
        uow.outbox.drop(stale, error="No longer so, or no longer wanted.", now=moment)
    if not troubles:
        return None
    profile = uow.profiles.get(first.profile_id)
    recipients = (wanted.recipients or _own_address(profile))[:_RECIPIENTS]
    if not recipients:
        reason = "The profile has no address, and its notification settings name none."
        uow.outbox.give_up(first, error=reason, now=moment)
        return None
    mail = render(troubles, locale=profile.locale, time_zone=profile.time_zone)
    return MailMessage(
        to=recipients,
        subject=mail.subject,
        text=mail.text,
        html=mail.html,
        message_id=first.mail_id,
        language=mail.language,
    )


def _own_address(profile: Profile) -> tuple[str, ...]:
    return (profile.email,) if profile.email else ()


def _trouble(uow: UnitOfWork, notice: Notice, dashboard: str) -> Trouble | None:
    """Return what to tell of a notice; None where it is no longer so."""
    try:
        instance = uow.instances.get(notice.instance_id, profile_id=notice.profile_id)
    except NotFoundError:
        return None
    if not _is_still_so(uow, instance, notice.event):
        return None
    return Trouble(
        event=notice.event,
        provider=uow.providers.get(instance.provider).name,
        instance=instance.name,
        detail=notice.detail,
        happened_at=notice.created_at,
        url=f"{dashboard.rstrip('/')}/instances/{instance.id}" if dashboard else "",
    )


def _is_still_so(uow: UnitOfWork, instance: Instance, event: NotificationEvent) -> bool:
    if event is NotificationEvent.APPROVAL_NEEDED:
        job = uow.jobs.find_open(instance.id)
        return job is not None and job.status is JobStatus.WAITING_APPROVAL
    return trouble_of(instance) is event


def _failures_after(error: SyncError, failures: int) -> int:
    """Return the failures in a row that count against the server; a refused sign-in ends all."""
    if isinstance(error, AuthError):
        return _FAILURES_IN_A_ROW
    return failures + 1 if isinstance(error, TransientError) else 0


def _mark_sent(
    notice: Notice, left_out: tuple[str, ...], *, open_uow: OpenUow, now: datetime
) -> None:
    if left_out:
        _log.warning("Mail %s left recipients out: %d of them.", notice.mail_id, len(left_out))
    with open_uow() as uow:
        uow.outbox.mark_sent(notice, error=" ".join(left_out), now=now)
        uow.commit()


def _settle_failure(notice: Notice, error: SyncError, *, open_uow: OpenUow, now: datetime) -> None:
    wait = None if isinstance(error, PermanentError) else retry_after(notice.attempts)
    with open_uow() as uow:
        if wait is None:
            uow.outbox.give_up(notice, error=str(error), now=now)
        else:
            uow.outbox.postpone(notice, not_before=now + wait, error=str(error), now=now)
        uow.commit()
    if wait is None:
        _log.error("Mail %s is given up: %s", notice.mail_id, error)
    else:
        _log.warning("Mail %s is tried again in %s: %s", notice.mail_id, wait, error)
