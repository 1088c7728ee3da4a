"""Warehouses over HTTP: tried, kept, changed, deleted, and their passwords never told."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.warehouses import Hop
from shared.errors import NotFoundError, TransientError
from shared.services import secrets
from shared.store.tables import secret_removals
from tests.functions.kit import Client, HttpWorld
from tests.warehouse_access_kit import PASSWORD, WAREHOUSE, FakeProbe

OTHER_PASSWORD = "warehouse-canary-a7e11d05c9"


@pytest.fixture
def probe(world: HttpWorld) -> FakeProbe:
    found = world.app.warehouse_probe
    assert isinstance(found, FakeProbe)
    return found


def made(client: Client, **values: Any) -> str:
    answer = client.post("warehouses", {**WAREHOUSE, **values})
    assert answer.status == 201, answer.body
    warehouse_id: str = answer.json["id"]
    return f"warehouses/{warehouse_id}"


def without_password(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in {**WAREHOUSE, **values}.items() if name != "password"}


def secret_of(world: HttpWorld, path: str) -> str:
    with world.app.open_uow(read_only=True) as uow:
        warehouse_id = path.removeprefix("warehouses/")
        return uow.warehouses.get(warehouse_id, profile_id=None).secret_ref


def notes(world: HttpWorld) -> list[str]:
    """Return the names of secrets that are still to be removed."""
    with world.app.database.engine.connect() as connection:
        return list(connection.scalars(secret_removals.select()))


def test_a_warehouse_is_tried_then_kept(world: HttpWorld, probe: FakeProbe) -> None:
    """It reads back as it was sent, but for its password, which only the vault has."""
    answer = world.ada.post("warehouses", {**WAREHOUSE, "name": "Reports"})
    assert answer.status == 201
    found = answer.json
    assert {name: found[name] for name in without_password()} == without_password()
    assert (found["port"], found["trustServerCertificate"], found["name"]) == (
        *(1433, False, "Reports"),
    )
    assert answer.headers["ETag"] == '"1"'
    path = f"warehouses/{found['id']}"
    assert world.ada.get(path).json == found
    assert world.ada.get("warehouses").json["items"] == [found]
    assert [target.password for target in probe.asked] == [PASSWORD]
    assert dict(world.app.vault.get(secret_of(world, path))) == {"password": PASSWORD}
    assert notes(world) == []


def test_one_without_a_name_gets_one(world: HttpWorld) -> None:
    """Made of what tells it apart."""
    path = made(world.ada)
    assert world.ada.get(path).json["name"] == "reports on sql.example.com"


def test_a_profile_may_have_any_number(world: HttpWorld) -> None:
    """Even of the same place; each is its owner's alone."""
    paths = {made(world.ada) for _ in range(3)}
    assert len(paths) == 3
    assert len(world.ada.get("warehouses").json["items"]) == 3
    assert world.bob.get("warehouses").json["items"] == []
    for path in paths:
        world.bob.get(path).problem(404, "not-found")
        world.bob.put(path, WAREHOUSE).problem(404, "not-found")
        world.bob.delete(path).problem(404, "not-found")
        world.bob.post(f"{path}/test").problem(404, "not-found")


@pytest.mark.parametrize("hop", Hop)
def test_what_cannot_be_reached_is_not_kept(world: HttpWorld, probe: FakeProbe, hop: Hop) -> None:
    """The first hop that fails is named; neither row, nor secret, nor event is left."""
    probe.failing = hop
    found = world.ada.post("warehouses", WAREHOUSE).problem(400, "invalid-input")
    assert [error["where"] for error in found["errors"]] == [f"hops.{hop.value}"]
    assert hop.value in found["detail"]
    assert world.ada.get("warehouses").json["items"] == []
    assert notes(world) == []


@pytest.mark.parametrize("hop", [None, *Hop])
def test_a_test_names_every_hop(world: HttpWorld, probe: FakeProbe, hop: Hop | None) -> None:
    """Saved or not, the answer is the same list, with the script that grants what lacks."""
    path = made(world.ada)
    probe.failing = hop
    for answer in (world.ada.post(f"{path}/test"), world.ada.post("warehouses/test", WAREHOUSE)):
        assert answer.status == 200
        found = answer.json
        assert found["ok"] is (hop is None)
        assert found["failedHop"] == (None if hop is None else hop.value)
        assert [one["hop"] for one in found["hops"]] == [one.value for one in Hop]
        states = [one["state"] for one in found["hops"]]
        at = len(Hop) if hop is None else list(Hop).index(hop)
        failed = ["failed"] if hop else []
        assert states == ["ok"] * at + failed + ["not_tried"] * (len(Hop) - at - len(failed))
        assert "GRANT CREATE TABLE, CREATE VIEW TO [linkhub];" in found["grantScript"]
        assert PASSWORD.encode() not in answer.body
    assert world.ada.get(path).json["configVersion"] == 1


