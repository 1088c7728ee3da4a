"""Run one sync: read page by page, write, move the checkpoint, stop in time.

The loop every sync goes through, whatever the provider and wherever the changes go:

    for each scope
        the sink says how far it is, and takes the scope for this run
        for each page (the next one is fetched meanwhile)
            write      records leave for LinkHub or the warehouse's open transaction
            record     counts and problems go to the log; the lease is renewed
            commit     rows and checkpoint count from here on, together (a large answer of a
                       source comes as several pages, and the last of them commits)
        the sink settles the scope (a full load is checked and swapped in)

A crash at any line repeats one page and loses none: `write` is idempotent or rolled back,
`record` sets counts that the checkpoint carries, and `commit` is fenced by the run id.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from shared.domain.changes import Page, RecordProblem
from shared.domain.checkpoints import Mode, SavedCheckpoint, Stage
from shared.domain.reconciliation import TableCheck
from shared.domain.tallies import Tally
from shared.engine.collecting import seldom_collecting
from shared.engine.opening import SyncPlan, open_scope, starting_point
from shared.engine.prefetch import coalesce, prefetched
from shared.errors import PermanentError, ReadAgainError
from shared.ports.provider import Source
from shared.ports.run_log import RunLog
from shared.ports.sink import FinishResult, Sink, TableLoad

_log = logging.getLogger(__name__)


class Ending(StrEnum):
    """COMPLETED: every scope is settled. PAUSED: the time budget is used up. CANCELLED: on
    request.
    """

    COMPLETED = "completed"
    PAUSED = "paused"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended without an error; `tally` counts the whole job so far.

    `leaves_watermark`: every scope was read, and the source can tell what changes from here on.
    """

    ending: Ending
    mode: Mode
    tally: Tally
    leaves_watermark: bool = False
    loads: tuple[TableLoad, ...] = ()
    checks: tuple[TableCheck, ...] = ()


