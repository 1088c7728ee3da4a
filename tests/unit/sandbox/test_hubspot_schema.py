"""What describes HubSpot's records: properties of one's own, pipelines, groups."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

PROPERTIES = "/crm/properties/2026-03/deals"
DEALS = "/crm/objects/2026-03/deals"


def definition(name: str, **more: Any) -> dict[str, Any]:
    form = {"label": name, "groupName": "custom", "type": "string", "fieldType": "text"}
    return {"name": name, **form, **more}


def test_a_property_from_birth_to_archive(hubspot: httpx.Client) -> None:
    """It can be made, written, read, changed and archived; lists show it at once."""
    before = hubspot.get(DEALS, params={"properties": "one_of_ours"}).json()["results"][0]
    assert "one_of_ours" not in before["properties"]
    made = hubspot.post(PROPERTIES, json=definition("one_of_ours", formField=False))
    assert made.status_code == 201
    assert made.json()["hubspotDefined"] is False
    where = f"{DEALS}/{before['id']}"
    hubspot.patch(where, json={"properties": {"one_of_ours": "x"}}).raise_for_status()
    shown = hubspot.get(DEALS, params={"properties": "one_of_ours"}).json()["results"][:2]
    assert [deal["properties"]["one_of_ours"] for deal in shown] == ["x", None]

    changed = hubspot.patch(f"{PROPERTIES}/one_of_ours", json={"label": "Ours"}).json()
    assert (changed["label"], changed["type"]) == ("Ours", "string")
    assert hubspot.delete(f"{PROPERTIES}/one_of_ours").status_code == 204
    assert hubspot.get(f"{PROPERTIES}/one_of_ours").status_code == 404
    gone = hubspot.get(PROPERTIES, params={"archived": "true"}).json()["results"]
    assert [item["name"] for item in gone] == ["one_of_ours"]
    assert hubspot.post(PROPERTIES, json=definition("one_of_ours")).status_code == 201


def test_a_unique_property_of_ones_own(hubspot: httpx.Client) -> None:
    """Once it is there, records are written and read by it."""
    assert hubspot.post(PROPERTIES, json=definition("our_id", hasUniqueValue=True)).is_success
    item = {"id": "A-1", "idProperty": "our_id", "properties": {"dealname": "By our id"}}
    made = hubspot.post(f"{DEALS}/batch/upsert", json={"inputs": [item]}).json()["results"]
    assert (made[0]["new"], made[0]["properties"]["our_id"]) == (True, "A-1")
    body = {"inputs": [{"id": "A-1"}, {"id": "A-2"}], "idProperty": "our_id"}
    found = hubspot.post(f"{DEALS}/batch/read", json=body)
    assert found.status_code == 207
    assert [deal["id"] for deal in found.json()["results"]] == [made[0]["id"]]
    assert found.json()["errors"][0]["context"] == {"ids": ["A-2"]}
    one = hubspot.get(f"{DEALS}/A-1", params={"idProperty": "our_id"})
    assert one.json()["id"] == made[0]["id"]


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (definition("amount"), 409),
        (definition("Our Id"), 400),
        (definition("x", type="money"), 400),
        (definition("x", fieldType="slider"), 400),
        (definition("x", type="bool", hasUniqueValue=True), 400),
        ({"name": "x"}, 400),
    ],
)
def test_definitions_are_checked(hubspot: httpx.Client, given: dict[str, Any], status: int) -> None:
    """A name that is taken is a 409, anything HubSpot does not know a 400."""
    assert hubspot.post(PROPERTIES, json=given).status_code == status


def test_hubspots_own_cannot_be_changed(hubspot: httpx.Client) -> None:
    """Its own properties can neither be changed nor archived."""
    assert hubspot.patch(f"{PROPERTIES}/amount", json={"label": "Sum"}).status_code == 400
    assert hubspot.delete(f"{PROPERTIES}/amount").status_code == 400
    assert hubspot.delete(f"{PROPERTIES}/nothing").status_code == 404


def test_properties_in_batches(hubspot: httpx.Client) -> None:
    """Several are made at once, all or none, and read by name."""
    inputs = [definition("first_of_two"), definition("second_of_two", type="number")]
    made = hubspot.post(f"{PROPERTIES}/batch/create", json={"inputs": inputs})
    assert made.status_code == 201
    again = hubspot.post(
        f"{PROPERTIES}/batch/create", json={"inputs": [definition("z"), inputs[0]]}
    )
    assert again.status_code == 409
    names = {"inputs": [{"name": name} for name in ("first_of_two", "z")]}
    found = hubspot.post(f"{PROPERTIES}/batch/read", json=names)
    assert found.status_code == 207
    assert [item["name"] for item in found.json()["results"]] == ["first_of_two"]


def test_making_one_needs_its_scope(hubspot: httpx.Client) -> None:
    """Reading the schema does not open changing it."""
    scopes = ["crm.schemas.deals.read", "crm.schemas.companies.write"]
    hubspot.post("/_tokens", json={"token": "schema", "scopes": scopes}).raise_for_status()
    headers = {"Authorization": "Bearer schema"}
    assert hubspot.get(PROPERTIES, headers=headers).status_code == 200
    refused = hubspot.post(PROPERTIES, json=definition("y"), headers=headers)
    assert refused.json()["category"] == "MISSING_SCOPES"


def test_every_type_is_described(hubspot: httpx.Client) -> None:
    """Properties of each type hold what its records carry; only deals have pipelines."""
    for kind, modified in [
        ("companies", "hs_lastmodifieddate"),
        ("contacts", "lastmodifieddate"),
    ]:
        found = hubspot.get(f"/crm/v3/properties/{kind}").json()["results"]
        assert {modified, "createdate", "hs_object_id"} <= {item["name"] for item in found}
        shown = hubspot.get(f"/crm/v3/objects/{kind}").json()["results"][0]
        assert modified in shown["properties"]
        assert hubspot.get(f"/crm/v3/pipelines/{kind}").json() == {"results": []}
    groups = hubspot.get(f"{PROPERTIES}/groups").json()["results"]
    assert {group["name"] for group in groups} == {"dealinformation", "custom"}


def test_one_pipeline_and_its_stages(hubspot: httpx.Client) -> None:
    """A pipeline is found by its id, and its stages alone."""
    one = hubspot.get("/crm/pipelines/2026-03/deals/default").json()
    stages = hubspot.get("/crm/pipelines/2026-03/deals/default/stages").json()["results"]
    assert one["label"] == "Sales Pipeline"
    assert one["stages"] == stages
    assert hubspot.get("/crm/pipelines/2026-03/deals/none").status_code == 404


def test_owners_are_found_by_user_too(hubspot: httpx.Client) -> None:
    """An owner's id is not the user's; either finds it."""
    owner = hubspot.get("/crm/owners/2026-03", params={"limit": 1}).json()["results"][0]
    by_user = hubspot.get(f"/crm/owners/2026-03/{owner['userId']}", params={"idProperty": "userId"})
    assert by_user.json() == owner
    assert hubspot.get(f"/crm/owners/2026-03/{owner['userId']}").status_code == 404


def test_the_account_names_itself(hubspot: httpx.Client) -> None:
    """Whoever has a token may ask which account it opens."""
    hubspot.post("/_tokens", json={"token": "bare", "scopes": []}).raise_for_status()
    for path in ("/account-info/2026-03/details", "/account-info/v3/details"):
        answer = hubspot.get(path, headers={"Authorization": "Bearer bare"}).json()
        assert (answer["portalId"], answer["timeZone"]) == (146120331, "UTC")
