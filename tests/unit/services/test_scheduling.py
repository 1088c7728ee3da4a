"""Syncs that start by themselves."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.checkpoints import Mode
from shared.domain.instances import Frequency, Instance, InstanceState, InstanceStatus
from shared.domain.jobs import Job, JobStatus, JobTrigger
from shared.domain.paging import ListQuery
from shared.domain.schedules import JITTER_SECONDS, jitter_of
from shared.errors import InvalidInputError, TransientError
from shared.services.jobs import request_sync
from shared.services.reaper import reap
from shared.services.scheduling import plan_next, start_due
from shared.store.database import Database
from shared.store.repositories.instances import SqlInstanceRepository
from shared.store.repositories.jobs import SqlJobRepository
from tests.factories import NOW, make_instance
from tests.world import World, world

__all__ = ["world"]

HOURLY: dict[str, Any] = {"frequency": Frequency.HOURLY, "frequency_details": {"minute": 0}}
ONE_HOUR = timedelta(hours=1)


class CrashError(Exception):
    """The worker stops here."""


def add_scheduled(world: World, *, at: datetime | None = NOW, **values: Any) -> Instance:
    """Add an instance that syncs each hour, the next time at `at`."""
    instance = world.add_instance(**{**HOURLY, **values})
    plan(world, instance, at)
    return instance


def plan(world: World, instance: Instance, at: datetime | None) -> None:
    with world.database.open_uow() as uow:
        state = uow.instances.get_state(instance.id)
        uow.instances.save_state(replace(state, next_sync_at=at), now=NOW)
        uow.commit()


def add_several(world: World, count: int) -> list[Instance]:
    profile_id = world.add_profile()
    return [
        add_scheduled(world, profile_id=profile_id, connection_key=f"k{n}") for n in range(count)
    ]


def tick(world: World, **values: Any) -> int:
    return start_due(open_uow=world.database.open_uow, queue=world.queue, now=world.clock, **values)


def state(world: World, instance: Instance) -> InstanceState:
    with world.database.open_uow(read_only=True) as uow:
        return uow.instances.get_state(instance.id)


def jobs(world: World, instance: Instance) -> list[Job]:
    with world.database.open_uow(read_only=True) as uow:
        page = uow.jobs.list_page(instance.profile_id, ListQuery(), instance_id=instance.id)
        return list(page.items)


def test_a_due_instance_gets_its_job(world: World) -> None:
    """It is queued among the scheduled ones, its jitter later; the next time is planned."""
    instance = add_scheduled(world)
    assert tick(world) == 1
    [job] = jobs(world, instance)
    jitter = jitter_of(instance.id)
    assert (job.trigger, job.mode, job.status) == (
        JobTrigger.SCHEDULED,
        Mode.INCREMENTAL,
        JobStatus.PENDING,
    )
    assert job.not_before == NOW + jitter
    assert job.enqueued_at == NOW
    assert world.queue.sent == [(job.id, True, jitter.total_seconds())]
    assert state(world, instance).next_sync_at == NOW + ONE_HOUR


def test_the_job_runs_once_its_jitter_is_over(world: World) -> None:
    """The whole way: due, queued, run; and an hour later again."""
    instance = add_scheduled(world)
    for _ in range(2):
        assert tick(world) == 1
        world.clock.move(seconds=JITTER_SECONDS)
        [job] = [found for found in jobs(world, instance) if not found.is_final]
        world.run(job)
        assert world.job(job.id).status is JobStatus.SUCCESS
        world.clock.move(seconds=3600 - JITTER_SECONDS)
    assert len(jobs(world, instance)) == 2


def test_a_second_tick_starts_nothing_more(world: World) -> None:
    """What was started is not due any more."""
    instance = add_scheduled(world)
    assert [tick(world), tick(world)] == [1, 0]
    assert len(jobs(world, instance)) == 1


@pytest.mark.parametrize(
    "values",
    [
        {"at": NOW + timedelta(milliseconds=1)},
        {"at": None},
        {"status": InstanceStatus.PAUSED},
        {"status": InstanceStatus.ERROR},
        {"status": InstanceStatus.SETUP_INCOMPLETE},
    ],
)
def test_what_is_not_due_stays(world: World, values: dict[str, Any]) -> None:
    """Later ones, unplanned ones and those that may not sync keep their plan and get no job."""
    instance = add_scheduled(world, **values)
    before = state(world, instance)
    assert tick(world) == 0
    assert (jobs(world, instance), state(world, instance)) == ([], before)


def test_a_deleted_instance_never_starts(world: World) -> None:
    """Its plan may still stand in its state."""
    instance = add_scheduled(world)
    with world.database.open_uow() as uow:
        uow.instances.soft_delete(instance.id, now=NOW)
        uow.commit()
    assert tick(world) == 0


def test_one_job_makes_up_for_all_missed(world: World) -> None:
    """After three days down an hourly sync runs once, then on the hour again."""
    instance = add_scheduled(world, at=NOW)
    world.clock.move(days=3, minutes=10)
    assert [tick(world), tick(world)] == [1, 0]
    assert state(world, instance).next_sync_at == NOW + timedelta(days=3, hours=1)


@pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.RUNNING])
def test_a_busy_instance_skips_the_occurrence(
    world: World, status: JobStatus, caplog: pytest.LogCaptureFixture
) -> None:
    """It is noted, and the job's end does not bring it back: the next one is an hour later."""
    instance = add_scheduled(world)
    job = world.add_job(instance, status=status)
    with caplog.at_level(logging.INFO):
        assert tick(world) == 0
    assert "skipped" in caplog.text
    assert [found.id for found in jobs(world, instance)] == [job.id]
    assert state(world, instance).next_sync_at == NOW + ONE_HOUR


