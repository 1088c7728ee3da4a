"""HubSpot and LinkHub, kept in step: what people do on either side reaches the other one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.domain.checkpoints import Mode
from shared.domain.jobs import JobStatus
from shared.domain.policies import ConflictPolicy
from shared.domain.tallies import Tally
from tests.hubspot_ways_kit import HubSpotPair, hubspot_pair
from tests.sandbox_kit import Running


@pytest.fixture
def hub(tmp_path: Path, sandbox: Running) -> Iterator[HubSpotPair]:
    with hubspot_pair(tmp_path, sandbox) as made:
        yield made


def test_a_first_sync_brings_everything_and_echoes_send_nothing(hub: HubSpotPair) -> None:
    """Deals become initiatives; the next job finds nothing to do on either side."""
    hub.add_deal("Roof", amount="12.5", closedate="2026-12-24T15:30:00Z")
    hub.add_deal("Wall", dealstage="closedwon")
    log = hub.sync()
    assert (log.operation, log.status, log.tally) == ("bidirectional", "success", Tally(success=2))
    assert (
        hub.records()["Roof"].fields.items()
        >= {
            "status": "ON_TIME",
            "end_date": "2026-12-24",
            "budget": "12.50",
        }.items()
    )
    assert hub.records()["Wall"].fields["status"] == "FINISHED"
    hub.assert_in_step()
    hub.assert_quiet()
    assert not hub.account.writes()


def test_a_linkhub_edit_reaches_hubspot(hub: HubSpotPair) -> None:
    """Only what a person changed in LinkHub is written, in HubSpot's terms, and no echo comes."""
    hub.add_deal("Roof", amount="12.5", closedate="2026-12-24T15:30:00Z")
    hub.sync()
    hub.edit_record("Roof", name="Roof II", budget="99.90")
    assert hub.sync().status == "success"
    deal = hub.deals()["Roof II"]
    assert (deal["amount"], deal["closedate"]) == ("99.9", "2026-12-24T15:30:00Z")
    (written,) = hub.account.written()
    assert set(written["properties"]) == {"dealname", "amount"}
    hub.assert_in_step()
    hub.assert_quiet()


def test_a_hubspot_edit_reaches_linkhub(hub: HubSpotPair) -> None:
    """What changed at HubSpot is updated, an emptied value too, and nothing goes back."""
    id_ = hub.add_deal("Roof", amount="10", description="Slate")
    hub.sync()
    hub.edit_deal(id_, dealname="Roof II", amount=None)
    hub.sync()
    fields = hub.records()["Roof II"].fields
    assert (fields.get("budget"), fields["description"]) == (None, "Slate")
    hub.assert_quiet()
    assert not hub.account.writes()


def test_edits_of_different_fields_both_arrive(hub: HubSpotPair) -> None:
    """The deal's time of change has moved, but nobody changed what is about to be written."""
    id_ = hub.add_deal("Roof", amount="10")
    hub.sync()
    hub.edit_record("Roof", end_date="2026-12-24", description="Slate")
    hub.edit_deal(id_, dealname="Roof II", amount="20")
    log = hub.sync()
    assert (log.tally.error, log.tally.warning) == (0, 0)
    fields = hub.records()["Roof II"].fields
    assert (fields["budget"], fields["end_date"]) == ("20.00", "2026-12-24")
    deal = hub.deals()["Roof II"]
    assert (deal["amount"], deal["closedate"][:10]) == ("20", "2026-12-24")
    assert deal["description"] == "Slate"
    hub.assert_in_step()
    hub.assert_quiet()


@pytest.mark.parametrize(
    ("policy", "winner"),
    [
        (ConflictPolicy.EXTERNAL, "Theirs"),
        (ConflictPolicy.LINKHUB, "Ours"),
        (ConflictPolicy.NEWEST, "Ours"),
    ],
)
def test_edits_of_one_field_meet_the_policy(
    tmp_path: Path, sandbox: Running, policy: ConflictPolicy, winner: str
) -> None:
    """One value stays and reaches the other side; the newest is LinkHub's, edited last."""
    with hubspot_pair(tmp_path, sandbox, policy=policy) as hub:
        id_ = hub.add_deal("Roof")
        hub.sync()
        hub.edit_deal(id_, dealname="Theirs")
        hub.edit_record("Roof", name="Ours")
        assert hub.sync().status == "success"
        assert set(hub.records()) == set(hub.deals()) == {winner}
        hub.assert_in_step()
        hub.assert_quiet()


