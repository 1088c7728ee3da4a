"""A run that is cut off while it writes to HubSpot, and taken up by the same job or the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes import PowerCutError
from tests.hubspot_ways_kit import HubSpotPair, hubspot_pair
from tests.sandbox_kit import Running

CUTS = 8
Outcome = dict[str, tuple[object, object]]


def meanwhile(hub: HubSpotPair) -> None:
    """Let people work on both sides: every kind of change, and one record changed on both."""
    hub.add_deal("Ours", amount="1")
    both = hub.add_deal("Both")
    doomed = hub.add_deal("Doomed")
    hub.add_deal("Gone")
    hub.sync()
    hub.add_record("Native", budget="3")
    hub.add_record("Native too", status="FINISHED")
    hub.add_deal("New")
    hub.edit_record("Ours", name="Ours II", budget="2")
    hub.edit(delete=[hub.records()["Gone"].id])
    hub.edit_deal(both, dealname="Both II")
    hub.edit_record("Both", description="Edited")
    hub.archive_deals(doomed)


def outcome(hub: HubSpotPair) -> Outcome:
    """Return what both sides have in the end; check that they are in step."""
    hub.assert_in_step()
    fields = ("amount", "dealstage", "description")
    deals = {name: [deal[field] for field in fields] for name, deal in hub.deals().items()}
    kept = {"name", "status", "budget", "description"}
    return {
        name: (deals[name], {key: record.fields.get(key) for key in kept})
        for name, record in hub.records().items()
    }


@pytest.fixture(scope="module")
def expected(
    tmp_path_factory: pytest.TempPathFactory, sandbox: Running
) -> tuple[Outcome, list[str]]:
    """Return what a job that is not cut off leaves behind, and the steps it takes."""
    with hubspot_pair(tmp_path_factory.mktemp("whole"), sandbox) as hub:
        meanwhile(hub)
        steps: list[str] = []
        hub.cut = steps.append
        hub.sync()
        hub.cut = lambda _step: None
        return outcome(hub), steps


def test_the_cuts_meet_every_kind_of_write(expected: tuple[Outcome, list[str]]) -> None:
    """HubSpot is written to in all three ways, and the natives are among what came of it."""
    whole, steps = expected
    assert {"ask update", "answer update", "answer upsert", "answer archive"} <= set(steps)
    assert set(whole) == {"Ours II", "Both II", "New", "Native", "Native too"}


@pytest.mark.parametrize("share", range(CUTS))
def test_a_cut_changes_nothing_of_the_outcome(
    tmp_path: Path, sandbox: Running, expected: tuple[Outcome, list[str]], share: int
) -> None:
    """Wherever it falls, nothing is made twice, lost or undone, on either side."""
    whole, steps = expected
    with hubspot_pair(tmp_path, sandbox) as hub:
        meanwhile(hub)
        job = hub.world.add_job(hub.instance)
        left = [share * len(steps) // CUTS]

        def cut(_step: str) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise PowerCutError

        hub.cut = cut
        with pytest.raises(PowerCutError):
            hub.sync(job)
        hub.cut = lambda _step: None
        hub.world.clock.move(minutes=4)
        hub.sync(job)
        assert outcome(hub) == whole
        hub.assert_quiet()
