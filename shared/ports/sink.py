"""Where changes go. A sink owns the checkpoint and moves it together with the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from shared.domain.changes import Change, RecordProblem
from shared.domain.checkpoints import SavedCheckpoint
from shared.domain.reconciliation import TableCheck
from shared.domain.tallies import Tally

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork


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
    """What settling a scope did beyond its pages; `checks` are of the tables it compared.

    `is_void`: they differ so that nothing was taken over, and the scope counts as never read.
    """

    tally: Tally = field(default_factory=Tally)
    problems: Sequence[RecordProblem] = ()
    loads: Sequence[TableLoad] = ()
    checks: Sequence[TableCheck] = ()
    is_void: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreResult:
    """What taking a full load back did.

    `loads` are the generations that are live again; `set_aside` the tables that did not exist
    before that load and are not live any more. `problems` (severity "info") say for the log what
    each table is now.
    """

    loads: Sequence[TableLoad] = ()
    set_aside: Sequence[str] = ()
    problems: Sequence[RecordProblem] = ()


@runtime_checkable
class Restorable(Protocol):
    """A sink that keeps the generation before the live one and can give it back."""

    def restore_generations(self, target_job_id: str, *, undo_job_id: str) -> RestoreResult:
        """Make live again what the load of `target_job_id` replaced, checkpoint included.

        All tables together or none. The next incremental sync goes on from the restored
        checkpoint, so whatever later syncs brought comes again. A table the load had made is set
        aside. Called again for the same `undo_job_id` it changes nothing and tells the same.
        Raises PermanentError, naming why, where that job replaced no table that is live now (an
        incremental job, an older load) or a generation before it was not kept.
        """


NoteStep = Callable[["UnitOfWork", WriteResult], None]
"""Called with what one step did, in the unit of work that settles it."""


@runtime_checkable
class Reversible(Protocol):
    """A sink that writes down what it does, and can take it back."""

    def take_back(self, target_job_id: str, *, note: NoteStep) -> Iterator[None]:
        """Undo what a job wrote, wherever nobody changed it since, its checkpoints included.

        Yields after each step, which is settled by then: whoever stops there goes on another time.
        Done again it changes nothing. `note` is told how many records are as before (success), how
        many were left (warning), and which.
        """


class Sink(Protocol):
    """One job's way into LinkHub or a warehouse.

    The run calls `load`, then `begin`, then for each batch `write` and `commit`, then `finish`; of
    a large answer of the source that counts only as a whole, several `write`s and one `commit`.
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
        """Make the batch and its checkpoint count, together; of a scope that goes on, a sink may
        let several wait for a later one, and count them with it or when it is closed.

        Raises ReadAgainError where what waited is gone and reading again is going to do better.
        """

    def finish(self, scope: str, saved: SavedCheckpoint, totals: Mapping[str, int]) -> FinishResult:
        """Settle a scope whose pages are all in and store `saved` with it.

        A full load is checked against `totals` (rows the source counted, by stream) and swapped in;
        PermanentError where they differ, and the old table stays. For a scope this job has settled
        already it changes nothing and tells the same loads.
        """

    def close(self) -> None:
        """Roll back what was not committed and release connections."""


class ExportSink(Sink, Protocol):
    """One job's way out of LinkHub, into a provider."""

    def recover(self, scopes: Iterable[str]) -> None:
        """Finish what an earlier run was about to create at the provider.

        To be called before anything is imported: what was created and is not linked yet would come
        back as new.
        """
