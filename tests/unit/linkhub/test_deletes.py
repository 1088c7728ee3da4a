"""Deletes that travel to LinkHub: on proof only, and not many without a person's word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from shared.domain.changes import Change, Delete
from shared.domain.checkpoints import Checkpoint, Mode, Stage
from shared.domain.tallies import Tally
from shared.errors import ApprovalNeededError
from shared.sinks.linkhub import enumeration
from tests.fakes import PowerCutError
from tests.linkhub_kit import Bench, deal


def deals(*numbers: int) -> Sequence[Change]:
    return [deal(str(number)) for number in numbers]


def live(bench: Bench, count: int = 30) -> set[int]:
    """Return the numbers of the deals LinkHub has, which are those with a live link."""
    keys = [str(number) for number in range(count)]
    linked = {key for key, link in bench.links(*keys).items() if link.deleted_at is None}
    assert linked == set(bench.linkhub_fields(*keys))
    return {int(key) for key in linked}


def test_what_a_complete_full_read_did_not_show_is_deleted(bench: Bench) -> None:
    """The source counted as many records as came: those that did not come are gone."""
    bench.read_all(deals(1, 2, 3), deals(4, 5))
    bench.next_job()
    assert bench.read_all(deals(1, 3), deals(5)).tally == Tally(success=2, deleted=2)
    assert live(bench) == {1, 3, 5}


@pytest.mark.parametrize("total", [2, 4])
def test_a_read_that_is_not_complete_proves_nothing(bench: Bench, total: int) -> None:
    """Where the source counted more or fewer than came, nothing is deleted."""
    bench.read_all(deals(1, 2, 3, 4))
    bench.next_job()
    assert bench.read_all(deals(1, 2, 3), total=total).tally == Tally()
    assert live(bench) == {1, 2, 3, 4}


def test_a_record_shown_twice_does_not_stand_for_another(bench: Bench) -> None:
    """Three records came, one of them twice: the fourth was skipped, not deleted."""
    bench.read_all(deals(1, 2, 3, 4))
    bench.next_job()
    assert bench.read_all(deals(1, 2), deals(2, 3), total=4).tally == Tally()
    assert live(bench) == {1, 2, 3, 4}


def test_records_the_source_could_not_hand_over_may_exist(bench: Bench) -> None:
    """A stream with unreadable records is never proven complete."""
    bench.read_all(deals(1, 2, 3))
    bench.next_job()
    assert bench.read_all(deals(1, 2), unread=frozenset({"deals"})).tally == Tally()
    assert live(bench) == {1, 2, 3}


def test_a_record_that_cannot_be_written_was_seen_all_the_same(bench: Bench) -> None:
    """It is not deleted, and it does not keep what is gone from being deleted."""
    bench.read_all(deals(1, 2, 3))
    bench.next_job()
    broken = [deal("2", amount="x"), deal("new", amount="x")]
    assert bench.read_all([deal("1"), *broken]).tally == Tally(success=1, deleted=1)
    assert live(bench) == {1, 2}


def test_a_record_linkhub_rejects_was_seen_all_the_same(bench: Bench) -> None:
    """LinkHub has the record as it was before."""
    bench.read_all(deals(1, 2, 3))
    bench.next_job()
    bench.running.fault("linkhub", "reject", every=1, count=1)
    bench.read_all([deal("1", amount="99"), deal("2")])
    assert live(bench) == {1, 2}


def test_too_many_records_without_a_link_prove_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the number that is remembered, nobody knows which records were seen."""
    monkeypatch.setattr(enumeration, "MOST_UNLINKED", 2)
    bench.read_all(deals(1, 2))
    bench.next_job()
    broken = [deal(f"b{n}", amount="x") for n in range(3)]
    assert bench.read_all([deal("1"), *broken]).tally == Tally()
    assert live(bench) == {1, 2}


def test_an_incremental_read_proves_nothing_by_silence(bench: Bench) -> None:
    """Whatever its totals say, what it did not mention stays."""
    bench.read_all(deals(1, 2, 3))
    bench.next_job()
    sink = bench.sink()
    saved = bench.saved(mode=Mode.INCREMENTAL, checkpoint=Checkpoint(watermark="w"))
    sink.begin("deals", saved)
    sink.write("deals", deals(1))
    sink.commit("deals", replace(saved, stage=Stage.READ))
    finished = replace(saved, stage=Stage.FINISHED)
    assert sink.finish("deals", finished, {"deals": 1}).tally == Tally()
    assert live(bench) == {1, 2, 3}


def test_a_full_read_goes_over_runs_and_jobs(bench: Bench) -> None:
    """What the first job saw before it failed counts for the one that goes on."""
    bench.read_all(deals(1, 2, 3, 4))
    bench.next_job()
    sink = bench.sink()
    begun = bench.saved()
    sink.begin("deals", begun)
    sink.write("deals", deals(1))
    half = replace(begun, checkpoint=Checkpoint(resume=1))
    sink.commit("deals", half)
    bench.claim()
    sink = bench.sink()
    sink.write("deals", deals(2))
    sink.commit("deals", replace(half, checkpoint=Checkpoint(resume=2)))
    bench.next_job()
    going_on = bench.saved(checkpoint=Checkpoint(resume=2))
    sink = bench.sink()
    sink.begin("deals", going_on)
    sink.write("deals", deals(3))
    read = replace(going_on, checkpoint=Checkpoint(), stage=Stage.READ)
    sink.commit("deals", read)
    finished = replace(read, stage=Stage.FINISHED)
    assert sink.finish("deals", finished, {"deals": 3}).tally == Tally(success=1, deleted=1)
    assert live(bench) == {1, 2, 3}


