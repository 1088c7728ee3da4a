"""Which values HubSpot takes, and in what words it refuses the others."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

DEALS = "/crm/objects/2026-03/deals"


def problems(message: str) -> dict[str, str]:
    """Return property -> code of a message that lists what is not valid."""
    told = message.removeprefix("Property values were not valid: ")
    return {item["name"]: item["error"] for item in json.loads(told)}


def batch(client: httpx.Client, verb: str, *inputs: dict[str, Any]) -> httpx.Response:
    return client.post(f"{DEALS}/batch/{verb}", json={"inputs": list(inputs)})


def wish(trace: str = "", **properties: Any) -> dict[str, Any]:
    return {"properties": properties} | ({"objectWriteTraceId": trace} if trace else {})


@pytest.fixture
def some(hubspot: httpx.Client) -> list[str]:
    """Return the ids of three deals of the sales pipeline made for this test."""
    made = batch(hubspot, "create", *(wish(dealname=f"Some {n}") for n in range(3)))
    return [deal["id"] for deal in made.json()["results"]]


def read(client: httpx.Client, deal_id: str, *names: str) -> dict[str, str | None]:
    answer = client.get(f"{DEALS}/{deal_id}", params={"properties": ",".join(names)})
    found: dict[str, str | None] = answer.raise_for_status().json()["properties"]
    return found


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"amuont": "1"}, "PROPERTY_DOESNT_EXIST"),
        ({"hs_is_closed": "true"}, "READ_ONLY_VALUE"),
        ({"hs_lastmodifieddate": "0"}, "READ_ONLY_VALUE"),
        ({"createdate": "0"}, "READ_ONLY_VALUE"),
        ({"amount": "much"}, "INVALID_INTEGER"),
        ({"amount": "inf"}, "INVALID_INTEGER"),
        ({"closedate": "soon"}, "INVALID_LONG"),
        ({"renewal_date": "soon"}, "INVALID_LONG"),
        ({"renewal_date": "2026-01-01T10:00:00Z"}, "INVALID_DATE"),
        ({"region": "moon"}, "INVALID_OPTION"),
        ({"interests": "planning;gardening"}, "INVALID_OPTION"),
        ({"is_strategic": "maybe"}, "INVALID_OPTION"),
        ({"dealstage": "nowhere"}, "INVALID_OPTION"),
        ({"dealstage": "132418801"}, "INVALID_OPTION"),
        ({"pipeline": "nowhere"}, "INVALID_OPTION"),
        ({"hubspot_owner_id": "7000001"}, "INVALID_OWNER_ID"),
    ],
)
def test_values_are_checked(
    hubspot: httpx.Client, some: list[str], properties: dict[str, str], code: str
) -> None:
    """A value its property does not allow is a 400 with HubSpot's code in the message's list."""
    answer = hubspot.patch(f"{DEALS}/{some[0]}", json={"properties": properties})
    assert answer.status_code == 400
    assert problems(answer.json()["message"]) == dict.fromkeys(properties, code)


def test_all_problems_are_told_at_once(hubspot: httpx.Client) -> None:
    """The list names every property that is wrong, as HubSpot writes it."""
    answer = hubspot.post(DEALS, json=wish(amuont="1", region="moon"))
    told = json.loads(answer.json()["message"].partition(": ")[2])
    assert [item["name"] for item in told] == ["amuont", "region"]
    assert told[0] == {
        "isValid": False,
        "message": 'Property "amuont" does not exist',
        "error": "PROPERTY_DOESNT_EXIST",
        "name": "amuont",
        "localizedErrorMessage": 'Property "amuont" does not exist',
        "portalId": 146120331,
    }


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({"closedate": "1795194000123"}, {"closedate": "2026-11-20T17:00:00.123Z"}),
        ({"renewal_date": "1795132800000"}, {"renewal_date": "2026-11-20"}),
        ({"interests": "reporting;planning"}, {"interests": "reporting;planning"}),
        ({"pipeline": "68194321", "dealstage": "132418804"}, {"dealstage": "132418804"}),
        ({"is_strategic": True, "amount": 3}, {"is_strategic": "true", "amount": "3"}),
    ],
)
def test_values_are_stored_as_hubspot_does(
    hubspot: httpx.Client, some: list[str], given: dict[str, Any], stored: dict[str, str]
) -> None:
    """Times come back as ISO-8601, days as days, numbers and booleans as texts."""
    hubspot.patch(f"{DEALS}/{some[0]}", json={"properties": given}).raise_for_status()
    assert stored.items() <= read(hubspot, some[0], *given).items()


def test_a_choice_can_be_added(hubspot: httpx.Client, some: list[str]) -> None:
    """A leading semicolon adds to the choices that are there."""
    for value in ("mobile", ";planning"):
        hubspot.patch(f"{DEALS}/{some[0]}", json=wish(interests=value)).raise_for_status()
    assert read(hubspot, some[0], "interests")["interests"] == "mobile;planning"


def test_an_admins_rule(hubspot: httpx.Client, some: list[str]) -> None:
    """A required property must be there once the rule's condition holds, each record alone."""
    rule = {"require": ["amount"], "when": "dealstage", "values": ["closedwon"]}
    hubspot.put("/_rules", json={"deals": [rule]}).raise_for_status()
    try:
        inputs = [
            {"id": some[0], **wish("a", dealstage="closedwon")},
            {"id": some[1], **wish("b", dealstage="closedwon", amount="1")},
            {"id": some[2], **wish("c", dealname="Not the rule's")},
        ]
        answer = batch(hubspot, "update", *inputs)
        assert answer.status_code == 207
        assert len(answer.json()["results"]) == 2
        error = answer.json()["errors"][0]
        assert error["context"] == {"objectWriteTraceId": ["a"]}
        assert problems(error["message"]) == {"amount": "REQUIRED_FIELD"}
        emptied = hubspot.patch(f"{DEALS}/{some[1]}", json=wish(amount=""))
        assert emptied.status_code == 400
        hubspot.put("/_rules", json={"deals": [{"require": ["region"]}]}).raise_for_status()
        assert hubspot.post(DEALS, json=wish()).status_code == 400
    finally:
        hubspot.put("/_rules", json={}).raise_for_status()
    assert hubspot.post(DEALS, json=wish()).status_code == 201
