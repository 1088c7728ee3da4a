"""Answers too large for one page: they come in parts, and count together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.changes import Page
from shared.domain.checkpoints import Checkpoint, Stage
from shared.domain.tallies import Tally
from shared.engine.prefetch import coalesce
from shared.engine.sync import Ending, Outcome, run_sync
from shared.errors import TransientError
from tests.factories import make_changes, make_page, make_plan
from tests.fakes import FakeRunLog, FakeSink, FakeSource, FakeStore, PowerCutError


class Parted(FakeSource):
    """Answers of six records, each in three parts of two."""

    def __init__(self, count: int, **options: Any) -> None:
        super().__init__(count, page_size=6, **options)

    def read(self, scope: str, checkpoint: Checkpoint | None) -> Generator[Page]:
        before = Checkpoint(resume=checkpoint.resume if checkpoint else 0)
        for page in super().read(scope, checkpoint):
            for at in range(0, len(page.changes) - 2, 2):
                part = page.changes[at : at + 2]
                yield Page(changes=part, checkpoint=before, is_part=True)
            yield replace(page, changes=page.changes[-2:])
            before = page.checkpoint


def sync(source: FakeSource, sink: FakeSink, **options: Any) -> Outcome:
    return run_sync(
        **{
            "plan": make_plan(),
            "source": source,
            "sink": sink,
            "run_log": FakeRunLog(),
            "budget_seconds": 600,
            "clock": lambda: 0.0,
            **options,
        }
    )


def rows(count: int) -> set[tuple[str, str]]:
    return {("deals", str(n)) for n in range(count)}


def cut_at(step: str) -> Callable[[str], None]:
    """Return what cuts the power at the so-many-eth step of a name, such as `write-2`."""
    seen: dict[str, int] = {}

    def cut(name: str) -> None:
        seen[name] = seen.get(name, 0) + 1
        if f"{name}-{seen[name]}" == step:
            raise PowerCutError

    return cut


def test_an_answer_is_committed_once() -> None:
    """Parts are written as they come; the checkpoint moves once an answer, all of it counted."""
    store, done, run_log = FakeStore(), list[str](), FakeRunLog()
    outcome = sync(Parted(12), FakeSink(store, cut=done.append), run_log=run_log)
    assert outcome.tally == Tally(success=12)
    assert set(store.rows) == rows(12)
    answer = ["write", "write", "write", "commit", "committed"]
    assert done == ["begin", *answer, *answer, "finish", "finished"]
    assert [tally.success for tally in run_log.tallies] == [2, 4, 6, 8, 10, 12, 12]


@pytest.mark.parametrize("step", [f"write-{n}" for n in range(1, 7)] + ["commit-1", "commit-2"])
def test_a_power_cut_inside_an_answer_repeats_all_of_it(step: str) -> None:
    """The next run asks where the answer began: nothing is lost, and everything counted once."""
    store, source = FakeStore(), Parted(12)
    with pytest.raises(PowerCutError):
        sync(source, FakeSink(store, cut=cut_at(step)))
    kept = len(store.rows)
    assert kept in {0, 6}
    outcome = sync(source, FakeSink(store, run_id="run-2"))
    assert outcome.tally == Tally(success=12)
    assert set(store.rows) == rows(12)
    assert source.reads == [None, Checkpoint(resume=6) if kept else None]


def test_a_source_that_fails_inside_an_answer_leaves_the_one_before() -> None:
    """What came of the answer is not committed, though it was written."""

    class Failing(Parted):
        def read(self, scope: str, checkpoint: Checkpoint | None) -> Generator[Page]:
            for at, page in enumerate(super().read(scope, checkpoint)):
                if at == 4:
                    raise TransientError("cut")
                yield page

    store = FakeStore()
    with pytest.raises(TransientError):
        sync(Failing(12), FakeSink(store, batch_size=100))
    assert set(store.rows) == rows(6)
    assert store.saved["deals"].checkpoint == Checkpoint(resume=6)


def test_a_run_out_of_time_stops_after_an_answer() -> None:
    """Never between its parts, or an answer longer than a run would never be done."""
    store, source = FakeStore(), Parted(12)
    ticks: Iterator[float] = iter([0.0, *[9.0] * 9])
    first = sync(source, FakeSink(store), budget_seconds=1, clock=lambda: next(ticks))
    assert (first.ending, first.tally) == (Ending.PAUSED, Tally(success=6))
    assert set(store.rows) == rows(6)
    second = sync(source, FakeSink(store, run_id="run-2"))
    assert second.tally == Tally(success=12)


def test_a_cancelled_run_stops_at_once() -> None:
    """Parts of an answer are given up then, and not counted."""
    store, asked = FakeStore(), iter([*[False] * 4, True])
    outcome = sync(Parted(12), FakeSink(store), is_stopping=lambda: next(asked))
    assert (outcome.ending, outcome.tally) == (Ending.CANCELLED, Tally(success=6))
    assert set(store.rows) == rows(6)
    assert store.saved["deals"].stage is Stage.READING
    assert store.saved["deals"].tally == Tally(success=6)


@given(
    sizes=st.lists(st.tuples(st.integers(1, 4), st.booleans()), max_size=12),
    batch=st.integers(1, 9),
)
def test_joined_pages_commit_where_the_source_says(
    sizes: list[tuple[int, bool]], batch: int
) -> None:
    """No page that can count waits for a part after it, and each is joined with its own parts."""
    pages, at = [], 0
    for count, is_part in [*sizes, (1, False)]:
        changes = make_changes(count, start=at)
        at += count
        pages.append(make_page(changes, resume=at, is_part=is_part))
    joined = list(coalesce(pages, batch))
    assert [c for page in joined for c in page.changes] == make_changes(at)
    ends = {page.checkpoint.resume for page in pages if not page.is_part}
    began = 0
    for page in joined:
        here = began + len(page.changes)
        passed = [end for end in ends if began < end <= here]
        assert not page.is_part or not passed
        assert page.is_part or page.checkpoint.resume == here
        began = here
