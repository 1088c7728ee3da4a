"""Corners that random histories have led into, each told as a short story."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared.domain.jobs import Job
from shared.domain.policies import ConflictPolicy
from tests.histories.people import view
from tests.histories.rig import House, Manner, Rig
from tests.histories.wires import Blow


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House.opened(tmp_path_factory.mktemp("house")) as opened:
        yield opened


@pytest.fixture
def make_rig(house: House, request: pytest.FixtureRequest) -> Callable[[ConflictPolicy], Rig]:
    def make(policy: ConflictPolicy) -> Rig:
        house.begin(request.node.name)
        return Rig(house, Manner(policy=policy))

    return make


MakeRig = Callable[[ConflictPolicy], Rig]


def synced(rig: Rig, **fields: Any) -> str:
    """Make a ticket and bring it to LinkHub; return its id."""
    id_ = rig.remote.create(**{"title": "Roof", "born": "t1", **fields})
    rig.sync()
    return id_


def edit(rig: Rig, **fields: Any) -> None:
    rig.clock.move(seconds=1)
    rig.edit_linkhub(patch=[{"id": rig.records()[0].id, "fields": fields}])


def run_until(rig: Rig, step: str) -> Job:
    """Begin a job whose run dies at a step."""
    job = rig.add_job()

    class Falling(dict[int, Blow]):
        def get(self, *_: Any) -> Any:
            return Blow.CUT if rig.steps.log[-1] == step else None

    rig.steps.blows = Falling()
    rig.run(job)
    assert rig.steps.is_dead, "it came to that step"
    rig.steps.blows = {}
    return job


def both(rig: Rig, name: str) -> tuple[Any, Any]:
    """Return a field of the one record on both sides."""
    (row,), (record,) = rig.remote.live(), rig.records()
    return view(row).get(name), record.fields.get(name)


def test_a_value_that_cannot_travel_survives_the_creation(make_rig: MakeRig) -> None:
    """The application gives a new ticket a stage of its own; LinkHub's status stays."""
    rig = make_rig(ConflictPolicy.EXTERNAL)
    rig.edit_linkhub(create=[{"name": "Roof", "status": "AT_RISK", "owner": "t1"}])
    rig.sync()
    rig.sync()
    assert both(rig, "status") == ("ON_TIME", "AT_RISK")
    rig.remote.edit("1", stage="won")
    rig.sync()
    assert both(rig, "status") == ("FINISHED", "FINISHED")


def test_an_edit_after_a_lost_push_survives(make_rig: MakeRig) -> None:
    """What the dead run pushed is no edit of the application's people."""
    rig = make_rig(ConflictPolicy.EXTERNAL)
    synced(rig)
    edit(rig, name="Wall  1")
    job = run_until(rig, "after push")
    assert both(rig, "name") == ("Wall 1", "Wall  1")
    edit(rig, name="Door")
    rig.finish(job)
    rig.sync()
    assert both(rig, "name") == ("Door", "Door")


def test_an_edit_after_a_lost_write_survives(make_rig: MakeRig) -> None:
    """What the dead run wrote to LinkHub is no edit of LinkHub's people."""
    rig = make_rig(ConflictPolicy.LINKHUB)
    id_ = synced(rig)
    rig.remote.edit(id_, title="Wall")
    job = run_until(rig, "after upsert")
    assert both(rig, "name") == ("Wall", "Wall")
    rig.remote.edit(id_, title="Door")
    rig.finish(job)
    assert both(rig, "name") == ("Door", "Door")


def test_an_edit_of_what_a_dead_run_brought_survives(make_rig: MakeRig) -> None:
    """A record that has no link yet can be edited in LinkHub like any other."""
    rig = make_rig(ConflictPolicy.EXTERNAL)
    rig.remote.create(title="Roof", born="t1")
    job = run_until(rig, "after upsert")
    edit(rig, name="Door")
    rig.finish(job)
    assert both(rig, "name") == ("Door", "Door")


def test_a_write_that_never_went_out_is_made_anew(make_rig: MakeRig) -> None:
    """What people did in LinkHub before the dead run's write arrived is merged with it."""
    rig = make_rig(ConflictPolicy.LINKHUB)
    id_ = synced(rig)
    rig.remote.edit(id_, title="Wall", notes="there")
    job = run_until(rig, "before upsert")
    edit(rig, name="Door")
    rig.finish(job)
    assert (both(rig, "name"), both(rig, "description")) == (("Door", "Door"), ("there", "there"))


def test_a_record_back_after_a_lost_delete_stays(make_rig: MakeRig) -> None:
    """What the dead run deleted in LinkHub was deleted by nobody there."""
    rig = make_rig(ConflictPolicy.LINKHUB)
    id_ = synced(rig)
    rig.remote.set_deleted(id_, deleted=True)
    job = run_until(rig, "after delete")
    assert rig.records()[0].deleted
    rig.remote.set_deleted(id_, deleted=False)
    rig.finish(job)
    rig.sync()
    assert both(rig, "name") == ("Roof", "Roof")


def test_a_ticket_back_after_a_lost_delete_stays(make_rig: MakeRig) -> None:
    """What the dead run deleted at the application was deleted by nobody there."""
    rig = make_rig(ConflictPolicy.EXTERNAL)
    synced(rig)
    here = rig.records()[0].id
    rig.edit_linkhub(delete=[here])
    job = run_until(rig, "after push")
    assert not rig.remote.live()
    rig.edit_linkhub(patch=[{"id": here, "fields": {}}])
    rig.finish(job)
    rig.sync()
    assert both(rig, "name") == ("Roof", "Roof")


def test_linkhubs_win_holds_when_it_goes_back(make_rig: MakeRig) -> None:
    """LinkHub won, and before the export it got the value it once had: that one travels."""
    rig = make_rig(ConflictPolicy.LINKHUB)
    id_ = synced(rig, notes="first")
    edit(rig, description="second")
    rig.remote.edit(id_, notes=None)
    job = run_until(rig, "before changes")
    edit(rig, description="first")
    rig.finish(job)
    assert both(rig, "description") == ("first", "first")


@pytest.mark.parametrize("comes_back", ["there", "here"])
def test_a_conflict_ends_when_a_side_comes_back(make_rig: MakeRig, comes_back: str) -> None:
    """Where one side has again what both had, the other one's edit is the only one: it travels."""
    rig = make_rig(ConflictPolicy.ASK)
    id_ = synced(rig)
    rig.remote.edit(id_, title="Wall")
    edit(rig, name="Door")
    rig.sync()
    assert [conflict.field for conflict, _ in rig.open_conflicts()] == ["name"]
    if comes_back == "there":
        rig.remote.edit(id_, title="Roof")
    else:
        edit(rig, name="Roof")
    rig.sync()
    expected = "Door" if comes_back == "there" else "Wall"
    assert both(rig, "name") == (expected, expected)
    assert not rig.open_conflicts()


def test_what_an_import_leaves_to_the_export_is_shown_to_it(make_rig: MakeRig) -> None:
    """LinkHub's edit has passed the feed as nothing to do; the delete makes something of it."""
    rig = make_rig(ConflictPolicy.LINKHUB)
    id_ = synced(rig)
    edit(rig, progress=5)
    rig.sync()
    rig.remote.set_deleted(id_, deleted=True)
    rig.sync()
    assert both(rig, "name") == ("Roof", "Roof")
