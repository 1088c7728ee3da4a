"""Any cutting into pages, interrupted anywhere, gives exactly the whole."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import accumulate, count

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.changes import Change, Delete, Page, RecordProblem, Truncate, Upsert
from shared.domain.checkpoints import Checkpoint
from shared.engine.prefetch import coalesce, prefetched
from shared.engine.sync import Ending, run_sync
from shared.errors import TransientError
from tests.factories import make_plan
from tests.fakes import FakeRunLog, FakeSink, FakeSource, FakeStore, PowerCutError

_KEYS = st.integers(0, 6).map(str)
_CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.builds(Upsert, st.just("s"), _KEYS, st.fixed_dictionaries({"n": st.integers()})),
    st.builds(Delete, st.just("s"), _KEYS),
    st.builds(Truncate, st.sampled_from(["s", "t"])),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Pages of a source whose checkpoint is the number of the next one."""

    parts: Sequence[Sequence[Change]]
    sizes: Sequence[int]
    """The bytes each page says it has."""

    def read(self, checkpoint: Checkpoint | None, *, fail_at: int = -1) -> Generator[Page]:
        """Yield what comes after a checkpoint, or fail where a page would begin."""
        for number in range(checkpoint.resume if checkpoint else 0, len(self.parts)):
            if number == fail_at:
                raise TransientError("busy")
            is_last = number + 1 == len(self.parts)
            yield Page(
                changes=self.parts[number],
                checkpoint=Checkpoint(
                    resume=None if is_last else number + 1, watermark="end" if is_last else None
                ),
                totals={f"total-{number}": number},
                problems=[RecordProblem(stream="s", key=str(number), message="bad")],
                size=self.sizes[number],
            )


@st.composite
def cuts(draw: st.DrawFn) -> Cut:
    """Return any changes, cut anywhere; some pages are empty, some say they are large."""
    parts = draw(st.lists(st.lists(_CHANGES, max_size=5), min_size=1, max_size=8))
    sizes = draw(
        st.lists(
            st.sampled_from([0, 100, 5 * 2**20, 20 * 2**20]),
            min_size=len(parts),
            max_size=len(parts),
        )
    )
    return Cut(parts=parts, sizes=sizes)


def changes_of(pages: Sequence[Page]) -> list[Change]:
    return [change for page in pages for change in page.changes]


@settings(max_examples=60, deadline=None)
@given(cut=cuts(), batch=st.integers(1, 12), stops=st.lists(st.integers(1, 4), max_size=8))
def test_a_read_stopped_anywhere_and_gone_on_with_gives_the_whole(
    cut: Cut, batch: int, stops: list[int]
) -> None:
    """Joined and fetched ahead, left after any number of pages, resumed from the last one's
    checkpoint: every change, total and problem comes once and in order.
    """
    got: list[Page] = []
    checkpoint: Checkpoint | None = None
    for stop in (*stops, len(cut.parts)):
        with prefetched(lambda: coalesce(cut.read(checkpoint), batch)) as fetched:  # noqa: B023
            for number, page in enumerate(fetched, start=1):
                got.append(page)
                checkpoint = page.checkpoint
                if number == stop:
                    break
        if checkpoint is not None and checkpoint.resume is None:
            break
    assert changes_of(got) == [change for part in cut.parts for change in part]
    assert got[-1].checkpoint == Checkpoint(watermark="end")
    assert sum(map(len, (page.totals for page in got))) == len(cut.parts)
    assert [one.key for page in got for one in page.problems] == [
        str(number) for number in range(len(cut.parts))
    ]


@settings(max_examples=60, deadline=None)
@given(cut=cuts(), batch=st.integers(1, 12), at=st.integers(0, 7))
def test_what_came_before_an_error_is_a_prefix(cut: Cut, batch: int, at: int) -> None:
    """An error loses no page before it, and the rest follows from the last checkpoint."""
    got: list[Page] = []
    try:
        got += iter_into(got, coalesce(cut.read(None, fail_at=at), batch))
    except TransientError:
        assert sum(len(page.totals) for page in got) == at
    checkpoint = got[-1].checkpoint if got else None
    if checkpoint is None or checkpoint.resume is not None:
        got += coalesce(cut.read(checkpoint), batch)
    assert changes_of(got) == [change for part in cut.parts for change in part]


def iter_into(into: list[Page], pages: Generator[Page]) -> Sequence[Page]:
    """Append each page as it comes, so that those before an error are kept."""
    into.extend(pages)
    return ()


@settings(max_examples=60, deadline=None)
@given(
    records=st.integers(0, 12),
    page=st.integers(1, 5),
    batch=st.integers(1, 6),
    cuts_at=st.lists(st.integers(1, 12), max_size=6),
    budgets=st.lists(st.integers(0, 3), max_size=4),
)
def test_a_sync_cut_off_at_any_steps_ends_with_every_record(
    records: int, page: int, batch: int, cuts_at: list[int], budgets: list[int]
) -> None:
    """Power cuts at any of the sink's steps and budgets of any length change nothing of the end."""
    store = FakeStore()
    ways = [*((at, None) for at in cuts_at), *((0, budget) for budget in budgets), (0, None)]
    ending = None
    for number, (at, budget) in enumerate(ways):
        steps, ticks = count(1), count()

        def cut(_step: str, *, at: int = at, steps: count[int] = steps) -> None:
            if next(steps) == at:
                raise PowerCutError

        try:
            ending = run_sync(
                plan=make_plan(),
                source=FakeSource(records, page_size=page),
                sink=FakeSink(store, run_id=f"run-{number}", batch_size=batch, cut=cut),
                run_log=FakeRunLog(),
                budget_seconds=1_000 if budget is None else budget,
                clock=lambda ticks=ticks: float(next(ticks)),  # type: ignore[misc]
            ).ending
        except PowerCutError:
            ending = None
    assert ending is Ending.COMPLETED
    assert set(store.rows) == {("deals", str(n)) for n in range(records)}
    assert store.saved["deals"].tally.success == records


@given(sizes=st.lists(st.integers(0, 4), min_size=1, max_size=9), batch=st.integers(1, 12))
def test_joined_pages_are_full_or_last(sizes: list[int], batch: int) -> None:
    """Every joined page but the last holds a batch, or ends with a page that says nothing."""
    starts = list(accumulate(sizes, initial=0))
    parts = [
        [Upsert("s", str(key), {}) for key in range(start, start + size)]
        for start, size in zip(starts, sizes, strict=False)
    ]
    cut = Cut(parts=parts, sizes=[0] * len(parts))
    joined = list(coalesce(cut.read(None), batch))
    for one in joined[:-1]:
        ended_with = int(one.checkpoint.resume) - 1
        assert len(one.changes) >= batch or not parts[ended_with]
