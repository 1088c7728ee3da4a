"""What is only ever added: the audit trail and the generations of warehouse tables."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert

from shared.domain.audit import AuditEvent
from shared.domain.ids import new_id
from shared.store.rows import to_row
from shared.store.session import SqlSession
from shared.store.tables import audit_events, table_generations
from shared.store.upserts import upsert


class SqlAuditRepository:
    """Who changed what."""

    def __init__(self, session: SqlSession) -> None:
        self._session = session

    def add(self, event: AuditEvent) -> None:
        """Store an event, with the change it tells of or not at all."""
        times = {"created_at": event.occurred_at, "updated_at": event.occurred_at}
        self._session.run(insert(audit_events).values(**to_row(event), **times))


class SqlGenerationRepository:
    """Which generation of a warehouse's table a job made."""

    def __init__(self, session: SqlSession) -> None:
        self._session = session

    def add(
        self,
        warehouse_id: str,
        table: str,
        generation: int,
        row_count: int,
        job_id: str,
        *,
        now: datetime,
    ) -> None:
        """Note that a table was replaced; noting it again changes nothing."""
        row = {
            "id": new_id(),
            "warehouse_id": warehouse_id,
            "table_name": table,
            "generation": generation,
            "row_count": row_count,
            "job_id": job_id,
            "swapped_at": now,
            "created_at": now,
            "updated_at": now,
        }
        key = ("warehouse_id", "table_name", "generation")
        upsert(self._session, table_generations, [row], key=key)
