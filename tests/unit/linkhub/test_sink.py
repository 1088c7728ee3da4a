"""The LinkHub sink against the emulator and a real store."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from shared.domain.changes import Delete, Truncate
from shared.domain.checkpoints import Checkpoint, Stage
from shared.domain.tallies import Tally
from shared.errors import LeaseLostError, TransientError
from tests.linkhub_kit import Bench, deal, make_mapper


def test_records_are_created_and_remembered(bench: Bench) -> None:
    """LinkHub has the mapped fields, and each record a link with its id, base and hash."""
    result = bench.sync(deal("1"), deal("2", amount="2.5"))
    assert result.tally == Tally(success=2)
    assert bench.linkhub_fields("1", "2")["2"] == {
        "name": "Deal 2",
        "status": "ON_TIME",
        "budget": "2.50",
    }
    link = bench.links("2")["2"]
    assert (link.entity, link.deleted_at) == ("initiatives", None)
    assert link.base["budget"] == "2.50"
    assert link.linkhub_id
    assert link.sent_hash


def test_the_checkpoint_comes_back_as_it_was_committed(bench: Bench) -> None:
    """Nothing is there at first; then what the last commit or finish stored."""
    sink = bench.sink()
    saved = bench.saved(
        checkpoint=Checkpoint(resume={"after": "7"}, watermark="2026-01-01"),
        tally=Tally(success=1),
        totals={"deals": 1},
    )
    sink.write("deals", [deal("1")])
    sink.commit("deals", saved)
    assert sink.load("deals") == saved
    finished = replace(saved, stage=Stage.FINISHED)
    sink.finish("deals", finished, {"deals": 1})
    assert bench.sink().load("deals") == finished
    assert sink.load("tickets") is None


def test_the_same_records_again_are_counted_but_not_sent(bench: Bench) -> None:
    """A second full sync reports every record unchanged and calls LinkHub not once."""
    bench.sync(deal("1"), deal("2"))
    before = bench.requests()
    result = bench.sync(deal("1"), deal("2"))
    assert result.tally == Tally(success=2, unchanged=2)
    assert bench.requests() == before


def test_only_what_changed_is_sent(bench: Bench) -> None:
    """A changed record is written once more, its neighbour is left alone."""
    bench.sync(deal("1"), deal("2"))
    result = bench.sync(deal("1", amount="99"), deal("2"))
    assert result.tally == Tally(success=2, unchanged=1)
    assert bench.versions("1", "2") == [2, 1]
    assert bench.linkhub_fields("1")["1"]["budget"] == "99.00"


def test_another_mapping_sends_the_records_again(bench: Bench) -> None:
    """The hash is of what is sent, not of what the source said."""
    bench.sync(deal("1"))
    wider = make_mapper({"dealname": "name", "stage": "status", "amount": "owner"})
    assert bench.sync(deal("1"), mapper=wider).tally == Tally(success=1)
    assert bench.linkhub_fields("1")["1"]["owner"] == "10"


def test_a_crash_before_commit_repeats_the_batch_and_changes_nothing(bench: Bench) -> None:
    """The repeated batch counts as the first one did, and every record exists once."""
    first = bench.sink().write("deals", [deal("1"), deal("2", amount="1,5")])
    assert bench.links("1") == {}
    bench.claim()
    sink = bench.sink()
    again = sink.write("deals", [deal("1"), deal("2", amount="1,5")])
    assert again == first
    sink.commit("deals", bench.saved(tally=again.tally))
    assert bench.versions("1") == [1]
    assert list(bench.links("1", "2")) == ["1"]


def test_a_value_that_returns_within_a_job_is_written_each_time(bench: Bench) -> None:
    """An equal batch later in the job is not mistaken for a repeat of the first."""
    sink = bench.sink()
    for amount in ("1", "2", "1"):
        sink.write("deals", [deal("1", amount=amount)])
    assert bench.linkhub_fields("1")["1"]["budget"] == "1.00"
    assert bench.versions("1") == [3]


def test_deletes_concern_only_what_was_sent_and_is_alive(bench: Bench) -> None:
    """A tombstone of a record LinkHub never had, or has lost already, is not counted."""
    bench.sync(deal("1"), deal("2"))
    gone = bench.sync(Delete("deals", "1"), Delete("deals", "never"))
    assert gone.tally == Tally(success=1, deleted=1)
    assert list(bench.linkhub_fields("1", "2")) == ["2"]
    assert bench.links("1")["1"].deleted_at is not None
    assert bench.sync(Delete("deals", "1")).tally == Tally()


def test_a_record_linkhub_lost_counts_as_deleted(bench: Bench) -> None:
    """What should be gone is gone, whoever did it."""
    bench.sync(deal("1"))
    sink = bench.sink()
    sink.write("deals", [Delete("deals", "1")])
    result = bench.sync(Delete("deals", "1"))
    assert result.tally == Tally(success=1, deleted=1)
    assert bench.links("1")["1"].deleted_at is not None


def test_a_deleted_record_that_comes_back_is_sent_again(bench: Bench) -> None:
    """It is the same LinkHub record, alive again, though nothing of it has changed."""
    bench.sync(deal("1"))
    first = bench.links("1")["1"]
    bench.sync(Delete("deals", "1"))
    assert bench.sync(deal("1")).tally == Tally(success=1)
    link = bench.links("1")["1"]
    assert (link.linkhub_id, link.deleted_at, link.id) == (first.linkhub_id, None, first.id)
    assert list(bench.linkhub_fields("1")) == ["1"]


def test_a_truncate_leaves_linkhub_alone(bench: Bench) -> None:
    """Deletes travel only on proof of a single record."""
    bench.sync(deal("1"))
    assert bench.sync(Truncate("deals"), deal("2")).tally == Tally(success=1)
    assert list(bench.linkhub_fields("1", "2")) == ["1", "2"]


def test_bad_records_do_not_stop_the_good_ones(bench: Bench) -> None:
    """Each bad record is counted once and told with all its problems."""
    result = bench.sync(deal("1"), deal("2", amount="x", stage="x"), deal("3 "), deal("4"))
    assert result.tally == Tally(success=2, error=2)
    assert [(p.key, p.field) for p in result.problems] == [
        ("2", "status"),
        ("2", "budget"),
        ("3", ""),
    ]
    assert list(bench.linkhub_fields("1", "4")) == ["1", "4"]


def test_a_record_linkhub_rejects_is_told_and_tried_again(bench: Bench) -> None:
    """Its reason is in the log, nothing of it is remembered, and the next sync sends it."""
    bench.running.fault("linkhub", "reject", every=2, count=1)
    result = bench.sync(deal("1"), deal("2"))
    assert result.tally == Tally(success=1, error=1)
    assert [(p.key, p.message) for p in result.problems] == [
        ("2", "LinkHub rejected it: The sandbox was told to reject this record.")
    ]
    assert bench.sync(deal("1"), deal("2")).tally == Tally(success=2, unchanged=1)


def test_a_key_too_long_for_linkhub_is_its_records_problem(bench: Bench) -> None:
    """The store could keep it; LinkHub cannot, and says so."""
    result = bench.sync(deal("x" * 300, dealname="Long"), deal("1"))
    assert result.tally == Tally(success=1, error=1)
    assert "LinkHub rejected it" in result.problems[0].message


def test_an_unreachable_linkhub_fails_the_run_and_keeps_nothing(bench: Bench) -> None:
    """After the retries of the call, the run ends; the checkpoint has not moved."""
    sink = bench.sink()
    before = sink.load("deals")
    bench.running.fault("linkhub", "server_error")
    with pytest.raises(TransientError):
        sink.write("deals", [deal("1")])
    bench.running.heal()
    assert bench.sink().load("deals") == before
    assert bench.links("1") == {}


def test_a_run_that_lost_its_job_writes_nothing_more(bench: Bench) -> None:
    """After another run's claim neither LinkHub nor the store takes anything from the first."""
    sink = bench.sink()
    sink.write("deals", [deal("1")])
    bench.claim()
    before = bench.requests()
    with pytest.raises(LeaseLostError):
        sink.write("deals", [deal("2")])
    for late in (sink.commit, sink.begin):
        with pytest.raises(LeaseLostError):
            late("deals", bench.saved(tally=Tally(success=9)))
    with pytest.raises(LeaseLostError):
        sink.finish("deals", bench.saved(), {})
    assert bench.requests() == before
    assert bench.links("1") == {}
    saved = bench.sink().load("deals")
    assert saved is not None
    assert saved.tally == Tally()


def test_no_transaction_is_open_while_linkhub_is_called(bench: Bench) -> None:
    """LinkHub may take minutes; the app's database must not wait for it."""
    open_at_calls: list[int] = []

    class Watching(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            open_at_calls.append(bench.opened_uows)
            return super().handle_request(request)

    sink = bench.sink(transport=Watching())
    sink.write("deals", [deal("1")])
    sink.write("deals", [Delete("deals", "1")])
    assert open_at_calls == [0, 0, 0]  # to write, to read what is to be deleted, to delete


def test_a_job_keeps_its_lease_with_every_commit(bench: Bench) -> None:
    """Saving progress proves the run alive."""
    bench.sync(deal("1"))
    with bench.open_uow(read_only=True) as uow:
        job = uow.jobs.get(bench.job.id)
    assert job.run_id == bench.run_id
    assert job.lease_expires_at is not None
