"""Power cuts while jobs are taken back: whatever the line, the end is the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from shared.domain.jobs import Job, JobStatus
from shared.domain.tallies import Tally
from shared.errors import PermanentError
from shared.sinks.linkhub import undo
from tests.fakes import PowerCutError
from tests.linkhub_world import LinkHubWorld
from tests.sandbox_kit import Running

NAMES = {number: f"Number {number}" for number in range(6)}
LEASE_SECONDS = 180


@pytest.fixture
def world(
    tmp_path: Path, running: Running, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LinkHubWorld]:
    monkeypatch.setattr(undo, "_STEP", 2)
    monkeypatch.setattr(undo, "_FETCHED", 2)
    with LinkHubWorld.opened(tmp_path, running) as world:
        yield world


def run_with_cut(world: LinkHubWorld, job: Job, number: int) -> bool:
    """Run a job, cut the power before the transaction of that number, and let others end it.

    Return whether there was one of that number.
    """
    left = count(number, -1)

    def cut() -> None:
        if next(left) == 0:
            raise PowerCutError

    world.cut_uow = cut
    was_cut = True
    with suppress(PowerCutError):
        world.run(job)
        was_cut = False
    world.cut_uow = lambda: None
    world.clock.move(seconds=LEASE_SECONDS + 1)
    world.run(job)
    return was_cut


@pytest.mark.parametrize("number", range(40))
def test_a_failed_job_is_taken_back_whatever_is_cut(world: LinkHubWorld, number: int) -> None:
    """Before any of its transactions: LinkHub is as it was, and the job has failed."""
    world.sync()
    world.numbers.names |= {0: "a", 1: "b", 3: "c", 7: "New"}
    del world.numbers.names[2]
    world.numbers.fail_at[4] = PermanentError("broken")
    job = world.add_job(world.owner)
    run_with_cut(world, job, number)
    assert world.job(job.id).status is JobStatus.FAILED
    assert world.names_in_linkhub() == NAMES
    with world.database.open_uow(read_only=True) as uow:
        assert not uow.journal.has_standing(job.id)
        assert uow.checkpoints.get(world.owner.id, "deals", "import") is not None


@pytest.mark.parametrize("number", range(16))
def test_an_undo_ends_whatever_is_cut(world: LinkHubWorld, number: int) -> None:
    """Everything is as before, and each record is counted once."""
    world.sync()
    world.numbers.names |= {0: "a", 1: "b", 3: "c", 7: "New"}
    del world.numbers.names[2]
    job = world.undo(world.sync())
    run_with_cut(world, job, number)
    assert world.job(job.id).status is JobStatus.SUCCESS
    assert world.log(job.id).tally == Tally(success=5)
    assert world.names_in_linkhub() == NAMES


def test_the_cuts_above_reach_the_end(world: LinkHubWorld) -> None:
    """A job of each kind has fewer transactions than are cut."""
    world.sync()
    world.numbers.names |= {0: "a", 1: "b", 3: "c", 7: "New"}
    del world.numbers.names[2]
    target = world.sync()
    assert not run_with_cut(world, world.undo(target), 15)
    world.numbers.fail_at[4] = PermanentError("broken")
    assert not run_with_cut(world, world.add_job(world.owner), 39)
