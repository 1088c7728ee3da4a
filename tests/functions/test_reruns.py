"""What can be asked for once a job is over, or asks itself: the routes' answers."""

from __future__ import annotations

import pytest

from shared.errors import ApprovalNeededError, PermanentError
from tests.functions.kit import HttpWorld
from tests.functions.records_kit import add_entry, add_record

QUESTION = "This sync would delete 40 of 100 records."


@pytest.fixture
def instance_id(world: HttpWorld) -> str:
    return world.connected(world.ada)


def ended(world: HttpWorld, instance_id: str, error: Exception | None = None) -> str:
    """Return the id of a job that ran once and ended so."""
    world.sink_error = error
    job_id = world.start(world.ada, instance_id)
    world.run(job_id)
    world.sink_error = None
    return job_id


def test_a_job_that_asks_shows_its_question_and_goes_on_once_approved(
    world: HttpWorld, instance_id: str
) -> None:
    """202 with the job, pending again; its run is not asked any more."""
    job_id = ended(world, instance_id, ApprovalNeededError(QUESTION))
    asking = world.ada.get(f"jobs/{job_id}").json
    assert (asking["status"], asking["errorClass"]) == ("waiting_approval", "approval_needed")
    assert asking["errorMessage"] == QUESTION
    assert world.ada.get("jobs", status="waiting_approval").json["items"][0]["id"] == job_id
    answer = world.ada.post(f"jobs/{job_id}/approve")
    assert (answer.status, answer.json["status"]) == (202, "pending")
    assert answer.json["approvedAt"] is not None
    world.ada.post(f"jobs/{job_id}/approve").problem(409, "conflict")
    world.run(job_id)
    assert world.ada.get(f"jobs/{job_id}").json["status"] == "success"


def test_a_start_while_a_job_asks_answers_that_job(world: HttpWorld, instance_id: str) -> None:
    """Nobody gets round the question by starting another sync."""
    job_id = ended(world, instance_id, ApprovalNeededError(QUESTION))
    assert world.start(world.ada, instance_id) == job_id
    assert world.ada.get(f"jobs/{job_id}").json["status"] == "waiting_approval"


def test_a_rejected_job_is_over(world: HttpWorld, instance_id: str) -> None:
    """200 with the cancelled job; there is room for another one."""
    job_id = ended(world, instance_id, ApprovalNeededError(QUESTION))
    answer = world.ada.post(f"jobs/{job_id}/reject")
    assert (answer.status, answer.json["status"]) == (200, "cancelled")
    world.ada.post(f"jobs/{job_id}/reject").problem(409, "conflict")
    assert world.start(world.ada, instance_id) != job_id


def test_a_failed_job_is_retried_as_another_one(world: HttpWorld, instance_id: str) -> None:
    """202 with the new job, which is queued; the old one stays as it is."""
    job_id = ended(world, instance_id, PermanentError("broken"))
    answer = world.ada.post(f"jobs/{job_id}/retry")
    assert (answer.status, answer.json["trigger"]) == (202, "retry")
    assert answer.json["id"] != job_id
    assert world.queue.sent[-1][0] == answer.json["id"]
    found = world.ada.post(f"jobs/{job_id}/retry").problem(409, "conflict")
    assert "unfinished" in found["detail"]
    assert world.ada.get(f"jobs/{job_id}").json["status"] == "failed"


def test_a_job_that_went_well_is_not_retried(world: HttpWorld, instance_id: str) -> None:
    """409: start a new sync instead."""
    job_id = ended(world, instance_id)
    world.ada.post(f"jobs/{job_id}/retry").problem(409, "conflict")


def test_an_undo_is_a_job_that_names_its_target(world: HttpWorld, instance_id: str) -> None:
    """202; a sync is not started beside it."""
    job_id = ended(world, instance_id)
    world.ada.post(f"jobs/{job_id}/undo").problem(409, "conflict")
    add_entry(world.app, job_id)
    answer = world.ada.post(f"jobs/{job_id}/undo")
    assert (answer.status, answer.json["kind"]) == (202, "undo")
    assert answer.json["targetJobId"] == job_id
    found = world.ada.post(f"instances/{instance_id}/jobs").problem(409, "conflict")
    assert "busy" in found["detail"]


def test_a_replay_is_a_job_that_names_its_record(world: HttpWorld, instance_id: str) -> None:
    """202; the list of the log's records says later whether it is resolved."""
    job_id = ended(world, instance_id)
    record_id = add_record(world.app, job_id)
    answer = world.ada.post(f"records/{record_id}/replay")
    assert (answer.status, answer.json["trigger"]) == (202, "replay")
    assert answer.json["targetRecordId"] == record_id
    world.run(answer.json["id"])
    assert world.ada.get(f"jobs/{answer.json['id']}").json["status"] == "success"
    log_id = world.ada.get(f"jobs/{job_id}").json["logId"]
    [record] = world.ada.get(f"logs/{log_id}/records").json["items"]
    assert record["resolvedAt"] is not None


def test_records_of_a_warehouse_are_not_replayed(world: HttpWorld) -> None:
    """409: a full sync brings them all."""
    job_id = ended(world, world.connected(world.ada, "depot"))
    record_id = add_record(world.app, job_id)
    found = world.ada.post(f"records/{record_id}/replay").problem(409, "conflict")
    assert "full sync" in found["detail"]


def test_an_entry_about_no_record_is_not_replayed(world: HttpWorld, instance_id: str) -> None:
    """409: it tells of a stream as a whole."""
    job_id = ended(world, instance_id)
    record_id = add_record(world.app, job_id, key="")
    world.ada.post(f"records/{record_id}/replay").problem(409, "conflict")
