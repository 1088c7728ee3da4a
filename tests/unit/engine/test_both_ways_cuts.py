"""One busy day on both sides, with a run that ends at each of its steps in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import pytest

from shared.domain.checkpoints import Mode
from shared.domain.policies import ConflictPolicy
from tests.histories import HISTORIES
from tests.histories.people import Values, view
from tests.histories.rig import House, Manner, Rig
from tests.histories.wires import Blow

STRIDE = 1 if HISTORIES > 1000 else 3
"""Of the further variants every so manieth step is tried, shifted from one to the next."""

Outcome = Mapping[str, tuple[Values | None, Values | None, frozenset[str]]]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House.opened(tmp_path_factory.mktemp("house")) as opened:
        yield opened


def busy_day(house: House, policy: ConflictPolicy) -> Rig:
    """Return two sides in step on which people have done everything people do since."""
    house.begin(f"busy {policy}")
    rig = Rig(house, Manner(policy=policy, page_size=6, batch_size=6))
    names = ("ours", "theirs", "both", "same", "gone there", "gone here", "saved", "kept", "late")
    ids = {name: rig.remote.create(title=name, amount="1", born=name) for name in names}
    native = rig.edit_linkhub(create=[{"name": "made here", "status": "LATE", "owner": "native"}])
    rig.sync()
    here = {record.fields["owner"]: record.id for record in rig.records()}
    assert native == [here["native"]]
    rig.clock.move(seconds=1)

    def edit(name: str, /, **fields: Any) -> None:
        rig.edit_linkhub(patch=[{"id": here[name], "fields": fields}])

    edit("ours", name="edited  here", status="AT_RISK")
    rig.remote.edit(ids["theirs"], title="edited there", stage="won", score=7)
    edit("both", budget="2.00", description="here")
    rig.clock.move(seconds=1)
    rig.remote.edit(ids["both"], amount="3.456", due="2026-12-24T10:00:00Z")
    edit("same", name="equal")
    rig.remote.edit(ids["same"], title="equal")
    rig.remote.set_deleted(ids["gone there"], deleted=True)
    rig.edit_linkhub(delete=[here["gone here"], here["saved"]])
    rig.remote.edit(ids["saved"], notes="wanted")
    rig.remote.set_deleted(ids["kept"], deleted=True)
    edit("kept", description="wanted")
    edit("native", name="more  space")
    rig.edit_linkhub(create=[{"name": "new  here", "status": "AT_RISK", "owner": "new here"}])
    rig.remote.create(title="new there", notes="text", born="new there")
    return rig


def outcome(rig: Rig) -> Outcome:
    """Return both sides and what is asked, by birth name; nothing may be there twice."""
    there = {row.fields["born"]: view(row) for row in rig.remote.live()}
    here = {r.fields["owner"]: dict(r.fields) for r in rig.records() if not r.deleted}
    assert len(there) == len(rig.remote.live())
    assert len(here) == sum(not record.deleted for record in rig.records())
    owners = {record.id: record.fields["owner"] for record in rig.records()}
    asked: dict[str, set[str]] = {}
    for conflict, link in rig.open_conflicts():
        asked.setdefault(owners[link.linkhub_id], set()).add(conflict.field)
    return {
        name: (there.get(name), here.get(name), frozenset(asked.get(name, ())))
        for name in there.keys() | here.keys()
    }


@pytest.mark.parametrize(
    ("policy", "blow", "given_up", "stride"),
    [
        (ConflictPolicy.ASK, Blow.CUT, False, 1),
        (ConflictPolicy.LINKHUB, Blow.CUT, True, STRIDE),
        (ConflictPolicy.NEWEST, Blow.CUT, False, STRIDE),
        (ConflictPolicy.EXTERNAL, Blow.LOST, False, STRIDE),
    ],
)
def test_a_run_may_end_at_any_step(
    house: House, policy: ConflictPolicy, blow: Blow, *, given_up: bool, stride: int
) -> None:
    """Whichever it is, and whether its job goes on or another one does, all ends alike."""
    rig = busy_day(house, policy)
    begin_again = rig.remember()
    rig.sync(Mode.FULL)
    wanted = outcome(rig)
    for number in count(1 + list(ConflictPolicy).index(policy) % stride, stride):
        begin_again()
        job = rig.add_job(Mode.FULL)
        rig.steps.blows = {number: blow}
        rig.run(job)
        if rig.steps.count < number:
            break
        step = rig.steps.log[-1]
        rig.steps.blows = {}
        rig.steps.is_dead = False
        if not rig.world.job(job.id).is_final:
            if given_up:
                rig.abandon(job)
                job = rig.add_job()
            rig.finish(job)
        assert outcome(rig) == wanted, f"{blow} {step}, step {number}"
        sent = len(rig.steps.sent)
        rig.sync()
        assert len(rig.steps.sent) == sent, f"{blow} {step}, step {number}: more was sent"
    assert number > 50, "it was a busy day"
