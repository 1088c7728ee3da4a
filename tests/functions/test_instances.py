"""Instances: made, read, deleted."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import NotFoundError
from tests.functions.kit import GOOD_KEY, HttpWorld

WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "provider"),
    ({"provider": ""}, "provider"),
    ({"provider": 7}, "provider"),
    ({"provider": "fake", "name": "x" * 201}, "name"),
    ({"provider": "fake", "name": "🚀" * 101}, "name"),
    ({"provider": "fake", "connectionKey": "a b"}, "connectionKey"),
    ({"provider": "fake", "connectionKey": "x" * 65}, "connectionKey"),
    ({"provider": "fake", "status": "active"}, "status"),
    ({"provider": "fake", "profileId": "other"}, "profileId"),
    ({"provider": "fake", "apiKey": GOOD_KEY}, "apiKey"),
]


def test_a_new_instance_waits_for_its_connection(world: HttpWorld) -> None:
    """It is stored as answered, named like its provider where no name is given."""
    answer = world.ada.post("instances", {"provider": "fake"})
    assert answer.status == 201
    made = answer.json
    assert (made["name"], made["provider"]) == ("Fake", "fake")
    assert (made["setupStep"], made["status"]) == ("not_started", "setup_incomplete")
    assert made["configVersion"] == 1
    assert world.ada.get(f"instances/{made['id']}").json == made


@pytest.mark.parametrize("name", ["קבוצת מכירות", "👨‍👩‍👧‍👦 sales", "x" * 200])
def test_names_read_back_equal(world: HttpWorld, name: str) -> None:
    """Right-to-left text and emoji are kept as they are."""
    made = world.ada.post("instances", {"provider": "fake", "name": name}).json
    assert made["name"] == name
    assert world.ada.get(f"instances/{made['id']}").json["name"] == name
    assert world.ada.get("instances").json["items"][0]["name"] == name


@pytest.mark.parametrize("slug", ["salesforce", "hidden", "ключ", "FAKE"])
def test_an_unknown_provider_is_named_with_those_there_are(world: HttpWorld, slug: str) -> None:
    """The answer repeats what was asked for and lists the choices; nothing is stored."""
    found = world.ada.post("instances", {"provider": slug}).problem(400, "invalid-input")
    assert repr(slug) in found["detail"]
    assert "depot, fake, ledger, sign-in" in found["detail"]
    assert [error["where"] for error in found["errors"]] == ["provider"]
    assert world.ada.get("instances").json["items"] == []


@pytest.mark.parametrize(("body", "where"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_body_is_refused_by_name(
    world: HttpWorld, body: dict[str, Any], where: str
) -> None:
    """The answer names what is wrong, never its value, and nothing is stored."""
    answer = world.ada.post("instances", body)
    found = answer.problem(400, "invalid-input")
    assert [error["where"] for error in found["errors"]] == [where]
    assert GOOD_KEY.encode() not in answer.body
    assert world.ada.get("instances").json["items"] == []


def test_one_instance_of_a_provider_is_enough(world: HttpWorld) -> None:
    """A second one is a conflict, for this profile only, and only until the first is deleted."""
    first = world.ada.post("instances", {"provider": "fake"}).json
    world.ada.post("instances", {"provider": "fake"}).problem(409, "conflict")
    assert world.bob.post("instances", {"provider": "fake"}).status == 201
    assert world.ada.delete(f"instances/{first['id']}").status == 204
    assert world.ada.post("instances", {"provider": "fake"}).status == 201


def test_connection_keys_tell_several_instances_apart(world: HttpWorld) -> None:
    """Where a provider allows several, each key is one instance."""
    for key in ("north", "south"):
        body = {"provider": "depot", "connectionKey": key}
        assert world.ada.post("instances", body).json["connectionKey"] == key
    body = {"provider": "depot", "connectionKey": "north"}
    world.ada.post("instances", body).problem(409, "conflict")


def test_a_list_holds_the_callers_own_only(world: HttpWorld) -> None:
    """Nobody sees another's instances."""
    mine = world.connected(world.ada)
    world.connected(world.bob)
    assert [item["id"] for item in world.ada.get("instances").json["items"]] == [mine]


def test_a_deleted_instance_takes_its_secret_and_its_job_along(world: HttpWorld) -> None:
    """The secret is out of the vault, the open job cancelled, and the id unknown; the job stays."""
    instance_id = world.connected(world.ada)
    job_id = world.start(world.ada, instance_id)
    with world.app.open_uow(read_only=True) as uow:
        secret_ref = uow.instances.get_state(instance_id).secret_ref
    assert world.app.vault.get(secret_ref) == {"api_key": GOOD_KEY}

    answer = world.ada.delete(f"instances/{instance_id}")
    assert (answer.status, answer.body) == (204, b"")

    with pytest.raises(NotFoundError):
        world.app.vault.get(secret_ref)
    assert world.ada.get(f"jobs/{job_id}").json["status"] == "cancelled"
    world.ada.get(f"instances/{instance_id}").problem(404, "not-found")
    world.ada.delete(f"instances/{instance_id}").problem(404, "not-found")
    world.ada.post(f"instances/{instance_id}/jobs").problem(404, "not-found")
    assert world.ada.get("instances").json["items"] == []


def test_a_delete_asks_a_running_job_to_stop(world: HttpWorld) -> None:
    """A job whose run is under way is asked, and its run ends it."""
    instance_id = world.connected(world.ada)
    job_id = world.start(world.ada, instance_id)
    now = world.clock()
    with world.app.open_uow() as uow:
        assert uow.jobs.claim(job_id, run_id="run-1", now=now, lease_until=now) is not None
        uow.commit()
    world.ada.delete(f"instances/{instance_id}")
    job = world.ada.get(f"jobs/{job_id}").json
    assert job["status"] == "running"
    assert job["cancelRequestedAt"] is not None
    world.run(job_id)
    assert world.ada.get(f"jobs/{job_id}").json["status"] == "cancelled"
