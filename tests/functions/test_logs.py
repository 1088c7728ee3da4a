"""What jobs did, and the records they had trouble with."""

from __future__ import annotations

from tests.functions.kit import HttpWorld


def test_a_log_and_its_records_tell_what_went_wrong(world: HttpWorld) -> None:
    """A job with a bad record is partial, and the record is shown with its field and reason."""
    world.bad_keys = frozenset({"2"})
    job_id = world.start(world.ada, world.connected(world.ada))
    world.run(job_id)

    (log,) = world.ada.get("logs").json["items"]
    assert (log["jobId"], log["provider"], log["status"]) == (job_id, "fake", "partial")
    assert log["success"] is False
    assert log["counts"]["processed"] == 4
    assert (log["counts"]["success"], log["counts"]["error"]) == (3, 1)
    assert (log["stream"], log["entity"], log["operation"]) == ("deals", "initiatives", "import")

    answer = world.ada.get(f"logs/{log['id']}/records")
    assert answer.status == 200
    (record,) = answer.json["items"]
    assert (record["stream"], record["externalId"]) == ("deals", "2")
    assert (record["severity"], record["error"]) == ("error", "bad")
    assert record["resolvedAt"] is None


def test_a_clean_log_has_no_records(world: HttpWorld) -> None:
    """Success shows as such, with an empty list of problems."""
    world.run(world.start(world.ada, world.connected(world.ada)))
    (log,) = world.ada.get("logs").json["items"]
    assert (log["status"], log["success"]) == ("success", True)
    assert world.ada.get(f"logs/{log['id']}/records").json == {"items": [], "nextCursor": None}
