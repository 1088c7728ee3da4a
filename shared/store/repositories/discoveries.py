"""What sources offered when they were asked last."""

from __future__ import annotations

from sqlalchemy import delete, select

from shared.domain.discoveries import Discovery, OfferedTable
from shared.store.session import SqlSession
from shared.store.tables import discoveries
from shared.store.upserts import upsert


class SqlDiscoveryRepository:
    """The newest discovery of each instance."""

    def __init__(self, session: SqlSession) -> None:
        self._session = session

    def find(self, instance_id: str) -> Discovery | None:
        """Return what an instance offered last, None where nobody has asked."""
        row = self._session.first(
            select(discoveries).where(discoveries.c.instance_id == instance_id)
        )
        if row is None:
            return None
        return Discovery(
            instance_id=instance_id,
            tables=tuple(OfferedTable.from_json(table) for table in row["tables"]),
            discovered_at=row["discovered_at"],
        )

    def save(self, discovery: Discovery) -> None:
        """Make this the newest one."""
        at = discovery.discovered_at
        row = {
            "instance_id": discovery.instance_id,
            "tables": [table.to_json() for table in discovery.tables],
            "discovered_at": at,
            "created_at": at,
            "updated_at": at,
        }
        upsert(
            self._session,
            discoveries,
            [row],
            key=("instance_id",),
            update=("tables", "discovered_at", "updated_at"),
        )

    def remove(self, instance_id: str) -> None:
        """Forget what an instance offered."""
        self._session.run(delete(discoveries).where(discoveries.c.instance_id == instance_id))
