from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared.domain.changes import Change, Truncate
from shared.domain.checkpoints import Checkpoint, Mode, SavedCheckpoint, Stage
from shared.domain.tallies import Tally
from shared.errors import LeaseLostError, TransientError
from shared.sinks.warehouse.sink import WarehouseSink
from tests.warehouse_kit import SCOPE, Warehouse, load_full, numbered, saved_checkpoint, upserts

_PAGES: list[list[Change]] = [
    [Truncate("flights"), *upserts("flights", numbered(4))],
    [*upserts("flights", numbered(4, start=4, late="x")), Truncate("planes")],
    [*upserts("planes", numbered(3)), *upserts("flights", numbered(1, start=8))],
]
_TOTALS = {"flights": 9, "planes": 3}


class _CrashError(Exception):
    """The process dies here."""


def _steps(sink: WarehouseSink, job_id: str) -> Iterator[str]:
    """Do what the engine does, from wherever the sink says it is; pause before every step."""
    saved = sink.load(SCOPE)
    if saved is None or saved.job_id != job_id:
        saved = saved_checkpoint(job_id=job_id)
    if saved.stage is Stage.FINISHED:
        return
    yield "begin"
    sink.begin(SCOPE, saved)
    first = saved.checkpoint.resume or 0
    if saved.stage is Stage.READING:
        for number in range(first, len(_PAGES)):
            yield "write"
            written = sink.write(SCOPE, _PAGES[number])
            is_last = number == len(_PAGES) - 1
            saved = saved.moved(
                checkpoint=Checkpoint(resume=None if is_last else number + 1),
                stage=Stage.READ if is_last else Stage.READING,
                tally=saved.tally + written.tally,
                totals=_TOTALS if is_last else {},
            )
            yield "commit"
            sink.commit(SCOPE, saved)
    yield "finish"
    sink.finish(SCOPE, saved, saved.totals)
    yield "done"


def _run_until(sink: WarehouseSink, job_id: str, step: int) -> bool:
    """Take that many steps and die without a word; say whether the job ended before."""
    steps = _steps(sink, job_id)
    taken = sum(1 for _ in zip(range(step), steps, strict=False))
    sink.close()
    return taken < step


@pytest.mark.parametrize("step", range(1, 10))
def test_a_crash_at_any_step_loses_and_doubles_nothing(warehouse: Warehouse, step: int) -> None:
    """However often runs die at this step, the job ends with every row once and right counts."""
    old = warehouse.sink(run_id="old")
    load_full(old, {"flights": numbered(2)}, job_id="old")
    old.close()

    _run_until(warehouse.sink(run_id="dies"), "job-1", step)
    assert _run_until(warehouse.sink(run_id="ends"), "job-1", 99)

    assert [row["_id"] for row in warehouse.rows("flights")] == [f"k{n:06}" for n in range(9)]
    assert len(warehouse.rows("planes")) == 3
    assert len(warehouse.rows("flights__prev")) == 2
    assert warehouse.registered(role="staging") == {}
    sink = warehouse.sink()
    saved = sink.load(SCOPE)
    assert saved is not None
    assert (saved.tally, saved.stage) == (Tally(success=12), Stage.FINISHED)
    sink.close()