def test_a_schema_of_everybodys_has_no_script(world: HttpWorld) -> None:
    """`dbo` may work; it cannot be made somebody's own."""
    answer = world.ada.post("warehouses/test", {**WAREHOUSE, "schema": "dbo"})
    assert answer.json["grantScript"] == ""


def test_a_test_without_a_password_is_refused(world: HttpWorld, probe: FakeProbe) -> None:
    """What is not saved has none yet; nothing is tried."""
    for path in ("warehouses", "warehouses/test"):
        found = world.ada.post(path, without_password()).problem(400, "invalid-input")
        assert [error["where"] for error in found["errors"]] == ["password"]
    assert probe.asked == []


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"host": ""}, "host"),
    ({"host": "sql.example.com;Trusted_Connection=yes"}, "host"),
    ({"host": "server\\instance"}, "host"),
    ({"host": "tcp:sql.example.com"}, "host"),
    ({"host": "http://sql.example.com"}, "host"),
    ({"host": "sql.example.com,1433"}, "host"),
    ({"host": "{sql}"}, "host"),
    ({"host": "[::1]"}, "host"),
    ({"port": 0}, "port"),
    ({"port": 65536}, "port"),
    ({"port": "1433;x"}, "port"),
    ({"database": ""}, "database"),
    ({"database": "x" * 129}, "database"),
    ({"database": "🚀" * 65}, "database"),
    ({"database": "a\u0000b"}, "database"),
    ({"schema": "a\nb"}, "schema"),
    ({"schema": "a?b"}, "schema"),
    ({"schema": "{x}"}, "schema"),
    ({"login": ""}, "login"),
    ({"password": ""}, "password"),
    ({"secretRef": "instance-x"}, "secretRef"),
    ({"url": "sqlite:///warehouse.db"}, "url"),
]


@pytest.mark.parametrize(("values", "where"), WRONG, ids=lambda value: repr(value)[:40])
def test_a_wrong_body_is_refused_by_name(
    world: HttpWorld, probe: FakeProbe, values: dict[str, Any], where: str
) -> None:
    """The answer names the field and nothing is tried or kept."""
    answer = world.ada.post("warehouses", {**WAREHOUSE, **values})
    found = answer.problem(400, "invalid-input")
    assert [error["where"] for error in found["errors"]] == [where]
    assert b"canary" not in answer.body
    assert probe.asked == []


def test_the_same_again_changes_nothing(world: HttpWorld, probe: FakeProbe) -> None:
    """With or without the password: no version, no secret, no look at the server."""
    path = made(world.ada)
    before, secret = world.ada.get(path).json, secret_of(world, path)
    for body in (WAREHOUSE, without_password(), {**WAREHOUSE, "name": before["name"]}):
        assert world.ada.put(path, body).json == before
    assert secret_of(world, path) == secret
    assert len(probe.asked) == 1


def test_another_name_needs_no_look(world: HttpWorld, probe: FakeProbe) -> None:
    """It changes nothing on the way there."""
    path = made(world.ada)
    answer = world.ada.put(path, without_password(name="Another"))
    assert (answer.json["name"], answer.json["configVersion"]) == ("Another", 2)
    assert answer.headers["ETag"] == '"2"'
    assert len(probe.asked) == 1


def test_another_database_is_tried_with_the_password_there_is(
    world: HttpWorld, probe: FakeProbe
) -> None:
    """It stays with its server and its login."""
    path = made(world.ada)
    answer = world.ada.put(path, without_password(database="archive", schema="s"))
    assert (answer.json["database"], answer.json["schema"]) == ("archive", "s")
    assert probe.asked[-1].database == "archive"
    assert probe.asked[-1].password == PASSWORD


@pytest.mark.parametrize(
    "values",
    [
        {"host": "evil.example.com"},
        {"port": 1434},
        {"login": "other"},
        {"trustServerCertificate": True},
    ],
    ids=lambda value: next(iter(value)),
)
def test_a_password_is_never_sent_elsewhere(
    world: HttpWorld, probe: FakeProbe, values: dict[str, Any]
) -> None:
    """Who moves a warehouse, or trusts any certificate, must know its password."""
    path = made(world.ada)
    found = world.ada.put(path, without_password(**values)).problem(400, "invalid-input")
    assert [error["where"] for error in found["errors"]] == ["password"]
    assert len(probe.asked) == 1
    assert world.ada.put(path, {**WAREHOUSE, **values}).status == 200


