"""The queue and timer functions, called as the host would call them."""

from __future__ import annotations

import json
from datetime import timedelta

import azure.functions as func
import pytest

from shared.domain.changes import RecordProblem
from shared.errors import PermanentError, TransientError
from tests.functions.kit import HttpWorld


def message(job_id: str) -> func.QueueMessage:
    return func.QueueMessage(body=json.dumps({"v": 1, "jobId": job_id}).encode())


@pytest.mark.parametrize("queue", ["sync_manual", "sync_scheduled"])
def test_a_message_runs_its_job(world: HttpWorld, queue: str) -> None:
    """Either queue leads to a finished sync; a copy of the message does nothing more."""
    job_id = world.start(world.ada, world.connected(world.ada))
    world.trigger(queue, message(job_id))
    assert world.ada.get(f"jobs/{job_id}").json["status"] == "success"
    assert len(world.store.rows) == 4
    sent = list(world.store.sent)
    world.trigger(queue, message(job_id))
    assert world.store.sent == sent


def test_an_unreadable_message_goes_back_to_the_host(world: HttpWorld) -> None:
    """It is raised, so that the host moves it to the poison queue; its text is not repeated."""
    with pytest.raises(PermanentError) as raised:
        world.trigger("sync_manual", func.QueueMessage(body=b"canary"))
    assert "canary" not in str(raised.value)


def test_tick_queues_again_what_nobody_runs(world: HttpWorld) -> None:
    """A job whose message was lost gets another one, not before it is due for it."""
    job_id = world.start(world.ada, world.connected(world.ada))
    world.trigger("tick", None)
    assert len(world.queue.sent) == 1
    world.clock.move(minutes=6)
    world.trigger("tick", None)
    assert [sent[0] for sent in world.queue.sent] == [job_id, job_id]


def test_tick_outlives_a_queue_that_is_down(world: HttpWorld) -> None:
    """What could not be sent now is sent by a later tick."""
    job_id = world.start(world.ada, world.connected(world.ada))
    world.clock.move(minutes=6)
    world.queue.error = TransientError("down")
    world.trigger("tick", None)
    world.queue.error = None
    world.trigger("tick", None)
    assert [sent[0] for sent in world.queue.sent] == [job_id, job_id]


def test_maintain_prunes_old_details_only(world: HttpWorld) -> None:
    """Problem records go after their time; the log that counted them stays."""
    world.run(world.start(world.ada, world.connected(world.ada)))
    log_id = world.ada.get("logs").json["items"][0]["id"]
    with world.app.open_uow() as uow:
        problem = RecordProblem(stream="deals", key="1", message="bad")
        uow.logs.add_records(log_id, [problem], cap=5, now=world.clock())
        uow.commit()
    world.trigger("maintain", None)
    assert len(world.ada.get(f"logs/{log_id}/records").json["items"]) == 1
    world.clock.now += timedelta(days=world.app.settings.log_records_days + 1)
    world.trigger("maintain", None)
    assert world.ada.get(f"logs/{log_id}/records").json["items"] == []
    assert world.ada.get("logs").json["items"][0]["id"] == log_id
