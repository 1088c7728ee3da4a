"""Watermarks of sources that forget: used before they are lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.checkpoints import Mode
from shared.domain.instances import Frequency, Instance, InstanceStatus
from shared.domain.jobs import Job, JobTrigger
from shared.domain.paging import ListQuery
from shared.domain.schedules import jitter_of
from shared.errors import PermanentError, TransientError
from shared.ports.provider import ProviderDefinition
from shared.services.keep_alive import keep_alive
from tests.factories import NOW
from tests.world import World, world

__all__ = ["world"]

THREE_DAYS = timedelta(days=3)


def look(world: World, *, keeps_for: timedelta | None = THREE_DAYS) -> int:
    """Do what the hourly timer does."""
    provider = ProviderDefinition(spec=world.spec, connect=world._connect, keeps_for=keeps_for)
    return keep_alive(
        [provider], open_uow=world.database.open_uow, queue=world.queue, now=world.clock
    )


def add_synced(world: World, **values: Any) -> Instance:
    """Add an instance that was just synced by hand, whose source left a watermark."""
    instance = world.add_instance(**values)
    world.run(world.add_job(instance))
    return instance


def change(world: World, instance: Instance, **values: Any) -> None:
    with world.database.open_uow() as uow:
        state = uow.instances.get_state(instance.id)
        uow.instances.save_state(replace(state, **values), now=NOW)
        uow.commit()


def jobs(world: World, instance: Instance) -> Sequence[Job]:
    with world.database.open_uow(read_only=True) as uow:
        query = ListQuery(limit=50)
        return uow.jobs.list_page(instance.profile_id, query, instance_id=instance.id).items


@pytest.mark.parametrize("frequency", [Frequency.MANUAL, Frequency.WEEKLY])
def test_an_idle_instance_is_synced_on_the_third_day(world: World, frequency: Frequency) -> None:
    """Whatever its schedule, once; then its three days begin again."""
    instance = add_synced(world, frequency=frequency)
    world.clock.move(hours=47)
    assert look(world) == 0
    world.clock.move(hours=1)
    assert look(world) == 1
    job, _ = jobs(world, instance)
    assert (job.mode, job.trigger) == (Mode.INCREMENTAL, JobTrigger.SCHEDULED)
    assert job.not_before == world.clock() + jitter_of(instance.id)
    assert world.queue.sent[-1] == (job.id, True, jitter_of(instance.id).total_seconds())
    assert look(world) == 0
    world.clock.move(minutes=2)
    world.run(job)
    assert world.source.reads[-1] is not None
    world.clock.move(hours=47)
    assert look(world) == 0
    world.clock.move(hours=1)
    assert look(world) == 1


def test_a_schedule_that_comes_in_time_is_left_to_do_it(world: World) -> None:
    """Six hours before the end at the latest."""
    instance = add_synced(world)
    change(world, instance, next_sync_at=NOW + THREE_DAYS - timedelta(hours=6))
    world.clock.move(hours=50)
    assert look(world) == 0
    change(world, instance, next_sync_at=NOW + THREE_DAYS - timedelta(hours=5))
    assert look(world) == 1


def test_what_is_lost_already_is_left(world: World) -> None:
    """The next sync reads everything, when it comes."""
    add_synced(world)
    world.clock.move(hours=72)
    assert look(world) == 0


def test_a_source_that_keeps_everything_is_left(world: World) -> None:
    """So are instances of which no sync has left a watermark."""
    instance = add_synced(world)
    world.clock.move(hours=50)
    assert look(world, keeps_for=None) == 0
    change(world, instance, watermark_at=None)
    assert look(world) == 0


@pytest.mark.parametrize("status", [InstanceStatus.PAUSED, InstanceStatus.ERROR])
def test_only_active_instances_are_kept(world: World, status: InstanceStatus) -> None:
    """What a person stopped, or must mend, stays as it is."""
    instance = add_synced(world)
    with world.database.open_uow() as uow:
        uow.instances.set_status(instance.id, status, "", now=NOW)
        uow.commit()
    world.clock.move(hours=50)
    assert look(world) == 0


def test_a_job_that_is_there_is_enough(world: World) -> None:
    """An instance with an unfinished job gets no other."""
    instance = add_synced(world)
    world.clock.move(hours=50)
    world.add_job(instance, created_at=world.clock())
    assert look(world) == 0


def test_failing_is_tried_again_three_times(world: World) -> None:
    """An hour later; after three failures in a row a person is needed."""
    instance = add_synced(world)
    change(world, instance, failures_in_a_row=2)
    world.clock.move(hours=49)
    assert look(world) == 1
    with world.database.open_uow() as uow:
        uow.jobs.request_cancel(jobs(world, instance)[0].id, now=world.clock())
        uow.commit()
    change(world, instance, failures_in_a_row=3)
    world.clock.move(hours=1)
    assert look(world) == 0


def test_a_queue_that_is_down_loses_no_job(world: World) -> None:
    """The job is there for the reaper to send."""
    instance = add_synced(world)
    world.clock.move(hours=50)
    world.queue.error = TransientError("down")
    assert look(world) == 1
    assert jobs(world, instance)[0].enqueued_at is None


def test_a_failed_sync_keeps_what_is_known_of_the_watermark(world: World) -> None:
    """The source still has it."""
    instance = add_synced(world)
    world.connect_error = PermanentError("gone")
    world.clock.move(hours=1)
    world.run(world.add_job(instance, created_at=world.clock()))
    with world.database.open_uow(read_only=True) as uow:
        assert uow.instances.get_state(instance.id).watermark_at == NOW
