"""HubSpot's writes: one at a time, in batches, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from local.sandbox.hubspot.times import to_ms
from tests.sandbox_kit import Running

BASE = "/crm/objects/2026-03"
DEALS = f"{BASE}/deals"


def problems(message: str) -> dict[str, str]:
    """Return property -> code of a message that lists what is not valid."""
    told = message.removeprefix("Property values were not valid: ")
    return {item["name"]: item["error"] for item in json.loads(told)}


def batch(client: httpx.Client, verb: str, *inputs: dict[str, Any], kind: str = "deals") -> Any:
    return client.post(f"{BASE}/{kind}/batch/{verb}", json={"inputs": list(inputs)})


def wish(trace: str = "", **properties: Any) -> dict[str, Any]:
    return {"properties": properties} | ({"objectWriteTraceId": trace} if trace else {})


@pytest.fixture
def some(hubspot: httpx.Client) -> list[str]:
    """Return the ids of three deals of the sales pipeline made for this test."""
    made = batch(hubspot, "create", *(wish(dealname=f"Some {n}") for n in range(3)))
    assert made.status_code == 201
    return [deal["id"] for deal in made.json()["results"]]


def read(client: httpx.Client, deal_id: str, *names: str) -> dict[str, str | None]:
    answer = client.get(f"{DEALS}/{deal_id}", params={"properties": ",".join(names)})
    found: dict[str, str | None] = answer.raise_for_status().json()["properties"]
    return found


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("deals", {"dealname": "New", "amount": "12.50"}),
        ("companies", {"name": "Alder", "domain": "alder.example"}),
        ("contacts", {"firstname": "Léa", "email": "lea@alder.example"}),
    ],
)
def test_a_record_from_birth_to_archive(
    hubspot: httpx.Client, kind: str, properties: dict[str, str]
) -> None:
    """Every object type is created, changed and archived in the same way."""
    made = hubspot.post(f"{BASE}/{kind}", json={"properties": properties})
    assert made.status_code == 201
    record = made.json()
    assert properties.items() <= record["properties"].items()
    assert all(record["properties"].values())
    where = f"{BASE}/{kind}/{record['id']}"
    first = next(iter(properties))
    changed = hubspot.patch(
        where, json={"properties": {first: "Changed" if first != "email" else ""}}
    )
    assert changed.status_code == 200
    assert to_ms(changed.json()["updatedAt"]) > to_ms(record["updatedAt"])
    assert hubspot.get(where).json()["properties"][first] == "Changed"
    assert hubspot.delete(where).status_code == 204
    assert hubspot.get(where).status_code == 404
    assert hubspot.get(where, params={"archived": "true"}).json()["archivedAt"]
    assert hubspot.delete(where).status_code == 204
    assert hubspot.patch(where, json={"properties": {}}).status_code == 404


def test_a_new_deal_stands_in_the_first_stage(hubspot: httpx.Client, some: list[str]) -> None:
    """Pipeline and stage are the first ones where none is given, the stage's own way else."""
    found = read(hubspot, some[0], "pipeline", "dealstage")
    assert (found["pipeline"], found["dealstage"]) == ("default", "appointmentscheduled")
    other = hubspot.post(DEALS, json=wish(pipeline="68194321")).json()
    assert other["properties"]["dealstage"] == "132418801"


def test_a_batch_is_written_at_one_time(hubspot: httpx.Client, some: list[str]) -> None:
    """Updates keep their inputs' order, share a time of change, and '' or null empties a value."""
    answer = batch(
        hubspot,
        "update",
        {"id": some[1], **wish(amount=7)},
        {"id": some[0], **wish(amount="8.00", dealname=None)},
    )
    assert answer.status_code == 200
    first, second = answer.json()["results"]
    assert (first["id"], first["properties"]["amount"]) == (some[1], "7")
    assert "dealname" not in second["properties"]
    assert first["updatedAt"] == second["updatedAt"]
    assert read(hubspot, some[0], "dealname", "amount") | {"amount": "8.00"} == read(
        hubspot, some[0], "dealname", "amount"
    )


def test_what_is_not_there_is_told_in_a_207(hubspot: httpx.Client, some: list[str]) -> None:
    """The other updates are made; one error names all missing ids."""
    answer = batch(
        hubspot,
        "update",
        *({"id": key, **wish(amount="9")} for key in ("1", some[0], "2")),
    )
    assert answer.status_code == 207
    body = answer.json()
    assert [deal["id"] for deal in body["results"]] == [some[0]]
    assert body["numErrors"] == 1
    assert body["errors"][0]["category"] == "OBJECT_NOT_FOUND"
    assert body["errors"][0]["context"] == {"ids": ["1", "2"]}


