"""Connecting an instance by key, or by user name and password."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from shared.domain.instances import InstanceState
from shared.errors import NotFoundError, PermanentError, TransientError
from tests.functions.kit import GOOD_KEY, OTHER_KEY, HttpWorld

BAD_KEY = "key-canary-that-is-refused-77"
OPTIONS = {"deploymentUrl": "https://depot.test"}
WRONG_OPTIONS: list[tuple[Any, list[str]]] = [
    ({}, ["options.deploymentUrl"]),
    ({"deploymentUrl": "   "}, ["options.deploymentUrl"]),
    ({"deploymentURL": "https://x"}, ["options.deploymentURL", "options.deploymentUrl"]),
    ({**OPTIONS, "baseUrl": "https://evil.test"}, ["options.baseUrl"]),
    ({"deploymentUrl": 7}, ["options.deploymentUrl"]),
    ({**OPTIONS, "region": "x" * 2001}, ["options.region"]),
    ([], ["options"]),
    (None, ["options"]),
    ({f"option{number}": "x" for number in range(21)}, ["options"]),
]


def new_instance(world: HttpWorld, provider: str = "depot") -> str:
    made: str = world.ada.post("instances", {"provider": provider}).json["id"]
    return made


def state_of(world: HttpWorld, instance_id: str) -> InstanceState:
    with world.app.open_uow(read_only=True) as uow:
        return uow.instances.get_state(instance_id)


def assert_nothing_kept(world: HttpWorld, instance_id: str) -> None:
    instance = world.ada.get(f"instances/{instance_id}").json
    assert (instance["status"], instance["configVersion"]) == ("setup_incomplete", 1)
    assert instance["options"] == {}
    assert state_of(world, instance_id).secret_ref == ""


def test_a_good_key_connects_and_lives_in_the_vault_only(
    world: HttpWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """Step one is done; the key is in no answer, log, database or vault file."""
    instance_id = new_instance(world)
    body = {"apiKey": f"  {GOOD_KEY}\n", "options": {"deploymentUrl": " https://depot.test "}}
    with caplog.at_level(logging.DEBUG):
        answer = world.ada.put(f"instances/{instance_id}/connection", body)
    assert answer.status == 200
    assert (answer.json["account"], answer.json["label"]) == ("acme-1", "Acme")
    instance = answer.json["instance"]
    assert (instance["status"], instance["setupStep"]) == ("setup_incomplete", "connection")
    assert instance["options"] == OPTIONS
    assert instance["configVersion"] == 2
    assert world.ada.get(f"instances/{instance_id}").json == instance

    secret_ref = state_of(world, instance_id).secret_ref
    assert world.app.vault.get(secret_ref) == {"api_key": GOOD_KEY}
    files = [path for path in world.folder.iterdir() if path.is_file()]
    assert {"app.db", "vault", "vault.key"} <= {path.name for path in files}
    assert not [path.name for path in files if GOOD_KEY.encode() in path.read_bytes()]
    assert GOOD_KEY not in caplog.text
    assert GOOD_KEY.encode() not in answer.body


def test_the_key_is_tried_with_every_option_before_it_is_kept(world: HttpWorld) -> None:
    """The live check gets what the person gave, defaults filled in, and is interactive."""
    instance_id = new_instance(world)
    world.ada.put(f"instances/{instance_id}/connection", {"apiKey": GOOD_KEY, "options": OPTIONS})
    request = world.providers.opened[-1]
    assert request.options == {"deployment_url": "https://depot.test", "region": "eu"}
    assert request.interactive


def test_a_refused_key_is_not_kept(world: HttpWorld, caplog: pytest.LogCaptureFixture) -> None:
    """400 with the provider's own reason; nothing is stored and the key is repeated nowhere."""
    instance_id = new_instance(world)
    body = {"apiKey": BAD_KEY, "options": OPTIONS}
    with caplog.at_level(logging.DEBUG):
        answer = world.ada.put(f"instances/{instance_id}/connection", body)
    assert "answered 401" in answer.problem(400, "invalid-input")["detail"]
    assert BAD_KEY.encode() not in answer.body
    assert BAD_KEY not in caplog.text
    assert_nothing_kept(world, instance_id)


