"""HubSpot and LinkHub both ways, where HubSpot refuses, fails in part, or has words of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from shared.domain.field_mappings import FieldMapping
from shared.domain.tallies import Tally
from tests.hubspot_ways_kit import HubSpotPair, hubspot_pair
from tests.sandbox_kit import Running

WON_NEEDS_AMOUNT = {"require": ["amount"], "when": "dealstage", "values": ["closedwon"]}


@pytest.fixture
def hub(tmp_path: Path, sandbox: Running) -> Iterator[HubSpotPair]:
    with hubspot_pair(tmp_path, sandbox) as made:
        yield made


def rule(field: str, external: str, **transform: object) -> FieldMapping:
    return FieldMapping(
        stream="deals",
        external_field=external,
        entity="initiatives",
        field=field,
        transform=transform or None,
    )


def test_a_207_fails_just_the_records_it_names(hub: HubSpotPair) -> None:
    """The others are written; the log names one deal, and the next job writes that one too."""
    ids = {name: hub.add_deal(name) for name in ("Roof", "Wall", "Door")}
    hub.sync()
    for name in ids:
        hub.edit_record(name, name=f"{name} II")
    hub.account.fault("multi_status", count=1, records=1, path="/batch/update")
    log = hub.sync()
    assert (log.status, log.tally.error) == ("partial", 1)
    (problem,) = hub.problems(log)
    (left,) = {"Roof", "Wall", "Door"} & set(hub.deals())
    assert (problem.external_id, problem.severity) == (ids[left], "error")
    assert "made to fail" in problem.error
    hub.sync()
    hub.assert_in_step()
    hub.assert_quiet()


def test_an_admins_rule_is_told_with_its_record_and_field(hub: HubSpotPair) -> None:
    """What a rule refuses stays as it was at HubSpot, until a person fills what it wants."""
    id_ = hub.add_deal("Roof")
    hub.add_deal("Wall", amount="5")
    hub.sync()
    hub.account.control("PUT", "/_rules", deals=[WON_NEEDS_AMOUNT])
    hub.edit_record("Roof", status="FINISHED")
    hub.edit_record("Wall", status="FINISHED")
    log = hub.sync()
    (problem,) = hub.problems(log)
    assert (problem.external_id, problem.field, log.tally.error) == (id_, "amount", 1)
    assert '"amount" is required' in problem.error
    assert {name: deal["dealstage"] for name, deal in hub.deals().items()} == {
        "Roof": "qualifiedtobuy",
        "Wall": "closedwon",
    }
    hub.edit_record("Roof", budget="7")
    assert hub.sync().tally.error == 0
    assert hub.deals()["Roof"]["dealstage"] == "closedwon"
    hub.assert_in_step()
    hub.assert_quiet()


def test_a_native_record_that_is_refused_comes_again(hub: HubSpotPair) -> None:
    """It is told under LinkHub's id, the other one is created; no later job makes either twice."""
    hub.account.control("PUT", "/_rules", deals=[{"require": ["amount"]}])
    refused = hub.add_record("Solar")
    hub.add_record("Wind", budget="3")
    log = hub.sync()
    (problem,) = hub.problems(log)
    assert (problem.external_id, problem.field) == (refused, "amount")
    assert set(hub.deals()) == {"Wind"}
    hub.account.control("PUT", "/_rules")
    hub.sync()
    assert hub.deals()["Solar"]["linkhub_id"] == refused
    hub.assert_in_step()
    hub.assert_quiet()


def test_a_batch_written_by_half_makes_nothing_twice(hub: HubSpotPair) -> None:
    """HubSpot fails after it made some of them: the call is repeated and finds them."""
    ids = {hub.add_record(f"New {number}") for number in range(6)}
    hub.account.fault("half_written", count=1, path="/batch/upsert")
    log = hub.sync()
    assert log.tally == Tally(success=6)
    assert {deal["linkhub_id"] for deal in hub.deals().values()} == ids
    hub.assert_in_step()
    hub.assert_quiet()


