"""One history from one seed: people and jobs, power cuts and lost answers, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

from shared.domain.checkpoints import Mode
from shared.domain.jobs import Job, JobStatus
from shared.domain.policies import ConflictPolicy
from shared.services.conflicts import Choice, settle_conflict
from tests.factories import make_caller
from tests.histories.people import People, Values, view
from tests.histories.rig import House, Manner, Rig
from tests.histories.shadow import FIELDS, Look, Thing, normal, outcome, travels
from tests.histories.wires import Blow

_MOST_JOBS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What may happen: blows to runs, pauses, and people who work while jobs run."""

    blows: bool = True
    meddling: bool = True


@dataclass
class History:
    """Plays a seed. What it asserts names the seed's story, so that it can be read again."""

    house: House
    seed: int
    fate: Fate
    things: dict[str, Thing] = field(default_factory=dict)
    story: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        chance = Random(self.seed)  # noqa: S311 - a seeded story, no secret
        self.manner = Manner(
            policy=chance.choice(list(ConflictPolicy)),
            page_size=chance.randint(1, 5),
            batch_size=chance.randint(1, 5),
        )
        self.phases = chance.choice((1, 1, 2, 3))
        self.is_meddled = self.fate.meddling and chance.random() < 0.5
        self.house.begin(f"{self.seed} {self.fate}")
        self.rig = Rig(self.house, self.manner)
        self.people = People(self.rig, Random(chance.random()))  # noqa: S311
        self._chance = Random(chance.random())  # noqa: S311 - what befalls jobs
        self._meddler = Random(chance.random())  # noqa: S311

    def play(self) -> dict[str, tuple[Values | None, Values | None]]:
        """Play it to its end and return what is on both sides."""
        for phase in range(self.phases):
            self._phase(is_last=phase == self.phases - 1)
        return {born: (thing.external, thing.linkhub) for born, thing in self.look().items()}

    def _phase(self, *, is_last: bool) -> None:
        people, rig = self.people, self.rig
        people.deeds.clear()
        choices = self._settle()
        for _ in range(self._meddler.randint(2, 8)):
            people.act()
        expected = {
            born: outcome(
                *self._looks(born),
                self.things.get(born),
                policy=self.manner.policy,
                choices=self._held(born, choices),
            )
            for born in people.rows().keys() | people.records().keys()
        }
        self._work()
        jobs = 0
        while self.is_meddled or is_last:
            before = self._sent()
            rig.sync()
            if self._sent() == before:
                break
            jobs += 1
            assert self.is_meddled, "one job brings both sides in step"
            assert jobs < _MOST_JOBS, f"jobs find always more to do: {rig.steps.sent[-9:]}"
        self._check(expected)

    def _sent(self) -> tuple[int, int, int]:
        rig = self.rig
        last = max((record.sequence for record in rig.records()), default=0)
        return len(rig.steps.sent), rig.remote.sequence, last

    def _work(self) -> None:
        """Run a job to its end, with all that befalls it."""
        rig, chance = self.rig, self._chance
        mode = chance.choice((Mode.INCREMENTAL, Mode.INCREMENTAL, Mode.FULL))
        job = rig.add_job(mode)
        kinds = (Blow.CUT, Blow.CUT, Blow.LOST)
        numbers = [chance.randint(1, 70) for _ in range(chance.choice((0, 1, 1, 2)))]
        if self.fate.blows:
            rig.steps.blows = {rig.steps.count + n: chance.choice(kinds) for n in numbers}
        is_slow = self.fate.blows and chance.random() < 0.2
        if self.is_meddled:
            rig.steps.meddle = self._meddle
        self.people.is_job_running = True
        if numbers and self.fate.blows and chance.random() < 0.3:
            job = self._given_up(job)
        done = rig.finish(job, budgets=lambda: 0.0 if is_slow else 3600.0)
        assert done.status in {JobStatus.SUCCESS, JobStatus.PARTIAL}, done
        self.people.is_job_running = False
        rig.steps.meddle = lambda: None
        rig.steps.blows = {}

    def _given_up(self, job: Job) -> Job:
        """Run a job once; where that was cut off, have another job go on."""
        rig = self.rig
        rig.steps.is_dead = False
        rig.run(job)
        found = rig.world.job(job.id)
        if found.is_final:
            return rig.add_job()
        if found.status is JobStatus.RUNNING:
            rig.abandon(job)
            return rig.add_job()
        return job

    def _meddle(self) -> None:
        if self._meddler.random() < 0.04:
            self.people.act()

    def _looks(self, born: str) -> tuple[Look | None, Look | None]:
        row, record = self.people.rows().get(born), self.people.records().get(born)
        return (
            None if row is None else Look(None if row.deleted else view(row), row.changed_at),
            None
            if record is None
            else Look(
                None if record.deleted else dict(record.fields),
                datetime.fromisoformat(record.updated_at),
            ),
        )

    def look(self) -> dict[str, Thing]:
        """Return both sides as they are, and check that nothing is there twice."""
        rows = [row.fields["born"] for row in self.rig.remote.live()]
        records = [record.fields["owner"] for record in self.rig.records() if not record.deleted]
        assert len(rows) == len(set(rows)), f"twice at the application: {rows}"
        assert len(records) == len(set(records)), f"twice in LinkHub: {records}"
        asked: dict[str, set[str]] = {}
        for conflict, link in self.rig.open_conflicts():
            owners = {record.id: record.fields["owner"] for record in self.rig.records()}
            asked.setdefault(owners[link.linkhub_id], set()).add(conflict.field)
        found = {}
        for born in self.people.rows().keys() | self.people.records().keys():
            external, linkhub = self._looks(born)
            found[born] = Thing(
                None if external is None else external.values,
                None if linkhub is None else linkhub.values,
                asked.get(born, set()),
            )
        return found

    def _settle(self) -> dict[str, dict[str, tuple[str, Any]]]:
        """Have a person settle some conflicts: the side that wins, and what the other had."""
        made: dict[str, dict[str, tuple[str, Any]]] = {}
        owners = {record.id: record.fields["owner"] for record in self.rig.records()}
        open_ = self.rig.open_conflicts() if self.manner.policy is ConflictPolicy.ASK else []
        for conflict, link in sorted(
            open_, key=lambda each: (owners[each[1].linkhub_id], each[0].field)
        ):
            if self._meddler.random() < 0.5:
                continue
            choice = self._meddler.choice(list(Choice))
            settle_conflict(
                conflict.id,
                choice=choice,
                caller=make_caller(subject=self.rig.subject),
                open_uow=self.house.database.open_uow,
                now=self.rig.clock,
            )
            is_external = choice is Choice.EXTERNAL
            born = owners[link.linkhub_id]
            look = self._looks(born)[is_external]
            loser = None if look is None else look.values
            if conflict.field and loser is not None:
                loser = loser.get(conflict.field)
            made.setdefault(born, {})[conflict.field] = (choice.value, loser)
            self.people.deeds[born].was_deleted_or_revived = True  # a settlement overrides edits
        return made

    def _held(self, born: str, choices: dict[str, dict[str, tuple[str, Any]]]) -> dict[str, str]:
        """Return the choices whose losing side is as the person saw it."""
        held = {}
        for name, (side, seen) in choices.get(born, {}).items():
            look = self._looks(born)[side == "external"]
            loser = None if look is None else look.values
            if name and loser is None:
                continue
            if name and loser is not None:
                loser = loser.get(name)
            if loser == seen:
                held[name] = side
        return held

    def _check(self, expected: dict[str, Thing]) -> None:
        actual = self.look()
        for born, thing in actual.items():
            wanted = expected.get(born)
            before = self.things.get(born)
            is_unsure = before is not None and before.is_unsure
            if wanted is None or is_unsure or self.people.deeds[born].was_during_job:
                self._check_loosely(born, thing)
            else:
                have = (_shown(thing.external), _shown(thing.linkhub), thing.asked)
                want = (_shown(wanted.external), _shown(wanted.linkhub), wanted.asked)
                assert have == want, (born, self.manner.policy)
                thing.base, thing.external_base = wanted.base, wanted.external_base
        self.things = actual

    def _check_loosely(self, born: str, thing: Thing) -> None:
        """Check what must be true wherever in a job an edit fell; take both sides as they are."""
        before, deeds = self.things.get(born), self.people.deeds[born]
        theirs, ours = thing.external, thing.linkhub
        if "" in thing.asked:
            assert (theirs is None) != (ours is None)
            thing.is_unsure = True
            return
        assert (theirs is None) == (ours is None), (born, "is on one side only")
        if theirs is None or ours is None:
            assert deeds.was_deleted_or_revived, (born, "was deleted by nobody")
            return
        thing.base, thing.external_base = dict(ours), dict(theirs)
        was_whole = before is not None and before.external is not None and not before.asked
        for name in FIELDS:
            their, our = theirs.get(name), ours.get(name)
            thing.is_unsure |= their != our
            if name in thing.asked:
                continue
            assert their == our or not travels(name, our), (born, name, their, our)
            if not was_whole or deeds.was_deleted_or_revived:
                continue
            assert before is not None
            assert before.external is not None
            assert before.linkhub is not None
            by_them, by_us = deeds.external.get(name), deeds.linkhub.get(name)
            was = before.external.get(name), before.linkhub.get(name)
            if was[0] != was[1]:
                continue
            possible = [values[-1] for values in (by_them, by_us) if values] or [was[0]]
            assert our in [normal(name, value) for value in possible], (born, name, our, possible)


def _shown(values: Values | None) -> Values | None:
    return None if values is None else {name: values.get(name) for name in FIELDS}
