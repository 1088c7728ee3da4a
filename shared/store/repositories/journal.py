"""What jobs did to LinkHub, kept so that it can be taken back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Select, delete, exists, func, select, update

from shared.domain.journal import WRITES, JournalAction, JournalEntry, JournalOutcome
from shared.store.lists import chunks
from shared.store.rows import columns_of, from_row, to_row
from shared.store.session import SqlSession
from shared.store.tables import change_journal as journal
from shared.store.tables import sync_jobs as jobs
from shared.store.upserts import upsert

_COLUMNS = columns_of(journal, JournalEntry)


class SqlJournalRepository:
    """A job's entries, in the order they were made."""

    def __init__(self, session: SqlSession) -> None:
        self._session = session

    def next_sequence(self, job_id: str) -> int:
        """Return the number of the entry to come."""
        last = self._session.first(
            select(func.max(journal.c.sequence).label("last")).where(journal.c.job_id == job_id)
        )
        return 0 if last is None or last["last"] is None else int(last["last"]) + 1

    def add(self, entries: Sequence[JournalEntry]) -> None:
        """Store entries whose numbers are free."""
        upsert(
            self._session,
            journal,
            [to_row(entry) for entry in entries],
            key=("job_id", "sequence"),
        )

    def list_standing(
        self, job_id: str, *, before: int | None = None, limit: int
    ) -> Sequence[JournalEntry]:
        """Return the last writes of a job, before that number, that are not taken back, latest
        first.
        """
        statement = self._writes(job_id)
        if before is not None:
            statement = statement.where(journal.c.sequence < before)
        return self._entries(statement.order_by(journal.c.sequence.desc()).limit(limit))

    def list_scopes(self, job_id: str) -> Sequence[JournalEntry]:
        """Return the scopes a job took that are not as before yet."""
        return self._entries(
            select(*_COLUMNS)
            .where(
                journal.c.job_id == job_id,
                journal.c.action == JournalAction.SCOPE,
                journal.c.outcome == JournalOutcome.STANDING,
            )
            .order_by(journal.c.sequence)
        )

    def find_rollback(self, job_id: str) -> JournalEntry | None:
        """Return why a job is being taken back, None where it is not."""
        found = self._entries(
            select(*_COLUMNS).where(
                journal.c.job_id == job_id, journal.c.action == JournalAction.ROLLBACK
            )
        )
        return found[0] if found else None

    def has_standing(self, job_id: str) -> bool:
        """Whether a job has entries, writes or scopes, that are not taken back."""
        return bool(self.list_standing(job_id, limit=1) or self.list_scopes(job_id))

    def find_last_job(self, instance_id: str) -> str | None:
        """Return the newest job of an instance that has writes which are not taken back."""
        has_writes = exists().where(
            journal.c.job_id == jobs.c.id,
            journal.c.action.in_(WRITES),
            journal.c.outcome == JournalOutcome.STANDING,
        )
        row = self._session.first(
            select(jobs.c.id)
            .where(jobs.c.instance_id == instance_id, has_writes)
            .order_by(jobs.c.created_at.desc(), jobs.c.id.desc())
            .limit(1)
        )
        return None if row is None else str(row["id"])

    def settle(self, entry_ids: Iterable[str], outcome: JournalOutcome, *, now: datetime) -> None:
        """Note what became of entries."""
        for chunk in chunks(entry_ids):
            self._session.run(
                update(journal)
                .where(journal.c.id.in_(chunk))
                .values(outcome=outcome, updated_at=now)
            )

    def prune(self, before: datetime, *, limit: int) -> int:
        """Remove at most `limit` of the entries made before that time; return how many."""
        oldest = select(journal.c.id).where(journal.c.created_at < before)
        oldest = oldest.order_by(journal.c.created_at, journal.c.id).limit(limit)
        ids = [row["id"] for row in self._session.all(oldest)]
        for chunk in chunks(ids):
            self._session.run(delete(journal).where(journal.c.id.in_(chunk)))
        return len(ids)

    def _writes(self, job_id: str) -> Select[tuple[object, ...]]:
        return select(*_COLUMNS).where(
            journal.c.job_id == job_id,
            journal.c.action.in_(WRITES),
            journal.c.outcome == JournalOutcome.STANDING,
        )

    def _entries(self, statement: Select[tuple[object, ...]]) -> Sequence[JournalEntry]:
        return [from_row(JournalEntry, row) for row in self._session.all(statement)]