def test_one_wrong_input_fails_an_untraced_batch(hubspot: httpx.Client, some: list[str]) -> None:
    """Without trace ids nothing of the batch is written, and the answer is the input's error."""
    before = hubspot.get("/_state").json()
    answer = batch(hubspot, "create", wish(dealname="Fine"), wish(amuont="1"))
    assert answer.status_code == 400
    assert answer.json()["category"] == "VALIDATION_ERROR"
    assert problems(answer.json()["message"]) == {"amuont": "PROPERTY_DOESNT_EXIST"}
    assert hubspot.get("/_state").json() == before


def test_traces_ask_for_a_207(hubspot: httpx.Client) -> None:
    """With a trace id of its own on every input, each has its own outcome."""
    answer = batch(
        hubspot, "create", wish("a", dealname="Fine"), wish("b", amount="much"), wish("c")
    )
    assert answer.status_code == 207
    body = answer.json()
    assert [deal["objectWriteTraceId"] for deal in body["results"]] == ["a", "c"]
    assert body["numErrors"] == 1
    assert body["errors"][0]["status"] == "error"
    assert body["errors"][0]["context"] == {"objectWriteTraceId": ["b"]}
    same = batch(hubspot, "create", wish("a", amount="much"), wish("a", dealname="Twice"))
    assert same.status_code == 400


def test_upsert_by_a_unique_property(hubspot: httpx.Client) -> None:
    """What has the value is updated, and what does not is made with it."""
    inputs = [
        {"id": f"U-{n}", "idProperty": "contract_number", **wish(f"t{n}", dealname="Once")}
        for n in range(3)
    ]
    first = batch(hubspot, "upsert", *inputs[:2]).json()["results"]
    again = batch(hubspot, "upsert", *inputs).json()["results"]
    assert [item["new"] for item in (*first, *again)] == [True, True, False, False, True]
    assert [item["id"] for item in first] == [item["id"] for item in again[:2]]
    assert again[2]["properties"]["contract_number"] == "U-2"
    assert again[2]["objectWriteTraceId"] == "t2"
    no_key = batch(hubspot, "upsert", {**inputs[0], "idProperty": "dealname"})
    assert no_key.status_code == 400
    by_id = {"id": first[0]["id"], **wish(dealname="By id")}
    assert batch(hubspot, "upsert", by_id).json()["results"][0]["new"] is False


def test_unique_values_clash(hubspot: httpx.Client, some: list[str]) -> None:
    """Neither another record nor another input of the batch may have the value."""
    hubspot.patch(f"{DEALS}/{some[0]}", json=wish(contract_number="X-1")).raise_for_status()
    hubspot.patch(f"{DEALS}/{some[0]}", json=wish(contract_number="X-1")).raise_for_status()
    taken = hubspot.patch(f"{DEALS}/{some[1]}", json=wish(contract_number="x-1"))
    assert problems(taken.json()["message"]) == {"contract_number": "CONFLICTING_UNIQUE_VALUE"}
    twice = batch(hubspot, "create", *(wish(trace, contract_number="X-2") for trace in ("a", "b")))
    assert twice.status_code == 207
    assert twice.json()["errors"][0]["context"] == {"objectWriteTraceId": ["b"]}
    hubspot.delete(f"{DEALS}/{some[0]}").raise_for_status()
    freed = hubspot.patch(f"{DEALS}/{some[1]}", json=wish(contract_number="X-1"))
    assert freed.status_code == 200


def test_an_email_clash_is_a_409(hubspot: httpx.Client) -> None:
    """A contact's address is told apart from other unique values, with the id that has it."""
    person = wish("a", email="twice@alder.example")
    made = hubspot.post(f"{BASE}/contacts", json=person).json()
    alone = hubspot.post(f"{BASE}/contacts", json=person)
    assert (alone.status_code, alone.json()["category"]) == (409, "CONFLICT")
    assert alone.json()["message"] == f"Contact already exists. Existing ID: {made['id']}"
    within = batch(hubspot, "create", person, wish("b", firstname="Ada"), kind="contacts")
    assert within.status_code == 207
    assert within.json()["errors"][0]["context"] == {
        "objectWriteTraceId": ["a"],
        "existingId": [made["id"]],
    }
    bad = hubspot.post(f"{BASE}/contacts", json=wish(email="nobody"))
    assert problems(bad.json()["message"]) == {"email": "INVALID_EMAIL"}


