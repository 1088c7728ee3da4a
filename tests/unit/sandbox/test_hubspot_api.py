"""HubSpot's calls beside search: list, one, batch, schema, owners, and who may ask."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from local.sandbox.hubspot.access import Access, Limits, Token
from local.sandbox.hubspot.errors import HubSpotError
from local.sandbox.hubspot.times import to_ms
from tests.sandbox_kit import Running

DEALS = "/crm/objects/2026-03/deals"


def list_all(client: httpx.Client, path: str = DEALS, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = None
    while True:
        page = client.get(path, params=query | ({"after": after} if after else {}))
        page.raise_for_status()
        found += page.json()["results"]
        after = page.json().get("paging", {}).get("next", {}).get("after")
        if after is None:
            return found


def test_list_gives_every_deal_once(hubspot: httpx.Client) -> None:
    """Following `paging.next.after` gives each live deal once; the last page has no next."""
    found = list_all(hubspot, limit=70)
    assert len({deal["id"] for deal in found}) == len(found)
    assert len(found) == hubspot.get("/_state").json()["deals"]
    assert not any(deal["archived"] for deal in found)


def test_archived_deals_say_when(hubspot: httpx.Client) -> None:
    """`archived=true` lists the archived ones only, each with archivedAt."""
    found = list_all(hubspot, limit=100, archived="true")
    assert len(found) == 400
    assert all(deal["archived"] and deal["archivedAt"] for deal in found)


def test_default_properties(hubspot: httpx.Client) -> None:
    """Asked for nothing, a deal carries HubSpot's own choice."""
    deal = hubspot.get(DEALS, params={"limit": 1}).json()["results"][0]
    assert set(deal["properties"]) == {
        *("dealname", "amount", "closedate", "pipeline", "dealstage"),
        *("createdate", "hs_lastmodifieddate", "hs_object_id"),
    }
    assert deal["createdAt"] == deal["properties"]["createdate"]


@pytest.mark.parametrize(
    "asked",
    [[("properties", "amount,region")], [("properties", "amount"), ("properties", "region")]],
)
def test_asked_properties(hubspot: httpx.Client, asked: list[tuple[str, str]]) -> None:
    """Properties come as a list or repeated; those that do not exist are left out silently."""
    query = httpx.QueryParams("properties=no_such_thing&associations=contacts")
    for name, value in asked:
        query = query.add(name, value)
    deal = hubspot.get(DEALS, params=query).json()["results"][0]
    wanted = {"amount", "region", "createdate", "hs_lastmodifieddate", "hs_object_id"}
    assert set(deal["properties"]) == wanted
    assert all(isinstance(v, str | None) for v in deal["properties"].values())


def test_numbered_paths_give_the_same(hubspot: httpx.Client) -> None:
    """The v3 paths answer as those of the date version do."""
    for new, old in [
        (DEALS, "/crm/v3/objects/deals"),
        ("/crm/objects/2026-03/0-3", "/crm/v3/objects/0-3"),
        ("/crm/properties/2026-03/deals", "/crm/v3/properties/deals"),
        ("/crm/pipelines/2026-03/deals", "/crm/v3/pipelines/deals"),
        ("/crm/owners/2026-03", "/crm/v3/owners"),
    ]:
        answers = [hubspot.get(path) for path in (new, old)]
        assert [a.status_code for a in answers] == [200, 200]
        assert answers[0].json()["results"] == answers[1].json()["results"]


@pytest.mark.parametrize(
    "query", [{"limit": 101}, {"limit": 0}, {"limit": "many"}, {"after": "x"}, {"after": -1}]
)
def test_list_refuses(hubspot: httpx.Client, query: dict[str, Any]) -> None:
    """A limit over 100 or a cursor that is none is a 400 in HubSpot's form."""
    answer = hubspot.get(DEALS, params=query)
    assert answer.status_code == 400
    assert answer.json()["category"] == "VALIDATION_ERROR"


def test_one_deal(hubspot: httpx.Client) -> None:
    """A deal can be had by its id or by a unique property; an unknown one is a 404."""
    deal = hubspot.get(DEALS, params={"limit": 1, "properties": "contract_number"}).json()
    first = deal["results"][0]
    number = first["properties"]["contract_number"]
    by_id = hubspot.get(f"{DEALS}/{first['id']}").json()
    by_number = hubspot.get(f"{DEALS}/{number}", params={"idProperty": "contract_number"}).json()
    assert by_id == by_number
    assert hubspot.get(f"{DEALS}/1").json()["category"] == "OBJECT_NOT_FOUND"
    assert hubspot.get(f"{DEALS}/x", params={"idProperty": "amount"}).status_code == 400


def test_batch_read_is_207_where_some_are_missing(hubspot: httpx.Client) -> None:
    """What exists comes back; what does not is named in `errors`."""
    ids = [deal["id"] for deal in hubspot.get(DEALS).json()["results"]]
    inputs = [{"id": i} for i in [*ids, "1"]]
    body = {"inputs": inputs, "properties": ["dealname"]}
    answer = hubspot.post(f"{DEALS}/batch/read", json=body)
    assert answer.status_code == 207
    assert [deal["id"] for deal in answer.json()["results"]] == ids
    assert answer.json()["errors"][0]["context"] == {"ids": ["1"]}
    found = hubspot.post(f"{DEALS}/batch/read", json={"inputs": inputs[:-1]})
    assert found.status_code == 200


