"""A sync that starts by itself, from the timer to its end."""

from __future__ import annotations

from dataclasses import replace

from shared.domain.instances import Frequency
from shared.domain.schedules import JITTER_SECONDS
from shared.services.scheduling import plan_next
from tests.functions.kit import HttpWorld


def test_tick_starts_what_is_due(world: HttpWorld) -> None:
    """An hourly instance gets a job of its own each hour, on the queue of scheduled ones."""
    instance_id = world.connected(world.ada)
    with world.app.open_uow() as uow:
        instance = uow.instances.get(instance_id, profile_id=None)
        instance = replace(instance, frequency=Frequency.HOURLY, frequency_details={"minute": 30})
        uow.instances.save(instance, expected_version=instance.config_version)
        planned = plan_next(instance, now=world.clock())
        state = uow.instances.get_state(instance_id)
        uow.instances.save_state(replace(state, next_sync_at=planned), now=world.clock())
        uow.commit()
    world.trigger("tick", None)
    assert world.queue.sent == []
    for number in (1, 2):
        world.clock.move(hours=1)
        world.trigger("tick", None)
        assert len(world.queue.sent) == number
        job_id, is_scheduled, delay = world.queue.sent[-1]
        assert is_scheduled
        assert 0 <= delay <= JITTER_SECONDS
        world.clock.move(seconds=delay)
        world.run(job_id)
        answer = world.ada.get(f"jobs/{job_id}").json
        assert (answer["status"], answer["trigger"]) == ("success", "scheduled")
