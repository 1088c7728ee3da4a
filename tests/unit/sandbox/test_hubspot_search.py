"""HubSpot's search: its language, its order, its limits."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from local.sandbox.hubspot.book import Book
from local.sandbox.hubspot.errors import HubSpotError
from local.sandbox.hubspot.kinds import DEALS
from local.sandbox.hubspot.records import Record
from local.sandbox.hubspot.search import parse_search
from local.sandbox.hubspot.times import to_iso, to_ms
from tests.sandbox_kit import Running

SEARCH = "/crm/objects/2026-03/deals/search"
MODIFIED = "hs_lastmodifieddate"


@pytest.fixture(scope="module")
def book() -> Book:
    return Book(DEALS, DEALS.generate(500, archived=20))


def where(name: str, operator: str, **operands: Any) -> dict[str, Any]:
    return {"propertyName": name, "operator": operator, **operands}


def search(book: Book, *filters: dict[str, Any], **more: Any) -> list[Record]:
    return parse_search({"filterGroups": [{"filters": list(filters)}], **more}, book).run(book)


def amount(deal: Record) -> float:
    return float(deal.properties.get("amount", "nan"))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (where("amount", "GT", value="5000"), lambda d: amount(d) > 5000),
        (where("amount", "BETWEEN", value="10", highValue=2000), lambda d: 10 <= amount(d) <= 2000),
        (where("amount", "NOT_HAS_PROPERTY"), lambda d: "amount" not in d.properties),
        (where("region", "EQ", value="EMEA"), lambda d: d.properties["region"] == "emea"),
        (where("region", "NEQ", value="emea"), lambda d: d.properties["region"] != "emea"),
        (
            where("dealstage", "IN", values=["closedwon", "closedlost"]),
            lambda d: d.properties["dealstage"] in {"closedwon", "closedlost"},
        ),
        (
            where("dealstage", "NOT_IN", values=["closedwon"]),
            lambda d: d.properties["dealstage"] != "closedwon",
        ),
        (
            where("dealname", "CONTAINS_TOKEN", value="pil*"),
            lambda d: "pilot" in d.properties["dealname"],
        ),
        (
            where("dealname", "NOT_CONTAINS_TOKEN", value="pil"),
            lambda d: d.properties["dealname"],
        ),
        (
            where("closedate", "LT", value="2026-01-01T00:00:00Z"),
            lambda d: d.properties.get("closedate", "9") < "2026",
        ),
    ],
)
def test_operators(book: Book, spec: dict[str, Any], expected: Any) -> None:
    """Each operator finds exactly the deals it describes, in order of their creation."""
    found = search(book, spec)
    assert found == [deal for deal in book.all_live() if expected(deal)]
    assert found


@pytest.mark.parametrize("operator", ["EQ", "LT", "LTE", "GT", "GTE"])
def test_modified_is_served_by_the_index(book: Book, operator: str) -> None:
    """A bound on hs_lastmodifieddate means the same as on any other property."""
    middle = search(book, sorts=[MODIFIED])[250].modified_ms
    compare = {
        "EQ": middle.__eq__,
        "LT": middle.__gt__,
        "LTE": middle.__ge__,
        "GT": middle.__lt__,
        "GTE": middle.__le__,
    }[operator]
    for value in (str(middle), to_iso(middle)):
        found = search(book, where(MODIFIED, operator, value=value), sorts=[MODIFIED])
        assert {d.id for d in found} == {d.id for d in book.all_live() if compare(d.modified_ms)}
        assert found == sorted(found, key=lambda d: (d.modified_ms, d.id))


def test_range_and_id_resume_inside_one_time() -> None:
    """Two filters of a group hold together: the way past 10,000 equal times works."""
    many = Book(DEALS, DEALS.generate(50, archived=0))
    at_ms = many.now_ms()
    for deal in many.all_live():
        many.update(deal, {}, at_ms=at_ms)
    everyone = search(many, where(MODIFIED, "GTE", value=at_ms), sorts=[MODIFIED])
    last = everyone[19].id
    rest = search(
        many,
        where(MODIFIED, "EQ", value=at_ms),
        where("hs_object_id", "GT", value=last),
        sorts=[MODIFIED],
    )
    assert everyone[:20] + rest == everyone
    assert len(everyone) == 50


def test_groups_are_alternatives(book: Book) -> None:
    """A deal is found where all filters of any one group match."""
    body = {
        "filterGroups": [
            {"filters": [where("region", "EQ", value="emea"), where("amount", "GT", value="9000")]},
            {"filters": [where("region", "EQ", value="apac")]},
        ]
    }
    expected = [
        d
        for d in book.all_live()
        if (d.properties["region"] == "emea" and amount(d) > 9000)
        or d.properties["region"] == "apac"
    ]
    assert parse_search(body, book).run(book) == expected


def test_sorting(book: Book) -> None:
    """A sort orders by value, empty ones last; `query` looks into the name."""
    down = search(book, sorts=[{"propertyName": "amount", "direction": "DESCENDING"}])
    filled = [amount(d) for d in down if "amount" in d.properties]
    assert filled == sorted(filled, reverse=True)
    assert "amount" not in down[-1].properties
    assert down == search(book, sorts=["-amount"])
    named = parse_search({"query": "PILOT"}, book).run(book)
    assert named == [d for d in book.all_live() if "pilot" in d.properties["dealname"].casefold()]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"filterGroups": [{"filters": []}] * 6}, "filterGroups"),
        ({"filterGroups": [{"filters": [where("amount", "HAS_PROPERTY")] * 7}]}, "6 filters"),
        ({"filterGroups": [{"filters": [where("amount", "HAS_PROPERTY")] * 5}] * 4}, "18"),
        ({"filterGroups": "all"}, "filterGroups"),
        ({"filterGroups": [{"filters": ["amount"]}]}, "object"),
        ({"filterGroups": [{"filters": [where("amuont", "HAS_PROPERTY")]}]}, "amuont"),
        ({"filterGroups": [{"filters": [where("amount", "LIKE", value="1")]}]}, "LIKE"),
        ({"filterGroups": [{"filters": [where("amount", "GT", value="much")]}]}, "much"),
        ({"filterGroups": [{"filters": [where("amount", "GT")]}]}, "value"),
        ({"filterGroups": [{"filters": [where("amount", "IN", value="1")]}]}, "values"),
        ({"filterGroups": [{"filters": [where(MODIFIED, "GT", value="now")]}]}, "datetime"),
        ({"sorts": ["amount", "dealname"]}, "sorts"),
        ({"sorts": ["amuont"]}, "amuont"),
        ({"sorts": [1]}, "sort"),
    ],
)
def test_refuses(book: Book, body: dict[str, Any], named: str) -> None:
    """A search that is wrong or over a limit is a 400 that names what is wrong."""
    with pytest.raises(HubSpotError, match=named) as refused:
        parse_search(body, book)
    assert refused.value.status == 400
    assert refused.value.body["category"] == "VALIDATION_ERROR"


def test_paging(hubspot: httpx.Client) -> None:
    """Following `after` gives `total` deals, each once, and never an archived one."""
    found: list[dict[str, Any]] = []
    after, total = None, -1
    while after or not found:
        body = {"limit": 70, "sorts": [MODIFIED], "properties": ["dealname"]}
        page = hubspot.post(SEARCH, json=body | ({"after": after} if after else {})).json()
        found += page["results"]
        total = page["total"]
        after = page.get("paging", {}).get("next", {}).get("after")
    assert len({deal["id"] for deal in found}) == len(found) == total
    assert total == hubspot.get("/_state").json()["deals"]
    assert set(found[0]["properties"]) == {"dealname", "createdate", MODIFIED, "hs_object_id"}


def test_ten_thousand_is_the_end(hubspot: httpx.Client) -> None:
    """A page that would end beyond 10,000 is a 400, whatever there is to find."""
    assert hubspot.post(SEARCH, json={"limit": 200, "after": "9800"}).status_code == 200
    refused = hubspot.post(SEARCH, json={"limit": 200, "after": "9801"})
    assert refused.status_code == 400
    assert "10000" in refused.json()["message"]


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'{"limit": 201}', b'{"after": "x"}', b'{"query": "' + b"x" * 3000 + b'"}'],
)
def test_body_limits(hubspot: httpx.Client, body: bytes) -> None:
    """A body that is no object, asks too much or has over 3,000 characters is a 400."""
    assert hubspot.post(SEARCH, content=body).status_code == 400


def test_five_a_second(hubspot: httpx.Client) -> None:
    """The sixth search within a second is refused; searches carry no rate headers."""
    hubspot.put("/_limits", json={}).raise_for_status()
    answers = [hubspot.post(SEARCH, json={}) for _ in range(6)]
    refused = [a for a in answers if a.status_code == 429]
    assert refused
    assert refused[0].json()["policyName"] == "SECONDLY"
    assert not any("x-hubspot-ratelimit-max" in a.headers for a in answers)


def test_changes_are_found(hubspot: httpx.Client) -> None:
    """What changed after a time is found, and nothing else."""
    mark = hubspot.post("/_deals", json={"touch": 3}).json()[MODIFIED]
    body = {"filterGroups": [{"filters": [where(MODIFIED, "GTE", value=str(to_ms(mark)))]}]}
    assert hubspot.post(SEARCH, json=body).json()["total"] == 3
    hubspot.post("/_deals", json={"touch": 1}).raise_for_status()
    assert hubspot.post(SEARCH, json=body).json()["total"] == 3
    body["filterGroups"][0]["filters"][0]["operator"] = "GT"
    assert hubspot.post(SEARCH, json=body).json()["total"] == 1


def test_search_lag(sandbox: Running, hubspot: httpx.Client) -> None:
    """With the fault on, fresh changes cannot be found yet, while the list shows them."""
    mark = hubspot.post("/_deals", json={"touch": 3}).json()[MODIFIED]
    body = {"filterGroups": [{"filters": [where(MODIFIED, "GTE", value=mark)]}]}
    sandbox.fault("hubspot", "search_lag", count=1, seconds=3600)
    totals = [hubspot.post(SEARCH, json=body).json()["total"] for _ in range(2)]
    assert totals == [0, 3]
