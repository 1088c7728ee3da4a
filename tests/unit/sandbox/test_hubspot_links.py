"""HubSpot's associations: with the records, in batches, one by one."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

BASE = "/crm/objects/2026-03"
LINKS = "/crm/associations/2026-03"


def new(client: httpx.Client, kind: str, **body: Any) -> str:
    answer = client.post(f"{BASE}/{kind}", json={"properties": {}, **body})
    made: str = answer.raise_for_status().json()["id"]
    return made


def linked(client: httpx.Client, kind: str, record_id: str, *others: str) -> dict[str, list[str]]:
    """Return, by type, the associations a record is shown with."""
    params = {"associations": ",".join(others)}
    shown = client.get(f"{BASE}/{kind}/{record_id}", params=params).json()
    parts = shown.get("associations", {})
    return {
        other: [f"{row['type']} {row['id']}" for row in part["results"]]
        for other, part in parts.items()
    }


def pair(first: str, second: str) -> dict[str, Any]:
    return {"from": {"id": first}, "to": {"id": second}}


def call(client: httpx.Client, path: str, *inputs: dict[str, Any]) -> httpx.Response:
    return client.post(f"{LINKS}/{path}", json={"inputs": list(inputs)})


def test_the_account_is_born_with_some(hubspot: httpx.Client) -> None:
    """Listed deals carry theirs, and the contacts are as many as the deal says."""
    query: dict[str, Any] = {
        "associations": ["companies", "contacts"],
        "properties": "num_associated_contacts",
        "limit": 50,
    }
    found = hubspot.get(f"{BASE}/deals", params=query).json()["results"]
    with_company = [d for d in found if "companies" in d.get("associations", {})]
    assert 30 < len(with_company) < 50
    for deal in found:
        rows = deal.get("associations", {}).get("contacts", {"results": []})["results"]
        assert len(rows) == int(deal["properties"]["num_associated_contacts"])
        assert {row["type"] for row in rows} <= {"deal_to_contact"}
    first = with_company[0]
    kinds = [row["type"] for row in first["associations"]["companies"]["results"]]
    assert kinds[:2] == ["deal_to_company", "deal_to_company_unlabeled"]
    company = first["associations"]["companies"]["results"][0]["id"]
    back = linked(hubspot, "companies", company, "deals")["deals"]
    assert f"company_to_deal_unlabeled {first['id']}" in back


def test_default_associations(hubspot: httpx.Client) -> None:
    """They stand in both directions, change the pages that show them, and count a deal's people."""
    deal, person, firm = (new(hubspot, kind) for kind in ("deals", "contacts", "companies"))
    assert linked(hubspot, "deals", deal, "contacts", "companies") == {}
    made = call(hubspot, "deals/contacts/batch/associate/default", pair(deal, person))
    assert made.status_code == 200
    specs = [row["associationSpec"]["associationTypeId"] for row in made.json()["results"]]
    assert specs == [3, 4]
    put = hubspot.put(f"/crm/v4/objects/deals/{deal}/associations/default/companies/{firm}")
    assert put.status_code == 200
    assert linked(hubspot, "deals", deal, "contacts", "companies") == {
        "contacts": [f"deal_to_contact {person}"],
        "companies": [f"deal_to_company {firm}", f"deal_to_company_unlabeled {firm}"],
    }
    assert linked(hubspot, "contacts", person, "deals") == {"deals": [f"contact_to_deal {deal}"]}
    query = {"properties": "num_associated_contacts"}
    shown = hubspot.get(f"{BASE}/deals/{deal}", params=query).json()
    assert shown["properties"]["num_associated_contacts"] == "1"


def test_a_page_shows_new_associations(hubspot: httpx.Client) -> None:
    """A page already served is served anew after an association of one of its records."""
    person = new(hubspot, "contacts")
    query: dict[str, Any] = {"associations": "contacts", "limit": 5}
    deal = hubspot.get(f"{BASE}/deals", params=query).json()["results"][2]["id"]
    call(hubspot, "deals/contacts/batch/associate/default", pair(deal, person)).raise_for_status()
    page = hubspot.get(f"{BASE}/deals", params=query).json()["results"]
    assert person in str(page[2]["associations"]["contacts"])


def test_the_primary_company(hubspot: httpx.Client) -> None:
    """The first company is the primary one until another is made so."""
    deal, first, second = (new(hubspot, kind) for kind in ("deals", "companies", "companies"))
    both = [pair(deal, first), pair(deal, second)]
    call(hubspot, "deals/companies/batch/associate/default", *both).raise_for_status()
    primary = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 5}]
    made = call(hubspot, "deals/companies/batch/create", {**both[1], "types": primary})
    assert made.status_code == 201
    assert made.json()["results"][0]["labels"] == ["Primary"]
    read = call(hubspot, "deals/companies/batch/read", {"id": deal}).json()["results"][0]
    types = {row["toObjectId"]: row["associationTypes"] for row in read["to"]}
    assert [kind["typeId"] for kind in types[second]] == [5, 341]
    assert [kind["label"] for kind in types[second]] == ["Primary", None]
    assert [kind["typeId"] for kind in types[first]] == [341]


