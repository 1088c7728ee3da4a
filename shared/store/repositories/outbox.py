"""What is to be told by mail, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Update, delete, func, select, text, update

from shared.domain.notifications import Notice, NoticeStatus, NotificationEvent
from shared.store.lists import chunks
from shared.store.rows import columns_of, from_row, to_row
from shared.store.session import SqlSession
from shared.store.tables import outbox
from shared.store.tables.operations import SENT, UNSENT
from shared.store.upserts import upsert

_COLUMNS = columns_of(outbox, Notice)


class SqlOutboxRepository:
    """Notices; those of one profile with one `mail_id` are one mail."""

    def __init__(self, session: SqlSession) -> None:
        self._session = session

    def add(self, notice: Notice) -> None:
        """Store a notice; where its `dedupe_key` exists nothing changes."""
        upsert(self._session, outbox, [to_row(notice)], key=("dedupe_key",))

    def find_last(self, instance_id: str, event: NotificationEvent) -> Notice | None:
        """Return the newest notice of an instance and event, whatever became of it."""
        row = self._session.first(
            select(*_COLUMNS)
            .where(outbox.c.instance_id == instance_id, outbox.c.event == event)
            .order_by(outbox.c.created_at.desc(), outbox.c.id.desc())
            .limit(1)
        )
        return None if row is None else from_row(Notice, row)

    def find_last_mail_at(self, profile_id: str) -> datetime | None:
        """Return when a profile's last mail was sent."""
        row = self._session.first(
            select(func.max(outbox.c.sent_at).label("sent_at")).where(
                outbox.c.profile_id == profile_id, text(SENT)
            )
        )
        return None if row is None else row["sent_at"]

    def claim_next(
        self, *, mail_id: str, now: datetime, lease_until: datetime, gather_until: datetime
    ) -> Sequence[Notice]:
        """Make the mail due longest this sender's own and return its notices, oldest first.

        One that was tried before keeps its id and its notices. A new one is all of a profile's
        notices that are due before `gather_until` and in no mail yet, under the id `mail_id`. Until
        `lease_until` no other sender gets them. Empty where nothing is due.
        """
        head = self._session.first(head_statement(now))
        if head is None:
            return ()
        mail = update(outbox).where(
            outbox.c.profile_id == head["profile_id"],
            outbox.c.mail_id == head["mail_id"],
            outbox.c.not_before <= (now if head["mail_id"] else gather_until),
            text(UNSENT),
        )
        rows = self._session.all(
            mail.values(
                mail_id=head["mail_id"] or mail_id,
                attempts=outbox.c.attempts + 1,
                not_before=lease_until,
                updated_at=now,
            ).returning(*_COLUMNS)
        )
        return sorted(
            (from_row(Notice, row) for row in rows),
            key=lambda notice: (notice.created_at, notice.id),
        )

    def mark_sent(self, notice: Notice, *, error: str, now: datetime) -> None:
        """Note that the notice's mail is out; `error` tells of recipients that were left out."""
        values = {"status": NoticeStatus.SENT, "sent_at": now, "error": error}
        self._session.run(_mail_of(notice).values(**values, updated_at=now))

    def postpone(self, notice: Notice, *, not_before: datetime, error: str, now: datetime) -> None:
        """End this sender's hold on the notice's mail, to be tried again then."""
        values = {"not_before": not_before, "error": error}
        self._session.run(_held(notice).values(**values, updated_at=now))

    def give_up(self, notice: Notice, *, error: str, now: datetime) -> None:
        """Note that the notice's mail will not be tried again, and why."""
        values = {"status": NoticeStatus.FAILED, "error": error}
        self._session.run(_held(notice).values(**values, updated_at=now))

    def drop(self, notices: Sequence[Notice], *, error: str, now: datetime) -> None:
        """Take notices out of their mail: there is no reason to tell them any more."""
        values = {"status": NoticeStatus.DROPPED, "error": error, "updated_at": now}
        for ids in chunks(notice.id for notice in notices):
            self._session.run(
                update(outbox).where(outbox.c.id.in_(ids), text(UNSENT)).values(**values)
            )

    def prune(self, before: datetime, *, limit: int) -> int:
        """Remove at most `limit` notices from before that time that are done; return how many."""
        oldest = (
            select(outbox.c.id)
            .where(outbox.c.created_at < before, outbox.c.status != NoticeStatus.PENDING)
            .order_by(outbox.c.created_at, outbox.c.id)
            .limit(limit)
        )
        ids = [row["id"] for row in self._session.all(oldest)]
        for chunk in chunks(ids):
            self._session.run(delete(outbox).where(outbox.c.id.in_(chunk)))
        return len(ids)


def head_statement(now: datetime) -> Select[Any]:
    """Return the query of the notice due longest; on SQL Server its row is then ours alone."""
    return (
        select(outbox.c.profile_id, outbox.c.mail_id)
        .with_hint(outbox, "WITH (UPDLOCK)", "mssql")
        .where(outbox.c.not_before <= now, text(UNSENT))
        .order_by(outbox.c.not_before, outbox.c.id)
        .limit(1)
    )


def _mail_of(notice: Notice) -> Update:
    return update(outbox).where(
        outbox.c.profile_id == notice.profile_id,
        outbox.c.mail_id == notice.mail_id,
        text(UNSENT),
    )


def _held(notice: Notice) -> Update:
    """Narrow to the claim that made `attempts` what they are: a later claim is another sender's."""
    return _mail_of(notice).where(outbox.c.attempts == notice.attempts)
