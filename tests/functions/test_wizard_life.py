"""After the wizard: pause, resume, another account, and the end of an instance."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.instances import InstanceState, InstanceStatus
from shared.errors import AuthError, NotFoundError, TransientError
from tests.functions.kit import GOOD_KEY, OTHER_KEY, HttpWorld
from tests.functions.test_wizard import CONFIG, at_last_step


def activated(world: HttpWorld) -> tuple[str, str]:
    """Return the path of an active, scheduled instance, and its first job."""
    path = f"instances/{at_last_step(world)}"
    return path, world.ada.post(f"{path}/activate").json["job"]["id"]


def state_of(world: HttpWorld, path: str) -> InstanceState:
    with world.app.open_uow(read_only=True) as uow:
        return uow.instances.get_state(path.removeprefix("instances/"))


def next_sync(world: HttpWorld, path: str) -> str | None:
    at = state_of(world, path).next_sync_at
    return at.isoformat() if at else None


def status_of(world: HttpWorld, path: str) -> tuple[str, str]:
    instance = world.ada.get(path).json
    return instance["status"], instance["statusReason"]


def test_the_schedule_begins_with_the_activation(world: HttpWorld) -> None:
    """Not before; a new schedule counts at once, none after a change to manual."""
    path = f"instances/{at_last_step(world)}"
    assert next_sync(world, path) is None
    world.ada.post(f"{path}/activate")
    assert next_sync(world, path) == "2026-11-22T05:30:00+00:00"
    world.ada.put(f"{path}/sync-config", {**CONFIG, "frequencyDetails": {"time": "12:00"}})
    assert next_sync(world, path) == "2026-11-21T11:00:00+00:00"
    world.ada.put(f"{path}/sync-config", {})
    assert next_sync(world, path) is None


def test_a_pause_stops_what_waits(world: HttpWorld) -> None:
    """The waiting job is cancelled, nothing starts by hand or schedule, until it is resumed."""
    path, job_id = activated(world)
    assert world.ada.post(f"{path}/pause").json["status"] == "paused"
    assert world.ada.get(f"jobs/{job_id}").json["status"] == "cancelled"
    assert next_sync(world, path) is None
    world.ada.post(f"{path}/jobs").problem(409, "conflict")
    world.clock.move(days=3)
    assert world.ada.post(f"{path}/resume").json["status"] == "active"
    assert next_sync(world, path) == "2026-11-25T05:30:00+00:00"
    assert world.ada.post(f"{path}/jobs").status == 202


@pytest.mark.parametrize("act", ["pause", "resume"])
def test_again_changes_nothing(world: HttpWorld, act: str) -> None:
    """Pausing what is paused and resuming what is active keep the version."""
    path, _ = activated(world)
    first = world.ada.post(f"{path}/{act}").json
    assert world.ada.post(f"{path}/{act}").json == first


def test_a_run_under_way_outlives_a_pause_and_does_not_end_it(world: HttpWorld) -> None:
    """Whether it succeeds or fails, the instance stays paused; the reason is kept for later."""
    path, job_id = activated(world)
    now = world.clock()
    with world.app.open_uow() as uow:
        assert uow.jobs.claim(job_id, run_id="run-1", now=now, lease_until=now) is not None
        uow.commit()
    world.ada.post(f"{path}/pause")
    assert world.ada.get(f"jobs/{job_id}").json["status"] == "running"
    world.sink_error = AuthError("Fake answered 401.")
    world.run(job_id)
    assert world.ada.get(f"jobs/{job_id}").json["status"] == "failed"
    assert status_of(world, path) == ("paused", "needs_reconnect")
    assert world.ada.post(f"{path}/resume").json["status"] == "error"
    found = world.ada.post(f"{path}/resume").problem(409, "conflict")
    assert "connected again" in found["detail"]


def test_connecting_again_heals(world: HttpWorld) -> None:
    """An instance whose credentials broke is active once new ones work; its schedule goes on."""
    path, job_id = activated(world)
    world.sink_error = AuthError("Fake answered 401.")
    world.run(job_id)
    assert status_of(world, path) == ("error", "needs_reconnect")
    body = {"apiKey": GOOD_KEY}
    instance = world.ada.put(f"{path}/connection", body).json["instance"]
    assert (instance["status"], instance["setupStep"]) == ("active", "completed")
    assert next_sync(world, path) == "2026-11-22T05:30:00+00:00"


def test_a_failed_instance_can_be_resumed(world: HttpWorld) -> None:
    """Whatever a person mended elsewhere, resuming lets it sync again."""
    path, job_id = activated(world)
    with world.app.open_uow() as uow:
        uow.jobs.request_cancel(job_id, now=world.clock())
        uow.instances.set_status(
            path.removeprefix("instances/"), InstanceStatus.ERROR, "sync_failed", now=world.clock()
        )
        uow.commit()
    assert world.ada.post(f"{path}/resume").json["status"] == "active"


def test_another_account_is_refused(world: HttpWorld) -> None:
    """Once active, an instance keeps its account for good; the credentials in use stay."""
    path, _ = activated(world)
    before = state_of(world, path)
    world.providers.account = "acme-2"
    for body in ({"apiKey": GOOD_KEY}, {"apiKey": GOOD_KEY, "replaceAccount": True}):
        found = world.ada.put(f"{path}/connection", body).problem(409, "conflict")
        assert "'acme-1'" in found["detail"]
        assert "'acme-2'" in found["detail"]
    assert state_of(world, path) == before
    assert world.app.vault.get(before.secret_ref) == {"api_key": GOOD_KEY}


def test_another_account_may_be_chosen_before_the_activation(world: HttpWorld) -> None:
    """By saying so; what was chosen for the old one is gone, and the steps are due again."""
    path = f"instances/{at_last_step(world)}"
    world.ada.put(f"{path}/mappings", {"mappings": rules_with("LATE")})
    world.providers.account = "acme-2"
    found = world.ada.put(f"{path}/connection", {"apiKey": GOOD_KEY}).problem(409, "conflict")
    assert "replaceAccount" in found["detail"]
    body = {"apiKey": GOOD_KEY, "replaceAccount": True}
    assert world.ada.put(f"{path}/connection", body).json["instance"]["setupStep"] == "connection"
    assert state_of(world, path).account == "acme-2"
    read = world.ada.get(f"{path}/mappings").json["mappings"]
    assert read[1]["transform"]["value"] == "ON_TIME"


def test_an_account_that_is_not_told_is_another_one(world: HttpWorld) -> None:
    """Credentials that name no account cannot prove that they open the right one."""
    path, _ = activated(world)
    world.providers.account = ""
    found = world.ada.put(f"{path}/connection", {"apiKey": GOOD_KEY}).problem(409, "conflict")
    assert "do not name" in found["detail"]


def test_the_same_account_again_keeps_the_steps(world: HttpWorld) -> None:
    """A new key for what is connected already costs no work that was done."""
    path = f"instances/{at_last_step(world)}"
    body = {"apiKey": GOOD_KEY}
    assert world.ada.put(f"{path}/connection", body).json["instance"]["setupStep"] == "sync_config"


def test_a_deleted_instance_keeps_its_secret_for_the_run_under_way(world: HttpWorld) -> None:
    """The run still finds it, and once it has ended the secret is gone."""
    path, job_id = activated(world)
    secret_ref, now = state_of(world, path).secret_ref, world.clock()
    with world.app.open_uow() as uow:
        assert uow.jobs.claim(job_id, run_id="run-1", now=now, lease_until=now) is not None
        uow.commit()
    assert world.ada.delete(path).status == 204
    assert world.app.vault.get(secret_ref) == {"api_key": GOOD_KEY}
    world.run(job_id)
    assert world.ada.get(f"jobs/{job_id}").json["status"] == "cancelled"
    with pytest.raises(NotFoundError):
        world.app.vault.get(secret_ref)


def test_a_vault_that_is_down_is_asked_again(world: HttpWorld) -> None:
    """The deletion counts at once; `maintain` removes the secret when the vault answers."""
    path, job_id = activated(world)
    world.run(job_id)
    secret_ref, vault = state_of(world, path).secret_ref, world.app.vault
    delete = vault.delete

    def down(name: str) -> None:
        raise TransientError("The vault does not answer.")

    vault.__dict__["delete"] = down
    assert world.ada.delete(path).status == 204
    assert vault.get(secret_ref) == {"api_key": GOOD_KEY}
    vault.__dict__["delete"] = delete
    world.trigger("maintain", None)
    with pytest.raises(NotFoundError):
        vault.get(secret_ref)


def test_a_secret_nobody_took_into_use_is_removed(world: HttpWorld) -> None:
    """A process that died between vault and database leaves nothing behind for long."""
    instance_id = world.at_connection(world.ada)
    put, names = world.app.vault.put, []

    def put_and_die(name: str, value: Any) -> None:
        put(name, value)
        names.append(name)
        raise SystemExit

    world.app.vault.__dict__["put"] = put_and_die
    with pytest.raises(SystemExit):
        world.ada.put(f"instances/{instance_id}/connection", {"apiKey": OTHER_KEY})
    world.trigger("maintain", None)
    assert world.app.vault.get(names[0]) == {"api_key": OTHER_KEY}, "it might be saved any moment"
    world.clock.move(hours=1)
    world.trigger("maintain", None)
    with pytest.raises(NotFoundError):
        world.app.vault.get(names[0])
    assert world.app.vault.get(state_of(world, f"instances/{instance_id}").secret_ref)


def rules_with(status: str) -> list[dict[str, Any]]:
    """Return the rules of the tests, with another constant."""
    rule = {"stream": "deals", "externalField": "n", "entity": "initiatives"}
    constant = {"type": "constant", "value": status}
    return [{**rule, "field": "name"}, {**rule, "field": "status", "transform": constant}]
