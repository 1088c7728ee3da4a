from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.instances import Instance, InstanceStatus
from shared.domain.jobs import JobStatus
from shared.domain.paging import Keyset, ListQuery
from shared.errors import InvalidInputError
from shared.store.database import Database
from shared.store.unit_of_work import UnitOfWork
from tests.factories import NOW
from tests.store_kit import make_log, seed_instance, seed_job, seed_running

MINUTE = timedelta(minutes=1)


def seed_many(database: Database, minutes: list[int]) -> list[Instance]:
    """Store instances of one profile, made that many minutes after NOW."""
    made: list[Instance] = []
    for number, minute in enumerate(minutes):
        owner = {"profile_id": made[0].profile_id} if made else {}
        key = {"connection_key": str(number), "created_at": NOW + minute * MINUTE}
        made.append(seed_instance(database, **owner, **key))
    return made


def pages(uow: UnitOfWork, profile_id: str, limit: int) -> list[list[str]]:
    found, after = [], None
    while True:
        page = uow.instances.list_page(profile_id, ListQuery(limit=limit, after=after))
        found.append([item.id for item in page.items])
        if page.next_cursor is None:
            return found
        after = Keyset.decode(page.next_cursor)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6])
def test_pages_hold_everything_once_newest_first(database: Database, limit: int) -> None:
    """Rows made in the same millisecond too; the last page has no cursor."""
    made = seed_many(database, [0, 2, 2, 2, 1])
    seed_instance(database)
    ordered = sorted(made, key=lambda item: (item.created_at, item.id), reverse=True)
    with database.open_uow(read_only=True) as uow:
        found = pages(uow, made[0].profile_id, limit)
    assert [row for page in found for row in page] == [item.id for item in ordered]
    assert all(len(page) == limit for page in found[:-1])


def test_since_is_inclusive_and_until_is_not(database: Database) -> None:
    """Two neighbouring ranges share no row and miss none."""
    made = seed_many(database, [0, 1, 2, 3])
    query = ListQuery(since=NOW + MINUTE, until=NOW + 3 * MINUTE)
    with database.open_uow(read_only=True) as uow:
        found = uow.instances.list_page(made[0].profile_id, query).items
    assert [item.id for item in found] == [made[2].id, made[1].id]


def test_instances_are_listed_by_status_and_provider(database: Database) -> None:
    """Filters narrow together; a status that does not exist is refused with those that do."""
    first = seed_instance(database)
    owner = {"profile_id": first.profile_id}
    seed_instance(database, provider="convex", **owner)
    paused = seed_instance(database, provider="hubspot", status=InstanceStatus.PAUSED, **owner)
    with database.open_uow(read_only=True) as uow:
        for query in (
            ListQuery(status="paused"),
            ListQuery(provider="hubspot"),
            ListQuery(status="paused", provider="hubspot"),
        ):
            assert uow.instances.list_page(first.profile_id, query).items == [paused]
        with pytest.raises(InvalidInputError, match="active"):
            uow.instances.list_page(first.profile_id, ListQuery(status="sleeping"))


def test_jobs_and_logs_are_listed_by_profile_status_provider(database: Database) -> None:
    """Each profile sees its own; jobs can be narrowed to an instance."""
    mine = seed_instance(database, provider="hubspot")
    other = seed_instance(database, profile_id=mine.profile_id, provider="convex")
    running, pending = seed_running(database, mine), seed_job(database, other)
    seed_job(database)
    with database.open_uow() as uow:
        for job, provider in ((running, "hubspot"), (pending, "convex")):
            uow.logs.start(make_log(job, provider=provider, status=job.status))
        uow.commit()
    with database.open_uow(read_only=True) as uow:

        def jobs(instance_id: str | None = None, **narrow: str) -> set[str]:
            query = ListQuery(**narrow)  # type: ignore[arg-type]
            found = uow.jobs.list_page(mine.profile_id, query, instance_id=instance_id)
            return {job.id for job in found.items}

        def logs(**narrow: str) -> set[str]:
            query = ListQuery(**narrow)  # type: ignore[arg-type]
            return {log.job_id for log in uow.logs.list_page(mine.profile_id, query).items}

        assert jobs() == logs() == {running.id, pending.id}
        assert jobs(status=JobStatus.RUNNING) == logs(status="running") == {running.id}
        assert jobs(provider="convex") == logs(provider="convex") == {pending.id}
        assert jobs(instance_id=mine.id) == {running.id}
        assert logs(status="failed") == set()
