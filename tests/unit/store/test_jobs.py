from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from shared.domain.checkpoints import Mode
from shared.domain.jobs import Job, JobStatus
from shared.errors import ConflictError, LeaseLostError, NotFoundError
from shared.store.database import Database
from tests.factories import NOW, make_job
from tests.store_kit import LATER, seed_instance, seed_job, seed_running

SECOND = timedelta(seconds=1)


def stored(database: Database, job_id: str) -> Job:
    with database.open_uow(read_only=True) as uow:
        return uow.jobs.get(job_id)


def claim(database: Database, job_id: str, run_id: str, *, at: timedelta = SECOND) -> Job | None:
    with database.open_uow() as uow:
        now = NOW + at
        job = uow.jobs.claim(job_id, run_id=run_id, now=now, lease_until=now + 60 * SECOND)
        uow.commit()
        return job


def test_a_job_comes_back_as_it_was(database: Database) -> None:
    """Every field of a new job survives."""
    job = make_job(instance_id=seed_instance(database).id, not_before=LATER, mode=Mode.FULL)
    with database.open_uow() as uow:
        uow.jobs.add(job)
        uow.commit()
    assert stored(database, job.id) == job


def test_a_job_of_an_unknown_instance_is_refused(database: Database) -> None:
    """No job can stand without its instance."""
    with pytest.raises(NotFoundError), database.open_uow() as uow:
        uow.jobs.add(make_job())


def test_an_instance_has_at_most_one_unfinished_job(database: Database) -> None:
    """A second one conflicts until the first has ended."""
    instance = seed_instance(database)
    first = seed_job(database, instance)
    with pytest.raises(ConflictError, match="unfinished"):
        seed_job(database, instance)
    with database.open_uow() as uow:
        assert uow.jobs.find_open(instance.id) == first
        uow.jobs.request_cancel(first.id, now=NOW)
        uow.commit()
    second = seed_job(database, instance)
    with database.open_uow() as uow:
        assert uow.jobs.find_open(instance.id) == second


def test_a_job_belongs_to_its_profile(database: Database) -> None:
    """Another profile's job looks like none."""
    instance = seed_instance(database)
    job = seed_job(database, instance)
    with database.open_uow(read_only=True) as uow:
        assert uow.jobs.get(job.id, profile_id=instance.profile_id) == job
        with pytest.raises(NotFoundError):
            uow.jobs.get(job.id, profile_id="another")


def test_a_claim_makes_the_job_this_runs_own(database: Database) -> None:
    """The claimed job says who runs it, until when, and since when."""
    job = seed_job(database)
    claimed = claim(database, job.id, "run-1")
    assert claimed is not None
    assert (claimed.status, claimed.run_id) == (JobStatus.RUNNING, "run-1")
    assert claimed.started_at == NOW + SECOND
    assert claimed.lease_expires_at == NOW + 61 * SECOND
    assert claim(database, job.id, "run-2") is None


def test_a_dead_lease_can_be_taken_over_and_the_start_stays(database: Database) -> None:
    """Once the lease ran out the job is the next run's; the first run is fenced off."""
    job = seed_job(database)
    claim(database, job.id, "run-1")
    taken = claim(database, job.id, "run-2", at=61 * SECOND)
    assert taken is not None
    assert taken.started_at == NOW + SECOND
    with pytest.raises(LeaseLostError), database.open_uow() as uow:
        uow.jobs.renew_lease(job.id, "run-1", until=LATER)


def test_a_job_is_not_to_be_had_before_its_time(database: Database) -> None:
    """`not_before` holds a claim back until exactly then."""
    job = seed_job(database, not_before=NOW + 10 * SECOND)
    assert claim(database, job.id, "run-1", at=9 * SECOND) is None
    assert claim(database, job.id, "run-1", at=10 * SECOND) is not None


