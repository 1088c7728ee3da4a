"""Random histories over the real adapter, sinks and emulators."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from shared.domain.policies import ConflictPolicy
from tests.both_ways_kit import BothWays, both_ways
from tests.fakes import PowerCutError
from tests.sandbox_kit import Running

ROUNDS = 4
DAYS = ("2026-12-01", "2026-12-02", None)


def act(pair: BothWays, rng: Random, number: int) -> None:
    """Do one thing a person does, on either side."""
    tasks, records = sorted(pair.tasks()), sorted(pair.records())
    acts: list[Callable[[], object]] = [
        lambda: pair.add_task(f"Task {number}"),
        lambda: pair.add_record(f"Record {number}"),
    ]
    if tasks:
        task = pair.tasks()[rng.choice(tasks)]["id"]
        percent = rng.choice((0, 50, 100))
        acts += [
            lambda: pair.graph.edit(task, title=f"Theirs {number}"),
            lambda: pair.graph.edit(task, percentComplete=percent),
            lambda: pair.remove_task(task),
        ]
    if records:
        name, day = rng.choice(records), rng.choice(DAYS)
        acts += [
            lambda: pair.edit_record(name, name=f"Ours {number}"),
            lambda: pair.edit_record(name, end_date=day),
            lambda: pair.edit(delete=[pair.records()[name].id]),
        ]
    rng.choice(acts)()


@pytest.mark.parametrize("seed", range(8))
def test_random_histories_converge(tmp_path: Path, sandbox: Running, seed: int) -> None:
    """After each sync, cut off or not, both sides have the same records and nothing is to do."""
    rng = Random(seed)  # noqa: S311  a history, no secret
    policies = (ConflictPolicy.EXTERNAL, ConflictPolicy.LINKHUB, ConflictPolicy.NEWEST)
    with both_ways(tmp_path, sandbox, policy=policies[seed % 3]) as pair:
        for number in range(ROUNDS):
            for step in range(rng.randrange(1, 5)):
                act(pair, rng, 10 * number + step)
            job = pair.world.add_job(pair.instance)
            if rng.random() < 0.5:
                left = [rng.randrange(20)]

                def cut(_step: str, left: list[int] = left) -> None:
                    left[0] -= 1
                    if left[0] < 0:
                        raise PowerCutError

                pair.cut = cut
                try:
                    pair.sync(job)
                except PowerCutError:
                    pair.world.clock.move(minutes=4)
                pair.cut = lambda _step: None
            pair.sync(job)
            pair.assert_in_step()
        pair.assert_quiet()
