from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from shared.domain.checkpoints import Mode
from shared.domain.instances import InstanceStatus, SetupStep
from shared.domain.jobs import Job, JobStatus, JobTrigger
from shared.errors import ConflictError, NotFoundError, TransientError
from shared.services.jobs import cancel_job, enqueue, get_job, request_sync
from shared.services.reaper import reap
from tests.factories import make_caller
from tests.world import World, world

__all__ = ["world"]


def request(world: World, instance_id: str, mode: Mode = Mode.INCREMENTAL) -> Job:
    return request_sync(
        instance_id,
        caller=world.caller,
        mode=mode,
        open_uow=world.database.open_uow,
        queue=world.queue,
        now=world.clock,
    )


def test_a_request_makes_a_job_and_queues_it(world: World) -> None:
    """The row is there before the message, and the message names it."""
    instance = world.add_instance()
    job = request(world, instance.id, Mode.FULL)
    stored = world.job(job.id)
    assert (stored.status, stored.mode, stored.trigger) == (
        JobStatus.PENDING,
        Mode.FULL,
        JobTrigger.MANUAL,
    )
    assert world.queue.sent == [(job.id, False, 0)]
    assert stored.enqueued_at == world.clock()


def test_a_second_request_gets_the_open_job(world: World) -> None:
    """An instance has one unfinished job; asking again neither adds nor queues another."""
    instance = world.add_instance()
    assert request(world, instance.id).id == request(world, instance.id).id
    assert len(world.queue.sent) == 1


def test_requests_at_the_same_moment_share_one_job(world: World) -> None:
    """Eight threads asking at once end with one row and one job id."""
    instance = world.add_instance()
    ids: list[str] = []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        ids.append(request(world, instance.id).id)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1


def test_a_queue_that_is_down_loses_no_job(world: World) -> None:
    """The job is stored and answered; the reaper queues it once the queue answers again."""
    instance = world.add_instance()
    world.queue.error = TransientError("the queue does not answer")
    job = request(world, instance.id)
    assert world.job(job.id).enqueued_at is None
    world.queue.error = None
    assert reap(open_uow=world.database.open_uow, queue=world.queue, now=world.clock) == 1
    assert world.queue.sent == [(job.id, False, 0)]


def test_the_reaper_asks_a_queue_that_is_down_once(world: World) -> None:
    """One refusal ends the round: hundreds of time-outs would outlast the timer's own limit."""
    profile_id = world.add_profile()
    for key in ("a", "b", "c"):
        world.add_job(world.add_instance(connection_key=key, profile_id=profile_id))
    asked: list[str] = []

    def refuse(job_id: str, **_options: object) -> None:
        asked.append(job_id)
        raise TransientError("the queue does not answer")

    queue = SimpleNamespace(send=refuse, ping=lambda: None)
    assert reap(open_uow=world.database.open_uow, queue=queue, now=world.clock) == 0
    assert len(asked) == 1
    assert reap(open_uow=world.database.open_uow, queue=world.queue, now=world.clock) == 3


def test_the_reaper_leaves_the_living_alone(world: World) -> None:
    """Neither a queued job nor a run with a live lease is queued again."""
    request(world, world.add_instance().id)
    assert reap(open_uow=world.database.open_uow, queue=world.queue, now=world.clock) == 0


def test_the_reaper_finds_dead_runs_and_lost_messages(world: World) -> None:
    """A run whose lease ended and a message unseen for minutes are queued again, once."""
    job = world.add_job()
    with world.database.open_uow() as uow:
        uow.jobs.claim(job.id, run_id="r1", now=world.clock(), lease_until=world.clock())
        uow.commit()
    world.clock.move(minutes=6)
    for expected in (1, 0):
        found = reap(open_uow=world.database.open_uow, queue=world.queue, now=world.clock)
        assert found == expected
    assert world.queue.sent == [(job.id, False, 0)]


@pytest.mark.parametrize(
    ("step", "status", "what"),
    [
        (SetupStep.NOT_STARTED, InstanceStatus.SETUP_INCOMPLETE, "connect it"),
        (SetupStep.SYNC_CONFIG, InstanceStatus.SETUP_INCOMPLETE, "activate it"),
        (SetupStep.COMPLETED, InstanceStatus.PAUSED, "resume it"),
    ],
)
def test_an_instance_that_may_not_sync_says_why(
    world: World, step: SetupStep, status: InstanceStatus, what: str
) -> None:
    """One that is not activated or paused answers with a conflict, and no job is made."""
    instance = world.add_instance(setup_step=step, status=status)
    with pytest.raises(ConflictError, match=what):
        request(world, instance.id)
    assert world.queue.sent == []


def test_another_profile_finds_nothing(world: World) -> None:
    """Jobs and instances of others do not exist for a caller."""
    job = world.add_job()
    world.add_profile(subject="mallory")
    mallory = make_caller(subject="mallory")
    with pytest.raises(NotFoundError):
        get_job(job.id, caller=mallory, open_uow=world.database.open_uow)
    with pytest.raises(NotFoundError):
        cancel_job(
            job.id,
            caller=mallory,
            open_uow=world.database.open_uow,
            queue=world.queue,
            now=world.clock,
        )
    assert world.job(job.id).status is JobStatus.PENDING


def test_a_waiting_job_is_cancelled_at_once(world: World) -> None:
    """Nothing runs yet, so nothing has to stop; a second cancel is a conflict."""
    job = world.add_job()
    open_uow = world.database.open_uow
    cancelled = cancel_job(
        job.id, caller=world.caller, open_uow=open_uow, queue=world.queue, now=world.clock
    )
    assert cancelled.status is JobStatus.CANCELLED
    with pytest.raises(ConflictError):
        cancel_job(
            job.id, caller=world.caller, open_uow=open_uow, queue=world.queue, now=world.clock
        )


def test_a_log_ends_with_a_job_cancelled_between_runs(world: World) -> None:
    """What a first run has done stays in the log, which does not say "running" for ever."""
    job = world.add_job()
    world.source.fail_at = {2: TransientError("503")}
    with pytest.raises(TransientError):
        world.run(job)
    assert world.log(job.id).status == "running"
    cancel_job(
        job.id,
        caller=world.caller,
        open_uow=world.database.open_uow,
        queue=world.queue,
        now=world.clock,
    )
    log = world.log(job.id)
    assert (log.status, log.success, log.tally.success) == ("cancelled", False, 2)


def test_a_scheduled_job_goes_to_its_own_queue(world: World) -> None:
    """Scheduled syncs never stand in line before a person's."""
    job = world.add_job(trigger=JobTrigger.SCHEDULED)
    enqueue(job, open_uow=world.database.open_uow, queue=world.queue, now=world.clock)
    assert world.queue.sent == [(job.id, True, 0)]
