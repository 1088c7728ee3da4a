from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.ids import new_id
from shared.domain.instances import InstanceStatus
from shared.domain.jobs import (
    DeadLetter,
    DeadLetterState,
    Job,
    JobKind,
    JobStatus,
    JobTrigger,
)
from shared.domain.messages import job_message
from shared.domain.paging import ListQuery
from shared.errors import ConflictError, ForbiddenError, TransientError
from shared.services.dead_letters import list_dead_letters, replay_dead_letter, take_poison
from tests.factories import make_caller
from tests.world import World, world

__all__ = ["world"]

ADMIN = make_caller(subject="grace", is_admin=True)
DELAYS = (300.0, 900.0)
LEASE_SECONDS = 180


def poison(world: World, body: bytes) -> None:
    take_poison(
        body,
        queue_name="sync-manual",
        redrive_delays=DELAYS,
        open_uow=world.database.open_uow,
        queue=world.queue,
        now=world.clock,
    )


def letters(world: World) -> list[DeadLetter]:
    part = list_dead_letters(ListQuery(), caller=ADMIN, open_uow=world.database.open_uow)
    return list(part.items)


def failed_job(world: World, error: Exception) -> Job:
    """Return a job whose one run ended with `error`."""
    job = world.add_job()
    world.source.fail_at = {0: error}
    with pytest.raises((TransientError, RuntimeError)):
        world.run(job)
    return job


def test_a_transient_failure_is_driven_again_with_growing_delay(world: World) -> None:
    """A poison message of a busy provider comes back later and later, while its budget lasts."""
    job = failed_job(world, TransientError("503"))
    for number, delay in enumerate(DELAYS, 1):
        poison(world, job_message(job.id).encode())
        assert world.queue.sent[-1] == (job.id, False, delay)
        assert world.job(job.id).redrives == number
        assert world.job(job.id).status is JobStatus.PENDING
        world.clock.move(seconds=delay)
    poison(world, job_message(job.id).encode())
    assert world.job(job.id).status is JobStatus.FAILED
    assert len(world.queue.sent) == len(DELAYS)


def test_a_driven_job_that_works_again_leaves_nothing_open(world: World) -> None:
    """Once the provider is back the job succeeds, and no dead letter waits for a person."""
    job = failed_job(world, TransientError("503"))
    poison(world, job_message(job.id).encode())
    world.clock.move(seconds=DELAYS[0])
    world.run(job)
    assert world.job(job.id).status is JobStatus.SUCCESS
    assert [letter.state for letter in letters(world)] == [DeadLetterState.REPLAYED]


def die(world: World, job: Job) -> None:
    """Do what a worker does that claims the job and is killed."""
    lease = timedelta(seconds=LEASE_SECONDS)
    with world.database.open_uow() as uow:
        now = world.clock()
        assert uow.jobs.claim(job.id, run_id=new_id(), now=now, lease_until=now + lease)
        uow.commit()


def test_a_job_whose_worker_died_is_driven_again_at_once(world: World) -> None:
    """A message delivered too often because hosts were killed fails no job: it goes on."""
    job = world.add_job()
    die(world, job)
    world.clock.move(seconds=LEASE_SECONDS)
    poison(world, job_message(job.id).encode())
    assert world.queue.sent == [(job.id, False, 0)]
    world.run(job)
    assert world.job(job.id).status is JobStatus.SUCCESS
    assert [letter.state for letter in letters(world)] == [DeadLetterState.REPLAYED]


def test_a_job_that_kills_every_worker_ends_with_a_person(world: World) -> None:
    """Dying again and again uses the budget up; then the letter is open and the job failed."""
    job = world.add_job()
    for _ in range(len(DELAYS) + 1):
        die(world, job)
        world.clock.move(seconds=LEASE_SECONDS)
        poison(world, job_message(job.id).encode())
    [letter] = letters(world)
    assert letter.state is DeadLetterState.OPEN
    assert "worker stopped" in letter.error
    assert world.job(job.id).status is JobStatus.FAILED
    assert world.instance(job.instance_id).status is InstanceStatus.ERROR


def test_a_letter_of_a_job_that_is_alive_comes_again(world: World) -> None:
    """While the lease lasts nobody knows whether the run died: nothing is recorded or driven."""
    job = world.add_job()
    die(world, job)
    with pytest.raises(ConflictError, match="running"):
        poison(world, job_message(job.id).encode())
    assert letters(world) == []
    assert world.queue.sent == []


def test_a_job_that_never_came_to_run_is_driven_again(world: World) -> None:
    """A database that was away when the message came leaves no error: that is no failure."""
    job = world.add_job()
    poison(world, job_message(job.id).encode())
    assert world.queue.sent == [(job.id, False, DELAYS[0])]
    assert world.job(job.id).status is JobStatus.PENDING


