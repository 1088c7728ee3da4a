"""What both sides changed: each policy, a person's choice, deletes against edits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.domain.conflicts import Conflict, ConflictStatus
from shared.domain.policies import ConflictPolicy
from tests.both_ways_kit import BothWays, both_ways
from tests.sandbox_kit import Running

ASK, EXTERNAL, LINKHUB, NEWEST = (
    ConflictPolicy.ASK,
    ConflictPolicy.EXTERNAL,
    ConflictPolicy.LINKHUB,
    ConflictPolicy.NEWEST,
)


@contextmanager
def roof(folder: Path, sandbox: Running, policy: ConflictPolicy) -> Iterator[BothWays]:
    """Give a pair that is in step with one record, and a second one nobody touches."""
    with both_ways(folder, sandbox, policy=policy) as pair:
        pair.add_task("Roof")
        pair.add_task("Wall")
        pair.sync()
        yield pair


def edit_both(pair: BothWays, *, theirs: str, ours: str) -> None:
    pair.edit_record("Roof", name=ours)
    pair.graph.edit(pair.tasks()["Roof"]["id"], title=theirs)


def settle(pair: BothWays, side: str) -> Conflict:
    (conflict,) = pair.conflicts()
    with pair.world.database.open_uow() as uow:
        settled = uow.conflicts.settle(
            conflict.id, ConflictStatus(f"settled_{side}"), settled_by="ada", now=pair.world.clock()
        )
        uow.commit()
    return settled


def find(pair: BothWays, conflict: Conflict) -> Conflict:
    with pair.world.database.open_uow(read_only=True) as uow:
        return uow.conflicts.get(conflict.id)


def test_edits_of_different_fields_both_arrive(pair: BothWays) -> None:
    """Nobody has to win: the same record takes both sides' changes in one job."""
    id_ = pair.add_task("Roof")
    pair.sync()
    pair.edit_record("Roof", end_date="2026-12-24")
    pair.graph.edit(id_, title="Roof II", percentComplete=50)
    log = pair.sync()
    assert (log.tally.error, log.tally.warning) == (0, 0)
    assert pair.records()["Roof II"].fields == {
        "name": "Roof II",
        "status": "ON_TIME",
        "progress": 50,
        "end_date": "2026-12-24",
    }
    task = pair.tasks()["Roof II"]
    assert (task["dueDateTime"][:10], task["percentComplete"]) == ("2026-12-24", 50)
    pair.assert_quiet()


@pytest.mark.parametrize(
    ("policy", "winner"), [(EXTERNAL, "Theirs"), (LINKHUB, "Ours"), (NEWEST, "Theirs")]
)
def test_edits_of_one_field_meet_the_policy(
    tmp_path: Path, sandbox: Running, policy: ConflictPolicy, winner: str
) -> None:
    """One value stays and reaches the other side. Planner tells no times: there it is newest."""
    with roof(tmp_path, sandbox, policy) as pair:
        edit_both(pair, theirs="Theirs", ours="Ours")
        assert pair.sync().status == "success"
        assert set(pair.records()) == set(pair.tasks()) == {winner, "Wall"}
        pair.assert_in_step()
        pair.assert_quiet()


def test_asking_blocks_the_field_and_nothing_else(tmp_path: Path, sandbox: Running) -> None:
    """Neither value moves, one conflict shows both; other fields travel, and so do later jobs."""
    with roof(tmp_path, sandbox, ASK) as pair:
        edit_both(pair, theirs="Theirs", ours="Ours")
        pair.edit_record("Ours", end_date="2026-12-24")
        for _ in range(2):
            log = pair.sync()
            assert (log.status, log.tally.error) == ("success", 0)
            assert log.tally.warning
        (conflict,) = pair.conflicts()
        assert (conflict.field, conflict.external_value, conflict.linkhub_value) == (
            "name",
            "Theirs",
            "Ours",
        )
        assert conflict.base_value == "Roof"
        assert set(pair.records()) == {"Ours", "Wall"}
        assert pair.tasks()["Theirs"]["dueDateTime"][:10] == "2026-12-24"
        pair.graph.edit(pair.tasks()["Theirs"]["id"], title="Theirs again")
        pair.sync()
        (same,) = pair.conflicts()
        assert (same.id, same.external_value) == (conflict.id, "Theirs again")


@pytest.mark.parametrize(("side", "winner"), [("external", "Theirs"), ("linkhub", "Ours")])
def test_a_persons_choice_is_carried_out(
    tmp_path: Path, sandbox: Running, side: str, winner: str
) -> None:
    """The next job writes the chosen value to the other side and closes the conflict."""
    with roof(tmp_path, sandbox, ASK) as pair:
        edit_both(pair, theirs="Theirs", ours="Ours")
        pair.sync()
        settled = settle(pair, side)
        pair.sync()
        assert set(pair.records()) == set(pair.tasks()) == {winner, "Wall"}
        assert find(pair, settled).closed_at is not None
        assert not pair.conflicts()
        pair.assert_quiet()


