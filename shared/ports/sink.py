"""Where changes go. A sink owns the checkpoint and moves it together with the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shared.domain.changes import Change, RecordProblem
from shared.domain.checkpoints import SavedCheckpoint
from shared.domain.tallies import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteResult:
    """What became of one batch: a count of every change that concerned this sink, and why some
    failed.
    """

    tally: Tally
    problems: Sequence[RecordProblem] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLoad:
    """A warehouse table that a full load has just replaced."""

    table: str
    generation: int
    row_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishResult:
    """What settling a scope did beyond its pages."""

    tally: Tally = field(default_factory=Tally)
    problems: Sequence[RecordProblem] = ()
    loads: Sequence[TableLoad] = ()


class Sink(Protocol):
    """One job's way into LinkHub or a warehouse.

    The run calls `load`, then `begin`, then for each batch `write` and `commit`, then `finish`.
    Nothing written is visible to the next `load` before `commit`; a crash in between repeats the
    batch, and repeating it changes nothing. Every state write is fenced: after another run's
    `begin`, `commit` and `finish` raise LeaseLostError and write nothing.
    """

    batch_size: int
    """About how many changes a `write` should get; more or fewer are fine."""

    def load(self, scope: str) -> SavedCheckpoint | None:
        """Return the scope's checkpoint, None where it was never read."""

    def begin(self, scope: str, saved: SavedCheckpoint) -> None:
        """Take the scope for this run. At the start of a read, what was staged before is void."""

    def write(self, scope: str, changes: Sequence[Change]) -> WriteResult:
        """Write a batch without making it count yet; the app database has no open transaction
        meanwhile.
        """

    def commit(self, scope: str, saved: SavedCheckpoint) -> None:
        """Make the batch and its checkpoint count, together."""

    def finish(self, scope: str, saved: SavedCheckpoint, totals: Mapping[str, int]) -> FinishResult:
        """Settle a scope whose pages are all in and store `saved` with it.

        A full load is checked against `totals` (rows the source counted, by stream) and swapped in;
        PermanentError where they differ, and the old table stays. For a scope this job has settled
        already it changes nothing and tells the same loads.
        """

    def close(self) -> None:
        """Roll back what was not committed and release connections."""
