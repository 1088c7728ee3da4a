"""LinkHub's values both ways: deals whose amounts are an indicator's values, by day."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.domain.field_mappings import FieldMapping
from shared.domain.ids import new_id
from shared.domain.jobs import JobStatus
from shared.domain.policies import ConflictPolicy
from shared.domain.tallies import Tally
from tests.hubspot_ways_kit import HubSpotPair, hubspot_pair
from tests.sandbox_kit import Running

VALUES = "values"
MAPPINGS = tuple(
    FieldMapping(stream="deals", external_field=external, entity=VALUES, field=field)
    for external, field in (("dealname", "indicator"), ("closedate", "date"), ("amount", "value"))
)
FIRST, SECOND, THIRD = "2026-11-01", "2026-11-02", "2026-11-03"


@pytest.fixture
def hub(tmp_path: Path, sandbox: Running) -> Iterator[HubSpotPair]:
    with hubspot_pair(tmp_path, sandbox, mappings=MAPPINGS, policy=ConflictPolicy.EXTERNAL) as made:
        yield made


def add_deal(hub: HubSpotPair, name: str, day: str, amount: str) -> str:
    return hub.add_deal(name, closedate=f"{day}T12:00:00Z", amount=amount)


def add_value(hub: HubSpotPair, indicator: str, day: str, value: str, **fields: Any) -> str:
    made = {"indicator": indicator, "date": day, "value": value, **fields}
    return str(hub.edit(entity=VALUES, create=[made])["created"][0])


def edit_value(hub: HubSpotPair, indicator: str, **fields: Any) -> None:
    patch = [{"id": values(hub)[indicator].id, "fields": fields}]
    hub.edit(entity=VALUES, patch=patch)


def values(hub: HubSpotPair) -> dict[str, Any]:
    """Return LinkHub's live values by indicator."""
    found = hub.client.changes(VALUES).changes
    return {record.fields["indicator"]: record for record in found if not record.deleted}


def assert_in_step(hub: HubSpotPair) -> None:
    """Check that both sides have the same, each under its day, and that one more job is quiet."""
    deals, records = hub.deals(), values(hub)
    assert {
        name: (deal["closedate"][:10], float(deal["amount"])) for name, deal in deals.items()
    } == {
        name: (record.fields["date"], float(record.fields["value"]))
        for name, record in records.items()
    }
    for name, record in records.items():
        assert record.source == hub.instance.id
        assert record.external_key == f"{record.fields['date']}/{name}"
    sent, cursor = len(hub.account.writes()), hub.client.changes(VALUES).next_cursor
    log = hub.sync()
    assert (log.tally.error, log.tally.warning) == (0, 0)
    assert (len(hub.account.writes()), hub.client.changes(VALUES).next_cursor) == (sent, cursor)


def test_values_people_make_edit_and_delete_in_linkhub_reach_hubspot(hub: HubSpotPair) -> None:
    """A native value becomes a deal; its number changes there; its delete travels too."""
    id_ = add_value(hub, "Sales", FIRST, "5")
    add_value(hub, "Costs", FIRST, "3")
    assert hub.sync().tally == Tally(success=2)
    assert values(hub)["Sales"].id == id_
    assert_in_step(hub)
    edit_value(hub, "Sales", value="7.5")
    hub.sync()
    assert float(hub.deals()["Sales"]["amount"]) == 7.5
    assert_in_step(hub)
    hub.edit(entity=VALUES, delete=[values(hub)["Costs"].id])
    assert hub.sync().tally.deleted == 1
    assert set(hub.deals()) == {"Sales"}
    assert_in_step(hub)


def test_a_value_moved_in_linkhub_moves_in_hubspot(hub: HubSpotPair) -> None:
    """It keeps its id in LinkHub, and stands under the new day."""
    deal = add_deal(hub, "Sales", FIRST, "5")
    hub.sync()
    id_ = values(hub)["Sales"].id
    edit_value(hub, "Sales", date=SECOND)
    hub.sync()
    assert hub.deals()["Sales"]["closedate"][:10] == SECOND
    assert (values(hub)["Sales"].id, hub.deal_id("Sales")) == (id_, deal)
    assert_in_step(hub)


def test_a_value_moved_in_hubspot_takes_linkhubs_edits_along(hub: HubSpotPair) -> None:
    """What people changed of it in LinkHub, mapped or not, is under the new day, and exported."""
    deal = add_deal(hub, "Sales", FIRST, "5")
    hub.sync()
    edit_value(hub, "Sales", value="9", note="Audited")
    hub.edit_deal(deal, closedate=f"{SECOND}T12:00:00Z")
    hub.sync()
    (record,) = values(hub).values()
    assert (record.fields["date"], record.fields["note"]) == (SECOND, "Audited")
    assert float(hub.deals()["Sales"]["amount"]) == 9
    assert_in_step(hub)


@pytest.mark.parametrize("policy", [ConflictPolicy.EXTERNAL, ConflictPolicy.LINKHUB])
def test_a_value_moved_on_both_sides_goes_where_the_policy_says(
    tmp_path: Path, sandbox: Running, policy: ConflictPolicy
) -> None:
    """One value is left, on one day, on both sides."""
    with hubspot_pair(tmp_path, sandbox, mappings=MAPPINGS, policy=policy) as hub:
        deal = add_deal(hub, "Sales", FIRST, "5")
        hub.sync()
        edit_value(hub, "Sales", date=SECOND)
        hub.edit_deal(deal, closedate=f"{THIRD}T12:00:00Z")
        hub.sync()
        (record,) = values(hub).values()
        day = THIRD if policy is ConflictPolicy.EXTERNAL else SECOND
        assert record.fields["date"] == day
        assert_in_step(hub)


def test_an_edit_while_a_value_moves_is_not_lost(hub: HubSpotPair) -> None:
    """It came after the merge and before the old day's value was deleted: it is merged anew."""
    deal = add_deal(hub, "Sales", FIRST, "5")
    hub.sync()
    id_ = values(hub)["Sales"].id
    hub.edit_deal(deal, closedate=f"{SECOND}T12:00:00Z")
    done: list[str] = []

    def cut(step: str) -> None:
        if step == "ask delete" and not done:
            done.append(step)
            hub.edit(entity=VALUES, patch=[{"id": id_, "fields": {"value": "9"}}])

    hub.cut = cut
    hub.sync()
    assert done
    assert float(hub.deals()["Sales"]["amount"]) == 9
    assert_in_step(hub)


def test_a_value_on_a_day_that_is_taken_is_not_created(hub: HubSpotPair) -> None:
    """It is an error that says so; HubSpot has no second deal, and once it is mended it travels."""
    add_deal(hub, "Sales", FIRST, "5")
    hub.sync()
    id_ = add_value(hub, "Sales", FIRST, "6")
    job = hub.world.add_job(hub.instance, id=new_id())
    log = hub.sync(job)
    assert hub.world.job(job.id).status is JobStatus.PARTIAL
    (problem,) = hub.problems(log)
    assert (problem.external_id, problem.field) == (id_, "indicator")
    assert "one value of an indicator a day" in problem.error
    assert len(hub.deals()) == 1
    hub.edit(entity=VALUES, patch=[{"id": id_, "fields": {"indicator": "Costs"}}])
    hub.sync()
    assert set(hub.deals()) == {"Sales", "Costs"}
    assert_in_step(hub)
