"""How far each scope of LinkHub's side has been read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from shared.domain.ids import new_id
from shared.domain.providers import Direction
from shared.store.session import SqlSession
from shared.store.tables import checkpoints
from shared.store.upserts import upsert

_KEY = ("instance_id", "scope", "direction")


class SqlCheckpointRepository:
    """Checkpoints by instance, scope and direction. A warehouse keeps its own."""

    def __init__(self, session: SqlSession) -> None:
        self._session = session

    def get(self, instance_id: str, scope: str, direction: str) -> dict[str, Any] | None:
        """Return what was saved last, None where nothing was."""
        row = self._session.first(
            select(checkpoints.c.checkpoint).where(
                checkpoints.c.instance_id == instance_id,
                checkpoints.c.scope == scope,
                checkpoints.c.direction == Direction(direction),
            )
        )
        return None if row is None else dict(row["checkpoint"])

    def remove(self, instance_id: str, scope: str, direction: str) -> None:
        """Forget a scope's checkpoint: it counts as never read."""
        self._session.run(
            delete(checkpoints).where(
                checkpoints.c.instance_id == instance_id,
                checkpoints.c.scope == scope,
                checkpoints.c.direction == Direction(direction),
            )
        )

    def save(
        self,
        instance_id: str,
        scope: str,
        direction: str,
        data: Mapping[str, Any],
        *,
        now: datetime,
    ) -> None:
        """Store a scope's checkpoint; each save counts its `version` up."""
        values = {"checkpoint": data, "updated_at": now}
        changed = self._session.first(
            update(checkpoints)
            .where(
                checkpoints.c.instance_id == instance_id,
                checkpoints.c.scope == scope,
                checkpoints.c.direction == Direction(direction),
            )
            .values(**values, version=checkpoints.c.version + 1)
            .returning(checkpoints.c.id)
        )
        if changed is None:
            row = values | {
                "id": new_id(),
                "instance_id": instance_id,
                "scope": scope,
                "direction": Direction(direction),
                "version": 1,
                "created_at": now,
            }
            upsert(self._session, checkpoints, [row], key=_KEY, update=tuple(values))
