"""What sources offered, and the secrets that are to go."""

from __future__ import annotations

from datetime import timedelta

from shared.domain.discoveries import Discovery, OfferedTable
from shared.domain.jobs import JobStatus
from shared.store.database import Database
from tests.factories import NOW
from tests.store_kit import LATER, database, seed_instance, seed_job

__all__ = ["database"]

TABLES = (
    OfferedTable(stream="waitlist/entries", columns=("_id", "größe"), row_count=7),
    OfferedTable(stream="users"),
)


def test_the_newest_discovery_counts(database: Database) -> None:
    """It reads back equal, replaces the one before, and can be forgotten."""
    instance = seed_instance(database)
    with database.open_uow() as uow:
        assert uow.discoveries.find(instance.id) is None
        uow.discoveries.save(
            Discovery(instance_id=instance.id, tables=TABLES[:1], discovered_at=NOW)
        )
        newest = Discovery(instance_id=instance.id, tables=TABLES, discovered_at=LATER)
        uow.discoveries.save(newest)
        assert uow.discoveries.find(instance.id) == newest
        uow.discoveries.remove(instance.id)
        assert uow.discoveries.find(instance.id) is None
        uow.commit()


def test_a_secret_goes_when_it_is_due_and_no_job_may_need_it(database: Database) -> None:
    """Not before its time, not while its instance has an unfinished job, and not once cancelled."""
    busy, idle = seed_instance(database), seed_instance(database)
    job = seed_job(database, busy)
    with database.open_uow() as uow:
        uow.secret_removals.add("busy-1", busy.id, due_at=NOW, now=NOW)
        uow.secret_removals.add("idle-2", idle.id, due_at=NOW, now=NOW)
        uow.secret_removals.add("idle-1", idle.id, due_at=NOW - timedelta(1), now=NOW)
        uow.secret_removals.add("later", idle.id, due_at=LATER, now=NOW)
        assert uow.secret_removals.list_due(now=NOW, limit=9) == ["idle-1", "idle-2"]
        assert uow.secret_removals.list_due(now=NOW, limit=1) == ["idle-1"]
        assert uow.secret_removals.list_due(now=NOW, limit=9, owner_id=busy.id) == []
        assert uow.jobs.request_cancel(job.id, now=NOW).status is JobStatus.CANCELLED
        uow.secret_removals.cancel("idle-2")
        assert uow.secret_removals.list_due(now=NOW, limit=9, owner_id=busy.id) == ["busy-1"]
        assert uow.secret_removals.list_due(now=NOW, limit=9) == ["idle-1", "busy-1"]
        uow.commit()


def test_noting_a_secret_again_moves_its_time(database: Database) -> None:
    """The newest note counts."""
    instance = seed_instance(database)
    with database.open_uow() as uow:
        uow.secret_removals.add("s", instance.id, due_at=LATER, now=NOW)
        uow.secret_removals.add("s", instance.id, due_at=NOW, now=NOW)
        assert uow.secret_removals.list_due(now=NOW, limit=9) == ["s"]
        uow.commit()
