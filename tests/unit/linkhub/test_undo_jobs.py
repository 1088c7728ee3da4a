"""Jobs that take back: a failed one its own writes, an undo another job's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.domain.ids import new_id
from shared.domain.instances import InstanceStatus
from shared.domain.jobs import Job, JobKind, JobStatus
from shared.domain.tallies import Tally
from shared.errors import AuthError, ConflictError, NotFoundError, PermanentError, TransientError
from shared.services.pruning import prune
from shared.services.reruns import request_undo
from shared.sinks.linkhub import undo
from tests.factories import make_caller
from tests.linkhub_world import LinkHubWorld
from tests.sandbox_kit import Running


@pytest.fixture
def world(tmp_path: Path, running: Running) -> Iterator[LinkHubWorld]:
    with LinkHubWorld.opened(tmp_path, running) as world:
        yield world


def tried(world: LinkHubWorld, job: Job) -> JobStatus | None:
    """Run a job and return its status; None where the host is to bring its message again."""
    try:
        return world.settled(job).status
    except TransientError:
        return None


def rename(world: LinkHubWorld, *numbers: int) -> None:
    for number in numbers:
        world.numbers.names[number] = f"Renamed {number}"


NAMES = {number: f"Number {number}" for number in range(6)}


def test_a_job_that_fails_for_good_leaves_linkhub_as_it_was(world: LinkHubWorld) -> None:
    """Two of three pages were in; nothing of them is left, and the log says so."""
    world.sync()
    rename(world, 0, 1, 2)
    del world.numbers.names[3]
    world.numbers.fail_at[4] = PermanentError("The pipeline was deleted.")
    world.numbers.names[7] = "New"
    job = world.sync()
    assert (job.status, job.error_class) == (JobStatus.FAILED, "permanent")
    assert job.error_message == (
        "The pipeline was deleted. What the sync had written to LinkHub was taken back."
    )
    assert world.names_in_linkhub() == NAMES
    assert world.instance(world.owner.id).status is InstanceStatus.ERROR
    world.numbers.fail_at.clear()
    again = world.sync()
    assert again.status is JobStatus.SUCCESS
    assert world.names_in_linkhub() == world.numbers.names


def test_too_many_bad_records_take_everything_back(world: LinkHubWorld) -> None:
    """The limit is passed on the last page, whose good record is in LinkHub already."""
    world.sync()
    rename(world, 0, 4)
    for number in range(10, 22):
        world.numbers.names[number] = "x"
        world.numbers.broken.add(number)
    job = world.sync()
    assert job.status is JobStatus.FAILED
    assert "more than the limit" in job.error_message
    assert world.names_in_linkhub() == NAMES


def test_a_first_sync_that_fails_leaves_nothing(world: LinkHubWorld) -> None:
    """LinkHub is empty again, and the next sync begins from the beginning."""
    world.numbers.fail_at[4] = PermanentError("broken")
    assert world.sync().status is JobStatus.FAILED
    assert world.names_in_linkhub() == {}
    world.numbers.fail_at.clear()
    world.sync()
    assert world.numbers.reads[-1] is None
    assert world.names_in_linkhub() == NAMES


@pytest.mark.parametrize("error", [TransientError("busy"), AuthError("no such key")])
def test_what_can_go_on_keeps_what_is_done(world: LinkHubWorld, error: Exception) -> None:
    """A busy provider or a lost sign-in undoes nothing: the next run goes on from there."""
    world.numbers.fail_at[4] = error
    assert tried(world, world.add_job(world.owner)) is not JobStatus.SUCCESS
    assert set(world.names_in_linkhub()) == {0, 1, 2, 3}


def test_a_failed_job_whose_run_dies_goes_on_taking_back(
    world: LinkHubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LinkHub is down when it should take back: the job is tried again, and syncs no more."""
    monkeypatch.setattr(undo, "_STEP", 2)
    monkeypatch.setattr(undo, "_FETCHED", 1)
    world.sync()
    rename(world, 0, 1, 2, 3)
    world.numbers.fail_at[4] = PermanentError("The pipeline was deleted.")
    job = world.add_job(world.owner)
    opened = 0

    def cut() -> None:
        nonlocal opened
        opened += 1
        if opened == 2:
            world.running.fault("linkhub", "server_error")

    world.cut = cut
    assert tried(world, job) is None
    assert world.job(job.id).status is JobStatus.PENDING
    world.running.heal()
    reads = len(world.numbers.reads)
    ended = world.settled(job)
    assert ended.status is JobStatus.FAILED
    assert ended.error_message.startswith("The pipeline was deleted.")
    assert len(world.numbers.reads) == reads
    assert world.names_in_linkhub() == NAMES


def test_a_failed_job_names_what_it_could_not_take_back(world: LinkHubWorld) -> None:
    """A person was faster: the record is theirs, and stands in the log."""
    world.sync()
    rename(world, 0, 1)
    world.numbers.fail_at[4] = PermanentError("broken")
    opened = 0

    def cut() -> None:
        nonlocal opened
        opened += 1
        if opened == 2:
            world.edit(1, "Mine")

    world.cut = cut
    job = world.sync()
    assert world.names_in_linkhub() == {**NAMES, 1: "Mine"}
    assert world.problems(job) == [
        ("1", "warning", "Left as it is: it was changed in LinkHub since.")
    ]


