"""Messages that led nowhere."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update

from shared.domain.jobs import DeadLetter, DeadLetterState
from shared.domain.paging import ListQuery, Slice
from shared.errors import NotFoundError
from shared.store.lists import fetch_slice, where_given
from shared.store.repositories.filters import member_of
from shared.store.rows import columns_of, from_row, to_row
from shared.store.session import SqlSession
from shared.store.tables import dead_letters as letters
from shared.store.tables import sync_jobs
from shared.store.upserts import upsert

_COLUMNS = columns_of(letters, DeadLetter)
_KEY = ("job_id", "attempt", "body_hash")


class SqlDeadLetterRepository:
    """Dead letters, one for each attempt of a job however often its message was copied."""

    def __init__(self, session: SqlSession) -> None:
        self._session = session

    def upsert(self, letter: DeadLetter) -> DeadLetter:
        """Store a letter and return it as stored: a copy keeps the first one's id and state."""
        owner = self._session.first(
            select(sync_jobs.c.profile_id, sync_jobs.c.provider).where(
                sync_jobs.c.id == letter.job_id
            )
        )
        row = to_row(letter) | dict(owner or {"profile_id": "", "provider": ""})
        upsert(
            self._session,
            letters,
            [row],
            key=_KEY,
            update=("error_class", "error", "updated_at"),
        )
        stored = self._session.first(
            select(*_COLUMNS).where(*(letters.c[name] == row[name] for name in _KEY))
        )
        return from_row(DeadLetter, stored or {})

    def get(self, letter_id: str) -> DeadLetter:
        """Return a letter; NotFoundError if there is none."""
        row = self._session.first(select(*_COLUMNS).where(letters.c.id == letter_id))
        if row is None:
            raise NotFoundError("There is no such dead letter.")
        return from_row(DeadLetter, row)

    def list_page(self, query: ListQuery) -> Slice[DeadLetter]:
        """Return letters, newest first, narrowed by time, state (`status`) and provider."""
        statement = where_given(
            select(*_COLUMNS),
            (letters.c.state, member_of(DeadLetterState, query.status)),
            (letters.c.provider, query.provider),
        )
        return fetch_slice(
            self._session, statement, letters, query, lambda row: from_row(DeadLetter, row)
        )

    def set_state(self, letter_id: str, state: DeadLetterState, *, now: datetime) -> DeadLetter:
        """Say what became of a letter and return it; NotFoundError if there is none."""
        row = self._session.first(
            update(letters)
            .where(letters.c.id == letter_id)
            .values(state=state, updated_at=now)
            .returning(*_COLUMNS)
        )
        if row is None:
            raise NotFoundError("There is no such dead letter.")
        return from_row(DeadLetter, row)
