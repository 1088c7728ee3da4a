"""Where an instance's tables go: its profile's warehouses, or the app's own."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.instances import StatusReason
from shared.domain.jobs import JobStatus
from shared.domain.warehouses import WarehouseTarget
from shared.services.notifications import mark_broken
from shared.store.tables import table_generations
from tests.functions.kit import HttpWorld
from tests.functions.test_warehouses import made
from tests.functions.test_wizard import at_last_step
from tests.odbc_kit import FakeOdbc, odbc_error
from tests.warehouse_access_kit import PASSWORD, WAREHOUSE


class Depots:
    """Instances whose tables go to files named like their warehouse's database."""

    def __init__(self, world: HttpWorld) -> None:
        self.world = world
        self.ada = world.ada
        self.reached: list[WarehouseTarget] = []
        del world.app.__dict__["open_sink"]
        # The only way to a warehouse that is no SQL Server: the API has none.
        world.app.__dict__["way_to"] = self._way_to

    def _way_to(self, target: WarehouseTarget) -> dict[str, Any]:
        self.reached.append(target)
        return {"url": f"sqlite:///{self.world.folder / f'{target.database}.db'}"}

    def instance(self, key: str = "", *, destination: str | None = None) -> str:
        """Return the path of an active instance that has not synced yet."""
        path = f"instances/{self.world.at_connection(self.ada, 'depot', connectionKey=key)}"
        body = {"tables": [{"table": "deals"}]}
        assert self.ada.put(f"{path}/tables", body).status == 200
        config = {} if destination is None else {"destination": destination}
        answer = self.ada.put(f"{path}/sync-config", config)
        assert answer.status == 200, answer.body
        return path

    def activate(self, path: str) -> dict[str, Any]:
        answer = self.ada.post(f"{path}/activate")
        assert answer.status == 200, answer.body
        return self._run(answer.json["job"]["id"])

    def sync(self, path: str, mode: str = "incremental") -> dict[str, Any]:
        return self._run(self.ada.post(f"{path}/jobs", {"mode": mode}).json["id"])

    def _run(self, job_id: str) -> dict[str, Any]:
        self.world.run(job_id)
        job: dict[str, Any] = self.ada.get(f"jobs/{job_id}").json
        assert job["status"] == "success", job
        return job

    def fail(self, path: str, *, error_class: str) -> None:
        """Let the instance's next sync fail for good, as runs do."""
        job_id = self.ada.post(f"{path}/jobs").json["id"]
        now = self.world.app.now()
        with self.world.app.open_uow() as uow:
            uow.jobs.claim(job_id, run_id="r", now=now, lease_until=now)
            uow.jobs.finish(job_id, "r", status=JobStatus.FAILED, error_class=error_class, now=now)
            reason = StatusReason.SYNC_FAILED
            mark_broken(uow, id_of(path), reason, detail="", now=now)
            uow.commit()

    def tables(self, database: str) -> dict[str, int]:
        """Return how many rows each live table has."""
        file = self.world.folder / f"{database}.db"
        with closing(sqlite3.connect(file)) as opened:
            sql = "SELECT table_name FROM _linkhub_tables WHERE role = 'live'"
            names = [name for (name,) in opened.execute(sql)]
            return {
                name: opened.execute(f"SELECT COUNT(*) FROM [{name}]").fetchone()[0]  # noqa: S608  ours
                for name in names
            }

    def generations(self) -> list[tuple[str, str]]:
        columns = table_generations.c
        with self.world.app.database.engine.connect() as connection:
            rows = connection.execute(
                table_generations.select().with_only_columns(
                    columns.warehouse_id, columns.table_name
                )
            )
            return sorted((row[0], row[1]) for row in rows)


@pytest.fixture
def depots(world: HttpWorld) -> Depots:
    return Depots(world)


def id_of(path: str) -> str:
    return path.rpartition("/")[2]


def test_tables_go_to_the_chosen_warehouse(depots: Depots) -> None:
    """With the password of the vault, into its database and schema; its generations say so."""
    warehouse = id_of(made(depots.ada))
    path = depots.instance(destination=warehouse)
    assert depots.ada.get(path).json["destination"] == warehouse
    depots.activate(path)
    assert depots.tables("reports") == {"deals": 4}
    (reached,) = depots.reached
    assert (reached.password, reached.schema) == (PASSWORD, "linkhub")
    assert not (depots.world.folder / "warehouse.db").exists()
    assert depots.generations() == [(warehouse, "deals")]