def test_batch_archive(hubspot: httpx.Client, some: list[str]) -> None:
    """Archiving is silent about what is not there; archived records are listed apart."""
    answer = batch(hubspot, "archive", *({"id": key} for key in (*some, "1", some[0])))
    assert answer.status_code == 204
    assert answer.content == b""
    again = batch(hubspot, "archive", {"id": some[0]})
    assert again.status_code == 204
    inputs = {"inputs": [{"id": key} for key in some]}
    found = hubspot.post(f"{DEALS}/batch/read", params={"archived": "true"}, json=inputs).json()
    assert [deal["id"] for deal in found["results"]] == some


@pytest.mark.parametrize("verb", ["create", "update", "upsert"])
@pytest.mark.parametrize(
    "inputs",
    [
        "all",
        [1],
        [{"id": str(n), "properties": {}} for n in range(101)],
        [{"id": "1"}],
        [{"id": "1", "properties": {"amount": []}}],
    ],
)
def test_bodies_are_checked(hubspot: httpx.Client, verb: str, inputs: Any) -> None:
    """More than 100 inputs, or inputs of another form, are a 400."""
    answer = hubspot.post(f"{DEALS}/batch/{verb}", json={"inputs": inputs})
    assert answer.status_code == 400
    assert answer.json()["category"] == "VALIDATION_ERROR"


@pytest.mark.parametrize("verb", ["update", "upsert"])
def test_changes_name_their_record(hubspot: httpx.Client, verb: str) -> None:
    """An input without an id is a 400."""
    assert batch(hubspot, verb, wish(amount="1")).status_code == 400


def test_a_record_is_named_once(hubspot: httpx.Client, some: list[str]) -> None:
    """Two inputs for one record are a 400 that names it."""
    answer = batch(hubspot, "update", *[{"id": some[0], **wish(amount="1")}] * 2)
    assert answer.status_code == 400
    assert some[0] in answer.json()["message"]


@pytest.mark.parametrize(
    ("scopes", "kind", "status"),
    [
        (["crm.objects.deals.write"], "deals", 201),
        (["crm.objects.deals.read"], "deals", 403),
        (["crm.objects.deals.write"], "companies", 403),
        (["crm.objects.contacts.write"], "contacts", 201),
    ],
)
def test_each_type_has_its_own_scope(
    hubspot: httpx.Client, scopes: list[str], kind: str, status: int
) -> None:
    """Writing one object type does not open another, nor does reading open writing."""
    hubspot.post("/_tokens", json={"token": "writer", "scopes": scopes}).raise_for_status()
    headers = {"Authorization": "Bearer writer"}
    answer = hubspot.post(f"{BASE}/{kind}", json=wish(), headers=headers)
    assert answer.status_code == status
    if status == 403:
        needed = answer.json()["errors"][0]["context"]["requiredGranularScopes"]
        assert needed == [f"crm.objects.{kind}.write"]


def test_faults_of_writes(sandbox: Running, hubspot: httpx.Client) -> None:
    """Some inputs fail, half is written, results change places: each on request."""
    inputs = [wish(f"t{n}", dealname=f"Deal {n}") for n in range(4)]
    sandbox.fault("hubspot", "multi_status", count=1, records=3, category="INTERNAL_ERROR")
    failed = batch(hubspot, "create", *inputs)
    assert failed.status_code == 207
    assert [e["category"] for e in failed.json()["errors"]] == ["INTERNAL_ERROR"] * 3
    assert [r["objectWriteTraceId"] for r in failed.json()["results"]] == ["t3"]

    before = hubspot.get("/_state").json()["deals"]
    sandbox.fault("hubspot", "half_written", count=1, records=1, status=502)
    assert batch(hubspot, "create", *inputs).status_code == 502
    assert hubspot.get("/_state").json()["deals"] == before + 1

    sandbox.fault("hubspot", "shuffled", count=1)
    shuffled = batch(hubspot, "create", *inputs).json()["results"]
    assert [r["objectWriteTraceId"] for r in shuffled] == ["t3", "t2", "t1", "t0"]