def test_of_two_threads_one_claims(database: Database) -> None:
    """Whoever is second gets nothing, however close they are."""
    job = seed_job(database)
    start = threading.Barrier(2)
    won: list[Job | None] = []

    def race(run_id: str) -> None:
        start.wait(120)
        won.append(claim(database, job.id, run_id))

    threads = [threading.Thread(target=race, args=(f"run-{n}",)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    claimed = [run.run_id for run in won if run is not None]
    assert len(won) == 2
    assert claimed == [stored(database, job.id).run_id]


def test_a_renewed_lease_tells_of_a_cancel(database: Database) -> None:
    """The run learns with its heartbeat that somebody wants it to stop."""
    job = seed_running(database)
    with database.open_uow() as uow:
        uow.jobs.request_cancel(job.id, now=NOW + SECOND)
        renewed = uow.jobs.renew_lease(job.id, "run-1", until=LATER + SECOND)
        uow.jobs.request_cancel(job.id, now=LATER)
        uow.commit()
    assert renewed.cancel_requested_at == NOW + SECOND
    assert renewed.lease_expires_at == LATER + SECOND
    assert stored(database, job.id).cancel_requested_at == NOW + SECOND


@pytest.mark.parametrize("failed", [True, False])
def test_a_released_job_waits_again(database: Database, failed: bool) -> None:
    """Only a failed run counts as an attempt; the run is fenced off at once."""
    job = seed_running(database)
    with database.open_uow() as uow:
        uow.jobs.release(
            job.id,
            "run-1",
            not_before=LATER,
            failed=failed,
            error_class="transient",
            error_message="busy",
            now=NOW,
        )
        uow.commit()
    after = stored(database, job.id)
    assert (after.status, after.attempts) == (JobStatus.PENDING, int(failed))
    assert (after.not_before, after.enqueued_at, after.lease_expires_at) == (LATER, NOW, None)
    assert (after.error_class, after.error_message) == ("transient", "busy")
    with pytest.raises(LeaseLostError), database.open_uow() as uow:
        uow.jobs.finish(job.id, "run-1", status=JobStatus.SUCCESS, now=NOW)


def test_a_finished_job_is_over(database: Database) -> None:
    """It can be neither claimed nor cancelled, and its instance is free."""
    job = seed_running(database)
    with database.open_uow() as uow:
        uow.jobs.finish(job.id, "run-1", status=JobStatus.PARTIAL, now=LATER)
        uow.commit()
    after = stored(database, job.id)
    assert (after.status, after.finished_at) == (JobStatus.PARTIAL, LATER)
    assert claim(database, job.id, "run-2", at=3600 * SECOND) is None
    with pytest.raises(ConflictError, match="partial"), database.open_uow() as uow:
        uow.jobs.request_cancel(job.id, now=LATER)


def test_a_job_that_waits_for_approval_is_not_finished(database: Database) -> None:
    """It blocks its instance, and a cancel ends it."""
    job = seed_running(database)
    with database.open_uow() as uow:
        uow.jobs.finish(job.id, "run-1", status=JobStatus.WAITING_APPROVAL, now=LATER)
        uow.commit()
    assert stored(database, job.id).finished_at is None
    with database.open_uow() as uow:
        assert uow.jobs.find_open(job.instance_id) is not None
        assert uow.jobs.request_cancel(job.id, now=LATER).status is JobStatus.CANCELLED


def test_a_pending_job_is_cancelled_at_once(database: Database) -> None:
    """Nobody has to run for it; an unknown job is not found."""
    job = seed_job(database)
    with database.open_uow() as uow:
        cancelled = uow.jobs.request_cancel(job.id, now=LATER)
        assert (cancelled.status, cancelled.finished_at) == (JobStatus.CANCELLED, LATER)
        with pytest.raises(NotFoundError):
            uow.jobs.request_cancel("no-such-job", now=LATER)


def test_reapable_are_dead_runs_and_lost_messages(database: Database) -> None:
    """A job is reapable when its lease ran out, or it is due and its message is old or missing."""
    dead = seed_running(database)
    never_sent = seed_job(database)
    sent_long_ago = seed_job(database, enqueued_at=NOW)
    seed_job(database, enqueued_at=LATER)
    seed_job(database, not_before=LATER + 2 * SECOND)
    with database.open_uow(read_only=True) as uow:
        reapable = uow.jobs.list_reapable(
            now=LATER + SECOND, enqueued_before=NOW + SECOND, limit=10
        )
        few = uow.jobs.list_reapable(now=LATER, enqueued_before=LATER, limit=1)
    assert [job.id for job in reapable] == [dead.id, never_sent.id, sent_long_ago.id]
    assert len(few) == 1


def test_an_enqueued_job_is_not_reaped(database: Database) -> None:
    """Noting that its message was sent keeps the reaper away."""
    job = seed_job(database)
    with database.open_uow() as uow:
        uow.jobs.set_enqueued(job.id, now=LATER)
        uow.commit()
        assert uow.jobs.list_reapable(now=LATER, enqueued_before=LATER, limit=9) == []


def test_a_redriven_job_waits_with_its_error_kept(database: Database) -> None:
    """It is pending for later, counted, and unsent until its message goes out."""
    job = seed_job(database, error_class="transient", error_message="busy", enqueued_at=NOW)
    with database.open_uow() as uow:
        redriven = uow.jobs.redrive(job.id, not_before=LATER, now=NOW)
        uow.commit()
    assert redriven.redrives == 1
    assert (redriven.not_before, redriven.enqueued_at) == (LATER, None)
    assert redriven.error_message == "busy"


def test_what_is_alive_is_neither_redriven_nor_failed(database: Database) -> None:
    """Only a job nobody runs may be decided over; a dead run's job can."""
    job = seed_running(database)
    with database.open_uow() as uow:
        with pytest.raises(ConflictError, match="running"):
            uow.jobs.redrive(job.id, not_before=LATER, now=NOW)
        with pytest.raises(ConflictError, match="running"):
            uow.jobs.fail(job.id, error_class="", error_message="", now=NOW)
        failed = uow.jobs.fail(job.id, error_class="bug", error_message="boom", now=LATER)
        uow.commit()
    assert (failed.status, failed.finished_at) == (JobStatus.FAILED, LATER)
    assert (failed.error_class, failed.error_message) == ("bug", "boom")


def test_the_mode_can_turn_out_otherwise(database: Database) -> None:
    """A run that has to read everything says so."""
    job = seed_running(database)
    with database.open_uow() as uow:
        uow.jobs.set_mode(job.id, Mode.FULL, now=NOW)
        uow.commit()
    assert stored(database, job.id).mode is Mode.FULL
