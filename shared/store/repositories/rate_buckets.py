"""What is left of callers' rate limits."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from shared.domain.ids import new_id
from shared.domain.rate_limits import Bucket
from shared.store.rows import columns_of, from_row
from shared.store.session import SqlSession
from shared.store.tables import rate_buckets
from shared.store.upserts import upsert

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

    def save(self, caller: str, limit: str, bucket: Bucket, *, now: datetime) -> None:
        """Store the bucket."""
        row = {
            "id": new_id(),
            "caller": caller,
            "bucket": limit,
            "tokens": bucket.tokens,
            "refilled_at": bucket.refilled_at,
            "created_at": now,
            "updated_at": now,
        }
        upsert(
            self._session,
            rate_buckets,
            [row],
            key=("caller", "bucket"),
            update=("tokens", "refilled_at", "updated_at"),
        )