def test_two_ticks_at_once_start_each_instance_once(world: World) -> None:
    """Four ticks that find the same instances due share them."""
    instances = add_several(world, 6)
    start, started = threading.Barrier(4), []

    def run() -> None:
        start.wait()
        started.append(tick(world))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(started) == 6
    assert [len(jobs(world, instance)) for instance in instances] == [1] * 6
    assert len(world.queue.sent) == 6


def meanwhile(
    monkeypatch: pytest.MonkeyPatch, owner: type, method: str, act: Callable[[], None]
) -> None:
    """Let something happen just after the tick called a repository's method, once."""
    original, acts = getattr(owner, method), [act]

    def call(self: Any, *args: Any, **values: Any) -> Any:
        found = original(self, *args, **values)
        if acts:
            acts.pop()()
        return found

    monkeypatch.setattr(owner, method, call)


@pytest.mark.parametrize("change", ["planned", "unplanned", "paused", "deleted", "rewritten"])
def test_a_person_may_be_faster(world: World, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was changed after the list was read counts: no job, and the new plan stays."""
    instance = add_scheduled(world)
    later = NOW + timedelta(days=1)

    def act() -> None:
        if change in {"planned", "unplanned"}:
            plan(world, instance, later if change == "planned" else None)
        with world.database.open_uow() as uow:
            if change == "paused":
                uow.instances.set_status(instance.id, InstanceStatus.PAUSED, "", now=NOW)
            elif change == "deleted":
                uow.instances.soft_delete(instance.id, now=NOW)
            elif change == "rewritten":
                manual = replace(instance, frequency=Frequency.MANUAL, frequency_details={})
                uow.instances.save(manual, expected_version=1)
            uow.commit()

    meanwhile(monkeypatch, SqlInstanceRepository, "list_due", act)
    assert tick(world) == 0
    assert jobs(world, instance) == []
    kept = {"planned": later, "paused": NOW, "deleted": NOW}
    assert state(world, instance).next_sync_at == kept.get(change)


def test_a_request_that_comes_between_wins(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its job is the one; the occurrence is skipped, whichever tick finds out."""
    instance = add_scheduled(world, profile_id=world.add_profile())
    find_open = SqlJobRepository.find_open

    def blind(self: SqlJobRepository, instance_id: str) -> Job | None:
        monkeypatch.setattr(SqlJobRepository, "find_open", find_open)
        return None

    request_sync(
        instance.id,
        caller=world.caller,
        mode=Mode.INCREMENTAL,
        open_uow=world.database.open_uow,
        queue=world.queue,
        now=world.clock,
    )
    monkeypatch.setattr(SqlJobRepository, "find_open", blind)
    assert tick(world) == 0
    assert state(world, instance).next_sync_at == NOW
    assert tick(world) == 0
    assert state(world, instance).next_sync_at == NOW + ONE_HOUR
    assert [job.trigger for job in jobs(world, instance)] == [JobTrigger.MANUAL]


def test_a_worker_that_dies_before_the_message_loses_nothing(world: World) -> None:
    """The job is stored with its plan moved on; the reaper sends it once it may start."""
    instance = add_scheduled(world)
    world.queue.error = CrashError()
    with pytest.raises(CrashError):
        tick(world)
    world.queue.error = None
    assert tick(world) == 0
    [job] = jobs(world, instance)
    world.clock.move(seconds=JITTER_SECONDS)
    assert reap(open_uow=world.database.open_uow, queue=world.queue, now=world.clock) == 1
    assert world.queue.sent == [(job.id, True, 0)]


def test_a_queue_that_is_down_is_not_asked_for_each(world: World) -> None:
    """The first refusal ends the tick: the rest stays due, and starts when the queue is back."""
    add_several(world, 3)
    world.queue.error = TransientError("the queue does not answer")
    assert tick(world) == 1
    world.queue.error = None
    assert tick(world) == 2
    world.clock.move(seconds=JITTER_SECONDS)
    assert reap(open_uow=world.database.open_uow, queue=world.queue, now=world.clock) == 1


def test_a_tick_is_bounded(world: World) -> None:
    """It takes those due longest first; the next tick takes the rest."""
    profile_id = world.add_profile()
    second, first, third = (
        add_scheduled(
            world, profile_id=profile_id, connection_key=key, at=NOW - timedelta(minutes=age)
        )
        for key, age in (("b", 2), ("a", 3), ("c", 1))
    )
    assert tick(world, limit=2) == 2
    assert [bool(jobs(world, found)) for found in (first, second, third)] == [True, True, False]
    assert tick(world, limit=2) == 1


def test_a_schedule_that_cannot_be_read_stops_itself_only(world: World) -> None:
    """Its instance waits for a person, who is told why; those after it in line start."""
    profile_id = world.add_profile()
    values = {"profile_id": profile_id, "connection_key": "bad", "time_zone": "Mars/Olympus"}
    broken = add_scheduled(world, at=NOW - ONE_HOUR, **values)
    sound = add_scheduled(world, profile_id=profile_id, connection_key="good")
    assert tick(world) == 1
    assert jobs(world, sound)
    assert jobs(world, broken) == []
    assert world.instance(broken.id).status is InstanceStatus.ERROR
    found = state(world, broken)
    assert found.next_sync_at is None
    assert "Mars/Olympus" in found.last_error


def test_a_plan_without_a_schedule_is_cleared(world: World) -> None:
    """An instance that syncs by hand starts nothing, and is not due again."""
    instance = add_scheduled(world, frequency=Frequency.MANUAL, frequency_details={})
    assert tick(world) == 0
    assert state(world, instance).next_sync_at is None
    assert jobs(world, instance) == []


def test_what_else_the_state_holds_stays(world: World) -> None:
    """Starting a sync touches the plan only."""
    instance = add_scheduled(world)
    before = state(world, instance)
    tick(world)
    assert state(world, instance) == replace(before, next_sync_at=NOW + ONE_HOUR)


def test_a_tick_with_nothing_due_asks_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty times an hour the database is asked one question."""
    add_scheduled(world, at=NOW + ONE_HOUR)
    opened: list[bool] = []
    open_uow = Database.open_uow

    def counting(self: Database, *, read_only: bool = False) -> Any:
        opened.append(read_only)
        return open_uow(self, read_only=read_only)

    monkeypatch.setattr(Database, "open_uow", counting)
    assert tick(world) == 0
    assert opened == [True]


def test_plans() -> None:
    """An active instance's next time; none for one that is paused or syncs by hand."""
    daily: dict[str, Any] = {
        "frequency": Frequency.DAILY,
        "frequency_details": {"time": "06:30"},
        "time_zone": "Europe/Rome",
    }
    expected = datetime(2026, 11, 22, 5, 30, tzinfo=UTC)
    assert plan_next(make_instance(**daily), now=NOW) == expected
    paused = make_instance(**daily, status=InstanceStatus.PAUSED)
    assert plan_next(paused, now=NOW) is None
    assert plan_next(make_instance(), now=NOW) is None
    with pytest.raises(InvalidInputError, match="time"):
        plan_next(make_instance(frequency=Frequency.DAILY), now=NOW)
