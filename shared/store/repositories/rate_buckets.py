"""What is left of callers' rate limits."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert, select, update

from shared.domain.ids import new_id
from shared.domain.rate_limits import Bucket
from shared.store.rows import columns_of, from_row, to_row
from shared.store.session import SqlSession
from shared.store.tables import rate_buckets

_COLUMNS = columns_of(rate_buckets, Bucket)


class SqlRateBucketRepository:
    """One bucket for each caller and limit; who has none yet has a full one."""

    def __init__(self, session: SqlSession) -> None:
        self._session = session

    def find(self, caller: str, limit: str) -> Bucket | None:
        """Return the bucket. In a unit of work that writes it stays ours until the end of it.

        So does the place of one that is not there: of two workers that meet a new caller, the
        second waits for the first.
        """
        statement = select(*_COLUMNS).where(
            rate_buckets.c.caller == caller, rate_buckets.c.bucket == limit
        )
        if not self._session.read_only:
            statement = statement.with_hint(rate_buckets, "WITH (UPDLOCK, HOLDLOCK)", "mssql")
        row = self._session.first(statement)
        return None if row is None else from_row(Bucket, row)

    def add(self, caller: str, limit: str, bucket: Bucket, *, now: datetime) -> None:
        """Store the bucket of a caller who has none."""
        row = {"id": new_id(), "caller": caller, "bucket": limit, **to_row(bucket)}
        self._session.run(insert(rate_buckets).values(**row, created_at=now, updated_at=now))

    def save(self, caller: str, limit: str, bucket: Bucket, *, now: datetime) -> None:
        """Store the bucket of a caller who has one."""
        self._session.run(
            update(rate_buckets)
            .where(rate_buckets.c.caller == caller, rate_buckets.c.bucket == limit)
            .values(**to_row(bucket), updated_at=now)
        )
