"""Single records brought again, and whole jobs run again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shared.domain.checkpoints import Mode
from shared.domain.ids import new_id
from shared.domain.instances import InstanceStatus, SetupStep, StatusReason
from shared.domain.jobs import JobKind, JobStatus, JobTrigger
from shared.domain.tallies import Tally
from shared.errors import ConflictError, NotFoundError, PermanentError
from shared.services.reruns import replay_record, retry_job
from tests.factories import make_caller
from tests.linkhub_world import LinkHubWorld
from tests.sandbox_kit import Running


@pytest.fixture
def world(tmp_path: Path, running: Running) -> Iterator[LinkHubWorld]:
    with LinkHubWorld.opened(tmp_path, running) as world:
        yield world


def broken_record(world: LinkHubWorld, number: int = 3) -> str:
    """Return the id of the log record of a number that could not be mapped, mended since."""
    world.numbers.broken.add(number)
    job = world.sync()
    world.numbers.broken.clear()
    return next(one.id for one in world.records(job) if one.external_id == str(number))


def test_a_record_is_read_and_written_alone(world: LinkHubWorld) -> None:
    """One call for it to the provider; it is in LinkHub then, and its entry is resolved."""
    record_id = broken_record(world)
    assert 3 not in world.names_in_linkhub()
    reads = len(world.numbers.reads)
    queued = world.replay(record_id)
    assert (queued.kind, queued.trigger, queued.target_record_id) == (
        JobKind.SYNC,
        JobTrigger.REPLAY,
        record_id,
    )
    done = world.settled(queued)
    assert (done.status, done.mode) == (JobStatus.SUCCESS, Mode.INCREMENTAL)
    assert world.log(done.id).tally == Tally(success=1)
    assert world.numbers.asked == [["3"]]
    assert len(world.numbers.reads) == reads
    assert world.names_in_linkhub()[3] == "Number 3"
    with world.database.open_uow(read_only=True) as uow:
        assert uow.logs.get_record(record_id).resolved_at == world.clock()


def test_no_checkpoint_moves(world: LinkHubWorld) -> None:
    """The next sync goes on where the last one was, whatever was replayed meanwhile."""
    record_id = broken_record(world)

    def stands() -> object:
        with world.database.open_uow(read_only=True) as uow:
            return uow.checkpoints.get(world.owner.id, "deals", "import")

    before = stands()
    world.settled(world.replay(record_id))
    assert stands() == before


def test_a_record_that_fails_again_stays_unresolved(world: LinkHubWorld) -> None:
    """The job is partial and its own log says why; the instance is as well as before."""
    record_id = broken_record(world)
    world.numbers.broken.add(3)
    done = world.settled(world.replay(record_id))
    assert done.status is JobStatus.PARTIAL
    assert [record[0] for record in world.problems(done)] == ["3"]
    with world.database.open_uow(read_only=True) as uow:
        assert uow.logs.get_record(record_id).resolved_at is None
    assert world.instance(world.owner.id).status is InstanceStatus.ACTIVE


def test_a_record_that_is_gone_is_deleted(world: LinkHubWorld) -> None:
    """It was in LinkHub before it broke: now neither side has it."""
    world.sync()
    record_id = broken_record(world)
    del world.numbers.names[3]
    done = world.settled(world.replay(record_id))
    assert world.log(done.id).tally == Tally(success=1, deleted=1)
    assert 3 not in world.names_in_linkhub()


def test_a_replay_says_nothing_of_how_its_instance_fares(world: LinkHubWorld) -> None:
    """It neither heals an instance in error nor breaks a healthy one."""
    record_id = broken_record(world)
    world.numbers.fail_at[0] = PermanentError("broken")
    world.sync()
    world.settled(world.replay(record_id))
    assert world.instance(world.owner.id).status_reason == StatusReason.SYNC_FAILED


def test_a_replay_can_be_taken_back(world: LinkHubWorld) -> None:
    """It is the newest job that changed something."""
    record_id = broken_record(world)
    world.clock.move(minutes=1)
    job = world.settled(world.replay(record_id))
    world.settled(world.undo(job))
    assert set(world.names_in_linkhub()) == {0, 1, 2, 4, 5}


@pytest.mark.parametrize(
    "values",
    [
        {"status": InstanceStatus.PAUSED},
        {"status": InstanceStatus.ERROR, "status_reason": "needs_reconnect"},
        {"setup_step": SetupStep.CONNECTION},
    ],
    ids=str,
)
def test_an_instance_that_cannot_sync_brings_no_record(
    world: LinkHubWorld, values: dict[str, Any]
) -> None:
    """The answer says what to do first; no job is made. The same is true of a retry."""
    record_id = broken_record(world)
    failed = world.add_job(world.owner, status=JobStatus.FAILED)
    with world.database.open_uow() as uow:
        instance = uow.instances.get(world.owner.id, profile_id=None)
        changed = replace(instance, **values)
        uow.instances.save(changed, expected_version=instance.config_version)
        uow.commit()
    for ask in (partial(world.replay, record_id), partial(world.retry, failed)):
        with pytest.raises(ConflictError):
            ask()
    assert world.queue.sent == []


def test_one_job_at_a_time(world: LinkHubWorld) -> None:
    """Neither a replay nor a retry begins beside an unfinished job."""
    record_id = broken_record(world)
    failed = world.add_job(world.owner, status=JobStatus.FAILED)
    world.add_job(world.owner)
    for ask in (partial(world.replay, record_id), partial(world.retry, failed)):
        with pytest.raises(ConflictError, match="unfinished"):
            ask()


def test_another_profiles_records_and_jobs_are_unknown(world: LinkHubWorld) -> None:
    """Whoever they do not belong to finds nothing."""
    record_id = broken_record(world)
    failed = world.add_job(world.owner, status=JobStatus.FAILED)
    world.add_profile(id=new_id(), subject="bob")
    asked: dict[str, Any] = {
        "caller": make_caller(subject="bob"),
        "open_uow": world.database.open_uow,
        "queue": world.queue,
        "now": world.clock,
    }
    with pytest.raises(NotFoundError):
        replay_record(record_id, find_provider=world.connector.find_provider, **asked)
    with pytest.raises(NotFoundError):
        retry_job(failed.id, **asked)


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.PARTIAL, JobStatus.CANCELLED])
def test_what_went_wrong_is_run_again(world: LinkHubWorld, status: JobStatus) -> None:
    """As a job of its own in the same mode, queued at once."""
    old = world.add_job(world.owner, status=status, mode=Mode.FULL)
    job = world.retry(old)
    assert (job.trigger, job.mode, job.status) == (JobTrigger.RETRY, Mode.FULL, JobStatus.PENDING)
    assert world.queue.sent == [(job.id, False, 0)]
    assert world.settled(job).status is JobStatus.SUCCESS
    assert world.job(old.id) == old


def test_a_replay_that_failed_is_retried_as_a_replay(world: LinkHubWorld) -> None:
    """It is still about that one record."""
    record_id = broken_record(world)
    world.numbers.broken.add(3)
    first = world.settled(world.replay(record_id))
    world.numbers.broken.clear()
    again = world.settled(world.retry(first))
    assert (again.status, again.target_record_id) == (JobStatus.SUCCESS, record_id)
    assert world.numbers.asked == [["3"], ["3"]]


@pytest.mark.parametrize(
    "status",
    [JobStatus.PENDING, JobStatus.RUNNING, JobStatus.WAITING_APPROVAL, JobStatus.SUCCESS],
)
def test_only_what_went_wrong_is_run_again(world: LinkHubWorld, status: JobStatus) -> None:
    """A job that is not over, or went well, conflicts."""
    job = world.add_job(world.owner, status=status)
    with pytest.raises(ConflictError, match=status.value):
        world.retry(job)
    assert world.queue.sent == []