def test_what_has_none_is_told(hubspot: httpx.Client) -> None:
    """A batch read is a 207 where a record has no association, as HubSpot words it."""
    deal, person = new(hubspot, "deals"), new(hubspot, "contacts")
    call(hubspot, "contacts/deals/batch/associate/default", pair(person, deal)).raise_for_status()
    lonely = new(hubspot, "deals")
    answer = hubspot.post(
        "/crm/v4/associations/deals/contacts/batch/read",
        json={"inputs": [{"id": deal}, {"id": lonely}]},
    )
    assert answer.status_code == 207
    assert answer.json()["results"][0]["from"] == {"id": deal}
    error = answer.json()["errors"][0]
    assert error["category"] == "OBJECT_NOT_FOUND"
    assert error["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"
    assert error["message"] == f"No contact is associated with deal {lonely}."
    assert error["context"]["fromObjectId"] == [lonely]


def test_many_are_paged(hubspot: httpx.Client) -> None:
    """Over 500 come in pages, over 100 beside a record; following the cursor gives each once."""
    firm = new(hubspot, "companies")
    ids: list[str] = []
    for _ in range(6):
        inputs: dict[str, Any] = {"inputs": [{"properties": {}} for _ in range(100)]}
        made = hubspot.post(f"{BASE}/contacts/batch/create", json=inputs).json()["results"]
        ids += [person["id"] for person in made]
    pairs = [pair(person, firm) for person in ids]
    call(hubspot, "contacts/companies/batch/associate/default", *pairs).raise_for_status()
    found: list[str] = []
    after = None
    while after or not found:
        item = {"id": firm} | ({"after": after} if after else {})
        read = call(hubspot, "companies/contacts/batch/read", item).json()["results"][0]
        found += [row["toObjectId"] for row in read["to"]]
        after = read.get("paging", {}).get("next", {}).get("after")
    assert found == ids
    for base in (BASE, "/crm/v3/objects"):
        shown = hubspot.get(f"{base}/companies/{firm}", params={"associations": "contacts"}).json()
        part = shown["associations"]["contacts"]
        assert len({row["id"] for row in part["results"]}) == 100
        rest = hubspot.get(part["paging"]["next"]["link"]).json()["results"]
        assert [row["toObjectId"] for row in rest] == ids[100:]


def test_associations_end(hubspot: httpx.Client) -> None:
    """Ended in one direction they are gone in both; ending them again is no error."""
    deal, *people = (new(hubspot, kind) for kind in ("deals", "contacts", "contacts"))
    inputs = [pair(deal, person) for person in people]
    call(hubspot, "deals/contacts/batch/associate/default", *inputs).raise_for_status()
    gone = {"from": {"id": people[0]}, "to": [{"id": deal}]}
    assert call(hubspot, "contacts/deals/batch/archive", gone).status_code == 200
    path = "/crm/v4/associations/contacts/deals/batch/archive"
    assert hubspot.post(path, json={"inputs": [gone]}).status_code == 204
    assert linked(hubspot, "deals", deal, "contacts") == {
        "contacts": [f"deal_to_contact {people[1]}"]
    }
    one = hubspot.delete(f"{BASE}/deals/{deal}/associations/contacts/{people[1]}")
    assert one.status_code == 204
    assert linked(hubspot, "deals", deal, "contacts") == {}


def test_archived_records_show_in_none(hubspot: httpx.Client) -> None:
    """Who is archived is nobody's contact until it is restored."""
    deal, person = new(hubspot, "deals"), new(hubspot, "contacts")
    put = f"{BASE}/deals/{deal}/associations/default/contacts/{person}"
    hubspot.put(put).raise_for_status()
    hubspot.delete(f"{BASE}/contacts/{person}").raise_for_status()
    assert linked(hubspot, "deals", deal, "contacts") == {}
    hubspot.post("/_objects/contacts", json={"restore": [person]}).raise_for_status()
    assert linked(hubspot, "deals", deal, "contacts") != {}


def test_a_record_is_born_with_associations(hubspot: httpx.Client) -> None:
    """A create may name them; one that cannot be is the record's error, and none is made."""
    firm = new(hubspot, "companies")
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 341}]
    deal = new(hubspot, "deals", associations=[{"to": {"id": firm}, "types": types}])
    assert linked(hubspot, "deals", deal, "companies")["companies"]
    wrongs: list[Any] = [
        [{"to": {"id": "1"}, "types": types}],
        [{"to": {"id": firm}, "types": [{**types[0], "associationTypeId": 280}]}],
        [{"to": {}, "types": types}],
        "all",
    ]
    for wrong in wrongs:
        body: dict[str, Any] = {"properties": {}, "associations": wrong}
        assert hubspot.post(f"{BASE}/deals", json=body).status_code == 400


@pytest.mark.parametrize(
    ("path", "inputs", "status"),
    [
        ("deals/deals/batch/read", [{"id": "1"}], 400),
        ("deals/tickets/batch/read", [{"id": "1"}], 400),
        ("deals/contacts/batch/read", [{"id": "1"}], 207),
        ("deals/contacts/batch/read", "all", 400),
        ("deals/contacts/batch/create", [{"from": {"id": "1"}}], 400),
        ("deals/contacts/batch/create", [pair("1", "2")], 207),
        ("deals/contacts/batch/archive", [pair("1", "2")], 400),
    ],
)
def test_what_cannot_be(hubspot: httpx.Client, path: str, inputs: Any, status: int) -> None:
    """Types without associations and bodies of another form are a 400, missing records an error."""
    answer = hubspot.post(f"{LINKS}/{path}", json={"inputs": inputs})
    assert answer.status_code == status


def test_search_by_association(hubspot: httpx.Client) -> None:
    """`associations.contact` finds the deals of a contact."""
    deal, person = new(hubspot, "deals"), new(hubspot, "contacts")
    call(hubspot, "deals/contacts/batch/associate/default", pair(deal, person)).raise_for_status()
    rule: dict[str, Any] = {
        "propertyName": "associations.contact",
        "operator": "EQ",
        "value": person,
    }
    body = {"filterGroups": [{"filters": [rule]}]}
    found = hubspot.post(f"{BASE}/deals/search", json=body).json()
    assert [record["id"] for record in found["results"]] == [deal]
    rule |= {"operator": "GT"}
    assert hubspot.post(f"{BASE}/deals/search", json=body).status_code == 400