def test_the_newest_edit_may_be_hubspots(tmp_path: Path, sandbox: Running) -> None:
    """HubSpot tells when a deal changed, so a later edit there wins."""
    with hubspot_pair(tmp_path, sandbox, policy=ConflictPolicy.NEWEST) as hub:
        id_ = hub.add_deal("Roof")
        hub.sync()
        hub.edit_record("Roof", name="Ours")
        hub.edit_deal(id_, dealname="Theirs")
        hub.sync()
        assert set(hub.records()) == set(hub.deals()) == {"Theirs"}
        hub.assert_quiet()


def test_asking_blocks_the_field_and_nothing_else(tmp_path: Path, sandbox: Running) -> None:
    """Neither name moves, one conflict shows both; the other fields travel."""
    with hubspot_pair(tmp_path, sandbox, policy=ConflictPolicy.ASK) as hub:
        id_ = hub.add_deal("Roof", amount="10")
        hub.sync()
        hub.edit_deal(id_, dealname="Theirs", amount="20")
        hub.edit_record("Roof", name="Ours", description="Slate")
        log = hub.sync()
        assert (log.status, log.tally.error) == ("success", 0)
        (conflict,) = hub.conflicts()
        assert (conflict.field, conflict.external_value, conflict.linkhub_value) == (
            "name",
            "Theirs",
            "Ours",
        )
        assert hub.records()["Ours"].fields["budget"] == "20.00"
        assert hub.deals()["Theirs"]["description"] == "Slate"


@pytest.mark.parametrize(
    ("policy", "winner"), [(ConflictPolicy.EXTERNAL, "Theirs"), (ConflictPolicy.LINKHUB, "Ours")]
)
def test_a_policy_that_asks_no_more_ends_what_was_asked(
    tmp_path: Path, sandbox: Running, policy: ConflictPolicy, winner: str
) -> None:
    """The next job decides open conflicts, though neither side shows the record again."""
    with hubspot_pair(tmp_path, sandbox, policy=ConflictPolicy.ASK) as hub:
        id_ = hub.add_deal("Roof")
        hub.sync()
        hub.edit_deal(id_, dealname="Theirs")
        hub.edit_record("Roof", name="Ours")
        hub.sync()
        assert hub.conflicts()
        hub.set_policy(policy)
        hub.account.fault("search_lag", seconds=3600)
        assert hub.sync().status == "success"
        assert set(hub.records()) == set(hub.deals()) == {winner}
        assert not hub.conflicts()


def test_native_records_are_created_in_hubspot_and_adopted(hub: HubSpotPair) -> None:
    """They carry LinkHub's id there, and are one record on both sides from then on."""
    id_ = hub.add_record("Solar", end_date="2026-12-01", budget="7.50")
    log = hub.sync()
    assert log.tally == Tally(success=1)
    deal = hub.deals()["Solar"]
    assert (deal["linkhub_id"], deal["amount"]) == (id_, "7.5")
    assert (deal["pipeline"], deal["dealstage"]) == ("default", "appointmentscheduled")
    assert hub.records()["Solar"].id == id_
    hub.assert_in_step()
    hub.assert_quiet()
    hub.edit_deal(deal["hs_object_id"], dealname="Solar II")
    hub.sync()
    assert hub.records()["Solar II"].id == id_
    hub.assert_quiet()


