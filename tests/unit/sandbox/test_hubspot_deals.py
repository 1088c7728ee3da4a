"""The deals the emulator is born with, and how they change."""

from __future__ import annotations

from collections import Counter

import pytest

from local.sandbox.hubspot.book import DealBook
from local.sandbox.hubspot.deals import Deal, to_iso, to_ms
from local.sandbox.hubspot.generate import END_MS, generate
from local.sandbox.hubspot.schema import FIRST_OWNER_ID, PIPELINES, PROPERTIES, STAGES, owners

YEAR_MS = 365 * 86_400_000


@pytest.fixture(scope="module")
def deals() -> list[Deal]:
    return generate(25_000)


def test_counts(deals: list[Deal]) -> None:
    """There are as many live deals as asked for, and 400 archived ones beside them."""
    assert sum(deal.archived_ms is None for deal in deals) == 25_000
    assert sum(deal.archived_ms is not None for deal in deals) == 400
    assert len({deal.id for deal in deals}) == 25_400


def test_same_every_time() -> None:
    """The seed is fixed."""
    assert generate(50) == generate(50)


def test_times_make_sense(deals: list[Deal]) -> None:
    """Deals are created, then changed, then archived, within two years up to a fixed day."""
    for deal in deals:
        assert END_MS - 2 * YEAR_MS <= deal.created_ms <= deal.modified_ms <= END_MS
        if deal.archived_ms is not None:
            assert deal.modified_ms <= deal.archived_ms <= END_MS
    assert min(deal.modified_ms for deal in deals) < END_MS - 1.8 * YEAR_MS
    assert [d.id for d in sorted(deals, key=lambda d: d.created_ms)] == [d.id for d in deals]


def test_stages_belong_to_their_pipeline(deals: list[Deal]) -> None:
    """Every deal stands in a stage of its pipeline; closed ones closed before their last change."""
    stages = {pipeline.id: {s.id for s in pipeline.stages} for pipeline in PIPELINES}
    for deal in deals:
        values = deal.properties
        assert values["dealstage"] in stages[values["pipeline"]]
        if STAGES[values["dealstage"]].is_closed:
            assert deal.created_ms <= to_ms(values["closedate"]) <= deal.modified_ms


def test_what_real_accounts_have(deals: list[Deal]) -> None:
    """Some amounts are empty, some names not ASCII, some times shared by hundreds of deals."""
    values = [deal.properties for deal in deals]
    assert 0.05 < sum("amount" not in v for v in values) / len(values) < 0.2
    assert sum(not v["dealname"].replace("\N{EN DASH}", "-").isascii() for v in values) > 1000
    shared = Counter(deal.modified_ms for deal in deals).most_common(1)[0][1]
    assert shared > 200


def test_every_value_is_of_its_property(deals: list[Deal]) -> None:
    """All values are texts that their property's type and options allow."""
    people = {owner["id"] for owner in owners()}
    for deal in deals[::25]:
        for name, value in deal.properties.items():
            item = PROPERTIES[name]
            if item.type == "number":
                assert float(value) >= 0
            elif item.type in {"date", "datetime"}:
                assert to_ms(value) > 0
            elif item.options:
                assert set(value.split(";")) <= {option for option, _ in item.options}
            elif name == "hubspot_owner_id":
                assert value in people
            assert value
            assert len(value) <= 255


def test_archived_owners_own_deals(deals: list[Deal]) -> None:
    """Some deals belong to people who have left."""
    gone = str(FIRST_OWNER_ID + len(owners()) - 1)
    assert any(deal.properties.get("hubspot_owner_id") == gone for deal in deals)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "1970-01-01T00:00:00Z"), (1_795_194_000_123, "2026-11-20T17:00:00.123Z")],
)
def test_times_are_written_as_hubspot_does(milliseconds: int, text: str) -> None:
    """A fraction of zero is left out; reading gives the same instant back."""
    assert to_iso(milliseconds) == text
    assert to_ms(text) == milliseconds


def test_change_is_all_or_nothing() -> None:
    """A change that names an unknown deal changes nothing at all."""
    book = DealBook(generate(5, archived=0))
    before = [deal.modified_ms for deal in book.all_live()]
    with pytest.raises(KeyError):
        book.change(at_ms=book.now_ms(), touch=5, archive=["1"])
    assert [deal.modified_ms for deal in book.all_live()] == before


def test_calculated_properties_follow() -> None:
    """Winning a deal changes what is computed of its stage and amount."""
    book = DealBook(generate(1, archived=0))
    deal = book.all_live()[0]
    won = {"dealstage": "closedwon", "amount": "100", "closedate": to_iso(deal.created_ms)}
    book.change(at_ms=book.now_ms(), patch=[(str(deal.id), won)])
    assert deal.properties["hs_is_closed_won"] == "true"
    assert deal.properties["hs_projected_amount"] == "100.00"
    assert deal.properties["days_to_close"] == "0"
    book.change(at_ms=book.now_ms(), patch=[(str(deal.id), {"amount": None})])
    assert "hs_projected_amount" not in deal.properties


def test_changes_never_share_a_time_by_chance() -> None:
    """Two changes in the same millisecond still carry different times, both after the rest."""
    book = DealBook(generate(5, archived=0))
    first = book.now_ms()
    book.change(at_ms=first, touch=1)
    assert book.now_ms() > first > END_MS - 1
