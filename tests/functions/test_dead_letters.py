"""Dead letters: made by the poison function, read and replayed by admins."""

from __future__ import annotations

import json
from typing import Any

import azure.functions as func
import pytest

from shared.errors import TransientError
from tests.functions.kit import HttpWorld


def poison(world: HttpWorld, body: bytes, *, queue: str = "sync_manual_poison") -> None:
    world.trigger(queue, func.QueueMessage(body=body))


def message(job_id: str) -> bytes:
    return json.dumps({"v": 1, "jobId": job_id}).encode()


def letters(world: HttpWorld, **params: str) -> list[dict[str, Any]]:
    answer = world.admin.get("admin/dead-letters", **params)
    assert answer.status == 200
    items: list[dict[str, Any]] = answer.json["items"]
    return items


@pytest.fixture
def dead_job(world: HttpWorld) -> str:
    """Return a job whose run met a bug until its message ended in the poison queue."""
    job_id = world.start(world.ada, world.connected(world.ada))
    world.sink_error = KeyError("a bug")
    with pytest.raises(RuntimeError):
        world.run(job_id)
    world.sink_error = None
    poison(world, message(job_id))
    return job_id


def test_a_dead_job_is_shown_to_admins_and_to_its_owner(world: HttpWorld, dead_job: str) -> None:
    """The letter names job, queue and error; job and instance are in error."""
    (letter,) = letters(world)
    assert (letter["jobId"], letter["queue"], letter["state"]) == (dead_job, "sync-manual", "open")
    assert "a bug" in letter["error"]
    job = world.ada.get(f"jobs/{dead_job}").json
    assert job["status"] == "failed"
    instance = world.ada.get(f"instances/{job['instanceId']}").json
    assert (instance["status"], instance["statusReason"]) == ("error", "dead_letter")


def test_a_copied_message_makes_one_letter(world: HttpWorld, dead_job: str) -> None:
    """The host may copy a message to the poison queue twice."""
    poison(world, message(dead_job))
    assert len(letters(world)) == 1


def test_a_replay_is_a_new_job_of_the_owner(world: HttpWorld, dead_job: str) -> None:
    """The letter is settled, the new job queued; it runs and heals the instance."""
    letter_id = letters(world)[0]["id"]
    answer = world.admin.post(f"admin/dead-letters/{letter_id}/replay")
    assert answer.status == 202
    job = answer.json
    assert (job["trigger"], job["status"]) == ("replay", "pending")
    assert job["id"] != dead_job
    assert world.queue.sent[-1][0] == job["id"]
    world.run(job["id"])
    assert world.ada.get(f"jobs/{job['id']}").json["status"] == "success"
    assert world.ada.get(f"instances/{job['instanceId']}").json["status"] == "active"


def test_a_letter_is_replayed_once(world: HttpWorld, dead_job: str) -> None:
    """The second replay is a conflict and queues nothing."""
    letter_id = letters(world)[0]["id"]
    assert world.admin.post(f"admin/dead-letters/{letter_id}/replay").status == 202
    sent = len(world.queue.sent)
    world.admin.post(f"admin/dead-letters/{letter_id}/replay").problem(409, "conflict")
    assert len(world.queue.sent) == sent
    assert letters(world, status="open") == []
    assert len(letters(world, status="replayed")) == 1


@pytest.mark.parametrize(
    "body", [b"\xff\xfe\x00", b"canary-in-a-message", b"[]", b'{"v": 9, "jobId": "x"}']
)
def test_an_unreadable_message_is_kept_without_its_text(world: HttpWorld, body: bytes) -> None:
    """Nobody knows what is in it, so only why it could not be read is shown; no replay."""
    poison(world, body, queue="sync_scheduled_poison")
    poison(world, body, queue="sync_scheduled_poison")
    (letter,) = letters(world)
    assert (letter["jobId"], letter["queue"]) == ("", "sync-scheduled")
    assert "canary" not in str(letter)
    found = world.admin.post(f"admin/dead-letters/{letter['id']}/replay").problem(409, "conflict")
    assert "no job to replay" in found["detail"]


def test_a_job_that_only_needs_time_is_driven_again(world: HttpWorld) -> None:
    """Its letter is settled already, and a delayed message is on its way."""
    job_id = world.start(world.ada, world.connected(world.ada))
    world.sink_error = TransientError("LinkHub is away.")
    with pytest.raises(TransientError):
        world.run(job_id)
    poison(world, message(job_id))
    (letter,) = letters(world)
    assert (letter["state"], letter["error"]) == ("replayed", "LinkHub is away.")
    job = world.ada.get(f"jobs/{job_id}").json
    assert job["status"] == "pending"
    assert job["notBefore"] is not None
    assert world.queue.sent[-1] == (job_id, False, world.app.settings.redrive_seconds[0])
    world.admin.post(f"admin/dead-letters/{letter['id']}/replay").problem(409, "conflict")


def test_messages_of_no_living_job_make_no_letter(world: HttpWorld) -> None:
    """A job that is over, or that nobody knows, needs no dead letter."""
    job_id = world.start(world.ada, world.connected(world.ada))
    world.run(job_id)
    poison(world, message(job_id))
    poison(world, message("019a0000-0000-7000-8000-000000000000"))
    assert letters(world) == []
    assert world.ada.get(f"jobs/{job_id}").json["status"] == "success"