@pytest.mark.parametrize("failing", ["create", "add", "insert", "seal", "rename", "total"])
def test_an_error_inside_any_statement_rolls_everything_back(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """After an error in the middle of a transaction the same sink goes on from the last commit."""
    sink = warehouse.sink()
    real: Callable[..., Any] = getattr(sink._dialect, failing)
    calls = 0

    def fail_once(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        result = real(*args, **options)
        if calls == 1:
            raise _CrashError
        return result

    monkeypatch.setattr(sink._dialect, failing, fail_once)
    with pytest.raises(_CrashError):
        list(_steps(sink, "job-1"))
    assert list(_steps(sink, "job-1"))[-1] == "done"
    assert len(warehouse.rows("flights")) == 9
    assert len(warehouse.rows("planes")) == 3
    sink.close()


def test_a_run_that_was_overtaken_writes_nothing(warehouse: Warehouse) -> None:
    """After another run's `begin`, write, commit and finish raise LeaseLostError."""
    zombie, heir = warehouse.sink(run_id="zombie"), warehouse.sink(run_id="heir")
    zombie.begin(SCOPE, saved_checkpoint())
    zombie.write(SCOPE, _PAGES[0])
    zombie.commit(SCOPE, saved_checkpoint(resume=1))
    taken = heir.load(SCOPE)
    assert taken is not None
    heir.begin(SCOPE, taken)

    with pytest.raises(LeaseLostError):
        zombie.write(SCOPE, _PAGES[1])
    with pytest.raises(LeaseLostError):
        zombie.commit(SCOPE, saved_checkpoint(resume=2))
    with pytest.raises(LeaseLostError):
        zombie.finish(SCOPE, saved_checkpoint(stage=Stage.READ), _TOTALS)

    assert heir.load(SCOPE) == taken
    assert "flights" not in warehouse.tables()
    zombie.close()
    heir.close()


def test_a_run_that_opens_while_another_commits_starts_again(warehouse: Warehouse) -> None:
    """A checkpoint read before another run's commit is stale: taking the scope with it fails."""
    slow, heir = warehouse.sink(run_id="slow"), warehouse.sink(run_id="heir")
    slow.begin(SCOPE, saved_checkpoint())
    stale = heir.load(SCOPE)
    assert stale is not None
    slow.write(SCOPE, _PAGES[0])
    slow.commit(SCOPE, saved_checkpoint(resume=1))

    with pytest.raises(TransientError, match="moved scope"):
        heir.begin(SCOPE, stale)
    slow.close()
    assert _run_until(heir, "job-1", 99)
    assert len(warehouse.rows("flights")) == 9


def test_what_was_written_but_not_committed_never_counts(warehouse: Warehouse) -> None:
    """A `load` after a write rolls it back, and no checkpoint can move past the lost rows."""
    sink = warehouse.sink()
    sink.begin(SCOPE, saved_checkpoint())
    sink.write(SCOPE, _PAGES[0])
    assert sink.load(SCOPE) == saved_checkpoint()
    with pytest.raises(RuntimeError, match="rolled back"):
        sink.commit(SCOPE, saved_checkpoint(resume=1))
    assert sink.load(SCOPE) == saved_checkpoint()
    assert warehouse.registered(role="staging") == {}
    sink.close()


def test_finishing_twice_swaps_once(warehouse: Warehouse) -> None:
    """A finish repeated after a crash tells the same loads and changes nothing."""
    sink = warehouse.sink()
    _, first = load_full(sink, {"flights": numbered(3)})
    again = sink.finish(SCOPE, saved_checkpoint(stage=Stage.FINISHED), {"flights": 3})
    assert again == first
    assert "flights__prev" not in warehouse.tables()
    sink.close()


def test_a_new_load_drops_what_an_abandoned_one_staged(warehouse: Warehouse) -> None:
    """A fresh full `begin` drops the staged tables of its scope, registered ones only."""
    lost = warehouse.sink(run_id="lost")
    lost.begin(SCOPE, saved_checkpoint())
    lost.write(SCOPE, _PAGES[0])
    lost.commit(SCOPE, saved_checkpoint(resume=1))
    lost.close()
    (staging,) = [row["table_name"] for row in warehouse.registered(role="staging").values()]
    warehouse.execute(f"CREATE TABLE {warehouse.quoted('_stg_mine')} (a INT)")

    sink = warehouse.sink(run_id="new")
    sink.begin(SCOPE, saved_checkpoint(job_id="job-2"))

    assert staging not in warehouse.tables()
    assert "_stg_mine" in warehouse.tables()
    sink.close()


def test_checkpoints_survive_as_they_are(warehouse: Warehouse) -> None:
    """`load` gives back what `commit` was given, whatever the source put into it."""
    saved = SavedCheckpoint(
        checkpoint=Checkpoint(resume={"ü": [1, None, "\ud83d"]}, watermark="w"),
        fingerprint="f",
        mode=Mode.INCREMENTAL,
        stage=Stage.READING,
        job_id="job",
        tally=Tally(success=3, warning=1),
        totals={"flights": 2**40},
    )
    sink = warehouse.sink()
    assert sink.load("a scope of its own ") is None
    sink.begin("a scope of its own ", saved)
    assert sink.load("a scope of its own ") == saved
    assert sink.load("a scope of its own") is None
    sink.close()