def test_a_scope_settled_already_is_settled_again_for_nothing(bench: Bench) -> None:
    """The second time nothing is deleted, counted or moved."""
    bench.read_all(deals(1, 2))
    bench.next_job()
    bench.read_all(deals(1))
    sink = bench.sink()
    saved = sink.load("deals")
    assert saved is not None
    assert saved.tally == Tally(success=2, unchanged=1, deleted=1)
    before = bench.requests()
    assert sink.finish("deals", saved, saved.totals).tally == Tally()
    assert bench.requests() == before
    assert sink.load("deals") == saved


@pytest.mark.parametrize("kept", range(5))
def test_a_power_cut_among_the_deletes_is_made_good(
    bench: Bench, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However far the first run came, in the end all are gone and each is counted once."""
    monkeypatch.setattr("shared.sinks.linkhub.sink.BATCH_SIZE", 2)
    bench.read_all(deals(*range(8)))
    bench.next_job()
    sink = bench.sink(approved=100)
    saved = bench.saved()
    sink.begin("deals", saved)
    tally = sink.write("deals", deals(0)).tally
    read = replace(saved, stage=Stage.READ, tally=tally, totals={"deals": 1})
    sink.commit("deals", read)
    finished = replace(read, stage=Stage.FINISHED)
    bench.cut_after(writes=kept)
    try:
        sink.finish("deals", finished, {"deals": 1})
    except PowerCutError:
        bench.cut_after(writes=None)
    bench.claim()
    sink = bench.sink(approved=100)
    again = sink.load("deals")
    assert again is not None
    result = sink.finish("deals", replace(again, stage=Stage.FINISHED), {"deals": 1})
    assert again.tally + result.tally == Tally(success=8, unchanged=1, deleted=7)
    assert live(bench) == {0}


STORM = "delete 6 of 20 records in LinkHub: 30 %"


def test_a_page_of_too_many_deletes_asks_before_it_sends_anything(bench: Bench) -> None:
    """Neither its deletes nor its other changes have left, and the checkpoint stands."""
    bench.read_all(deals(*range(20)))
    bench.next_job()
    sink = bench.sink()
    before, stood = bench.requests(), sink.load("deals")
    page: list[Change] = [deal("0", amount="99")]
    page += [Delete("deals", str(n)) for n in range(1, 7)]
    with pytest.raises(ApprovalNeededError, match=STORM):
        sink.write("deals", page)
    assert bench.requests() == before
    assert bench.sink().load("deals") == stood
    assert bench.sync(*page, approved=100).tally == Tally(success=7, deleted=6)


def test_what_a_full_read_did_not_show_asks_too(bench: Bench) -> None:
    """Once approved, the same job goes on and deletes it."""
    bench.read_all(deals(*range(20)))
    bench.next_job()
    with pytest.raises(ApprovalNeededError, match=STORM):
        bench.read_all(deals(*range(14)))
    assert live(bench) == set(range(20))
    bench.claim()
    sink = bench.sink(approved=100)
    saved = sink.load("deals")
    assert saved is not None
    assert saved.stage is Stage.READ
    finished = replace(saved, stage=Stage.FINISHED)
    assert sink.finish("deals", finished, {"deals": 14}).tally == Tally(success=6, deleted=6)
    assert live(bench) == set(range(14))


def test_the_deletes_of_all_pages_of_a_job_count_together(bench: Bench) -> None:
    """A storm in small pages is one: the fifth delete asks, after four have gone."""
    bench.read_all(deals(*range(20)))
    bench.next_job()
    sink = bench.sink()
    saved = bench.saved(mode=Mode.INCREMENTAL, checkpoint=Checkpoint(watermark="w"))
    sink.begin("deals", saved)
    tally = Tally()
    for pair in ((0, 1), (2, 3)):
        tally += sink.write("deals", [Delete("deals", str(n)) for n in pair]).tally
        sink.commit("deals", replace(saved, tally=tally))
    bench.claim()
    sink = bench.sink()
    with pytest.raises(ApprovalNeededError, match="delete 5 of 20 records"):
        sink.write("deals", [Delete("deals", "4")])
    assert live(bench) == set(range(4, 20))


@pytest.mark.parametrize(
    ("percent", "count", "total"), [(10, 4, 5), (10, 6, 60), (50, 15, 30), (100, 30, 30)]
)
def test_what_is_nothing_unusual_does_not_ask(
    bench: Bench, percent: int, count: int, total: int
) -> None:
    """A handful goes however few there are, and the share itself is still fine."""
    bench.set_policies(deleteApprovalPercent=percent)
    bench.read_all(deals(*range(total)))
    bench.next_job()
    page = [Delete("deals", str(n)) for n in range(count)]
    assert bench.sync(*page).tally == Tally(success=count, deleted=count)


def test_a_policy_of_no_percent_asks_from_the_fifth_delete_on(bench: Bench) -> None:
    """Whoever wants to be asked always is asked for anything but a handful."""
    bench.set_policies(deleteApprovalPercent=0)
    bench.read_all(deals(*range(30)))
    bench.next_job()
    with pytest.raises(ApprovalNeededError):
        bench.sync(*(Delete("deals", str(n)) for n in range(5)))
    assert live(bench) == set(range(30))