@pytest.mark.parametrize(("options", "wheres"), WRONG_OPTIONS, ids=lambda value: str(value)[:40])
def test_wrong_options_are_named(world: HttpWorld, options: Any, wheres: list[str]) -> None:
    """Each unknown, missing or wrong option is named as the caller writes it; nothing is tried."""
    instance_id = new_instance(world)
    body = {"apiKey": GOOD_KEY, "options": options}
    answer = world.ada.put(f"instances/{instance_id}/connection", body)
    found = answer.problem(400, "invalid-input")
    assert [error["where"] for error in found["errors"]] == wheres
    assert world.providers.opened == []
    assert_nothing_kept(world, instance_id)


@pytest.mark.parametrize("key", ["", "   ", None, 7, ["k"], "x" * 8001])
def test_a_wrong_key_field_is_named(world: HttpWorld, key: Any) -> None:
    """A key that cannot be one is refused without being repeated."""
    instance_id = new_instance(world)
    answer = world.ada.put(
        f"instances/{instance_id}/connection", {"apiKey": key, "options": OPTIONS}
    )
    found = answer.problem(400, "invalid-input")
    assert [error["where"] for error in found["errors"]] == ["apiKey"]
    assert b"xxxx" not in answer.body
    assert_nothing_kept(world, instance_id)


def test_a_provider_that_does_not_answer_is_503(world: HttpWorld) -> None:
    """The caller may try again when the provider said; nothing is kept."""
    instance_id = new_instance(world)
    world.providers.error = TransientError("Depot is busy.", retry_after=17)
    answer = world.ada.put(
        f"instances/{instance_id}/connection", {"apiKey": GOOD_KEY, "options": OPTIONS}
    )
    assert answer.problem(503, "unavailable")["detail"] == "Depot is busy."
    assert answer.headers["Retry-After"] == "17"
    assert_nothing_kept(world, instance_id)


def test_what_a_provider_finds_wrong_for_good_is_400(world: HttpWorld) -> None:
    """A wrong address, say, is the caller's to mend."""
    instance_id = new_instance(world)
    world.providers.error = PermanentError("There is no such deployment.")
    answer = world.ada.put(
        f"instances/{instance_id}/connection", {"apiKey": GOOD_KEY, "options": OPTIONS}
    )
    assert "There is no such deployment." in answer.problem(400, "invalid-input")["detail"]
    assert_nothing_kept(world, instance_id)


def test_a_provider_without_keys_is_a_conflict(world: HttpWorld) -> None:
    """The answer says how this provider is connected instead."""
    instance_id = new_instance(world, "sign-in")
    answer = world.ada.put(f"instances/{instance_id}/connection", {"apiKey": GOOD_KEY})
    assert "oauth2" in answer.problem(409, "conflict")["detail"]


