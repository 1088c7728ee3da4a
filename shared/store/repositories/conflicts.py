"""Fields that changed on both sides: what waits for a person, and what a person chose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Column, TextClause, insert, select, text, update

from shared.domain.conflicts import Conflict, ConflictStatus
from shared.domain.paging import ListQuery, Slice
from shared.errors import ConflictError, NotFoundError
from shared.store.lists import chunks, fetch_slice, where_given
from shared.store.repositories.filters import member_of
from shared.store.rows import columns_of, from_row, to_row
from shared.store.session import SqlSession
from shared.store.tables import conflicts
from shared.store.tables.records import OPEN_CONFLICT, SETTLED_CONFLICT

_COLUMNS = columns_of(conflicts, Conflict)
_SHOWN = ("external_value", "linkhub_value", "base_value", "updated_at")


class SqlConflictRepository:
    """Conflicts of linked records. At most one is open for a link and field."""

    def __init__(self, session: SqlSession) -> None:
        self._session = session

    def get(self, conflict_id: str, *, profile_id: str | None = None) -> Conflict:
        """Return a conflict; NotFoundError where there is none, or it is another profile's."""
        row = self._session.first(
            where_given(
                select(*_COLUMNS).where(conflicts.c.id == conflict_id),
                (conflicts.c.profile_id, profile_id),
            )
        )
        if row is None:
            raise NotFoundError("There is no such conflict.")
        return from_row(Conflict, row)

    def list_page(
        self, profile_id: str, query: ListQuery, *, instance_id: str | None = None
    ) -> Slice[Conflict]:
        """Return a page of a profile's conflicts, newest first."""
        statement = where_given(
            select(*_COLUMNS).where(conflicts.c.profile_id == profile_id),
            (conflicts.c.instance_id, instance_id),
            (conflicts.c.status, member_of(ConflictStatus, query.status)),
            (conflicts.c.provider, query.provider),
        )
        return fetch_slice(
            self._session, statement, conflicts, query, lambda row: from_row(Conflict, row)
        )

    def open_for(self, instance_id: str, link_ids: Iterable[str]) -> Sequence[Conflict]:
        """Return what waits for a person at these links."""
        return self._of_links(instance_id, link_ids, text(OPEN_CONFLICT))

    def settled_for(self, instance_id: str, link_ids: Iterable[str]) -> Sequence[Conflict]:
        """Return what was chosen for these links and is still to be carried out."""
        return self._of_links(instance_id, link_ids, text(SETTLED_CONFLICT))

    def list_settled(self, instance_id: str, *, limit: int) -> Sequence[Conflict]:
        """Return what was chosen first of an instance's and is still to be carried out."""
        return self._first(instance_id, text(SETTLED_CONFLICT), conflicts.c.settled_at, limit)

    def list_open(self, instance_id: str, *, limit: int) -> Sequence[Conflict]:
        """Return what has waited longest of an instance's for a person."""
        return self._first(instance_id, text(OPEN_CONFLICT), conflicts.c.created_at, limit)

    def record(self, found: Iterable[Conflict], *, now: datetime) -> None:
        """Store conflicts; where one is open for the link and field, bring its values up to date.

        That one keeps its id and when it was found first.
        """
        for conflict in found:
            values = to_row(conflict) | {"updated_at": now}
            changed = self._session.first(
                update(conflicts)
                .where(
                    conflicts.c.record_link_id == conflict.record_link_id,
                    conflicts.c.field == conflict.field,
                    text(OPEN_CONFLICT),
                )
                .values({name: values[name] for name in _SHOWN})
                .returning(conflicts.c.id)
            )
            if changed is None:
                self._session.run(insert(conflicts), [values])

    def settle(
        self, conflict_id: str, status: ConflictStatus, *, settled_by: str, now: datetime
    ) -> Conflict:
        """Note whose value a person chose, and return it; ConflictError unless it is open."""
        row = self._session.first(
            update(conflicts)
            .where(conflicts.c.id == conflict_id, text(OPEN_CONFLICT))
            .values(status=status, settled_by=settled_by, settled_at=now, updated_at=now)
            .returning(*_COLUMNS)
        )
        if row is None:
            raise ConflictError("This conflict is not open any more: read it again.")
        return from_row(Conflict, row)

    def close(
        self,
        conflict_ids: Iterable[str],
        status: ConflictStatus | None = None,
        *,
        now: datetime,
    ) -> None:
        """Note that these are dealt with, under their status or another one; closed ones stay."""
        values = {"closed_at": now, "updated_at": now}
        changed = values if status is None else {**values, "status": status}
        for chunk in chunks(dict.fromkeys(conflict_ids)):
            self._session.run(
                update(conflicts)
                .where(conflicts.c.id.in_(chunk), conflicts.c.closed_at.is_(None))
                .values(changed)
            )

    def close_open(self, instance_id: str, *, now: datetime) -> None:
        """Note that what waits for a person at an instance is obsolete; what is settled stays."""
        self._session.run(
            update(conflicts)
            .where(conflicts.c.instance_id == instance_id, text(OPEN_CONFLICT))
            .values(status=ConflictStatus.OBSOLETE, closed_at=now, updated_at=now)
        )

    def _first(
        self, instance_id: str, condition: TextClause, order: Column[datetime], limit: int
    ) -> Sequence[Conflict]:
        rows = self._session.all(
            select(*_COLUMNS)
            .where(conflicts.c.instance_id == instance_id, condition)
            .order_by(order)
            .limit(limit)
        )
        return [from_row(Conflict, row) for row in rows]

    def _of_links(
        self, instance_id: str, link_ids: Iterable[str], condition: TextClause
    ) -> Sequence[Conflict]:
        return [
            from_row(Conflict, row)
            for chunk in chunks(dict.fromkeys(link_ids))
            for row in self._session.all(
                select(*_COLUMNS).where(
                    conflicts.c.record_link_id.in_(chunk),
                    conflicts.c.instance_id == instance_id,
                    condition,
                )
            )
        ]
