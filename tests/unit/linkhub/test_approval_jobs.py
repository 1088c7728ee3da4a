"""A delete storm from the first question to its end, through the service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.domain.jobs import Job, JobStatus
from shared.domain.tallies import Tally
from shared.services.approvals import approve_job, reject_job
from tests.linkhub_world import LinkHubWorld
from tests.sandbox_kit import Running


@pytest.fixture
def world(tmp_path: Path, running: Running) -> Iterator[LinkHubWorld]:
    with LinkHubWorld.opened(tmp_path, running, percent=10) as world:
        world.numbers.names = {n: f"Number {n}" for n in range(20)}
        world.sync()
        yield world


def storm(world: LinkHubWorld) -> Job:
    """Return the job that found eight of twenty records gone, and one renamed."""
    for number in range(8):
        del world.numbers.names[number]
    world.numbers.names[19] = "Renamed"
    return world.sync()


def approve(world: LinkHubWorld, job: Job) -> Job:
    return approve_job(
        job.id,
        caller=world.caller,
        open_uow=world.database.open_uow,
        queue=world.queue,
        now=world.clock,
    )


def test_many_deletes_wait_and_all_else_is_in(world: LinkHubWorld) -> None:
    """Nothing is deleted, the question says how much would be, and what changed is there."""
    job = storm(world)
    assert job.status is JobStatus.WAITING_APPROVAL
    assert "would delete 8 of 20 records" in job.error_message
    names = world.names_in_linkhub()
    assert set(names) == set(range(20))
    assert names[19] == "Renamed"


def test_once_approved_they_go_without_reading_again(world: LinkHubWorld) -> None:
    """The job goes on where it stood, deletes, and is a success."""
    job = storm(world)
    reads = len(world.numbers.reads)
    done = world.settled(approve(world, job))
    assert done.status is JobStatus.SUCCESS
    assert world.names_in_linkhub() == world.numbers.names
    assert len(world.numbers.reads) == reads
    assert world.log(job.id).tally == Tally(success=20, unchanged=11, deleted=8)


def test_once_rejected_they_stay_and_the_next_sync_asks_again(world: LinkHubWorld) -> None:
    """Nobody has agreed to anything."""
    job = storm(world)
    reject_job(
        job.id,
        caller=world.caller,
        open_uow=world.database.open_uow,
        queue=world.queue,
        now=world.clock,
    )
    assert set(world.names_in_linkhub()) == set(range(20))
    again = world.sync()
    assert again.status is JobStatus.WAITING_APPROVAL
    assert set(world.names_in_linkhub()) == set(range(20))


def test_once_rejected_what_was_read_then_is_not_asked_about_again(world: LinkHubWorld) -> None:
    """The records are there again: the next sync looks, and finds nothing to delete."""
    before = dict(world.numbers.names)
    job = storm(world)
    reject_job(
        job.id,
        caller=world.caller,
        open_uow=world.database.open_uow,
        queue=world.queue,
        now=world.clock,
    )
    world.numbers.names = before
    assert world.sync().status is JobStatus.SUCCESS
    assert world.names_in_linkhub() == before


def test_what_was_approved_can_be_taken_back(world: LinkHubWorld) -> None:
    """All eight are there again, under the ids they had."""
    before = {key: link.linkhub_id for key, link in world.links().items()}
    job = world.settled(approve(world, storm(world)))
    assert world.settled(world.undo(job)).status is JobStatus.SUCCESS
    assert set(world.names_in_linkhub()) == set(range(20))
    assert {key: link.linkhub_id for key, link in world.links().items()} == before