@pytest.mark.parametrize(("edited", "is_kept"), [("dealname", True), ("amount", False)])
def test_an_edit_right_before_the_write(hub: HubSpotPair, edited: str, is_kept: bool) -> None:
    """The same property is not overwritten, as its history tells; another one is in no way."""
    id_ = hub.add_deal("Roof", amount="1")
    hub.sync()
    hub.edit_record("Roof", name="Ours")
    reads = []

    def meddle(request: httpx.Request) -> None:
        """Edit between the read of the merge and the one right before the write."""
        if request.url.path.endswith("/batch/read"):
            reads.append(json.loads(request.content))
            if len(reads) == 2:
                hub.edit_deal(id_, **{edited: "2"})

    hub.account.meddle = meddle
    log = hub.sync()
    assert any("propertiesWithHistory" in body for body in reads)
    if is_kept:
        (problem,) = hub.problems(log)
        assert (problem.external_id, problem.field, log.tally.error) == (id_, "dealname", 1)
        assert set(hub.deals()) == {"2"}
    else:
        assert log.tally.error == 0
        assert hub.deals()["Ours"]["amount"] == "2"
    hub.account.meddle = lambda _request: None
    hub.sync()
    hub.assert_in_step()
    hub.assert_quiet()


def test_stages_go_by_their_labels_and_back(tmp_path: Path, sandbox: Running) -> None:
    """A status goes to its first stage, one it has already stays, and labels come back at once."""
    stages = {
        "132418801": "ON_TIME",
        "132418802": "ON_TIME",
        "132418804": "FINISHED",
        "132418805": "LATE",
    }
    mappings = [
        rule("name", "dealname"),
        rule("status", "dealstage", type="value_map", values=stages, default="ON_TIME"),
        rule("description", "dealstage.label"),
    ]
    with hubspot_pair(tmp_path, sandbox, mappings=mappings) as hub:
        hub.add_deal("Renewal", dealstage="132418802")
        hub.sync()
        fields = hub.records()["Renewal"].fields
        assert (fields["status"], fields["description"]) == ("ON_TIME", "Offer sent")

        hub.edit_record("Renewal", name="Renewal II")
        hub.sync()
        assert hub.deals()["Renewal II"]["dealstage"] == "132418802"

        hub.edit_record("Renewal II", status="FINISHED")
        hub.sync()
        deal = hub.deals()["Renewal II"]
        assert (deal["dealstage"], deal["pipeline"]) == ("132418804", "68194321")
        assert hub.records()["Renewal II"].fields["description"] == "Renewed"
        hub.assert_quiet()

        hub.edit_record("Renewal II", status="ON_TIME")
        hub.sync()
        assert hub.deals()["Renewal II"]["dealstage"] == "132418801"
        hub.edit_deal(deal["hs_object_id"], dealstage="132418805")
        hub.sync()
        fields = hub.records()["Renewal II"].fields
        assert (fields["status"], fields["description"]) == ("LATE", "Churned")
        hub.assert_quiet()


def test_labels_are_only_imported(tmp_path: Path, sandbox: Running) -> None:
    """LinkHub keeps the words a person put there; the deal gets the fields that can be written."""
    mappings = [
        rule("name", "dealname"),
        rule("status", "dealstage", type="constant", value="ON_TIME"),
        rule("description", "dealstage.label"),
    ]
    with hubspot_pair(tmp_path, sandbox, mappings=mappings) as hub:
        hub.add_deal("Roof")
        hub.sync()
        hub.edit_record("Roof", name="Roof II", description="By hand")
        log = hub.sync()
        assert (log.status, len(hub.problems(log))) == ("success", 0)
        assert [set(item["properties"]) for item in hub.account.written()] == [{"dealname"}]
        assert hub.records()["Roof II"].fields["description"] == "By hand"
        assert set(hub.deals()) == {"Roof II"}
        hub.assert_quiet()


def test_a_stage_of_another_pipeline_is_refused_with_its_field(hub: HubSpotPair) -> None:
    """The default mapping knows one pipeline: HubSpot says so, and the deal stays as it is."""
    id_ = hub.add_deal("Renewal", dealstage="132418802")
    hub.sync()
    hub.edit_record("Renewal", status="FINISHED")
    log = hub.sync()
    (problem,) = hub.problems(log)
    assert (problem.external_id, problem.field) == (id_, "dealstage")
    assert hub.deals()["Renewal"]["dealstage"] == "132418802"
