from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.instances import Instance, InstanceStatus, StatusReason
from shared.domain.messages import job_message
from shared.domain.notifications import (
    GATHERED_FOR,
    SAME_AGAIN_AFTER,
    Notice,
    NoticeStatus,
    NotificationEvent,
    NotificationSettings,
)
from shared.errors import AuthError, PermanentError, TransientError
from shared.services.dead_letters import take_poison
from shared.services.notifications import mark_broken
from tests.mail_kit import notices_of
from tests.world import World, world

__all__ = ["world"]

RECONNECT = NotificationEvent.RECONNECT_NEEDED
FAILED = NotificationEvent.SYNC_FAILED


def fail(world: World, instance: Instance, *, detail: str = "no such table") -> None:
    with world.database.open_uow() as uow:
        mark_broken(uow, instance.id, StatusReason.SYNC_FAILED, detail=detail, now=world.clock())
        uow.commit()


def heal(world: World, instance: Instance) -> None:
    with world.database.open_uow() as uow:
        uow.instances.heal(instance.id, now=world.clock())
        uow.commit()


def settle(world: World, notice: Notice) -> None:
    """Send the notice's mail, as far as the outbox knows."""
    with world.database.open_uow() as uow:
        uow.outbox.mark_sent(notice, error="", now=world.clock())
        uow.commit()


@pytest.mark.parametrize(
    ("error", "event"),
    [(AuthError("401 of the provider"), RECONNECT), (PermanentError("no such table"), FAILED)],
)
def test_a_run_that_fails_for_good_leaves_one_notice(
    world: World, error: Exception, event: NotificationEvent
) -> None:
    """It tells what happened, waits for others of its profile, and is not sent yet."""
    job = world.add_job()
    world.connect_error = error
    world.run(job)
    [notice] = notices_of(world.database, job.instance_id, event)
    assert notice.detail == str(error)
    assert (notice.status, notice.mail_id) == (NoticeStatus.PENDING, "")
    assert notice.not_before == world.clock() + GATHERED_FOR
    other = FAILED if event is RECONNECT else RECONNECT
    assert notices_of(world.database, job.instance_id, other) == []


def test_a_run_that_is_tried_again_says_nothing(world: World) -> None:
    """A busy provider is the retries' business, not a person's."""
    job = world.add_job()
    world.connect_error = TransientError("503")
    with pytest.raises(TransientError):
        world.run(job)
    assert notices_of(world.database, job.instance_id) == []


@pytest.mark.parametrize(
    ("error", "detail"), [(TransientError("503 all day"), "503 all day"), (KeyError("oops"), "")]
)
def test_a_dead_letter_is_told_but_a_bug_does_not_speak(
    world: World, error: Exception, detail: str
) -> None:
    """When the retries are used up people hear of it; a stack's own words are not theirs."""
    job = world.add_job()
    world.connect_error = error
    with pytest.raises((TransientError, RuntimeError)):
        world.run(job)
    take_poison(
        job_message(job.id).encode(),
        queue_name="sync-manual",
        redrive_delays=(),
        open_uow=world.database.open_uow,
        queue=world.queue,
        now=world.clock,
    )
    [notice] = notices_of(world.database, job.instance_id)
    assert notice.detail == detail


def test_an_instance_that_is_still_broken_is_no_news(world: World) -> None:
    """However often a person tries again in vain, for days, nothing more is written."""
    instance = world.add_instance()
    fail(world, instance)
    [first] = notices_of(world.database, instance.id)
    settle(world, first)
    for _ in range(5):
        world.clock.move(days=2)
        fail(world, instance)
    [last] = notices_of(world.database, instance.id)
    assert last.id == first.id


def test_a_notice_that_waits_stands_for_what_happens_meanwhile(world: World) -> None:
    """An instance that goes up and down before its mail is out is told once."""
    instance = world.add_instance()
    fail(world, instance)
    [first] = notices_of(world.database, instance.id)
    for _ in range(5):
        heal(world, instance)
        fail(world, instance)
    [last] = notices_of(world.database, instance.id)
    assert last.id == first.id


def test_the_same_is_told_again_after_a_day_at_the_earliest(world: World) -> None:
    """An instance that breaks anew an hour later is told then, late rather than never."""
    instance = world.add_instance()
    fail(world, instance)
    told_at = world.clock()
    [first] = notices_of(world.database, instance.id)
    settle(world, first)
    world.clock.move(hours=1)
    heal(world, instance)
    fail(world, instance)
    [second] = notices_of(world.database, instance.id)
    assert second.id != first.id
    assert second.not_before == told_at + SAME_AGAIN_AFTER


def test_a_profile_that_got_a_mail_waits_an_hour_for_the_next(world: World) -> None:
    """The second connection that breaks is told with an hour between."""
    profile_id = world.add_profile()
    one = world.add_instance(profile_id=profile_id, connection_key="one")
    two = world.add_instance(profile_id=profile_id, connection_key="two")
    fail(world, one)
    told_at = world.clock()
    [first] = notices_of(world.database, one.id)
    settle(world, first)
    world.clock.move(minutes=10)
    fail(world, two)
    [second] = notices_of(world.database, two.id)
    assert second.not_before == told_at + timedelta(hours=1)


def test_another_trouble_is_news(world: World) -> None:
    """An instance that failed and now needs a reconnect is told of both."""
    instance = world.add_instance()
    fail(world, instance)
    with world.database.open_uow() as uow:
        mark_broken(uow, instance.id, StatusReason.NEEDS_RECONNECT, detail="", now=world.clock())
        uow.commit()
    assert len(notices_of(world.database, instance.id, RECONNECT)) == 1


def test_an_event_that_is_switched_off_is_not_written(world: World) -> None:
    """The profile's settings say what it wants to hear; the instance is broken all the same."""
    instance = world.add_instance()
    chosen = NotificationSettings(profile_id=instance.profile_id, events=(RECONNECT,))
    with world.database.open_uow() as uow:
        uow.notifications.save(chosen, now=world.clock())
        uow.commit()
    fail(world, instance)
    assert notices_of(world.database, instance.id) == []
    assert world.instance(instance.id).status is InstanceStatus.ERROR


def test_a_deleted_instance_is_not_told_of(world: World) -> None:
    """What a person removed meanwhile bothers nobody any more."""
    instance = world.add_instance()
    with world.database.open_uow() as uow:
        uow.instances.soft_delete(instance.id, now=world.clock())
        uow.commit()
    fail(world, instance)
    assert notices_of(world.database, instance.id) == []


def test_a_notice_counts_with_the_rest_of_its_unit_of_work(world: World) -> None:
    """Where the settling is lost, so is the notice: no mail tells of what was not written."""
    instance = world.add_instance()
    with world.database.open_uow() as uow:
        mark_broken(uow, instance.id, StatusReason.SYNC_FAILED, detail="", now=world.clock())
    assert notices_of(world.database, instance.id) == []
    assert world.instance(instance.id).status is InstanceStatus.ACTIVE