def test_a_choice_does_not_write_over_a_later_edit(tmp_path: Path, sandbox: Running) -> None:
    """Who edits the losing value after the choice is asked again; the old choice is obsolete."""
    with roof(tmp_path, sandbox, ASK) as pair:
        edit_both(pair, theirs="Theirs", ours="Ours")
        pair.sync()
        settled = settle(pair, "external")
        pair.edit_record("Ours", name="Ours, better")
        pair.sync()
        assert "Ours, better" in pair.records()
        assert find(pair, settled).status is ConflictStatus.OBSOLETE
        (anew,) = pair.conflicts()
        assert (anew.linkhub_value, anew.external_value) == ("Ours, better", "Theirs")


def test_a_conflict_people_solve_themselves_is_obsolete(tmp_path: Path, sandbox: Running) -> None:
    """Once both sides say the same there is nothing left to ask."""
    with roof(tmp_path, sandbox, ASK) as pair:
        edit_both(pair, theirs="Theirs", ours="Ours")
        pair.sync()
        (conflict,) = pair.conflicts()
        pair.edit_record("Ours", name="Theirs")
        pair.sync()
        assert not pair.conflicts()
        assert find(pair, conflict).status is ConflictStatus.OBSOLETE
        pair.assert_in_step()
        pair.assert_quiet()


@pytest.mark.parametrize(
    ("policy", "left"), [(EXTERNAL, False), (LINKHUB, True), (NEWEST, True), (ASK, None)]
)
def test_deleted_in_planner_edited_in_linkhub(
    tmp_path: Path, sandbox: Running, policy: ConflictPolicy, left: bool | None
) -> None:
    """The provider's state, LinkHub's, the edit's, or a conflict of the whole record."""
    with roof(tmp_path, sandbox, policy) as pair:
        id_ = pair.records()["Roof"].id
        pair.remove_task(pair.tasks()["Roof"]["id"])
        pair.edit_record("Roof", name="Ours")
        pair.sync()
        if left is None:
            assert [each.field for each in pair.conflicts()] == [""]
            assert (set(pair.records()), set(pair.tasks())) == ({"Ours", "Wall"}, {"Wall"})
            return
        assert set(pair.records()) == ({"Ours", "Wall"} if left else {"Wall"})
        if left:
            assert pair.records()["Ours"].id == id_
        pair.assert_in_step()
        pair.assert_quiet()


@pytest.mark.parametrize(
    ("policy", "left"), [(EXTERNAL, True), (LINKHUB, False), (NEWEST, True), (ASK, None)]
)
def test_deleted_in_linkhub_edited_in_planner(
    tmp_path: Path, sandbox: Running, policy: ConflictPolicy, left: bool | None
) -> None:
    """Likewise the other way round; what comes back is the same LinkHub record."""
    with roof(tmp_path, sandbox, policy) as pair:
        record = pair.records()["Roof"]
        pair.edit(delete=[record.id])
        pair.graph.edit(pair.tasks()["Roof"]["id"], title="Theirs")
        pair.sync()
        if left is None:
            assert (set(pair.records()), set(pair.tasks())) == ({"Wall"}, {"Theirs", "Wall"})
            return
        assert set(pair.tasks()) == ({"Theirs", "Wall"} if left else {"Wall"})
        if left:
            assert pair.records()["Theirs"].id == record.id
        pair.assert_in_step()
        pair.assert_quiet()


@pytest.mark.parametrize(("side", "left"), [("external", False), ("linkhub", True)])
def test_delete_against_edit_is_settled_by_a_person(
    tmp_path: Path, sandbox: Running, side: str, left: bool
) -> None:
    """The chosen side's state becomes that of both."""
    with roof(tmp_path, sandbox, ASK) as pair:
        pair.remove_task(pair.tasks()["Roof"]["id"])
        pair.edit_record("Roof", name="Ours")
        pair.sync()
        settle(pair, side)
        pair.sync()
        assert set(pair.tasks()) == ({"Ours", "Wall"} if left else {"Wall"})
        pair.assert_in_step()
        pair.assert_quiet()


def test_deletes_of_both_sides_meet(pair: BothWays) -> None:
    """What is gone on both sides is gone, without a word."""
    pair.add_task("Roof")
    pair.add_task("Wall")
    pair.sync()
    pair.remove_task(pair.tasks()["Roof"]["id"])
    pair.edit(delete=[pair.records()["Roof"].id])
    assert pair.sync().status == "success"
    pair.assert_in_step()
    pair.assert_quiet()


def test_an_edit_while_the_record_is_synced_is_not_lost(pair: BothWays) -> None:
    """A person who saves in LinkHub between the merge and the write is found by the version."""
    id_ = pair.add_task("Roof")
    pair.sync()
    pair.graph.edit(id_, title="Roof II")
    saved: list[datetime] = []

    def meddle(step: str) -> None:
        if step == "ask upsert" and not saved:
            saved.append(datetime.now(UTC))
            pair.edit_record("Roof", description="Just now")

    pair.cut = meddle
    pair.sync()
    assert saved
    assert pair.records()["Roof II"].fields["description"] == "Just now"
    assert pair.graph.details(id_)["description"] == "Just now"
    pair.assert_quiet()
