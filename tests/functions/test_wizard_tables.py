"""Step two for a warehouse: looking at a source's tables and choosing among them."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.fields import Field, FieldType
from shared.domain.providers import Stream
from shared.errors import AuthError, PermanentError
from tests.functions.kit import HttpWorld


def table(name: str, rows: int | None = None) -> Stream:
    fields = (Field(name="_id", label="_id", type=FieldType.STRING),)
    return Stream(name=name, label=name, fields=fields, row_count=rows)


OFFERED = (table("users", 7), table("waitlist/entries"))


@pytest.fixture
def depot(world: HttpWorld) -> str:
    """Return the path of a connected warehouse instance."""
    world.providers.streams = OFFERED
    return f"instances/{world.at_connection(world.ada, 'depot')}"


def discover(world: HttpWorld, path: str) -> dict[str, Any]:
    """Look at the tables; return the job once it ran."""
    answer = world.ada.post(f"{path}/tables/discover")
    assert answer.status == 202, answer.body
    world.run(answer.json["id"])
    job: dict[str, Any] = world.ada.get(f"jobs/{answer.json['id']}").json
    return job


def test_nothing_is_known_before_a_look(world: HttpWorld, depot: str) -> None:
    """Then the answer says when it was, and lists what was there."""
    before = world.ada.get(f"{depot}/tables").json
    assert (before["tables"], before["discoveredAt"], before["job"]) == ([], None, None)
    job = discover(world, depot)
    assert (job["kind"], job["status"], job["logId"]) == ("discover", "success", None)
    after = world.ada.get(f"{depot}/tables").json
    assert after["discoveredAt"] == "2026-11-21T08:00:00Z"
    assert after["tables"][0] == {
        "component": "",
        "table": "users",
        "selected": False,
        "offered": True,
        "mode": "incremental",
        "drift": "evolve",
        "columns": ["_id"],
        "rowCount": 7,
    }
    assert (after["tables"][1]["component"], after["tables"][1]["table"]) == ("waitlist", "entries")
    assert world.ada.get(depot).json["setupStep"] == "connection"


def test_a_look_under_way_is_the_answer_to_another(world: HttpWorld, depot: str) -> None:
    """Two requests share a job, which the tables show; an instance that looks does not sync."""
    first = world.ada.post(f"{depot}/tables/discover").json["id"]
    assert world.ada.post(f"{depot}/tables/discover").json["id"] == first
    assert world.ada.get(f"{depot}/tables").json["job"]["id"] == first
    assert world.queue.sent == [(first, False, 0)]


def test_chosen_tables_read_back_with_mode_and_drift(world: HttpWorld, depot: str) -> None:
    """Step two is done; saving them again changes nothing."""
    discover(world, depot)
    body = {"tables": [{"component": "waitlist", "table": "entries", "drift": "freeze"}]}
    first = world.ada.put(f"{depot}/tables", body)
    assert first.json["instance"]["setupStep"] == "mapping"
    chosen = [item for item in first.json["tables"] if item["selected"]]
    assert [(item["table"], item["drift"]) for item in chosen] == [("entries", "freeze")]
    assert world.ada.put(f"{depot}/tables", body).json == first.json
    assert world.ada.get(f"{depot}/tables").json == first.json


def test_no_table_means_all_of_them(world: HttpWorld, depot: str) -> None:
    """That is a choice too, even before anybody looked."""
    answer = world.ada.put(f"{depot}/tables", {"tables": []})
    assert answer.json["instance"]["setupStep"] == "mapping"


def test_a_choice_outlives_a_table_that_vanished(world: HttpWorld, depot: str) -> None:
    """After another look it is shown as chosen, with its mode and drift, and as not offered."""
    body = {"tables": [{"table": "orders", "mode": "incremental", "drift": "freeze"}]}
    world.ada.put(f"{depot}/tables", body)
    discover(world, depot)
    for _ in range(2):
        found = world.ada.get(f"{depot}/tables").json["tables"]
        (gone,) = (table for table in found if not table["offered"])
        assert (gone["table"], gone["selected"], gone["drift"]) == ("orders", True, "freeze")
        assert (gone["mode"], gone["columns"], gone["rowCount"]) == ("incremental", [], None)
        assert all(not table["selected"] for table in found if table["offered"])
        discover(world, depot)


def test_a_table_may_be_named_before_a_look(world: HttpWorld, depot: str) -> None:
    """A source that does not tell its tables can be loaded all the same."""
    answer = world.ada.put(f"{depot}/tables", {"tables": [{"table": "orders"}]})
    assert [(t["table"], t["offered"]) for t in answer.json["tables"]] == [("orders", False)]


@pytest.mark.parametrize(
    ("tables", "places"),
    [
        ([{"table": "gone"}], ["tables.0"]),
        ([{"table": "users"}, {"table": "users"}], ["tables.1"]),
        ([{"table": "שולחן 🚀"}], ["tables.0"]),
        ([{"table": "x" * 129}], ["tables.0.table"]),
        ([{"table": "users", "mode": "some"}], ["tables.0.mode"]),
        ([{"table": ""}, {"table": "users", "drift": "?"}], ["tables.0.table", "tables.1.drift"]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_wrong_tables_are_named(
    world: HttpWorld, depot: str, tables: list[Any], places: list[str]
) -> None:
    """Each by its place; nothing is chosen."""
    discover(world, depot)
    found = world.ada.put(f"{depot}/tables", {"tables": tables}).problem(400, "invalid-input")
    assert [error["where"] for error in found["errors"]] == places
    assert world.ada.get(depot).json["setupStep"] == "connection"


@pytest.mark.parametrize("error", [AuthError("Depot answered 401."), PermanentError("No plan.")])
def test_a_look_that_fails_spoils_nothing(world: HttpWorld, depot: str, error: Exception) -> None:
    """The job tells why; instance and known tables stay as they were."""
    discover(world, depot)
    before, instance = world.ada.get(f"{depot}/tables").json, world.ada.get(depot).json
    world.providers.error = error
    job = discover(world, depot)
    assert (job["status"], job["errorMessage"]) == ("failed", str(error))
    world.providers.error = None
    assert world.ada.get(f"{depot}/tables").json == before
    assert world.ada.get(depot).json == instance


def test_each_kind_of_provider_has_its_own_second_step(world: HttpWorld, depot: str) -> None:
    """Fields are mapped for LinkHub only, tables chosen for a warehouse only."""
    fake = f"instances/{world.at_connection(world.ada)}"
    for method, path in (("GET", "tables"), ("POST", "tables/discover")):
        found = world.ada.call(method, f"{fake}/{path}").problem(409, "conflict")
        assert "mappings" in found["detail"]
    found = world.ada.put(f"{fake}/tables", {"tables": []}).problem(409, "conflict")
    assert "mappings" in found["detail"]
    bodies: list[tuple[str, str, Any]] = [
        ("PUT", "mappings", {"mappings": []}),
        ("POST", "mappings/preview", {}),
    ]
    for method, path, body in bodies:
        found = world.ada.call(method, f"{depot}/{path}", body=body).problem(409, "conflict")
        assert "tables" in found["detail"]


def test_a_waiting_look_makes_room_for_the_first_job(world: HttpWorld, depot: str) -> None:
    """Activation cancels it; a sync under way is not disturbed by another look."""
    world.ada.put(f"{depot}/tables", {"tables": [{"table": "users"}]})
    world.ada.put(f"{depot}/sync-config", {})
    look = world.ada.post(f"{depot}/tables/discover").json["id"]
    job = world.ada.post(f"{depot}/activate").json["job"]
    assert world.ada.get(f"jobs/{look}").json["status"] == "cancelled"
    found = world.ada.post(f"{depot}/tables/discover").problem(409, "conflict")
    assert "syncing" in found["detail"]
    world.run(job["id"])
    assert world.ada.get(f"jobs/{job['id']}").json["status"] == "success"
    assert world.ada.post(f"{depot}/tables/discover").status == 202
    busy = world.ada.post(f"{depot}/jobs").problem(409, "conflict")
    assert "try again" in busy["detail"]


def test_a_table_is_loaded_as_its_source_can_where_nobody_says_how(
    world: HttpWorld, depot: str
) -> None:
    """By what changed, as this source knows; whole with every sync where a person wants that."""
    body = {"tables": [{"table": "users"}, {"table": "orders", "mode": "full"}]}
    answer = world.ada.put(f"{depot}/tables", body)
    assert [(t["table"], t["mode"]) for t in answer.json["tables"]] == [
        ("users", "incremental"),
        ("orders", "full"),
    ]
    again = world.ada.put(f"{depot}/tables", body)
    assert again.headers["etag"] == answer.headers["etag"]  # nothing has changed
