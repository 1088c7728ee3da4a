"""Which external record is which LinkHub entity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, TextClause, func, select, text, update

from shared.domain.links import RecordLink, check_external_id
from shared.store.lists import chunks
from shared.store.rows import columns_of, from_row, to_row
from shared.store.session import SqlSession
from shared.store.tables import record_links as links
from shared.store.tables.records import HAS_LINKHUB_KEY
from shared.store.upserts import upsert

_COLUMNS = columns_of(links, RecordLink)
_KEY = ("instance_id", "stream", "external_id")
_KEPT = {*_KEY, "id", "created_at"}
_UPDATED = tuple(column.name for column in _COLUMNS if column.name not in _KEPT)


class SqlLinkRepository:
    """Record links, read and written some hundreds at a time."""

    def __init__(self, session: SqlSession) -> None:
        self._session = session

    def get_many(
        self, instance_id: str, stream: str, external_ids: Iterable[str]
    ) -> dict[str, RecordLink]:
        """Return the links there are, those of deleted records too, by external id."""
        of_stream = (links.c.instance_id == instance_id, links.c.stream == stream)
        found = self._where_in(links.c.external_id, external_ids, *of_stream)
        return {link.external_id: link for link in found}

    def find_by_linkhub_ids(
        self, instance_id: str, entity: str, linkhub_ids: Iterable[str]
    ) -> dict[str, RecordLink]:
        """Return the link of each LinkHub record by its id: the live one, else the newest."""
        of_entity = (links.c.instance_id == instance_id, links.c.entity == entity)
        found = self._where_in(links.c.linkhub_id, linkhub_ids, *of_entity)
        return {link.linkhub_id: link for link in sorted(found, key=_liveliness)}

    def get_by_ids(self, link_ids: Iterable[str]) -> dict[str, RecordLink]:
        """Return the links there are by their own ids."""
        return {link.id: link for link in self._where_in(links.c.id, link_ids)}

    def find_by_keys(
        self, instance_id: str, entity: str, linkhub_keys: Iterable[str]
    ) -> dict[str, RecordLink]:
        """Return the live links of records LinkHub knows by these natural keys, by key."""
        found = self._where_in(
            links.c.linkhub_key,
            linkhub_keys,
            links.c.instance_id == instance_id,
            links.c.entity == entity,
            text(HAS_LINKHUB_KEY),
            links.c.deleted_at.is_(None),
        )
        return {link.linkhub_key: link for link in found}

    def save_many(self, new: Sequence[RecordLink]) -> None:
        """Store links; one that exists keeps its id and when it was made.

        RecordError for an external id that cannot be stored (see `check_external_id`).
        """
        for link in new:
            check_external_id(link.external_id)
        upsert(self._session, links, [to_row(link) for link in new], key=_KEY, update=_UPDATED)

    def mark_seen(
        self, instance_id: str, stream: str, external_ids: Iterable[str], *, job_id: str
    ) -> None:
        """Note that the full read this job began has seen these records."""
        for chunk in chunks(dict.fromkeys(external_ids)):
            self._session.run(
                update(links)
                .where(
                    links.c.instance_id == instance_id,
                    links.c.stream == stream,
                    links.c.external_id.in_(chunk),
                )
                .values(seen_job_id=job_id)
            )

    def count_live(self, instance_id: str) -> int:
        """Return how many records of an instance LinkHub has."""
        return self._count(links.c.instance_id == instance_id)

    def count_seen(self, instance_id: str, stream: str, *, job_id: str) -> int:
        """Return how many of a stream's live records that job's full read has seen."""
        return self._count(
            links.c.instance_id == instance_id,
            links.c.stream == stream,
            links.c.seen_job_id == job_id,
        )

    def count_unseen(self, instance_id: str, stream: str, *, job_id: str) -> int:
        """Return how many of a stream's live records that job's full read has not seen."""
        return self._count(*_unseen(instance_id, stream, job_id))

    def list_unseen(
        self, instance_id: str, stream: str, *, job_id: str, after: str, limit: int
    ) -> Sequence[RecordLink]:
        """Return the first of them whose external id comes after `after`, in that order."""
        rows = self._session.all(
            select(*_COLUMNS)
            .where(*_unseen(instance_id, stream, job_id), links.c.external_id > after)
            .order_by(links.c.external_id)
            .limit(limit)
        )
        return [from_row(RecordLink, row) for row in rows]

    def _count(self, *conditions: ColumnElement[bool]) -> int:
        counted = self._session.first(
            select(func.count().label("counted"))
            .select_from(links)
            .where(*conditions, links.c.deleted_at.is_(None))
        )
        return int(counted["counted"]) if counted is not None else 0

    def mark_deleted(
        self, instance_id: str, stream: str, external_ids: Iterable[str], *, now: datetime
    ) -> None:
        """Note that these records are gone; those gone already keep their time."""
        for chunk in chunks(dict.fromkeys(external_ids)):
            self._session.run(
                update(links)
                .where(
                    links.c.instance_id == instance_id,
                    links.c.stream == stream,
                    links.c.external_id.in_(chunk),
                    links.c.deleted_at.is_(None),
                )
                .values(deleted_at=now, updated_at=now)
            )

    def _where_in(
        self, column: Column[Any], values: Iterable[str], *others: ColumnElement[bool] | TextClause
    ) -> Iterator[RecordLink]:
        """Yield the links whose `column` is one of `values` and of which all `others` hold."""
        for chunk in chunks(dict.fromkeys(values)):
            rows = self._session.all(select(*_COLUMNS).where(*others, column.in_(chunk)))
            for row in rows:
                yield from_row(RecordLink, row)


def _unseen(instance_id: str, stream: str, job_id: str) -> tuple[ColumnElement[bool], ...]:
    return (
        links.c.instance_id == instance_id,
        links.c.stream == stream,
        links.c.deleted_at.is_(None),
        links.c.seen_job_id != job_id,
    )


def _liveliness(link: RecordLink) -> tuple[bool, datetime]:
    return link.deleted_at is None, link.updated_at
