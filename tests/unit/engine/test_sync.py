from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import replace

import pytest

from shared.domain.changes import Page, RecordProblem
from shared.domain.checkpoints import Checkpoint, Mode, Stage
from shared.domain.tallies import Tally
from shared.engine.opening import SyncPlan
from shared.engine.sync import Ending, Outcome, run_sync
from shared.errors import LeaseLostError, PermanentError, TransientError
from shared.ports.sink import TableLoad
from tests.factories import make_plan
from tests.fakes import FakeRunLog, FakeSink, FakeSource, FakeStore, PowerCutError


def sync(
    source: FakeSource,
    sink: FakeSink,
    *,
    plan: SyncPlan | None = None,
    run_log: FakeRunLog | None = None,
    budget_seconds: float = 600,
    clock: Callable[[], float] = lambda: 0.0,
) -> Outcome:
    return run_sync(
        plan=plan or make_plan(),
        source=source,
        sink=sink,
        run_log=run_log or FakeRunLog(),
        budget_seconds=budget_seconds,
        clock=clock,
    )


def all_rows(count: int) -> set[tuple[str, str]]:
    return {("deals", str(n)) for n in range(count)}


def test_a_first_sync_is_full_and_brings_every_record() -> None:
    """An incremental job without a checkpoint reads everything and says so."""
    store, run_log = FakeStore(), FakeRunLog()
    outcome = sync(FakeSource(5), FakeSink(store), run_log=run_log)
    assert outcome == Outcome(
        ending=Ending.COMPLETED, mode=Mode.FULL, tally=Tally(success=5), leaves_watermark=True
    )
    assert set(store.rows) == all_rows(5)
    assert run_log.modes == [Mode.FULL]
    assert store.saved["deals"].stage is Stage.FINISHED
    assert store.finished == [("deals", {"deals": 5})]


def test_the_second_sync_starts_at_the_watermark() -> None:
    """An incremental job after a full one hands the watermark to the source, and nothing else."""
    store = FakeStore()
    sync(FakeSource(5), FakeSink(store))
    source = FakeSource(5, changed=(3,))
    outcome = sync(source, FakeSink(store), plan=make_plan(job_id="job-2"))
    assert outcome.mode is Mode.INCREMENTAL
    assert outcome.tally == Tally(success=1)
    assert source.reads == [Checkpoint(watermark="w1")]


@pytest.mark.parametrize(
    "plan",
    [
        make_plan(job_id="job-2", mode=Mode.FULL),
        make_plan(job_id="job-2", incremental=False),
        make_plan(job_id="job-2", fingerprint="another mapping"),
    ],
)
def test_what_makes_a_job_full(plan: SyncPlan) -> None:
    """A full job, a source that cannot tell changes and another set-up all read from the start."""
    store = FakeStore()
    sync(FakeSource(5), FakeSink(store))
    source = FakeSource(5)
    assert sync(source, FakeSink(store), plan=plan).mode is Mode.FULL
    assert source.reads == [None]


def test_the_next_job_finishes_a_read_that_an_earlier_one_left() -> None:
    """A failed full load is gone on with by the next job: its counts are its own."""
    store = FakeStore()
    broken = FakeSource(6, fail_at={4: PermanentError("broken")})
    with pytest.raises(PermanentError):
        sync(broken, FakeSink(store))
    source = FakeSource(6)
    outcome = sync(source, FakeSink(store), plan=make_plan(job_id="job-2"))
    assert source.reads == [Checkpoint(resume=4)]
    assert outcome.tally == Tally(success=2)
    assert set(store.rows) == all_rows(6)


def test_pages_read_before_an_error_are_kept() -> None:
    """An error on page three leaves pages one and two committed."""
    store = FakeStore()
    source = FakeSource(6, fail_at={4: TransientError("busy", retry_after=7)})
    with pytest.raises(TransientError) as raised:
        sync(source, FakeSink(store, batch_size=100))
    assert raised.value.retry_after == 7
    assert set(store.rows) == all_rows(4)
    assert store.saved["deals"].checkpoint == Checkpoint(resume=4)


STEPS = [
    f"{step}-{n}"
    for step, count in (
        *(("begin", 1), ("write", 3), ("commit", 3)),
        *(("committed", 3), ("finish", 1), ("finished", 1)),
    )
    for n in range(1, count + 1)
]


@pytest.mark.parametrize("step", STEPS)
def test_a_power_cut_at_any_step_loses_and_doubles_nothing(step: str) -> None:
    """A run cut off at any step, taken up by another: every record once, counted once."""
    store = FakeStore()
    seen: dict[str, int] = {}

    def cut(name: str) -> None:
        seen[name] = seen.get(name, 0) + 1
        if f"{name}-{seen[name]}" == step:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        sync(FakeSource(6), FakeSink(store, cut=cut))
    run_log = FakeRunLog()
    outcome = sync(FakeSource(6), FakeSink(store, run_id="run-2"), run_log=run_log)
    assert set(store.rows) == all_rows(6)
    assert outcome.tally == Tally(success=6)
    assert store.saved["deals"].stage is Stage.FINISHED
    repeated = len(store.sent) - 6
    assert repeated in {0, 2}, "at most one page is written twice"


