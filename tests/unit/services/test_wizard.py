"""The wizard's services where HTTP would be in the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.fields import Field, FieldType
from shared.domain.instances import Instance, InstanceState, InstanceStatus, SetupStep
from shared.domain.jobs import JobKind, JobStatus
from shared.domain.policies import ConflictPolicy, Policies
from shared.domain.providers import Stream
from shared.errors import AuthError, TransientError
from shared.services.activation import activate_instance, pause_instance, resume_instance
from shared.services.streams import Discoverer, StreamCache
from tests.factories import make_instance
from tests.fakes import FakeSink
from tests.world import SECRET, World, world

__all__ = ["world"]

STREAM = Stream(
    name="deals",
    label="Deals",
    fields=(Field(name="n", label="Number", type=FieldType.INTEGER),),
)


class Seconds:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Asked:
    """Counts how often it is asked what a provider offers."""

    def __init__(self) -> None:
        self.count = 0
        self.error: Exception | None = None

    def __call__(self) -> Sequence[Stream]:
        self.count += 1
        if self.error is not None:
            raise self.error
        return (STREAM,)


def state(instance: Instance, **values: Any) -> InstanceState:
    return InstanceState(instance_id=instance.id, **values)


def test_streams_are_fresh_for_a_minute() -> None:
    """Within it nobody is asked again, after it somebody is."""
    clock, asked = Seconds(), Asked()
    cache, instance = StreamCache(clock=clock), make_instance()
    for now, count in ((0, 1), (59.9, 1), (60, 2), (119, 2)):
        clock.now = now
        assert cache.get(instance, state(instance), asked) == (STREAM,)
        assert asked.count == count


def test_streams_are_asked_anew_for_whatever_they_depend_on() -> None:
    """Another instance, account, secret or option has streams of its own; a mapping has not."""
    asked, cache, instance = Asked(), StreamCache(clock=Seconds()), make_instance()
    cache.get(instance, state(instance), asked)
    cache.get(replace(instance, config_version=9), state(instance, last_error="x"), asked)
    assert asked.count == 1
    other = make_instance()
    cache.get(other, state(other), asked)
    cache.get(instance, state(instance, account="a"), asked)
    cache.get(instance, state(instance, secret_ref="s"), asked)
    cache.get(replace(instance, options={"url": "x"}), state(instance), asked)
    assert asked.count == 5


def test_a_failed_look_is_not_kept() -> None:
    """The next one asks again."""
    asked, cache, instance = Asked(), StreamCache(clock=Seconds()), make_instance()
    asked.error = TransientError("busy")
    with pytest.raises(TransientError):
        cache.get(instance, state(instance), asked)
    asked.error = None
    assert cache.get(instance, state(instance), asked) == (STREAM,)


def test_the_cache_does_not_grow_without_end() -> None:
    """A thousand instances leave the newest behind; an old one is asked for again."""
    asked, cache = Asked(), StreamCache(clock=Seconds())
    instances = [make_instance() for _ in range(1000)]
    for instance in instances:
        cache.get(instance, state(instance), asked)
    assert len(cache._found) <= 200
    cache.get(instances[-1], state(instances[-1]), asked)
    assert asked.count == 1000
    cache.get(instances[0], state(instances[0]), asked)
    assert asked.count == 1001


def activate(world: World, instance: Instance) -> Instance:
    saved, _ = activate_instance(
        instance.id,
        caller=world.caller,
        expected=None,
        open_uow=world.database.open_uow,
        discoverer=Discoverer(vault=world.vault, connector=world.connector, cache=StreamCache()),
        queue=world.queue,
        now=world.clock,
    )
    return saved


def test_a_queue_that_is_down_does_not_undo_an_activation(world: World) -> None:
    """The job is stored with the activation; the reaper will queue it."""
    instance = world.add_instance(
        setup_step=SetupStep.SYNC_CONFIG, status=InstanceStatus.SETUP_INCOMPLETE
    )
    world.queue.error = TransientError("the queue does not answer")
    assert activate(world, instance).status is InstanceStatus.ACTIVE
    with world.database.open_uow(read_only=True) as uow:
        job = uow.jobs.find_open(instance.id)
    assert job is not None
    assert job.enqueued_at is None


def test_every_connection_the_wizard_opens_is_closed(world: World) -> None:
    """Nothing is left open, whether the test passes or not."""
    instance = world.add_instance(
        setup_step=SetupStep.SYNC_CONFIG, status=InstanceStatus.SETUP_INCOMPLETE
    )
    activate(world, instance)
    assert world.source.closed == 1


def test_a_secret_that_is_gone_asks_for_a_connection(world: World) -> None:
    """Nothing can be tested without credentials; the answer says what to do."""
    instance = world.add_instance(
        setup_step=SetupStep.SYNC_CONFIG, status=InstanceStatus.SETUP_INCOMPLETE
    )
    world.vault.delete("s1")
    with pytest.raises(Exception, match="connect it again") as raised:
        activate(world, instance)
    assert SECRET not in str(raised.value)


def test_a_failing_look_leaves_an_unfinished_set_up_alone(world: World) -> None:
    """A discover job that fails for good marks nothing but itself."""
    instance = world.add_instance(
        setup_step=SetupStep.CONNECTION, status=InstanceStatus.SETUP_INCOMPLETE
    )
    job = world.add_job(instance, kind=JobKind.DISCOVER)
    world.connect_error = AuthError("refused")
    world.run(job)
    assert world.job(job.id).status is JobStatus.FAILED
    assert world.instance(instance.id).status is InstanceStatus.SETUP_INCOMPLETE


def test_a_look_tries_again_where_its_source_is_busy(world: World) -> None:
    """It takes the same ladder of retries as a sync."""
    instance = world.add_instance()
    job = world.add_job(instance, kind=JobKind.DISCOVER)
    world.connect_error = TransientError("busy")
    with pytest.raises(TransientError):
        world.run(job)
    assert world.job(job.id).attempts == 1
    world.connect_error = None
    world.run(job)
    assert world.job(job.id).status is JobStatus.SUCCESS
    with world.database.open_uow(read_only=True) as uow:
        found = uow.discoveries.find(instance.id)
    assert found is not None
    assert [table.stream for table in found.tables] == ["deals"]


def test_an_own_record_error_limit_counts(world: World) -> None:
    """An instance that takes no bad record fails with the first, however patient the app is."""
    policies = Policies(record_error_limit=0)
    instance = world.add_instance(policies=policies.to_json())
    job = world.add_job(instance)
    world.make_sink = lambda request: FakeSink(
        world.store, run_id=request.job.run_id, bad_keys=frozenset({"1"})
    )
    world.run(job)
    assert world.job(job.id).status is JobStatus.FAILED


def test_policies_survive_json() -> None:
    """What is stored reads back equal, and what is absent has its default."""
    policies = Policies(
        on_conflict=ConflictPolicy.ASK, delete_approval_percent=0, record_error_limit=3
    )
    assert Policies.from_json(policies.to_json()) == policies
    assert Policies.from_json({}) == Policies()


def test_pause_and_resume_of_an_instance_that_needs_a_connection(world: World) -> None:
    """Resuming brings back the error that was there, not a sync that cannot work."""
    instance = world.add_instance(status=InstanceStatus.ERROR, status_reason="needs_reconnect")
    steps: dict[str, Any] = {
        "caller": world.caller,
        "expected": None,
        "open_uow": world.database.open_uow,
        "now": world.clock,
    }
    paused = pause_instance(instance.id, **steps)
    assert (paused.status, paused.status_reason) == (InstanceStatus.PAUSED, "needs_reconnect")
    resumed = resume_instance(instance.id, **steps)
    assert (resumed.status, resumed.status_reason) == (InstanceStatus.ERROR, "needs_reconnect")