def test_a_new_password_is_a_new_secret(world: HttpWorld) -> None:
    """The old one leaves the vault; the answer tells neither."""
    path = made(world.ada)
    old = secret_of(world, path)
    answer = world.ada.put(path, {**WAREHOUSE, "password": OTHER_PASSWORD})
    assert (answer.status, answer.json["configVersion"]) == (200, 2)
    assert b"canary" not in answer.body
    new = secret_of(world, path)
    assert dict(world.app.vault.get(new)) == {"password": OTHER_PASSWORD}
    with pytest.raises(NotFoundError):
        world.app.vault.get(old)
    assert notes(world) == []


def test_a_change_that_does_not_work_changes_nothing(world: HttpWorld, probe: FakeProbe) -> None:
    """The password in use stays the one in use."""
    path = made(world.ada)
    before, secret = world.ada.get(path).json, secret_of(world, path)
    probe.failing = Hop.LOGIN
    body = {**WAREHOUSE, "password": OTHER_PASSWORD}
    found = world.ada.put(path, body).problem(400, "invalid-input")
    assert [error["where"] for error in found["errors"]] == ["hops.login"]
    assert (world.ada.get(path).json, secret_of(world, path)) == (before, secret)
    assert notes(world) == []


def test_a_change_names_the_version_it_is_for(world: HttpWorld) -> None:
    """One that somebody else overtook is refused; so is a delete."""
    path = made(world.ada)
    old = {"If-Match": '"1"'}
    body = without_password(name="Another")
    assert world.ada.call("PUT", path, body=body, headers=old).status == 200
    world.ada.call("PUT", path, body=WAREHOUSE, headers=old).problem(412, "precondition-failed")
    world.ada.call("DELETE", path, headers=old).problem(412, "precondition-failed")
    assert world.ada.call("DELETE", path, headers={"If-Match": '"2"'}).status == 204


def test_two_changes_at_once_are_one_and_a_conflict(
    world: HttpWorld, probe: FakeProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the slower one put into the vault leaves it again."""
    path = made(world.ada)
    look = type(probe).__call__

    def slow(self: FakeProbe, target: Any) -> Any:
        monkeypatch.setattr(FakeProbe, "__call__", look)
        assert world.ada.put(path, without_password(name="Faster")).status == 200
        return look(self, target)

    monkeypatch.setattr(FakeProbe, "__call__", slow)
    kept = secret_of(world, path)
    body = {**WAREHOUSE, "password": OTHER_PASSWORD}
    world.ada.put(path, body).problem(409, "conflict")
    assert world.ada.get(path).json["name"] == "Faster"
    assert secret_of(world, path) == kept
    assert notes(world) == []


def test_a_vault_that_does_not_answer_leaves_nothing(
    world: HttpWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is 503, and there is no warehouse; the noted name is removed later."""

    def down(*_: Any) -> None:
        raise TransientError("The vault does not answer.")

    with monkeypatch.context() as patched:
        patched.setattr(world.app.vault, "put", down)
        world.ada.post("warehouses", WAREHOUSE).problem(503, "unavailable")
    assert world.ada.get("warehouses").json["items"] == []
    (name,) = notes(world)
    assert name.startswith("warehouse-")
    world.clock.move(hours=2)
    assert secrets.remove_secrets(
        open_uow=world.app.open_uow, vault=world.app.vault, now=world.clock
    )
    assert notes(world) == []


def test_a_deleted_warehouse_is_gone(world: HttpWorld) -> None:
    """With its password; deleting it again finds nothing."""
    path = made(world.ada)
    secret = secret_of(world, path)
    assert world.ada.delete(path).status == 204
    world.ada.get(path).problem(404, "not-found")
    world.ada.delete(path).problem(404, "not-found")
    assert world.ada.get("warehouses").json["items"] == []
    with pytest.raises(NotFoundError):
        world.app.vault.get(secret)
    assert notes(world) == []


def test_a_password_that_is_gone_is_said_to_be(world: HttpWorld) -> None:
    """It can be saved again, where nothing else can be done."""
    path = made(world.ada)
    world.app.vault.delete(secret_of(world, path))
    world.ada.post(f"{path}/test").problem(409, "conflict")
    world.ada.put(path, without_password(database="b")).problem(409, "conflict")
    assert world.ada.put(path, WAREHOUSE).status == 200
    assert world.ada.post(f"{path}/test").json["ok"] is True