def test_an_undo_takes_a_sync_back(world: LinkHubWorld) -> None:
    """It is a job like any other, with a log; the sync after it does the same again."""
    world.sync()
    rename(world, 0, 5)
    del world.numbers.names[3]
    target = world.sync()
    queued = world.undo(target)
    assert (queued.kind, queued.target_job_id) == (JobKind.UNDO, target.id)
    assert world.queue.sent == [(queued.id, False, 0)]
    done, log = world.settled(queued), world.log(queued.id)
    assert done.status is JobStatus.SUCCESS
    assert log.operation == "undo"
    assert log.success
    assert log.tally == Tally(success=3)
    assert world.names_in_linkhub() == NAMES
    world.sync()
    assert world.names_in_linkhub() == world.numbers.names


def test_syncs_are_taken_back_one_by_one(world: LinkHubWorld) -> None:
    """The newest first: then the one before it is the newest, down to the first load."""
    first = world.sync()
    rename(world, 0)
    second = world.sync()
    with pytest.raises(ConflictError, match="later sync"):
        world.undo(first)
    world.settled(world.undo(second))
    assert world.names_in_linkhub() == NAMES
    with pytest.raises(ConflictError, match="taken back already"):
        world.undo(second)
    world.settled(world.undo(first))
    assert world.names_in_linkhub() == {}


def test_a_sync_that_changed_nothing_stands_in_nobodys_way(world: LinkHubWorld) -> None:
    """It cannot be taken back itself; the one before it can."""
    first = world.sync()
    idle = world.sync()
    with pytest.raises(ConflictError, match="nothing to take back"):
        world.undo(idle)
    world.settled(world.undo(first))
    assert world.names_in_linkhub() == {}


def test_what_was_changed_since_is_left_and_makes_the_undo_partial(world: LinkHubWorld) -> None:
    """The log names the record; the others are as before."""
    world.sync()
    rename(world, 0, 1)
    target = world.sync()
    world.edit(1, "Mine")
    queued = world.undo(target)
    done = world.settled(queued)
    assert done.status is JobStatus.PARTIAL
    assert world.log(queued.id).tally == Tally(success=1, warning=1)
    assert [record[:2] for record in world.problems(queued)] == [("1", "warning")]
    assert world.names_in_linkhub() == {**NAMES, 1: "Mine"}


def test_an_undo_says_nothing_of_how_its_instance_fares(world: LinkHubWorld) -> None:
    """An instance in error stays so, and its last sync is still the last one."""
    target = world.sync()
    state = world.instance(world.owner.id)
    world.numbers.fail_at[0] = PermanentError("broken")
    world.sync()
    world.settled(world.undo(target))
    assert world.instance(world.owner.id).status is InstanceStatus.ERROR
    assert state.status is InstanceStatus.ACTIVE


@pytest.mark.parametrize(
    "values",
    [
        {"status": JobStatus.PENDING},
        {"status": JobStatus.RUNNING, "run_id": "r"},
        {"status": JobStatus.WAITING_APPROVAL},
        {"status": JobStatus.SUCCESS, "kind": JobKind.DISCOVER},
        {"status": JobStatus.SUCCESS, "kind": JobKind.UNDO},
        {"status": JobStatus.SUCCESS},
    ],
    ids=str,
)
def test_only_a_sync_that_is_over_and_wrote_something_is_taken_back(
    world: LinkHubWorld, values: dict[str, object]
) -> None:
    """Anything else conflicts, and no job is made."""
    job = world.add_job(world.owner, **values)
    with pytest.raises(ConflictError):
        world.undo(job)
    assert world.queue.sent == []


def test_an_undo_is_not_taken_back(world: LinkHubWorld) -> None:
    """It says why; whoever wants the sync's state again syncs again."""
    world.sync()
    rename(world, 0)
    undone = world.settled(world.undo(world.sync()))
    assert undone.status is JobStatus.SUCCESS
    with pytest.raises(ConflictError, match="Only a sync can be taken back"):
        world.undo(undone)


def test_nothing_is_taken_back_while_another_job_is_unfinished(world: LinkHubWorld) -> None:
    """One job at a time, as always."""
    target = world.sync()
    world.add_job(world.owner)
    with pytest.raises(ConflictError, match="unfinished"):
        world.undo(target)


def test_another_profiles_sync_is_unknown(world: LinkHubWorld) -> None:
    """Whoever it does not belong to finds nothing."""
    target = world.sync()
    world.add_profile(id=new_id(), subject="bob")
    with pytest.raises(NotFoundError):
        request_undo(
            target.id,
            caller=make_caller(subject="bob"),
            open_uow=world.database.open_uow,
            queue=world.queue,
            now=world.clock,
        )


def test_an_undo_that_is_cancelled_stops_and_can_be_asked_for_again(
    world: LinkHubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is back stays back; the rest follows with the next one."""
    monkeypatch.setattr(undo, "_STEP", 1)
    monkeypatch.setattr(undo, "_FETCHED", 1)
    world.sync()
    rename(world, 0, 1, 2)
    target = world.sync()
    queued = world.undo(target)

    def cut() -> None:
        with world.database.open_uow() as uow:
            uow.jobs.request_cancel(queued.id, now=world.clock())
            uow.commit()

    world.cut = cut
    assert world.settled(queued).status is JobStatus.CANCELLED
    world.cut = lambda: None
    assert world.settled(world.undo(target)).status is JobStatus.SUCCESS
    assert world.names_in_linkhub() == NAMES


def test_a_sync_whose_journal_is_gone_cannot_be_taken_back(world: LinkHubWorld) -> None:
    """Journals are kept as long as problem records; the answer says that it is too long ago."""
    target = world.sync()
    world.clock.move(days=89)
    assert prune(keep_days=90, open_uow=world.database.open_uow, now=world.clock) == 0
    world.clock.move(days=2)
    assert prune(keep_days=90, open_uow=world.database.open_uow, now=world.clock) > 0
    with pytest.raises(ConflictError, match="too long ago"):
        world.undo(target)
