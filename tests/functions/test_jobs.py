"""Syncs over HTTP: started, read, cancelled, and run by the queue function."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.jobs import Job
from shared.errors import TransientError
from shared.store.repositories.jobs import SqlJobRepository
from tests.functions.kit import HttpWorld


@pytest.fixture
def instance_id(world: HttpWorld) -> str:
    return world.connected(world.ada)


def test_a_start_answers_a_pending_job_whose_message_is_sent(
    world: HttpWorld, instance_id: str
) -> None:
    """202 with the job; its id, and nothing else, is on the manual queue."""
    answer = world.ada.post(f"instances/{instance_id}/jobs", {"mode": "full"})
    assert answer.status == 202
    job = answer.json
    assert (job["instanceId"], job["status"], job["mode"]) == (instance_id, "pending", "full")
    assert (job["trigger"], job["kind"], job["counts"]) == ("manual", "sync", None)
    assert world.queue.sent == [(job["id"], False, 0)]


def test_a_start_without_a_body_is_incremental(world: HttpWorld, instance_id: str) -> None:
    """The body may be left out."""
    assert world.ada.post(f"instances/{instance_id}/jobs").json["mode"] == "incremental"


@pytest.mark.parametrize("body", [{"mode": "all"}, {"mode": 1}, {"mode": None}, {"force": True}])
def test_a_wrong_body_is_refused_by_name(
    world: HttpWorld, instance_id: str, body: dict[str, Any]
) -> None:
    """The answer names what is wrong; no job is made."""
    found = world.ada.post(f"instances/{instance_id}/jobs", body).problem(400, "invalid-input")
    assert [error["where"] for error in found["errors"]] == list(body)
    assert world.ada.get("jobs").json["items"] == []


def test_starting_twice_is_the_same_job(world: HttpWorld, instance_id: str) -> None:
    """A second start answers the unfinished job and sends no second message."""
    first = world.start(world.ada, instance_id)
    second = world.ada.post(f"instances/{instance_id}/jobs", {"mode": "full"})
    assert (second.status, second.json["id"]) == (202, first)
    assert len(world.queue.sent) == 1
    assert len(world.ada.get("jobs").json["items"]) == 1


def test_starting_twice_at_the_same_moment_is_the_same_job(
    world: HttpWorld, instance_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two requests that both saw no job, the slower one answers the faster one's."""
    first = world.start(world.ada, instance_id)
    find_open = SqlJobRepository.find_open
    looks = iter([lambda *_: None, find_open])

    def late(self: SqlJobRepository, wanted: str) -> Job | None:
        return next(looks)(self, wanted)

    monkeypatch.setattr(SqlJobRepository, "find_open", late)
    assert world.start(world.ada, instance_id) == first
    assert len(world.queue.sent) == 1


def test_a_finished_job_makes_room_for_another(world: HttpWorld, instance_id: str) -> None:
    """After the end of one sync the next start is a new job."""
    first = world.start(world.ada, instance_id)
    world.run(first)
    assert world.start(world.ada, instance_id) != first


def test_a_message_that_cannot_be_sent_loses_no_job(world: HttpWorld, instance_id: str) -> None:
    """The job is stored and answered all the same; the next tick sends its message."""
    world.queue.error = TransientError("the queue is down")
    job_id = world.start(world.ada, instance_id)
    world.queue.error = None
    world.trigger("tick", None)
    assert [sent[0] for sent in world.queue.sent] == [job_id]


def test_an_instance_without_a_connection_cannot_start(world: HttpWorld) -> None:
    """409 says which step is missing."""
    made = world.ada.post("instances", {"provider": "depot"}).json
    found = world.ada.post(f"instances/{made['id']}/jobs").problem(409, "conflict")
    assert "connect it" in found["detail"]


def test_a_run_job_tells_its_counts(world: HttpWorld, instance_id: str) -> None:
    """Read after its run, a job says how it ended, how long it took and how many there were."""
    job_id = world.start(world.ada, instance_id)
    world.run(job_id)
    job = world.ada.get(f"jobs/{job_id}").json
    assert job["status"] == "success"
    assert job["counts"] == {
        "processed": 4,
        "success": 4,
        "warning": 0,
        "error": 0,
        "unchanged": 0,
        "deleted": 0,
    }
    assert job["durationMs"] >= 0
    assert job["logId"] == world.ada.get("logs").json["items"][0]["id"]


def test_a_cancelled_job_never_runs(world: HttpWorld, instance_id: str) -> None:
    """A waiting job is cancelled at once; its message does nothing when it comes."""
    job_id = world.start(world.ada, instance_id)
    answer = world.ada.post(f"jobs/{job_id}/cancel")
    assert (answer.status, answer.json["status"]) == (200, "cancelled")
    world.run(job_id)
    assert world.store.rows == {}
    assert world.ada.get(f"jobs/{job_id}").json["status"] == "cancelled"


def test_a_job_that_is_over_cannot_be_cancelled(world: HttpWorld, instance_id: str) -> None:
    """409, and it stays what it is: after success as after a cancel."""
    for end in (world.run, lambda job_id: world.ada.post(f"jobs/{job_id}/cancel")):
        job_id = world.start(world.ada, instance_id)
        end(job_id)
        before = world.ada.get(f"jobs/{job_id}").json
        world.ada.post(f"jobs/{job_id}/cancel").problem(409, "conflict")
        assert world.ada.get(f"jobs/{job_id}").json == before


def test_a_running_job_is_asked_to_stop(world: HttpWorld, instance_id: str) -> None:
    """The answer shows the request; asking again keeps its moment."""
    job_id = world.start(world.ada, instance_id)
    now = world.clock()
    with world.app.open_uow() as uow:
        uow.jobs.claim(job_id, run_id="run-1", now=now, lease_until=now)
        uow.commit()
    first = world.ada.post(f"jobs/{job_id}/cancel").json
    world.clock.move(seconds=9)
    second = world.ada.post(f"jobs/{job_id}/cancel").json
    assert first["status"] == second["status"] == "running"
    assert first["cancelRequestedAt"] == second["cancelRequestedAt"] is not None