def test_without_a_choice_they_go_to_the_apps_own(depots: Depots) -> None:
    """As on a development machine, where WAREHOUSE_URL names a file."""
    path = depots.instance()
    depots.activate(path)
    assert depots.ada.get(path).json["destination"] == ""
    assert depots.tables("warehouse") == {"deals": 4}
    assert depots.generations() == [("", "deals")]
    assert depots.reached == []


def test_another_destination_is_loaded_whole(depots: Depots) -> None:
    """The next job begins from nothing there; the old tables stay where they are."""
    first, second = (id_of(made(depots.ada, database=name)) for name in ("a", "b"))
    path = depots.instance(destination=first)
    depots.activate(path)
    version = depots.ada.get(path).json["configVersion"]
    answer = depots.ada.put(f"{path}/sync-config", {"destination": second})
    assert answer.json["instance"]["configVersion"] == version + 1
    depots.sync(path)
    assert depots.tables("a") == depots.tables("b") == {"deals": 4}
    assert depots.generations() == sorted([(first, "deals"), (second, "deals")])


def test_a_config_that_says_nothing_of_it_keeps_it(depots: Depots) -> None:
    """Only '' goes back to the app's own."""
    warehouse = id_of(made(depots.ada))
    path = depots.instance(destination=warehouse)
    for body in (
        {},
        {"destination": None},
        {"frequency": "hourly", "frequencyDetails": {"minute": 5}},
    ):
        answer = depots.ada.put(f"{path}/sync-config", body)
        assert answer.json["instance"]["destination"] == warehouse
    answer = depots.ada.put(f"{path}/sync-config", {"destination": ""})
    assert answer.json["instance"]["destination"] == ""


def test_several_sources_of_a_profile_stay_apart_in_one_warehouse(depots: Depots) -> None:
    """Their connection keys begin their tables' names; each has its own rows and checkpoint."""
    warehouse = id_of(made(depots.ada))
    paths = [depots.instance(key, destination=warehouse) for key in ("north", "south", "")]
    for path in paths:
        depots.activate(path)
    expected = {"north_deals": 4, "south_deals": 4, "deals": 4}
    assert depots.tables("reports") == expected
    for path in paths:
        depots.sync(path, mode="full")
    assert depots.tables("reports") == expected


def test_only_ones_own_warehouse_can_be_chosen(depots: Depots) -> None:
    """Another profile's is not found, nor one that is deleted, nor one that never was."""
    path = depots.instance()
    foreign = id_of(made(depots.world.bob))
    deleted = made(depots.ada)
    assert depots.ada.delete(deleted).status == 204
    for unknown in (foreign, id_of(deleted), "no-such-id"):
        body = {"destination": unknown}
        depots.ada.put(f"{path}/sync-config", body).problem(404, "not-found")
    assert depots.ada.get(path).json["destination"] == ""


def test_what_goes_to_linkhub_has_no_warehouse(world: HttpWorld) -> None:
    """The field is named."""
    path = f"instances/{at_last_step(world)}"
    body = {"destination": id_of(made(world.ada))}
    found = world.ada.put(f"{path}/sync-config", body).problem(400, "invalid-input")
    assert [error["where"] for error in found["errors"]] == ["destination"]


