"""A job both ways is taken back: LinkHub is as it was, but for what people did since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

import pytest

from local.sandbox.linkhub.batches import NATIVE
from shared.domain.jobs import JobKind, JobStatus
from shared.domain.policies import ConflictPolicy
from tests.histories import HISTORIES
from tests.histories.people import People
from tests.histories.rig import House, Manner, Rig
from tests.histories.wires import Blow

DAYS = HISTORIES // 20


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House.opened(tmp_path_factory.mktemp("house")) as opened:
        yield opened


def fields_of(people: People) -> Mapping[str, Any]:
    """Return LinkHub's records by birth name, None for one that is deleted."""
    return {
        born: None if record.deleted else dict(record.fields)
        for born, record in people.records().items()
    }


@pytest.mark.parametrize("seed", range(DAYS))
def test_a_job_is_taken_back(house: House, seed: int) -> None:
    """Wherever its runs and those of the undo ended; what got its name in the job stays."""
    chance = Random(seed)  # noqa: S311 - a seeded story, no secret
    house.begin(f"undo {seed}")
    rig = Rig(house, Manner(policy=chance.choice(list(ConflictPolicy))))
    people = People(rig, chance)
    for _ in range(8):
        people.act()
    rig.sync()
    for _ in range(8):
        people.act()
    before = fields_of(people)
    native = {born for born, record in people.records().items() if record.source == NATIVE}

    job = rig.add_job()
    rig.steps.blows = {rig.steps.count + chance.randint(1, 60): Blow.CUT}
    assert rig.finish(job).status is JobStatus.SUCCESS
    made = fields_of(people)
    for _ in range(2):
        people.act()
    left = fields_of(people)
    touched = {born for born, fields in left.items() if born not in made or fields != made[born]}

    undo = rig.world.add_job(rig.instance, kind=JobKind.UNDO, target_job_id=job.id)
    rig.steps.blows = {rig.steps.count + chance.randint(1, 15): Blow.CUT}
    assert rig.finish(undo).status in {JobStatus.SUCCESS, JobStatus.PARTIAL}
    after = fields_of(people)
    for born, fields in left.items():
        wanted = fields if born in touched | native else before.get(born)
        assert after[born] == wanted, born