def test_another_failure_marks_job_log_and_instance(world: World) -> None:
    """A bug is not retried for ever: the letter keeps its last real error for a person."""
    job = failed_job(world, KeyError("oops"))
    poison(world, job_message(job.id).encode())
    [letter] = letters(world)
    instance = world.instance(job.instance_id)
    assert (letter.state, letter.error_class) == (DeadLetterState.OPEN, "bug")
    assert "KeyError" in letter.error
    assert world.job(job.id).status is JobStatus.FAILED
    assert world.log(job.id).status == "failed"
    assert (instance.status, instance.status_reason) == (InstanceStatus.ERROR, "dead_letter")


def test_a_doubled_poison_copy_is_one_letter(world: World) -> None:
    """The host's copy-then-delete can double a message; the table does not."""
    job = failed_job(world, KeyError("oops"))
    for _ in range(2):
        poison(world, job_message(job.id).encode())
    assert len(letters(world)) == 1


def test_a_doubled_copy_drives_nothing_twice(world: World) -> None:
    """The copy that comes while the job waits for its next drive neither delays nor uses one up."""
    job = failed_job(world, TransientError("503"))
    poison(world, job_message(job.id).encode())
    driven = world.job(job.id)
    world.clock.move(seconds=DELAYS[0] / 2)
    poison(world, job_message(job.id).encode())
    assert world.job(job.id) == driven
    assert len(world.queue.sent) == 1
    assert [letter.state for letter in letters(world)] == [DeadLetterState.REPLAYED]


def test_a_job_that_waits_for_a_person_is_not_driven(world: World) -> None:
    """An old poison message does not start a sync that nobody has approved yet, nor fail it."""
    job = world.add_job(status=JobStatus.WAITING_APPROVAL)
    poison(world, job_message(job.id).encode())
    assert world.job(job.id).status is JobStatus.WAITING_APPROVAL
    assert letters(world) == []
    assert world.queue.sent == []


def test_a_finished_job_makes_no_letter(world: World) -> None:
    """A poison message of a job that succeeded meanwhile says nothing any more."""
    job = world.add_job()
    world.run(job)
    poison(world, job_message(job.id).encode())
    assert letters(world) == []


@pytest.mark.parametrize("body", [b"\xff\xfe", b"{}", b'{"v":1,"jobId":7}', b"[" * 5000])
def test_an_unreadable_message_becomes_a_letter(world: World, body: bytes) -> None:
    """Nobody's message is kept by its hash, once, and not its content."""
    for _ in range(2):
        poison(world, body)
    [letter] = letters(world)
    assert (letter.job_id, letter.body, letter.state) == ("", "", DeadLetterState.OPEN)
    assert letter.body_hash
    with pytest.raises(ConflictError, match="no job"):
        replay(world, letter.id)


def replay(world: World, letter_id: str) -> Job:
    return replay_dead_letter(
        letter_id,
        caller=ADMIN,
        open_uow=world.database.open_uow,
        queue=world.queue,
        now=world.clock,
    )


def test_an_admin_replays_a_letter_once(world: World) -> None:
    """Replay queues a new job of the instance, which then heals it; a second replay is refused."""
    job = failed_job(world, KeyError("oops"))
    poison(world, job_message(job.id).encode())
    [letter] = letters(world)
    again = replay(world, letter.id)
    assert again.trigger is JobTrigger.REPLAY
    assert world.queue.sent == [(again.id, False, 0)]
    world.run(again)
    assert world.job(again.id).status is JobStatus.SUCCESS
    assert world.instance(job.instance_id).status is InstanceStatus.ACTIVE
    with pytest.raises(ConflictError, match="replayed already"):
        replay(world, letter.id)


def test_a_replay_is_not_taken_for_a_job_of_another_kind(world: World) -> None:
    """While the source's tables are looked up the letter stays open: no sync would follow."""
    job = failed_job(world, KeyError("oops"))
    poison(world, job_message(job.id).encode())
    [letter] = letters(world)
    world.add_job(world.instance(job.instance_id), kind=JobKind.DISCOVER)
    with pytest.raises(ConflictError, match="busy"):
        replay(world, letter.id)
    assert [letter.state for letter in letters(world)] == [DeadLetterState.OPEN]


def test_only_admins_see_and_replay_letters(world: World) -> None:
    """A customer gets a clear no."""
    open_uow = world.database.open_uow
    with pytest.raises(ForbiddenError):
        list_dead_letters(ListQuery(), caller=world.caller, open_uow=open_uow)
    with pytest.raises(ForbiddenError):
        replay_dead_letter(
            "x", caller=world.caller, open_uow=open_uow, queue=world.queue, now=world.clock
        )