def test_where_the_app_has_no_warehouse_one_must_be_chosen(
    depots: Depots, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in Azure; it is told in the wizard, not by the first sync."""
    path = depots.instance()
    monkeypatch.setattr(type(depots.world.app), "has_default_warehouse", False)
    found = depots.ada.put(f"{path}/sync-config", {}).problem(400, "invalid-input")
    assert [error["where"] for error in found["errors"]] == ["destination"]
    body = {"destination": id_of(made(depots.ada))}
    assert depots.ada.put(f"{path}/sync-config", body).status == 200


def test_a_warehouse_in_use_cannot_be_deleted(depots: Depots) -> None:
    """Who uses it is named; once nobody does, it goes."""
    warehouse = made(depots.ada)
    paths = [depots.instance(key, destination=id_of(warehouse)) for key in ("north", "south")]
    for path, name in zip(paths, ("North", "South"), strict=True):
        with depots.world.app.open_uow() as uow:
            found = uow.instances.get(id_of(path), profile_id=None)
            uow.instances.save(replace(found, name=name), expected_version=found.config_version)
            uow.commit()
    told = depots.ada.delete(warehouse).problem(409, "conflict")["detail"]
    assert "North, South" in told
    assert depots.ada.get(warehouse).status == 200
    assert depots.ada.delete(paths[0]).status == 204
    assert depots.ada.put(f"{paths[1]}/sync-config", {"destination": ""}).status == 200
    assert depots.ada.delete(warehouse).status == 204


def test_a_password_that_is_not_there_is_waited_for(depots: Depots) -> None:
    """It may be changing just now; what to do if it stays so is said, and nothing is broken."""
    path = depots.instance(destination=id_of(made(depots.ada)))
    depots.activate(path)
    world = depots.world
    with world.app.open_uow() as uow:
        instance = uow.instances.get(id_of(path), profile_id=None)
        warehouse = uow.warehouses.get(instance.destination, profile_id=None)
    world.app.vault.delete(warehouse.secret_ref)
    job_id = depots.ada.post(f"{path}/jobs").json["id"]
    with pytest.raises(Exception, match="not in the vault"):
        world.run(job_id)
    job = depots.ada.get(f"jobs/{job_id}").json
    assert (job["status"], job["errorClass"]) == ("pending", "transient")
    assert "save it again" in job["errorMessage"]
    assert depots.ada.get(path).json["status"] == "active"


def test_a_login_the_server_no_longer_takes_is_the_warehouses_matter(
    depots: Depots, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way is the production's: the job fails and says so, and the provider stays connected."""
    odbc = FakeOdbc()
    odbc.refusals = [odbc_error("28000", 18456, "Login failed for user 'linkhub'.")]
    monkeypatch.setitem(sys.modules, "pyodbc", odbc)
    world = depots.world
    del world.app.__dict__["way_to"]
    world.app.settings = replace(world.app.settings, allow_private_hosts=True)
    path = depots.instance(destination=id_of(made(depots.ada, host="127.0.0.1")))
    job_id = depots.ada.post(f"{path}/activate").json["job"]["id"]
    world.run(job_id)
    job = depots.ada.get(f"jobs/{job_id}")
    assert (job.json["status"], job.json["errorClass"]) == ("failed", "destination")
    assert "right password" in job.json["errorMessage"]
    assert PASSWORD.encode() not in job.body
    found = depots.ada.get(path).json
    assert (found["status"], found["statusReason"]) == ("error", "sync_failed")
    ((told, _),) = odbc.connects
    assert "Server={tcp:127.0.0.1,1433};Encrypt=yes;TrustServerCertificate=no" in told


@pytest.mark.parametrize("error_class", ["destination", "permanent"])
def test_a_new_password_lets_go_on_what_the_old_one_stopped(
    depots: Depots, error_class: str
) -> None:
    """Schedule and all; who failed by something else, is paused or goes elsewhere stays so."""
    warehouse = made(depots.ada)
    hourly = {"frequency": "hourly", "frequencyDetails": {"minute": 5}}
    paths = {}
    for key, place in (("broken", id_of(warehouse)), ("paused", id_of(warehouse)), ("else", "")):
        path = paths[key] = depots.instance(key, destination=place)
        config = {**hourly, "destination": place}
        assert depots.ada.put(f"{path}/sync-config", config).status == 200
        depots.activate(path)
        depots.fail(path, error_class=error_class)
    assert depots.ada.post(f"{paths['paused']}/pause").status == 200
    fields = {**WAREHOUSE, "password": "another one"}
    assert depots.ada.put(warehouse, fields).status == 200
    is_mended = error_class == "destination"
    found = depots.ada.get(paths["broken"]).json
    assert found["status"] == ("active" if is_mended else "error")
    assert found["statusReason"] == ("" if is_mended else "sync_failed")
    with depots.world.app.open_uow(read_only=True) as uow:
        assert uow.instances.get_state(id_of(paths["broken"])).next_sync_at is not None
    assert depots.ada.get(paths["paused"]).json["status"] == "paused"
    assert depots.ada.get(paths["else"]).json["status"] == "error"


def test_a_private_address_is_refused_when_a_job_runs(
    depots: Depots, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the name stood for when it was saved: the driver is not even asked."""
    odbc = FakeOdbc()
    monkeypatch.setitem(sys.modules, "pyodbc", odbc)
    del depots.world.app.__dict__["way_to"]
    path = depots.instance(destination=id_of(made(depots.ada, host="127.0.0.1")))
    job_id = depots.ada.post(f"{path}/activate").json["job"]["id"]
    depots.world.run(job_id)
    job = depots.ada.get(f"jobs/{job_id}").json
    assert job["status"] == "failed"
    assert "not open to calls" in job["errorMessage"]
    assert odbc.connects == []
