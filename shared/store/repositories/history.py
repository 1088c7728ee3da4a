"""What is only ever added: the audit trail and the generations of warehouse tables."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import exists, insert, select

from shared.domain.audit import AuditEvent
from shared.domain.ids import new_id
from shared.domain.jobs import JobStatus
from shared.store.rows import to_row
from shared.store.session import SqlSession
from shared.store.tables import audit_events, table_generations
from shared.store.tables import sync_jobs as jobs
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

    def find_last_job(self, instance_id: str) -> str | None:
        """Return the newest job of an instance that replaced tables and was not taken back."""
        undo = jobs.alias("undo")
        loaded = exists().where(table_generations.c.job_id == jobs.c.id)
        undone = exists().where(
            undo.c.instance_id == instance_id,
            undo.c.target_job_id == jobs.c.id,
            undo.c.status.in_([JobStatus.SUCCESS, JobStatus.PARTIAL]),
        )
        row = self._session.first(
            select(jobs.c.id)
            .where(jobs.c.instance_id == instance_id, loaded, ~undone)
            .order_by(jobs.c.created_at.desc(), jobs.c.id.desc())
            .limit(1)
        )
        return None if row is None else str(row["id"])

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