def test_a_user_name_and_password_connect(
    world: HttpWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """For a provider that declares basic auth; the password, its spaces too, is in the vault only.

    Nothing of either is in the answer or a log.
    """
    instance_id = new_instance(world, "ledger")
    body = {"username": " ada@example.com ", "password": GOOD_KEY}
    path = f"instances/{instance_id}/connection"
    with caplog.at_level(logging.DEBUG):
        answer = world.ada.put(path, body)
        spaced = world.ada.put(path, {**body, "password": f" {GOOD_KEY}"})
    assert answer.status == 200, answer.body
    assert answer.json["instance"]["setupStep"] == "connection"
    kept = {"username": "ada@example.com", "password": GOOD_KEY}
    assert world.app.vault.get(state_of(world, instance_id).secret_ref) == kept
    spaced.problem(400, "invalid-input")
    assert world.providers.opened[-1].credentials.values["password"] == f" {GOOD_KEY}"
    for secret in kept.values():
        assert secret not in caplog.text
        assert secret.encode() not in answer.body + spaced.body


@pytest.mark.parametrize(
    ("provider", "body", "wheres"),
    [
        ("ledger", {}, ["username", "password"]),
        ("ledger", {"username": "ada"}, ["password"]),
        ("ledger", {"apiKey": GOOD_KEY}, ["apiKey", "username", "password"]),
        ("ledger", {"username": "a:b", "password": GOOD_KEY}, ["username"]),
        ("ledger", {"username": "a", "password": "p\nq"}, ["password"]),
        ("ledger", {"username": "a", "password": "x" * 1001}, ["password"]),
        ("fake", {"apiKey": GOOD_KEY, "username": "ada"}, ["username"]),
        ("fake", {"username": "ada", "password": GOOD_KEY}, ["username", "password", "apiKey"]),
    ],
)
def test_credentials_of_another_kind_are_named(
    world: HttpWorld, provider: str, body: dict[str, str], wheres: list[str]
) -> None:
    """What is missing and what the provider does not ask for is told; nothing is tried or kept."""
    instance_id = new_instance(world, provider)
    answer = world.ada.put(f"instances/{instance_id}/connection", body)
    found = answer.problem(400, "invalid-input")
    assert [error["where"] for error in found["errors"]] == wheres
    assert GOOD_KEY.encode() not in answer.body
    assert world.providers.opened == []
    assert_nothing_kept(world, instance_id)


def test_a_new_key_replaces_the_old_one(world: HttpWorld) -> None:
    """Connecting again keeps the newest key, and a refused one leaves the old in place."""
    instance_id = world.connected(world.ada)
    path = f"instances/{instance_id}/connection"
    old = state_of(world, instance_id).secret_ref
    world.ada.put(path, {"apiKey": BAD_KEY}).problem(400, "invalid-input")
    assert world.app.vault.get(old) == {"api_key": GOOD_KEY}
    assert world.ada.get(f"instances/{instance_id}").json["status"] == "active"
    assert world.ada.put(path, {"apiKey": OTHER_KEY}).json["instance"]["configVersion"] == 4
    assert world.app.vault.get(state_of(world, instance_id).secret_ref) == {"api_key": OTHER_KEY}
    with pytest.raises(NotFoundError):
        world.app.vault.get(old)


def test_the_same_key_again_changes_nothing(world: HttpWorld) -> None:
    """As after a lost answer: it is tried once more, and answered as before."""
    instance_id = world.at_connection(world.ada)
    before, opened = state_of(world, instance_id), len(world.providers.opened)
    answer = world.ada.put(f"instances/{instance_id}/connection", {"apiKey": GOOD_KEY})
    assert answer.json["instance"] == world.ada.get(f"instances/{instance_id}").json
    assert answer.json["instance"]["configVersion"] == 2
    assert state_of(world, instance_id) == before
    assert len(world.providers.opened) == opened + 1


def test_a_delete_meanwhile_leaves_no_orphan_in_the_vault(world: HttpWorld) -> None:
    """An instance that is deleted while its key is tried keeps no secret that nobody removes."""
    instance_id = new_instance(world, "fake")
    put = world.app.vault.put
    names: list[str] = []

    def put_after_a_delete(name: str, value: Any) -> None:
        assert world.ada.delete(f"instances/{instance_id}").status == 204
        put(name, value)
        names.append(name)

    world.app.vault.__dict__["put"] = put_after_a_delete
    answer = world.ada.put(f"instances/{instance_id}/connection", {"apiKey": GOOD_KEY})
    answer.problem(404, "not-found")
    assert len(names) == 1
    with pytest.raises(NotFoundError):
        world.app.vault.get(names[0])
