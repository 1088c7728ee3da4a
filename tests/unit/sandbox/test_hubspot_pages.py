"""Rendered list pages: reused while they are right, never longer."""

from __future__ import annotations

import math
from typing import Any

import httpx
import pytest

from local.sandbox.hubspot.pages import Form, Pages

DEALS = "/crm/objects/2026-03/deals"


def form(*names: str) -> Form:
    return Form(address="a", limit=10, archived=False, names=names, others=())


FIRST, OTHER = form("amount"), form("dealname")


def filled(most_bytes: int = 100) -> Pages:
    """Return pages of the ids 1 to 10, 11 to 20 and from 21 on."""
    pages = Pages(most_bytes)
    for low, high in [(0, 10.0), (10, 20.0), (20, math.inf)]:
        pages.keep(FIRST, low, b"x" * 10, low=low, high=high)
    return pages


@pytest.mark.parametrize(
    ("changed", "left"),
    [
        ([], [0, 10, 20]),
        ([10], [10, 20]),
        ([11], [0, 20]),
        ([5, 20], [20]),
        ([999], [0, 10]),
        ([1, 15, 21], []),
    ],
)
def test_a_change_voids_its_own_page(changed: list[int], left: list[int]) -> None:
    """Only pages that show a changed record go; a new one belongs to the last page."""
    pages = filled()
    pages.forget(changed)
    assert [place for place in (0, 10, 20) if pages.get(FIRST, place)] == left


def test_a_full_store_keeps_the_list_that_is_read() -> None:
    """Lists in other forms make room; a list too long for the store keeps its beginning."""
    pages = filled(45)
    pages.keep(OTHER, 0, b"y" * 20, low=0, high=10)
    assert pages.get(OTHER, 0)
    assert not any(pages.get(FIRST, place) for place in (0, 10, 20))
    pages.keep(OTHER, 10, b"y" * 20, low=10, high=20)
    pages.keep(OTHER, 20, b"y" * 20, low=20)
    assert [place for place in (0, 10, 20) if pages.get(OTHER, place)] == [0, 10]
    pages.forget([1])
    pages.keep(OTHER, 20, b"y" * 20, low=20)
    assert pages.get(OTHER, 20), "what was voided makes room"


def test_every_change_shows(hubspot: httpx.Client) -> None:
    """After any change through the API or beside it, a list shows what single reads show."""
    query: dict[str, Any] = {"limit": 100, "properties": "dealname,amount,hs_is_closed"}

    def shown() -> dict[str, Any]:
        found: dict[str, Any] = {}
        after: dict[str, str] = {}
        while True:
            page = hubspot.get(DEALS, params={**query, **after}).json()
            found |= {deal["id"]: deal for deal in page["results"]}
            if "paging" not in page:
                return found
            after = {"after": page["paging"]["next"]["after"]}

    ids = list(shown())
    patched = {"properties": {"dealstage": "closedwon", "pipeline": "default"}}
    hubspot.patch(f"{DEALS}/{ids[7]}", json=patched).raise_for_status()
    hubspot.delete(f"{DEALS}/{ids[150]}").raise_for_status()
    made = hubspot.post(DEALS, json={"properties": {"dealname": "Last"}}).json()["id"]
    hubspot.post("/_deals", json={"touch": 3, "purge": [ids[120]]}).raise_for_status()
    after = shown()
    assert set(after) == {*ids, made} - {ids[150], ids[120]}
    for deal_id in (ids[0], ids[7], ids[149], made):
        assert after[deal_id] == hubspot.get(f"{DEALS}/{deal_id}", params=query).json()
    assert after[ids[7]]["properties"]["hs_is_closed"] == "true"


def test_the_same_list_in_other_words(hubspot: httpx.Client) -> None:
    """The order of parameters and properties changes nothing."""
    first = hubspot.get(f"{DEALS}?limit=5&properties=amount,dealname&archived=false").content
    second = hubspot.get(f"{DEALS}?properties=dealname&properties=amount&limit=5").content
    assert first == second