def test_the_time_budget_stops_between_pages_and_the_next_run_goes_on() -> None:
    """A run out of time stops after a committed page; the same job then reads only the rest."""
    store = FakeStore()
    ticks = itertools.count()
    source = FakeSource(6)
    first = sync(source, FakeSink(store), budget_seconds=1.5, clock=lambda: float(next(ticks)))
    assert first.ending is Ending.PAUSED
    assert first.tally == Tally(success=4)
    second = sync(source, FakeSink(store, run_id="run-2"))
    assert second.ending is Ending.COMPLETED
    assert second.tally == Tally(success=6)
    assert source.reads == [None, Checkpoint(resume=4)]
    assert len(store.sent) == 6


def test_a_cancel_stops_after_the_page_at_hand() -> None:
    """A cancelled run keeps what it committed and writes nothing more."""
    store = FakeStore()
    outcome = sync(FakeSource(6), FakeSink(store), run_log=FakeRunLog(cancel=True))
    assert outcome.ending is Ending.CANCELLED
    assert set(store.rows) == all_rows(2)


def test_a_bad_record_does_not_stop_its_page() -> None:
    """Records that cannot be written are counted and named; the others go through."""
    store, run_log = FakeStore(), FakeRunLog()
    sink = FakeSink(store, bad_keys=frozenset({"1"}))
    outcome = sync(FakeSource(4), sink, run_log=run_log)
    assert outcome.tally == Tally(success=3, error=1)
    assert [problem.key for problem in run_log.problems] == ["1"]


def test_too_many_bad_records_fail_the_job() -> None:
    """More record errors than the limit end the job with an error that says so."""
    store = FakeStore()
    sink = FakeSink(store, bad_keys=frozenset({"0", "1", "2"}))
    with pytest.raises(PermanentError, match="more than the limit of 2"):
        sync(FakeSource(6), sink, plan=make_plan(record_error_limit=2))


def test_records_the_source_could_not_hand_over_are_errors() -> None:
    """A page's own problems count as failed records, once each."""

    class Source(FakeSource):
        def read(self, scope: str, checkpoint: Checkpoint | None) -> Generator[Page]:
            problem = RecordProblem(stream=scope, key="9", message="unreadable")
            yield Page(changes=[], checkpoint=Checkpoint(), problems=[problem])

    run_log = FakeRunLog()
    outcome = sync(Source(0), FakeSink(FakeStore()), run_log=run_log)
    assert outcome.tally == Tally(error=1)
    assert run_log.problems[0].message == "unreadable"


def test_a_run_that_lost_its_scope_writes_nothing_more() -> None:
    """Once another run has begun the scope, the first one's commit is refused."""
    store = FakeStore()

    def cut(step: str) -> None:
        if step == "commit":
            store.owners["deals"] = "run-2"

    with pytest.raises(LeaseLostError):
        sync(FakeSource(6), FakeSink(store, cut=cut))
    assert store.rows == {}


def test_a_source_without_a_last_page_is_refused() -> None:
    """An adapter that stops early is an error, not a complete sync."""

    class Source(FakeSource):
        def read(self, scope: str, checkpoint: Checkpoint | None) -> Generator[Page]:
            yield Page(changes=[], checkpoint=Checkpoint(resume=1))

    with pytest.raises(PermanentError, match="without a last page"):
        sync(Source(0), FakeSink(FakeStore()))


def test_finished_scopes_are_not_read_again_by_the_same_job() -> None:
    """A job cut off in its second scope does not repeat the first, and counts both."""
    store = FakeStore()
    plan = make_plan(scopes=("deals", "companies"))
    source = FakeSource(4)
    source.fail_at = {}

    def cut(step: str) -> None:
        if step == "commit" and store.saved["deals"].stage is Stage.FINISHED:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        sync(source, FakeSink(store, cut=cut), plan=plan)
    again = FakeSource(4)
    outcome = sync(again, FakeSink(store, run_id="run-2"), plan=plan)
    assert len(again.reads) == 1
    assert outcome.tally == Tally(success=8)
    assert len(store.rows) == 8


@pytest.mark.parametrize("step", ["begin-2", "finish-2", "finished-2"])
def test_loads_of_an_earlier_run_are_told_by_the_one_that_ends_the_job(step: str) -> None:
    """What was swapped in before a cut is in the job's outcome all the same: an undo needs it."""
    store, steps = FakeStore(), Counter[str]()
    plan = make_plan(scopes=("deals", "companies"))
    load = TableLoad(table="", generation=3, row_count=4)

    def cut(name: str) -> None:
        steps[name] += 1
        if f"{name}-{steps[name]}" == step:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        sync(FakeSource(4), FakeSink(store, cut=cut, loads=[load]), plan=plan)
    outcome = sync(FakeSource(4), FakeSink(store, run_id="run-2", loads=[load]), plan=plan)
    assert outcome.loads == (replace(load, table="deals"), replace(load, table="companies"))
    assert outcome.tally == Tally(success=8)
    assert [scope for scope, _ in store.finished] == ["deals", "companies"]
