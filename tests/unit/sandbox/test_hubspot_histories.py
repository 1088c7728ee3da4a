"""HubSpot's emulator tells what properties held before, and who changed them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from local.sandbox.hubspot.times import to_ms
from tests.sandbox_kit import Running

BASE = "/crm/objects/2026-03"
DEALS = f"{BASE}/deals"


def one(client: httpx.Client, id_: str, *names: str, kind: str = "deals") -> Any:
    answer = client.get(f"{BASE}/{kind}/{id_}", params={"propertiesWithHistory": ",".join(names)})
    return answer.raise_for_status().json()


def history(client: httpx.Client, id_: str, name: str, **args: Any) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = one(client, id_, name, **args)["propertiesWithHistory"][name]
    return found


def values_of(versions: list[Mapping[str, Any]]) -> list[str]:
    return [version["value"] for version in versions]


@pytest.fixture
def deal(hubspot: httpx.Client) -> str:
    """Return the id of a deal made for this test over the API."""
    properties = {"dealname": "Roof", "amount": "10"}
    made = hubspot.post(DEALS, json={"properties": properties}).raise_for_status()
    return str(made.json()["id"])


def test_newest_first_with_time_and_source(hubspot: httpx.Client, deal: str) -> None:
    """A person's change stands before the app's that made the value; equal values add nothing."""
    changed = hubspot.post(
        "/_deals", json={"patch": [{"id": deal, "properties": {"amount": "20"}}]}
    ).json()
    hubspot.patch(f"{DEALS}/{deal}", json={"properties": {"amount": "20"}}).raise_for_status()
    person, app = history(hubspot, deal, "amount")
    assert (person["value"], person["timestamp"]) == ("20", changed["hs_lastmodifieddate"])
    assert (person["sourceType"], person["sourceId"]) == ("CRM_UI", "userId:62011845")
    assert person["updatedByUserId"] == 62011845
    assert (app["value"], app["sourceType"]) == ("10", "INTEGRATION")
    assert to_ms(app["timestamp"]) < to_ms(person["timestamp"])


def test_an_emptied_value_is_a_version(hubspot: httpx.Client, deal: str) -> None:
    """What was taken away stands as an empty text; what never was has no versions."""
    hubspot.patch(f"{DEALS}/{deal}", json={"properties": {"amount": ""}}).raise_for_status()
    found = one(hubspot, deal, "amount", "description")["propertiesWithHistory"]
    assert values_of(found["amount"]) == ["", "10"]
    assert found["description"] == []


def test_generated_records_have_a_past(hubspot: httpx.Client) -> None:
    """Their values are as old as they are; the stage of one that moved on moved last."""
    page = hubspot.get(
        DEALS, params={"limit": 50, "propertiesWithHistory": "dealname,dealstage"}
    ).json()["results"]
    moved = 0
    for deal in page:
        (name,) = deal["propertiesWithHistory"]["dealname"]
        assert (name["value"], name["timestamp"]) == (
            deal["properties"]["dealname"],
            deal["createdAt"],
        )
        last, *before = deal["propertiesWithHistory"]["dealstage"]
        assert last["value"] == deal["properties"]["dealstage"]
        moved += len(before)
        assert last["timestamp"] == (deal["updatedAt"] if before else deal["createdAt"])
        assert [version["timestamp"] for version in before] in ([], [deal["createdAt"]])
    assert moved > 10


def test_a_touch_is_in_no_history(hubspot: httpx.Client) -> None:
    """A time of change moves by itself; no property's history does."""
    before = hubspot.get(DEALS, params={"limit": 1, "propertiesWithHistory": "dealstage"}).json()
    (was,) = before["results"]
    hubspot.post("/_deals", json={"touch": 1}).raise_for_status()
    now = one(hubspot, was["id"], "dealstage")
    assert now["updatedAt"] > was["updatedAt"]
    assert now["propertiesWithHistory"] == was["propertiesWithHistory"]


def test_the_list_does_not_show_old_histories(hubspot: httpx.Client) -> None:
    """A page that was kept is made anew when one of its records changes."""
    params: dict[str, str | int] = {"limit": 1, "propertiesWithHistory": "dealname"}
    (first,) = hubspot.get(DEALS, params=params).json()["results"]
    body = {"properties": {"dealname": "Anew"}}
    hubspot.patch(f"{DEALS}/{first['id']}", json=body).raise_for_status()
    (again,) = hubspot.get(DEALS, params=params).json()["results"]
    assert values_of(again["propertiesWithHistory"]["dealname"])[0] == "Anew"
    plain = hubspot.get(DEALS, params={"limit": 1}).json()["results"][0]
    assert "propertiesWithHistory" not in plain


@pytest.mark.parametrize(
    ("kind", "name", "kept"), [("deals", "dealname", 20), ("contacts", "city", 45)]
)
def test_only_so_many_versions_are_kept(
    sandbox: Running, hubspot: httpx.Client, kind: str, name: str, kept: int
) -> None:
    """Twenty, of a contact forty-five: the oldest are lost."""
    made = hubspot.post(f"{BASE}/{kind}", json={"properties": {}}).raise_for_status().json()
    for number in range(50):
        patch = [{"id": made["id"], "properties": {name: f"v{number}"}}]
        hubspot.post(f"/_objects/{kind}", json={"patch": patch}).raise_for_status()
    found = history(hubspot, made["id"], name, kind=kind)
    assert values_of(found) == [f"v{number}" for number in range(49, 49 - kept, -1)]


def test_histories_of_fifty_records_at_most(hubspot: httpx.Client) -> None:
    """A list or a batch that asks for more is refused; without histories it is not."""
    params: dict[str, str | int] = {"limit": 51, "propertiesWithHistory": "dealname"}
    assert hubspot.get(DEALS, params=params).status_code == 400
    listed = hubspot.get(DEALS, params={"limit": 51}).json()["results"]
    body = {"inputs": [{"id": deal["id"]} for deal in listed], "properties": ["dealname"]}
    read = f"{DEALS}/batch/read"
    assert hubspot.post(read, json=body).status_code == 200
    refused = hubspot.post(read, json={**body, "propertiesWithHistory": ["dealname"]})
    assert (refused.status_code, "50" in refused.json()["message"]) == (400, True)


def test_a_batch_read_tells_them_too(hubspot: httpx.Client, deal: str) -> None:
    """Each record has the histories asked for, and their values among its properties."""
    body = {
        "inputs": [{"id": deal}],
        "properties": [],
        "propertiesWithHistory": ["amount", "no_such_property", "hs_is_closed"],
    }
    (found,) = hubspot.post(f"{DEALS}/batch/read", json=body).json()["results"]
    assert set(found["propertiesWithHistory"]) == {"amount", "hs_is_closed"}
    assert found["properties"]["amount"] == "10"
    (computed,) = found["propertiesWithHistory"]["hs_is_closed"]
    assert (computed["value"], computed["sourceType"]) == ("false", "CALCULATED")