def run_sync(
    *,
    plan: SyncPlan,
    source: Source,
    sink: Sink,
    run_log: RunLog,
    budget_seconds: float,
    is_stopping: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Sync every scope of `plan` from `source` into `sink`, or as many as the time budget allows.

    Each call goes on where the last one of the same job stopped. `is_stopping` says between pages
    whether to cancel; it may raise LeaseLostError. Raises whatever class of SyncError source and
    sink raise, and PermanentError once more records failed than the plan allows.
    """
    run = _Run(plan=plan, source=source, sink=sink, run_log=run_log, is_stopping=is_stopping)
    deadline = clock() + budget_seconds
    with seldom_collecting():
        return run.run(out_of_time=lambda: clock() >= deadline)


class _Run:
    """One call of `run_sync`: the ports it was given and the counts of every scope so far."""

    def __init__(
        self,
        *,
        plan: SyncPlan,
        source: Source,
        sink: Sink,
        run_log: RunLog,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._plan = plan
        self._source = source
        self._sink = sink
        self._run_log = run_log
        self._is_stopping = is_stopping
        self._tallies: dict[str, Tally] = {}

    def run(self, *, out_of_time: Callable[[], bool]) -> Outcome:
        opened = {
            scope: open_scope(self._sink.load(scope), self._plan) for scope in self._plan.scopes
        }
        self._tallies = {scope: saved.tally for scope, saved in opened.items()}
        full = any(saved.mode is Mode.FULL for saved in opened.values())
        mode = Mode.FULL if full else Mode.INCREMENTAL
        self._run_log.opened(mode)
        loads: list[TableLoad] = []
        checks: list[TableCheck] = []
        ending = Ending.COMPLETED
        leaves_watermark = True
        for scope, saved in opened.items():
            # One that an earlier run of this job settled is settled again, which changes nothing
            # and tells the tables it loaded: that run may have ended before anybody noted them.
            self._sink.begin(scope, saved)
            last = saved
            if saved.stage is Stage.READING:
                last, ending = self._read_all(scope, saved, out_of_time)
                if ending is not Ending.COMPLETED:
                    break
            finished = self._finish(scope, last)
            leaves_watermark &= last.checkpoint.watermark is not None and not finished.is_void
            loads += finished.loads
            checks += finished.checks
        return Outcome(
            ending=ending,
            mode=mode,
            tally=self._total(),
            leaves_watermark=leaves_watermark and ending is Ending.COMPLETED,
            loads=tuple(loads),
            checks=tuple(checks),
        )

    def _read_all(
        self, scope: str, saved: SavedCheckpoint, out_of_time: Callable[[], bool]
    ) -> tuple[SavedCheckpoint, Ending]:
        """Read, once more from the last checkpoint that counts if the sink asks for it."""
        try:
            return self._read(scope, saved, out_of_time)
        except ReadAgainError as error:
            _log.warning("Scope %r is read again from its last checkpoint: %s", scope, error)
            counts = open_scope(self._sink.load(scope), self._plan)
            self._sink.begin(scope, counts)
            return self._read(scope, counts, out_of_time)

    def _read(
        self, scope: str, saved: SavedCheckpoint, out_of_time: Callable[[], bool]
    ) -> tuple[SavedCheckpoint, Ending]:
        """Take the scope's remaining pages in; return how far it got and why it stopped."""

        def pages() -> Generator[Page]:
            return coalesce(
                self._source.read(scope, starting_point(saved)), size=self._sink.batch_size
            )

        counts = last = saved
        with prefetched(pages) as fetched:
            for page in fetched:
                last, asked_to_cancel = self._settle(scope, page, last)
                if not page.is_part:
                    counts = last
                if counts.stage is Stage.READ:
                    return counts, Ending.COMPLETED
                if asked_to_cancel or self._is_stopping():
                    self._tallies[scope] = counts.tally
                    return counts, Ending.CANCELLED
                if out_of_time() and not page.is_part:
                    return counts, Ending.PAUSED
        raise PermanentError(
            f"The source of scope {scope!r} ended without a last page: its adapter is broken."
        )

    def _settle(
        self, scope: str, page: Page, saved: SavedCheckpoint
    ) -> tuple[SavedCheckpoint, bool]:
        """Write one page and move the checkpoint; return it and whether a cancel was asked.

        A part of an answer moves only the counts: its rows count with the first page that is none.
        """
        written = self._sink.write(scope, page.changes)
        tally = saved.tally + written.tally + _unreadable(page.problems)
        self._tallies[scope] = tally
        total = self._total()
        asked_to_cancel = self._run_log.record(total, [*page.problems, *written.problems])
        if total.error > self._plan.record_error_limit:
            raise PermanentError(
                f"{total.error} records failed, more than the limit of "
                f"{self._plan.record_error_limit}: the job stops here. The log names them; mend "
                "the mapping or the records and sync again."
            )
        moved = saved.moved(
            checkpoint=saved.checkpoint if page.is_part else page.checkpoint,
            stage=Stage.READING if page.checkpoint.resume is not None else Stage.READ,
            tally=tally,
            totals=page.totals,
            unread={problem.stream for problem in page.problems if problem.severity == "error"},
        )
        if not page.is_part:
            self._sink.commit(scope, moved)
        return moved, asked_to_cancel

    def _finish(self, scope: str, saved: SavedCheckpoint) -> FinishResult:
        finished = replace(saved, stage=Stage.FINISHED)
        result = self._sink.finish(scope, finished, saved.totals)
        self._tallies[scope] = saved.tally + result.tally
        self._run_log.record(self._total(), result.problems)
        return result

    def _total(self) -> Tally:
        return sum(self._tallies.values(), Tally())


def _unreadable(problems: Sequence[RecordProblem]) -> Tally:
    """Count the records a source could not hand over, once each."""
    return Tally(error=len({(problem.stream, problem.key) for problem in problems}))
