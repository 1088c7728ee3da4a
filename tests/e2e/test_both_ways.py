"""A person keeps HubSpot and LinkHub in step over plain HTTP, with the whole stack in between."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from local.stack.stack import StackOptions
from tests.e2e.kit import STEP_SECONDS, World, eventually, running_world
from tests.e2e.test_kill import MESSAGE_LEASE, SETTINGS, Killer

DEALS = 30
PROPERTIES = "dealname,amount,closedate,linkhub_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with an instance of HubSpot that syncs both ways, who works on both sides."""

    world: World
    profile: str
    instance: str

    def call(self, method: str, path: str, body: Any = None) -> Any:
        with self.world.api() as api:
            return api.call(method, path, body)

    def sync(self) -> dict[str, Any]:
        job = self.world.sync(self.instance, mode="incremental")
        assert job["status"] == "success", job
        return job

    def edit(self, **edits: Any) -> list[str]:
        """Do in LinkHub what a person does there; return the ids of new records."""
        body = {"profile": self.profile, "entity": "initiatives", **edits}
        answer = self.world.sandbox.post("/linkhub/_edits", json=body).raise_for_status()
        created: list[str] = answer.json()["created"]
        return created

    def records(self) -> dict[str, Mapping[str, Any]]:
        """Return LinkHub's live records by id."""
        rows = self.world.linkhub("SELECT * FROM initiatives WHERE profile = ?", self.profile)
        return {row["id"]: dict(row) for row in rows}

    def deals(self) -> dict[str, Mapping[str, Any]]:
        """Return HubSpot's live deals by id."""
        entry = self.world.stack.directory["hubspot"]
        answer = self.world.sandbox.get(
            "/hubspot/crm/objects/2026-03/deals",
            params={"limit": 100, "properties": PROPERTIES},
            headers={"Authorization": f"Bearer {entry['token']}"},
        )
        found = answer.raise_for_status().json()["results"]
        return {deal["id"]: deal["properties"] for deal in found}

    def assert_in_step(self) -> None:
        """Check that each deal is one record, and both say the same of it."""
        deals, records = self.deals(), self.records().values()
        assert {record["external_key"]: seen(record) for record in records} == {
            f"deals/{id_}": seen(deal) for id_, deal in deals.items()
        }
        assert len(records) == len(deals)


def seen(either: Mapping[str, Any]) -> tuple[str, float | None, str | None]:
    """Return what both sides have of a record, in one form."""
    amount = either.get("amount") or either.get("budget")
    day = either.get("closedate") or either.get("end_date")
    name = either.get("dealname") or either["name"]
    return str(name), None if amount is None else float(amount), day and str(day)[:10]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    state = tmp_path_factory.mktemp("both") / "state"
    options = StackOptions(state=state, deals=DEALS, lease_seconds=MESSAGE_LEASE, settings=SETTINGS)
    with running_world(options) as running:
        yield running


@pytest.fixture(scope="module")
def person(world: World) -> Person:
    """Choose both ways at the wizard's last step, activate, and run the first job."""
    path = f"instances/{world.hubspot}"
    with world.api() as api:
        profile = api.call("GET", "me")["id"]
        config = {
            "direction": "bidirectional",
            "frequency": "manual",
            "policies": {"onConflict": "ask"},
        }
        chosen = api.call("PUT", f"{path}/sync-config", config)["instance"]
        assert (chosen["setupStep"], chosen["syncDirection"]) == ("sync_config", "bidirectional")
        job = api.call("POST", f"{path}/activate")["job"]
    first = world.wait(job["id"])
    assert (first["status"], first["counts"]["success"]) == ("success", DEALS)
    return Person(world=world, profile=profile, instance=world.hubspot)


def test_edits_on_both_sides_meet(person: Person) -> None:
    """What is made, changed and deleted on either side is so on both after one job."""
    person.assert_in_step()
    keys = {record["external_key"]: id_ for id_, record in person.records().items()}
    ours, theirs, both, gone, archived = sorted(person.deals())[:5]
    (native,) = person.edit(
        create=[{"name": "Solar", "status": "ON_TIME", "budget": "7.50"}],
        patch=[
            {"id": keys[f"deals/{ours}"], "fields": {"name": "Ours"}},
            {"id": keys[f"deals/{both}"], "fields": {"end_date": "2026-12-24"}},
        ],
        delete=[keys[f"deals/{gone}"]],
    )
    person.world.change_deals(
        create=[{"properties": {"dealname": "Theirs, new", "amount": "5"}}],
        patch=[
            {"id": theirs, "properties": {"dealname": "Theirs"}},
            {"id": both, "properties": {"dealname": "Both", "amount": "8"}},
        ],
        archive=[archived],
    )
    person.sync()
    deals = person.deals()
    assert (deals[ours]["dealname"], deals[theirs]["dealname"]) == ("Ours", "Theirs")
    assert seen(deals[both]) == ("Both", 8, "2026-12-24")
    assert not {gone, archived} & deals.keys()
    assert [d["dealname"] for d in deals.values() if d["linkhub_id"] == native] == ["Solar"]
    person.assert_in_step()
    again = person.sync()["counts"]
    assert again["unchanged"] == again["processed"]


def test_a_conflict_is_asked_and_settled(person: Person) -> None:
    """One open conflict shows both names; the chosen one is on both sides after the next job."""
    id_ = max(person.deals())
    (record,) = (
        key for key, found in person.records().items() if found["external_key"] == f"deals/{id_}"
    )
    person.edit(patch=[{"id": record, "fields": {"name": "Ours"}}])
    person.world.change_deals(patch=[{"id": id_, "properties": {"dealname": "Theirs"}}])
    person.sync()
    (conflict,) = person.call("GET", "conflicts?status=open")["items"]
    assert (conflict["field"], conflict["externalValue"], conflict["linkhubValue"]) == (
        "name",
        "Theirs",
        "Ours",
    )
    person.call("POST", f"conflicts/{conflict['id']}", {"choice": "linkhub"})
    person.sync()
    assert person.deals()[id_]["dealname"] == "Ours"
    assert not person.call("GET", "conflicts?status=open")["items"]
    person.assert_in_step()


def test_a_kill_while_hubspot_is_written_to(person: Person) -> None:
    """HubSpot has made deals and nobody has noted it: the next host makes none of them twice."""
    world = person.world
    created = person.edit(
        create=[{"name": f"New {n}", "status": "ON_TIME", "budget": str(n)} for n in range(20)],
        patch=[{"id": id_, "fields": {"name": f"Edited {id_[-6:]}"}} for id_ in person.records()],
    )
    world.fault("hubspot", "slow", path="/batch/upsert", seconds=60, count=1)
    job_id = world.start(person.instance, mode="incremental")
    eventually(lambda: world.struck() == [], seconds=STEP_SECONDS, what="deals made, and no answer")
    killer = Killer(world=world, sizes={job_id: DEALS}, rng=random.Random(0))  # noqa: S311  dice
    killer.kill()
    job = world.wait(job_id)
    assert killer.hits[job_id] == 1
    assert (job["status"], job["counts"]["error"]) == ("success", 0)
    made = [deal["linkhub_id"] for deal in person.deals().values() if deal["linkhub_id"]]
    assert len(made) == len(set(made))
    assert set(created) <= set(made)
    person.assert_in_step()
    again = person.sync()["counts"]
    assert again["unchanged"] == again["processed"]