def test_batch_read_fails_for_some_on_request(sandbox: Running, hubspot: httpx.Client) -> None:
    """The fault `multi_status` fails the first inputs."""
    ids = [deal["id"] for deal in hubspot.get(DEALS).json()["results"]]
    sandbox.fault("hubspot", "multi_status", count=1, records=2)
    answer = hubspot.post(f"{DEALS}/batch/read", json={"inputs": [{"id": i} for i in ids]})
    assert answer.status_code == 207
    assert answer.json()["errors"][0]["context"] == {"ids": ids[:2]}


@pytest.mark.parametrize("inputs", [[{"id": "1"}] * 101, "all of them", ["1"]])
def test_batch_read_refuses(hubspot: httpx.Client, inputs: Any) -> None:
    """More than 100 inputs, or inputs of another form, are a 400."""
    assert hubspot.post(f"{DEALS}/batch/read", json={"inputs": inputs}).status_code == 400


def test_changes_show_at_once(hubspot: httpx.Client) -> None:
    """A page already served is served anew after a change."""
    before = hubspot.get(DEALS).json()["results"]
    change = {
        "create": [{"properties": {"dealname": "New"}}],
        "patch": [{"id": before[0]["id"], "properties": {"dealname": "Patched"}}],
        "archive": [before[1]["id"]],
        "purge": [before[2]["id"]],
    }
    answer = hubspot.post("/_deals", json=change).json()
    after = hubspot.get(DEALS).json()["results"]
    assert after[0]["properties"]["dealname"] == "Patched"
    assert after[0]["updatedAt"] == answer["hs_lastmodifieddate"]
    assert to_ms(after[0]["updatedAt"]) > to_ms(before[0]["updatedAt"])
    assert before[1]["id"] not in {deal["id"] for deal in after}
    archived = list_all(hubspot, limit=100, archived="true")
    ids = {deal["id"]: deal for deal in archived}
    assert ids[before[1]["id"]]["archivedAt"] == answer["hs_lastmodifieddate"]
    assert before[2]["id"] not in ids
    new = hubspot.get(f"{DEALS}/{answer['created'][0]}").json()
    assert new["properties"]["dealname"] == "New"
    hubspot.post("/_deals", json={"restore": [before[1]["id"]]}).raise_for_status()
    assert hubspot.get(f"{DEALS}/{before[1]['id']}").status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"archive": ["1"]},
        {"create": [{"properties": {"hs_is_closed": "true"}}]},
        {"create": [{"properties": {"dealstage": "nowhere"}}]},
        {"burn": ["1"]},
        {"touch": 1, "at": "yesterday"},
    ],
)
def test_change_refuses(hubspot: httpx.Client, change: dict[str, Any]) -> None:
    """A change that cannot be made is a 400."""
    assert hubspot.post("/_deals", json=change).status_code == 400


def test_repeated_after(sandbox: Running, hubspot: httpx.Client) -> None:
    """The fault gives back the cursor the request came with."""
    after = hubspot.get(DEALS).json()["paging"]["next"]["after"]
    sandbox.fault("hubspot", "repeated_after", count=1)
    repeated = hubspot.get(DEALS, params={"after": after}).json()["paging"]["next"]["after"]
    healthy = hubspot.get(DEALS, params={"after": after}).json()["paging"]["next"]["after"]
    assert repeated == after != healthy


def test_properties_pipelines_and_owners(hubspot: httpx.Client) -> None:
    """The schema says what a client needs to read the deals."""
    found = hubspot.get("/crm/properties/2026-03/deals").json()["results"]
    by_name = {item["name"]: item for item in found}
    assert by_name["amount"]["type"] == "number"
    assert by_name["hs_is_closed"]["calculated"]
    assert by_name["hs_lastmodifieddate"]["modificationMetadata"]["readOnlyValue"]
    assert by_name["contract_number"]["hasUniqueValue"]
    assert {"closedwon", "132418804"} <= {o["value"] for o in by_name["dealstage"]["options"]}
    sensitive = hubspot.get("/crm/properties/2026-03/deals?dataSensitivity=sensitive").json()
    assert sensitive == {"results": []}
    pipelines = hubspot.get("/crm/pipelines/2026-03/deals").json()["results"]
    assert pipelines[0]["stages"][5]["metadata"] == {"isClosed": "true", "probability": "1.0"}
    active = list_all(hubspot, "/crm/owners/2026-03", limit=10)
    gone = list_all(hubspot, "/crm/owners/2026-03", archived="true")
    assert (len(active), len(gone)) == (21, 3)


