"""Each record of a batch gets its own outcome, however HubSpot says what went wrong."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.hubspot.failures import complaint_of
from adapters.hubspot.outcomes import Input, write_all
from shared.errors import TransientError
from tests.hubspot_kit import make_deals
from tests.hubspot_write_kit import KEY, WritableHubSpot, push, push_one, rule_broken, upsert


def no_sevens(properties: dict[str, str]) -> dict[str, Any] | None:
    is_bad = "7" in properties.get("dealname", "")
    return rule_broken("dealname", "No sevens here") if is_bad else None


def names(count: int) -> list[Any]:
    return [upsert(str(n), dealname=f"New {n}") for n in range(1, count + 1)]


@pytest.mark.parametrize(("is_strict", "is_vague"), [(False, False), (True, False), (False, True)])
def test_a_broken_rule_is_its_own_records_problem(*, is_strict: bool, is_vague: bool) -> None:
    """In a 207 with traces, in a 207 without, and where the whole batch is refused."""
    server = WritableHubSpot(*make_deals(100))
    server.rule, server.is_strict, server.is_vague = no_sevens, is_strict, is_vague
    results = push(server, names(100))
    bad = {result.key: result.problem for result in results if result.outcome == "rejected"}
    assert set(bad) == {str(n) for n in range(101) if "7" in str(n)}
    assert {(p.field, p.message) for p in bad.values() if p} == {
        ("dealname", "dealname: No sevens here")
    }
    assert {r.outcome for r in results if r.key not in bad} == {"updated"}
    assert server.deals[16].values["dealname"] == "New 16"
    assert "dealname" not in server.deals[17].values


def test_traces_spare_the_repetition() -> None:
    """Where HubSpot names the inputs at fault, one call is enough."""
    server = WritableHubSpot(*make_deals(100))
    server.rule = no_sevens
    push(server, names(100))
    assert len(server.sent("update")) == 1


def test_a_refused_batch_is_halved_only_where_it_must_be() -> None:
    """One bad record of a hundred costs fourteen calls more, not ninety-nine."""
    server = WritableHubSpot(*make_deals(100))
    server.is_strict = True
    server.rule = lambda p: rule_broken("dealname", "x") if p["dealname"] == "New 50" else None
    assert [r.key for r in push(server, names(100)) if r.outcome == "rejected"] == ["50"]
    assert len(server.sent("update")) <= 15


def test_a_create_that_breaks_a_rule_makes_nothing() -> None:
    """Its result has no id, and the next one is made all the same."""
    server = WritableHubSpot()
    server.rule = no_sevens
    bad, good = push(server, [upsert(f"{KEY}a", dealname="7"), upsert(f"{KEY}b", dealname="8")])
    assert (bad.outcome, bad.external_id, good.outcome) == ("rejected", "", "created")
    assert [deal.values["dealname"] for deal in server.deals.values()] == ["8"]


def test_hubspots_own_trouble_is_no_records_problem() -> None:
    """An error inside a 207 that will pass ends the push, which goes on later."""
    server = WritableHubSpot(*make_deals(1))
    server.rule = lambda _: {"category": "INTERNAL_ERROR", "message": "oops"}
    with pytest.raises(TransientError, match="oops"):
        push_one(server, upsert("1", dealname="B"))


def test_an_answer_that_says_nothing_is_asked_again_later() -> None:
    """Neither a result nor an error for a record: nobody knows, so nobody guesses."""
    one = Input(trace="a", id="1", properties={})
    with pytest.raises(TransientError, match="did not say"):
        write_all([one], lambda _batch: {"status": "PENDING"})


@pytest.mark.parametrize("answered", [{"id": "1"}, {"id": "9", "properties": {"key": "1"}}])
def test_results_are_known_without_traces(answered: dict[str, Any]) -> None:
    """By HubSpot's id, or by the unique property that was written."""
    inputs = [Input(trace="a", id="1", properties={}, by="key")]
    inputs.append(Input(trace="b", id="2", properties={}, by="key"))
    results = [answered, {"id": "8", "objectWriteTraceId": "b"}]
    outcomes = write_all(inputs, lambda _batch: {"results": results})
    assert {trace: out.found for trace, out in outcomes.items()} == {
        "a": answered,
        "b": results[1],
    }


@pytest.mark.parametrize(
    ("error", "field", "text"),
    [
        (rule_broken("amount", "Too much"), "amount", "amount: Too much"),
        (
            {"message": "Missing.", "context": {"properties": ["dealname"]}},
            "dealname",
            "Missing. (dealname)",
        ),
        (
            {
                "message": "Not valid",
                "errors": [
                    {"message": "closedate is late", "context": {"propertyName": ["closedate"]}}
                ],
            },
            "closedate",
            "Not valid; closedate is late",
        ),
        ({"message": "Contact already exists. Existing ID: 5"}, "", "Existing ID: 5"),
        ({"category": "CONFLICT", "errors": "?", "context": 3}, "", "CONFLICT"),
        ({"message": "were not valid: [{broken"}, "", "[{broken"),
        ({}, "", "no reason"),
    ],
)
def test_errors_are_read_with_every_part_optional(
    error: dict[str, Any], field: str, text: str
) -> None:
    """The property at fault is found wherever HubSpot names it; the text always says something."""
    found, message = complaint_of(error)
    assert found == field
    assert text in message