def test_archived_deals_leave_linkhub(hub: HubSpotPair) -> None:
    """An archived deal is deleted in LinkHub, restored it is the same record again."""
    id_ = hub.add_deal("Roof")
    hub.add_deal("Wall")
    hub.sync()
    was = hub.records()["Roof"].id
    hub.archive_deals(id_)
    assert hub.sync().tally.deleted == 1
    assert set(hub.records()) == {"Wall"}
    hub.assert_quiet()
    hub.account.control("POST", "/_deals", restore=[id_])
    hub.sync()
    assert hub.records()["Roof"].id == was
    hub.assert_in_step()
    hub.assert_quiet()


def test_records_deleted_in_linkhub_are_archived_in_hubspot(hub: HubSpotPair) -> None:
    """The deal is archived, and no later job brings it back."""
    hub.add_deal("Roof")
    hub.add_deal("Wall")
    hub.sync()
    hub.edit(delete=[hub.records()["Roof"].id])
    assert hub.sync().tally.deleted == 1
    assert set(hub.deals()) == {"Wall"}
    hub.assert_in_step()
    hub.assert_quiet()


def test_an_edit_that_search_does_not_see_yet_is_not_overwritten(hub: HubSpotPair) -> None:
    """The import misses it, the export reads the deal itself: both edits arrive in one job."""
    id_ = hub.add_deal("Roof", amount="10")
    hub.sync()
    hub.account.fault("search_lag", seconds=600)
    hub.edit_deal(id_, amount="20")
    hub.edit_record("Roof", name="Roof II")
    assert hub.sync().tally.error == 0
    assert hub.deals()["Roof II"]["amount"] == "20"
    assert hub.records()["Roof II"].fields["budget"] == "20.00"
    hub.assert_in_step()
    hub.assert_quiet()


def test_a_deal_that_left_no_trace_is_found_by_a_full_job(hub: HubSpotPair) -> None:
    """What was merged away or erased is in no list: a full read proves its absence."""
    id_ = hub.add_deal("Roof")
    hub.add_deal("Wall")
    hub.sync()
    hub.account.control("POST", "/_deals", purge=[id_])
    hub.sync()
    assert set(hub.records()) == {"Roof", "Wall"}
    log = hub.sync(hub.world.add_job(hub.instance, mode=Mode.FULL))
    assert log.tally.deleted == 1
    assert set(hub.records()) == {"Wall"}
    hub.assert_in_step()
    hub.assert_quiet()


def test_too_many_archived_deals_wait_for_a_person(tmp_path: Path, sandbox: Running) -> None:
    """A storm of deletes from HubSpot changes nothing until somebody approves it."""
    with hubspot_pair(tmp_path, sandbox, percent=10) as hub:
        ids = [hub.add_deal(f"Deal {number}") for number in range(12)]
        hub.sync()
        hub.archive_deals(*ids[:6])
        job = hub.world.add_job(hub.instance)
        hub.sync(job)
        assert hub.world.job(job.id).status is JobStatus.WAITING_APPROVAL
        assert len(hub.records()) == 12
        with hub.world.database.open_uow() as uow:
            uow.jobs.approve(job.id, now=hub.world.clock())
            uow.commit()
        hub.sync(job)
        assert len(hub.records()) == 6
        hub.assert_in_step()
        hub.assert_quiet()


def test_what_linkhub_has_lost_as_well_is_no_storm(tmp_path: Path, sandbox: Running) -> None:
    """Of eight archived deals LinkHub has lost four and an edit keeps one: three go unasked."""
    with hubspot_pair(tmp_path, sandbox, percent=10, policy=ConflictPolicy.NEWEST) as hub:
        ids = [hub.add_deal(f"Deal {number}") for number in range(12)]
        hub.sync()
        records = hub.records()
        hub.archive_deals(*ids[:8])
        hub.edit(delete=[records[f"Deal {number}"].id for number in range(4)])
        hub.edit_record("Deal 4", name="Kept")
        job = hub.world.add_job(hub.instance)
        assert hub.sync(job).tally.deleted == 3
        assert hub.world.job(job.id).status is JobStatus.SUCCESS
        assert set(hub.records()) == {"Kept", *(f"Deal {number}" for number in range(8, 12))}
        hub.assert_in_step()
        hub.assert_quiet()
