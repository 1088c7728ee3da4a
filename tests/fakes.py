"""Stand-ins for the edges: they keep in memory what the real ones keep elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shared.domain.changes import Change, Delete, Page, RecordProblem, Truncate, Upsert
from shared.domain.checkpoints import Checkpoint, Mode, SavedCheckpoint, Stage
from shared.domain.fields import Field, FieldType
from shared.domain.providers import Stream
from shared.domain.tallies import Tally
from shared.errors import LeaseLostError, NotFoundError
from shared.ports.provider import CheckResult, PushResult
from shared.ports.sink import FinishResult, TableLoad, WriteResult


class PowerCutError(BaseException):
    """Ends a run at one line, as SIGKILL would: nothing below it may handle this."""


DEALS = Stream(
    name="deals",
    label="Deals",
    fields=(Field(name="n", label="Number", type=FieldType.INTEGER, required=True),),
)


@dataclass
class FakeSource:
    """A provider whose scopes hold numbered records; `resume` is the number of the next one.

    `changed` are the numbers an incremental read yields; `fail_at` maps a record number to the
    error raised, once, instead of the page that would begin with it.
    """

    count: int
    page_size: int = 2
    changed: Sequence[int] = ()
    fail_at: dict[int, Exception] = field(default_factory=dict)
    reads: list[Checkpoint | None] = field(default_factory=list)
    streams: Sequence[Stream] = (DEALS,)
    closed: int = 0

    def check(self) -> CheckResult:
        return CheckResult(account="fake", label="Fake")

    def discover(self) -> Sequence[Stream]:
        return self.streams

    def read(self, scope: str, checkpoint: Checkpoint | None) -> Generator[Page]:
        self.reads.append(checkpoint)
        numbers: Sequence[int] = range(self.count)
        first = 0
        if checkpoint is not None:
            if checkpoint.watermark is not None:
                numbers = self.changed
            first = checkpoint.resume or 0
        watermark = checkpoint.watermark if checkpoint is not None else None
        for start in range(first, max(len(numbers), 1), self.page_size):
            if start in self.fail_at:
                raise self.fail_at.pop(start)
            part = numbers[start : start + self.page_size]
            end = start + self.page_size
            is_last = end >= len(numbers)
            yield Page(
                changes=[Upsert(scope, str(n), {"n": n}) for n in part],
                checkpoint=Checkpoint(
                    resume=None if is_last else end, watermark="w1" if is_last else watermark
                ),
                totals={scope: len(numbers)} if is_last else {},
            )

    def get(self, stream: str, keys: Sequence[str]) -> Sequence[Change]:
        return [Upsert(stream, key, {}) for key in keys]

    def push(self, stream: str, changes: Sequence[Change]) -> Generator[PushResult]:
        yield from ()

    def close(self) -> None:
        self.closed += 1


@dataclass
class FakeStore:
    """What survives a crash on the sink's side, for all runs of a test."""

    rows: dict[tuple[str, str], Mapping[str, object]] = field(default_factory=dict)
    saved: dict[str, SavedCheckpoint] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    sent: list[tuple[str, str]] = field(default_factory=list)
    finished: list[tuple[str, Mapping[str, int]]] = field(default_factory=list)


class FakeSink:
    """A sink over a `FakeStore`; `cut` is called with the name of each step before it is done.

    `loads` is what it tells of every scope it settles, under the scope's name.
    """

    def __init__(
        self,
        store: FakeStore,
        *,
        run_id: str = "run-1",
        batch_size: int = 2,
        bad_keys: frozenset[str] = frozenset(),
        cut: Callable[[str], None] = lambda _step: None,
        loads: Sequence[TableLoad] = (),
    ) -> None:
        self.batch_size = batch_size
        self._loads = loads
        self._store = store
        self._run_id = run_id
        self._bad_keys = bad_keys
        self._cut = cut
        self._open: dict[tuple[str, str], Mapping[str, object] | None] = {}

    def load(self, scope: str) -> SavedCheckpoint | None:
        return self._store.saved.get(scope)

    def begin(self, scope: str, saved: SavedCheckpoint) -> None:
        self._cut("begin")
        self._store.owners[scope] = self._run_id
        self._store.saved[scope] = saved

    def write(self, scope: str, changes: Sequence[Change]) -> WriteResult:
        self._cut("write")
        problems = []
        success = 0
        for change in changes:
            match change:
                case Upsert(stream, key, record) if key not in self._bad_keys:
                    self._open[stream, key] = record
                    self._store.sent.append((stream, key))
                    success += 1
                case Upsert(stream, key, _):
                    problems.append(RecordProblem(stream=stream, key=key, message="bad"))
                case Delete(stream, key):
                    self._open[stream, key] = None
                    success += 1
                case Truncate():
                    pass
        tally = Tally(success=success, error=len(problems))
        return WriteResult(tally=tally, problems=problems)

    def commit(self, scope: str, saved: SavedCheckpoint) -> None:
        self._cut("commit")
        self._fence(scope)
        for key, record in self._open.items():
            if record is None:
                self._store.rows.pop(key, None)
            else:
                self._store.rows[key] = record
        self._open = {}
        self._store.saved[scope] = saved
        self._cut("committed")

    def finish(self, scope: str, saved: SavedCheckpoint, totals: Mapping[str, int]) -> FinishResult:
        self._cut("finish")
        self._fence(scope)
        if self._store.saved[scope].stage is not Stage.FINISHED:
            self._store.finished.append((scope, totals))
        self._store.saved[scope] = saved
        self._cut("finished")
        return FinishResult(loads=[replace(load, table=scope) for load in self._loads])

    def close(self) -> None:
        self._open = {}

    def _fence(self, scope: str) -> None:
        if self._store.owners.get(scope) != self._run_id:
            raise LeaseLostError("another run owns this scope")


@dataclass
class FakeRunLog:
    """Keeps what a run told; `cancel` is what it is answered."""

    tallies: list[Tally] = field(default_factory=list)
    problems: list[RecordProblem] = field(default_factory=list)
    modes: list[Mode] = field(default_factory=list)
    cancel: bool = False
    lost: bool = False
    beats: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def opened(self, mode: Mode) -> None:
        self.modes.append(mode)

    def record(self, tally: Tally, problems: Sequence[RecordProblem]) -> bool:
        self.tallies.append(tally)
        self.problems += problems
        return self.cancel

    def heartbeat(self) -> bool:
        self.beats.release()
        if self.lost:
            raise LeaseLostError("another run owns the job")
        return self.cancel


@dataclass
class FakeQueue:
    """Keeps what was sent: (job id, scheduled, delay)."""

    sent: list[tuple[str, bool, float]] = field(default_factory=list)
    error: Exception | None = None

    def send(self, job_id: str, *, scheduled: bool, delay: float = 0) -> None:
        if self.error is not None:
            raise self.error
        self.sent.append((job_id, scheduled, delay))

    def ping(self) -> None:
        if self.error is not None:
            raise self.error


@dataclass
class FakeVault:
    """Secrets in a dict."""

    secrets: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def get(self, name: str) -> Mapping[str, str]:
        if name not in self.secrets:
            raise NotFoundError(f"There is no secret {name!r}.")
        return self.secrets[name]

    def put(self, name: str, value: Mapping[str, str]) -> None:
        self.secrets[name] = value

    def delete(self, name: str) -> None:
        self.secrets.pop(name, None)

    def ping(self) -> None:
        """Answer always."""
