"""Secrets in the vault that nobody uses, or soon nobody may."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, exists, select, text

from shared.store.session import SqlSession
from shared.store.tables import secret_removals, sync_jobs
from shared.store.tables.jobs import UNFINISHED
from shared.store.upserts import upsert


class SqlSecretRemovalRepository:
    """Names to be removed from the vault, each with the instance or warehouse it belongs to.

    Jobs of an instance may still need what is its own.
    """

    def __init__(self, session: SqlSession) -> None:
        self._session = session

    def add(self, name: str, owner_id: str, *, due_at: datetime, now: datetime) -> None:
        """Note that a secret is to be removed from `due_at` on; the newest time counts."""
        row = {
            "name": name,
            "owner_id": owner_id,
            "due_at": due_at,
            "created_at": now,
            "updated_at": now,
        }
        upsert(
            self._session, secret_removals, [row], key=("name",), update=("due_at", "updated_at")
        )

    def cancel(self, name: str) -> None:
        """Forget the note: the secret is in use, or gone."""
        self._session.run(delete(secret_removals).where(secret_removals.c.name == name))

    def list_due(self, *, now: datetime, limit: int, owner_id: str | None = None) -> Sequence[str]:
        """Return names due whose owner (None: any) has no unfinished job, oldest first."""
        has_job = exists().where(
            sync_jobs.c.instance_id == secret_removals.c.owner_id,
            text(f"sync_jobs.{UNFINISHED}"),
        )
        statement = select(secret_removals.c.name).where(secret_removals.c.due_at <= now, ~has_job)
        if owner_id is not None:
            statement = statement.where(secret_removals.c.owner_id == owner_id)
        rows = self._session.all(statement.order_by(secret_removals.c.due_at).limit(limit))
        return [row["name"] for row in rows]
