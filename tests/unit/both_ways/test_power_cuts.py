"""A run that is cut off at any step, and taken up by the same job or by the next one."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.domain.jobs import Job
from tests.both_ways_kit import BothWays, both_ways
from tests.fakes import PowerCutError
from tests.sandbox_kit import Running


def meanwhile(pair: BothWays) -> None:
    """Let people work on both sides: every kind of change, and one record changed on both."""
    pair.add_task("Kept")
    pair.add_task("Ours")
    doomed = pair.add_task("Doomed")
    gone = pair.add_task("Gone")
    both = pair.add_task("Both")
    pair.sync()
    pair.add_record("Native", description="By hand")
    pair.add_task("New")
    pair.edit_record("Ours", name="Ours II", description="Edited")
    pair.edit(delete=[pair.records()["Gone"].id])
    pair.graph.edit(both, title="Both II")
    pair.edit_record("Both", end_date="2026-12-24")
    pair.remove_task(doomed)
    assert gone != doomed


def outcome(pair: BothWays) -> dict[str, object]:
    """Return what is on both sides and check that it is in step."""
    pair.assert_in_step()
    return {name: record.fields for name, record in pair.records().items()}


def steps_of(pair: BothWays) -> list[str]:
    steps: list[str] = []
    pair.cut = steps.append
    pair.sync()
    pair.cut = lambda _step: None
    return steps


@pytest.fixture(scope="module")
def expected(
    tmp_path_factory: pytest.TempPathFactory, sandbox: Running
) -> tuple[dict[str, object], int]:
    """Return what a job that is not cut off leaves behind, and how many steps it takes."""
    with both_ways(tmp_path_factory.mktemp("whole"), sandbox) as pair:
        meanwhile(pair)
        steps = steps_of(pair)
        return outcome(pair), len(steps)


def cut_off(pair: BothWays, job: Job, step: int) -> None:
    left = [step]

    def cut(_name: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise PowerCutError

    pair.cut = cut
    with pytest.raises(PowerCutError):
        pair.sync(job)
    pair.cut = lambda _step: None
    pair.world.clock.move(minutes=4)


@pytest.mark.parametrize("share", range(16))
def test_a_cut_changes_nothing_of_the_outcome(
    tmp_path: Path, sandbox: Running, expected: tuple[dict[str, object], int], share: int
) -> None:
    """Wherever it falls, both sides end as they would have: nothing doubled, lost or undone."""
    whole, steps = expected
    with both_ways(tmp_path, sandbox) as pair:
        meanwhile(pair)
        job = pair.world.add_job(pair.instance)
        step = share * steps // 16
        cut_off(pair, job, step)
        if share % 2:
            with pair.world.database.open_uow() as uow:
                uow.jobs.fail(
                    job.id, error_class="bug", error_message="cut", now=pair.world.clock()
                )
                uow.commit()
            pair.sync()
        else:
            pair.sync(job)
        assert outcome(pair) == whole
        pair.assert_quiet()