def test_other_objects_are_refused(hubspot: httpx.Client) -> None:
    """There are deals, companies and contacts here."""
    answer = hubspot.get("/crm/objects/2026-03/tickets")
    assert answer.status_code == 400
    assert "tickets" in answer.json()["message"]
    assert hubspot.get("/crm/objects/1999-01/deals").status_code == 404


@pytest.mark.parametrize(
    ("token", "status", "category"),
    [
        ({"state": "expired"}, 401, "EXPIRED_AUTHENTICATION"),
        ({"state": "revoked"}, 401, "INVALID_AUTHENTICATION"),
        ({"scopes": ["crm.objects.owners.read"]}, 403, "MISSING_SCOPES"),
        ({"scopes": ["crm.objects.deals.read"]}, 200, None),
    ],
)
def test_tokens(
    hubspot: httpx.Client, token: dict[str, Any], status: int, category: str | None
) -> None:
    """A token that is expired, revoked or lacks the scope gets the answer HubSpot gives."""
    hubspot.post("/_tokens", json={"token": "other", **token}).raise_for_status()
    answer = hubspot.get(DEALS, headers={"Authorization": "Bearer other"})
    assert answer.status_code == status
    assert answer.json().get("category") == category


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer nobody"])
def test_no_valid_token(hubspot: httpx.Client, header: str) -> None:
    """Without a known token nothing is told."""
    answer = hubspot.get(DEALS, headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json()["status"] == "error"


def test_burst_limit() -> None:
    """The window rolls: full after its requests, open again when the oldest has left it."""
    now = [0.0]
    limits = Limits(burst=2, burst_interval_ms=10_000)
    access = Access(tokens={"t": Token()}, limits=limits, clock=lambda: now[0])
    assert access.check_burst("t")["X-HubSpot-RateLimit-Remaining"] == "1"
    now[0] = 5
    assert access.check_burst("t")["X-HubSpot-RateLimit-Remaining"] == "0"
    with pytest.raises(HubSpotError) as refused:
        access.check_burst("t")
    assert refused.value.status == 429
    assert refused.value.body["policyName"] == "TEN_SECONDLY_ROLLING"
    assert refused.value.headers is not None
    assert refused.value.headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
    now[0] = 10.1
    access.check_burst("t")


def test_daily_limit() -> None:
    """Told only, unless it is enforced: then it ends the day, whatever the burst window allows."""
    limits = Limits(burst=0, daily=2, is_daily_enforced=True)
    access = Access(tokens={"t": Token()}, limits=limits, clock=lambda: 0.0)
    left = [access.check_burst("t")["X-HubSpot-RateLimit-Daily-Remaining"] for _ in range(2)]
    assert left == ["1", "0"]
    with pytest.raises(HubSpotError) as refused:
        access.check_burst("t")
    assert refused.value.body["policyName"] == "DAILY"
    access.set_limits(Limits(daily=1))
    assert [access.check_burst("t")["X-HubSpot-RateLimit-Daily-Remaining"] for _ in range(2)] == [
        "0",
        "0",
    ]


def test_daily_limit_on_request(sandbox: Running, hubspot: httpx.Client) -> None:
    """The fault answers as HubSpot does once the day's requests are used up."""
    sandbox.fault("hubspot", "daily_limit", count=1)
    refused = hubspot.get(DEALS)
    assert (refused.status_code, refused.json()["policyName"]) == (429, "DAILY")
    assert hubspot.get(DEALS).status_code == 200


def test_counts_of_every_type(hubspot: httpx.Client) -> None:
    """Companies and contacts stand in proportion to the deals, and change like them."""
    before = hubspot.get("/_objects").json()
    assert set(before) == {"deals", "companies", "contacts"}
    assert all(counts["live"] and counts["archived"] for counts in before.values())
    made = hubspot.post("/_objects/companies", json={"create": [{"properties": {"name": "N"}}]})
    company = made.raise_for_status().json()["created"][0]
    assert hubspot.get("/_objects").json()["companies"]["live"] == before["companies"]["live"] + 1
    assert hubspot.get(f"/crm/v3/objects/0-2/{company}").json()["properties"]["name"] == "N"
    touched = hubspot.post("/_objects/contacts", json={"touch": 2}).json()
    first = hubspot.get("/crm/v3/objects/contacts").json()["results"][0]
    assert first["properties"]["lastmodifieddate"] == touched["lastmodifieddate"]
    assert hubspot.post("/_objects/tickets", json={}).status_code == 400


def test_limits_can_be_set(hubspot: httpx.Client) -> None:
    """An account of HubSpot's own size can be switched on; 0 switches a limit off."""
    hubspot.put("/_limits", json={"burst": 1}).raise_for_status()
    statuses = {hubspot.get(DEALS).status_code for _ in range(3)}
    assert 429 in statuses
    hubspot.put("/_limits", json={"burst": 0}).raise_for_status()
    answer = hubspot.get(DEALS)
    assert answer.status_code == 200
    assert "x-hubspot-ratelimit-max" not in answer.headers
    hubspot.put("/_limits", json={}).raise_for_status()
    assert hubspot.get(DEALS).headers["x-hubspot-ratelimit-max"] == "100000"
