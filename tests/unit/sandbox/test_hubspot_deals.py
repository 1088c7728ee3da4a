"""The deals the emulator is born with, and how they change."""

from __future__ import annotations

from collections import Counter

import pytest

from local.sandbox.hubspot.book import Book
from local.sandbox.hubspot.control import Changes, carry_out
from local.sandbox.hubspot.kinds import COMPANIES, CONTACTS, DEALS, KINDS, Kind
from local.sandbox.hubspot.kinds.base import END_MS
from local.sandbox.hubspot.kinds.deals import PIPELINES, STAGES
from local.sandbox.hubspot.owners import FIRST_OWNER_ID, OWNERS
from local.sandbox.hubspot.records import Record
from local.sandbox.hubspot.times import to_iso, to_ms

YEAR_MS = 365 * 86_400_000


@pytest.fixture(scope="module")
def deals() -> list[Record]:
    return DEALS.generate(25_000, archived=400)


def test_counts(deals: list[Record]) -> None:
    """There are as many live deals as asked for, and 400 archived ones beside them."""
    assert sum(deal.archived_ms is None for deal in deals) == 25_000
    assert sum(deal.archived_ms is not None for deal in deals) == 400
    assert len({deal.id for deal in deals}) == 25_400


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_same_every_time(kind: Kind) -> None:
    """The seed is fixed."""
    assert kind.generate(50, archived=4) == kind.generate(50, archived=4)


def test_times_make_sense(deals: list[Record]) -> None:
    """Deals are created, then changed, then archived, within two years up to a fixed day."""
    for deal in deals:
        assert END_MS - 2 * YEAR_MS <= deal.created_ms <= deal.modified_ms <= END_MS
        if deal.archived_ms is not None:
            assert deal.modified_ms <= deal.archived_ms <= END_MS
    assert min(deal.modified_ms for deal in deals) < END_MS - 1.8 * YEAR_MS
    assert [d.id for d in sorted(deals, key=lambda d: d.created_ms)] == [d.id for d in deals]


def test_stages_belong_to_their_pipeline(deals: list[Record]) -> None:
    """Every deal stands in a stage of its pipeline; closed ones closed before their last change."""
    stages = {pipeline.id: {s.id for s in pipeline.stages} for pipeline in PIPELINES}
    for deal in deals:
        values = deal.properties
        assert values["dealstage"] in stages[values["pipeline"]]
        if STAGES[values["dealstage"]].is_closed:
            assert deal.created_ms <= to_ms(values["closedate"]) <= deal.modified_ms


def test_what_real_accounts_have(deals: list[Record]) -> None:
    """Some amounts are empty, some names not ASCII, some times shared by hundreds of deals."""
    values = [deal.properties for deal in deals]
    assert 0.05 < sum("amount" not in v for v in values) / len(values) < 0.2
    assert sum(not v["dealname"].replace("\N{EN DASH}", "-").isascii() for v in values) > 1000
    shared = Counter(deal.modified_ms for deal in deals).most_common(1)[0][1]
    assert shared > 200


@pytest.mark.parametrize("kind", [DEALS, COMPANIES, CONTACTS], ids=lambda kind: kind.name)
def test_every_value_is_of_its_property(kind: Kind) -> None:
    """All values, computed ones too, are texts that their property's type and options allow."""
    known = {item.name: item for item in kind.properties}
    for record in kind.generate(600, archived=20):
        values = {name: kind.reader(name)(record) for name in known}
        assert set(record.properties) <= set(known)
        for name, value in values.items():
            if value is None:
                continue
            item = known[name]
            if item.type == "number":
                assert float(value) >= 0
            elif item.type in {"date", "datetime"}:
                assert to_ms(value) > 0
            elif item.options:
                assert set(value.split(";")) <= {option for option, _ in item.options}
            elif name == "hubspot_owner_id":
                assert value in OWNERS
            assert 0 < len(value) <= 255


def test_archived_owners_own_deals(deals: list[Record]) -> None:
    """Some deals belong to people who have left."""
    gone = str(FIRST_OWNER_ID + len(OWNERS) - 1)
    assert any(deal.properties.get("hubspot_owner_id") == gone for deal in deals)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "1970-01-01T00:00:00Z"), (1_795_194_000_123, "2026-11-20T17:00:00.123Z")],
)
def test_times_are_written_as_hubspot_does(milliseconds: int, text: str) -> None:
    """A fraction of zero is left out; reading gives the same instant back."""
    assert to_iso(milliseconds) == text
    assert to_ms(text) == milliseconds


def deal_book(count: int) -> Book:
    return Book(DEALS, DEALS.generate(count, archived=0))


def test_change_is_all_or_nothing() -> None:
    """A change that names an unknown deal changes nothing at all."""
    book = deal_book(5)
    before = [deal.modified_ms for deal in book.all_live()]
    with pytest.raises(KeyError):
        carry_out(book, Changes(touch=5, archive=["1"]), book.now_ms())
    assert [deal.modified_ms for deal in book.all_live()] == before


def test_calculated_properties_follow() -> None:
    """Winning a deal changes what is computed of its stage and amount."""
    book = deal_book(1)
    deal = book.all_live()[0]
    won = {"dealstage": "closedwon", "amount": "100", "closedate": to_iso(deal.created_ms)}
    book.update(deal, won, at_ms=book.now_ms())
    assert DEALS.reader("hs_is_closed_won")(deal) == "true"
    assert DEALS.reader("hs_projected_amount")(deal) == "100.00"
    assert DEALS.reader("days_to_close")(deal) == "0"
    book.update(deal, {"amount": ""}, at_ms=book.now_ms())
    assert DEALS.reader("hs_projected_amount")(deal) is None


def test_changes_never_share_a_time_by_chance() -> None:
    """Two changes in the same millisecond still carry different times, both after the rest."""
    book = deal_book(5)
    first = book.now_ms()
    book.update(book.all_live()[0], {}, at_ms=first)
    assert book.now_ms() > first > END_MS - 1


def test_unique_values_are_found_and_freed() -> None:
    """A unique value leads to the live record that has it, in any case of letters."""
    book = deal_book(3)
    first, second, _ = book.all_live()
    number = first.properties["contract_number"]
    assert book.find_by("contract_number", number.lower()) is first
    book.archive(first, at_ms=book.now_ms())
    assert book.find_by("contract_number", number) is None
    book.update(second, {"contract_number": number}, at_ms=book.now_ms())
    assert book.find_by("contract_number", number) is second
    book.purge(second)
    assert book.find_by("contract_number", number) is None
