from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from shared.domain.jobs import JobStatus
from shared.domain.journal import JournalAction, JournalEntry, JournalOutcome
from shared.store.database import Database
from tests.factories import NOW
from tests.store_kit import LATER, make_entry, make_link, seed_instance, seed_job


def added(database: Database, *entries: JournalEntry) -> None:
    with database.open_uow() as uow:
        uow.journal.add(entries)
        uow.commit()


def test_entries_come_back_latest_first(database: Database) -> None:
    """Only writes of that job that stand, and only those before the number asked for."""
    job, other = seed_job(database), seed_job(database)
    before = {"fields": {"name": "Deal"}, "link": None}
    entries = [make_entry(job.id, number, before_image=before) for number in range(5)]
    scope = make_entry(job.id, 5, action=JournalAction.SCOPE, stream="deals")
    added(database, *entries, scope, make_entry(other.id, 0))
    with database.open_uow() as uow:
        assert list(uow.journal.list_standing(job.id, limit=2)) == [entries[4], entries[3]]
        rest = uow.journal.list_standing(job.id, before=3, limit=9)
        assert list(rest) == [entries[2], entries[1], entries[0]]
        uow.journal.settle([entries[1].id], JournalOutcome.LEFT, now=LATER)
        rest = uow.journal.list_standing(job.id, before=3, limit=9)
        assert list(rest) == [entries[2], entries[0]]
        assert list(uow.journal.list_scopes(job.id)) == [scope]


def test_numbers_go_on_where_the_last_run_stopped(database: Database) -> None:
    """A number is given once; an entry whose number is taken changes nothing."""
    job = seed_job(database)
    first = make_entry(job.id, 0)
    with database.open_uow() as uow:
        assert uow.journal.next_sequence(job.id) == 0
        uow.commit()
    added(database, first)
    added(database, make_entry(job.id, 0, stream="companies"))
    with database.open_uow(read_only=True) as uow:
        assert uow.journal.next_sequence(job.id) == 1
        assert list(uow.journal.list_standing(job.id, limit=5)) == [first]


def test_the_newest_job_that_wrote_something_is_found(database: Database) -> None:
    """Jobs that only took a scope, that were taken back, or of others do not count."""
    instance = seed_instance(database)
    jobs = []
    for number in range(3):
        moment = NOW + timedelta(minutes=number)
        jobs.append(seed_job(database, instance, status=JobStatus.SUCCESS, created_at=moment))
    wrote = [make_entry(job.id, 0) for job in jobs[:2]]
    added(database, *wrote, make_entry(jobs[2].id, 0, action=JournalAction.SCOPE))
    added(database, make_entry(seed_job(database).id, 0))
    with database.open_uow() as uow:
        assert uow.journal.find_last_job(instance.id) == jobs[1].id
        assert uow.journal.has_standing(jobs[2].id)
        uow.journal.settle([wrote[1].id], JournalOutcome.UNDONE, now=LATER)
        assert uow.journal.find_last_job(instance.id) == jobs[0].id
        assert not uow.journal.has_standing(jobs[1].id)
        uow.journal.settle([wrote[0].id], JournalOutcome.LEFT, now=LATER)
        assert uow.journal.find_last_job(instance.id) is None


def test_a_rollback_is_found_again(database: Database) -> None:
    """Whoever takes the job over sees that it has failed, and why."""
    job = seed_job(database)
    marker = make_entry(
        job.id, 0, action=JournalAction.ROLLBACK, before_image={"message": "no such field"}
    )
    with database.open_uow(read_only=True) as uow:
        assert uow.journal.find_rollback(job.id) is None
    added(database, marker)
    with database.open_uow(read_only=True) as uow:
        assert uow.journal.find_rollback(job.id) == marker


def test_old_entries_are_pruned_oldest_first(database: Database) -> None:
    """At most so many at a time, and none that are young enough."""
    job = seed_job(database)
    entries = [
        make_entry(job.id, number, created_at=NOW + timedelta(days=number)) for number in range(4)
    ]
    added(database, *entries)
    before = NOW + timedelta(days=3)
    with database.open_uow() as uow:
        assert uow.journal.prune(before, limit=2) == 2
        left = [entry.sequence for entry in uow.journal.list_standing(job.id, limit=9)]
        assert left == [3, 2]
        assert uow.journal.prune(before, limit=2) == 1
        assert uow.journal.prune(before, limit=2) == 0


def test_values_are_found_by_their_natural_keys(database: Database) -> None:
    """Live ones of that entity and instance."""
    one, two = seed_instance(database), seed_instance(database)
    link = make_link(one.id, "1", entity="values", linkhub_key="2026-11-21/a")
    gone = replace(
        make_link(one.id, "2", entity="values", linkhub_key="2026-11-21/b"), deleted_at=NOW
    )
    other = make_link(two.id, "1", entity="values", linkhub_key="2026-11-21/a")
    keys = ["2026-11-21/a", "2026-11-21/b", "2026-11-21/c"]
    with database.open_uow() as uow:
        uow.links.save_many([link, gone, other, make_link(one.id, "3")])
        assert uow.links.find_by_keys(one.id, "values", keys) == {"2026-11-21/a": link}


def test_a_forgotten_checkpoint_was_never_read(database: Database) -> None:
    """Only that scope's, in that direction."""
    instance = seed_instance(database)
    with database.open_uow() as uow:
        for scope, direction in (("deals", "import"), ("deals", "export"), ("x", "import")):
            uow.checkpoints.save(instance.id, scope, direction, {"resume": 1}, now=NOW)
        uow.checkpoints.remove(instance.id, "deals", "import")
        assert uow.checkpoints.get(instance.id, "deals", "import") is None
        assert uow.checkpoints.get(instance.id, "deals", "export") == {"resume": 1}
        assert uow.checkpoints.get(instance.id, "x", "import") == {"resume": 1}
