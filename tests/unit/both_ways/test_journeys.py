"""Planner and LinkHub, kept in step: what people do on either side reaches the other one."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.domain.policies import ConflictPolicy
from shared.domain.providers import Direction
from shared.domain.tallies import Tally
from tests.both_ways_kit import BothWays, both_ways
from tests.sandbox_kit import Running


def test_a_first_sync_brings_everything_and_echoes_send_nothing(pair: BothWays) -> None:
    """Tasks become initiatives; the next job finds nothing to do on either side."""
    pair.add_task("Roof")
    pair.add_task("Wall", percentComplete=50)
    log = pair.sync()
    assert (log.operation, log.status, log.tally) == ("bidirectional", "success", Tally(success=2))
    pair.assert_in_step()
    pair.assert_quiet()


def test_a_linkhub_edit_reaches_planner(pair: BothWays) -> None:
    """What a person changes in LinkHub is written to the task, and comes back as no change."""
    id_ = pair.add_task("Roof")
    pair.sync()
    pair.edit_record("Roof", name="Roof II", end_date="2026-12-24", description="Slate")
    log = pair.sync()
    assert log.tally == Tally(success=2, unchanged=1), "the import saw it too, unchanged"
    task = pair.graph.task(id_)
    assert (task["title"], task["dueDateTime"][:10]) == ("Roof II", "2026-12-24")
    assert pair.graph.details(id_)["description"] == "Slate"
    pair.assert_in_step()
    pair.assert_quiet()


def test_native_records_are_created_in_planner_and_adopted(pair: BothWays) -> None:
    """They are one record on both sides from then on, under Planner's id."""
    id_ = pair.add_record("Solar", end_date="2026-12-01", description="South side")
    log = pair.sync()
    assert log.tally == Tally(success=1)
    task = pair.tasks()["Solar"]
    record = pair.records()["Solar"]
    assert record.id == id_
    assert pair.graph.details(task["id"])["description"] == "South side"
    pair.assert_in_step()
    pair.assert_quiet()
    pair.graph.edit(task["id"], title="Solar II")
    pair.sync()
    assert pair.records()["Solar II"].id == id_


def test_what_planner_makes_of_a_value_comes_back_at_once(pair: BothWays) -> None:
    """A task that is finished is at 100 %: the job that says so to Planner tells LinkHub too."""
    pair.add_task("Roof")
    pair.sync()
    pair.edit_record("Roof", status="FINISHED")
    pair.sync()
    assert pair.tasks()["Roof"]["percentComplete"] == 100
    assert pair.records()["Roof"].fields["progress"] == 100
    pair.assert_quiet()


def test_a_value_without_an_inverse_is_a_warning(pair: BothWays) -> None:
    """No task is at risk: LinkHub keeps its value, Planner its own, and the log says why."""
    pair.add_task("Roof")
    pair.sync()
    pair.edit_record("Roof", status="AT_RISK", name="Roof II")
    log = pair.sync()
    assert (log.status, log.tally.warning) == ("success", 1)
    assert pair.records()["Roof II"].fields["status"] == "AT_RISK"
    assert pair.tasks()["Roof II"]["percentComplete"] == 0
    pair.assert_quiet()


def test_deletes_in_linkhub_travel(pair: BothWays) -> None:
    """A record deleted in LinkHub is deleted in Planner, and stays so."""
    pair.add_task("Roof")
    pair.add_task("Wall")
    pair.sync()
    pair.edit(delete=[pair.records()["Roof"].id])
    log = pair.sync()
    assert log.tally.deleted == 1
    assert set(pair.tasks()) == {"Wall"}
    pair.assert_in_step()
    pair.assert_quiet()


def test_an_export_writes_to_the_provider_only(tmp_path: Path, sandbox: Running) -> None:
    """LinkHub's records and edits reach Planner; Planner's own tasks and edits stay there."""
    with both_ways(tmp_path, sandbox, direction=Direction.EXPORT) as pair:
        pair.add_task("Theirs")
        pair.add_record("Ours")
        log = pair.sync()
        assert (log.operation, log.tally) == ("export", Tally(success=1))
        assert set(pair.tasks()) == {"Theirs", "Ours"}
        assert set(pair.records()) == {"Ours"}
        pair.graph.edit(pair.tasks()["Ours"]["id"], title="Edited there")
        pair.edit_record("Ours", end_date="2026-12-24")
        pair.sync()
        assert pair.tasks()["Edited there"]["dueDateTime"][:10] == "2026-12-24"
        pair.edit_record("Ours", name="Ours II")
        pair.sync()
        assert set(pair.tasks()) == {"Theirs", "Ours II"}, "LinkHub's value wins"
        assert set(pair.records()) == {"Ours II"}
        pair.assert_quiet()


@pytest.mark.parametrize("policy", list(ConflictPolicy))
def test_a_restored_record_comes_back(
    tmp_path: Path, sandbox: Running, policy: ConflictPolicy
) -> None:
    """What both sides have deleted and a person brings back in LinkHub is made anew in Planner."""
    with both_ways(tmp_path, sandbox, policy=policy) as pair:
        pair.add_task("Roof")
        pair.sync()
        id_ = pair.records()["Roof"].id
        pair.edit(delete=[id_])
        pair.sync()
        assert not pair.tasks()
        pair.edit(patch=[{"id": id_, "fields": {}}])
        pair.sync()
        pair.assert_in_step()
        pair.assert_quiet()
