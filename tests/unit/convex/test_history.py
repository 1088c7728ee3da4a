"""A random history: documents change while syncs run, are cut anywhere and go on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.domain.changes import Page
from shared.domain.checkpoints import Checkpoint, Mode
from shared.engine.opening import SyncPlan
from shared.engine.sync import Ending, run_sync
from shared.errors import TransientError
from shared.ports.provider import Connection
from shared.sinks.warehouse.values import load_exact
from tests.convex_kit import Server, serve, small_export
from tests.fakes import FakeRunLog
from tests.warehouse_kit import Warehouse

MUTATIONS = 600
SOURCES = ("sync", "snapshot", "auto")


class _CutError(Exception):
    """The process dies here."""


class _Cut:
    """A connection whose deployment changes between pages, and which dies after some of them."""

    def __init__(self, inner: Connection, history: _History, pages: int) -> None:
        self._inner = inner
        self._history = history
        self._pages = pages

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def read(self, scope: str, checkpoint: Checkpoint | None) -> Iterator[Page]:
        for number, page in enumerate(self._inner.read(scope, checkpoint)):
            if number >= self._pages:
                raise _CutError
            yield page
            self._history.happen(most=12)


class _History:
    """One deployment, one warehouse and everything random about them."""

    def __init__(self, server: Server, folder: Path, *, source: str, seed: int) -> None:
        self.server = server
        self.warehouse = Warehouse(url=f"sqlite:///{folder / 'warehouse.db'}")
        self.done = 0
        self._folder = folder
        self._source = source
        self._rng = random.Random(seed)  # noqa: S311 - to be repeated
        self._fates = random.Random(seed + 1)  # noqa: S311 - of the thread that reads
        self._jobs = 0
        self._runs = 0
        self.endings: list[str] = []

    def happen(self, *, most: int) -> None:
        """Let up to `most` random things happen to the documents."""
        count = min(self._fates.randrange(most + 1), MUTATIONS - self.done)
        if count > 0:
            self.done += count
            self.server.mutate(seed=self._fates.randrange(10**9), count=count)
        if self._source != "snapshot" and self._fates.random() < 0.03:
            self.server.expire()
        if self._source == "auto" and self._fates.random() < 0.05:
            plan = self._fates.choice(["free", "pro"])
            self.server.settle(plan=plan, pageRows=self._fates.randrange(3, 40))

    def job(self, *, may_be_cut: bool) -> None:
        """Run one job to its end, whatever it takes; some jobs are given up half way."""
        self._jobs += 1
        mode = Mode.FULL if self._rng.random() < 0.15 else Mode.INCREMENTAL
        plan = SyncPlan(
            job_id=f"job-{self._jobs}",
            mode=mode,
            incremental=True,
            fingerprint="f",
            scopes=("*",),
            record_error_limit=0,
        )
        while True:
            pages = self._rng.randrange(1, 9) if may_be_cut else 10**9
            budget = self._rng.choice([0.0, 1e9]) if may_be_cut else 1e9
            ending = self._run(plan, pages=pages, budget=budget)
            self.endings.append(ending)
            if ending == Ending.COMPLETED or (may_be_cut and self._rng.random() < 0.15):
                return

    def _run(self, plan: SyncPlan, *, pages: int, budget: float) -> str:
        self._runs += 1
        sink = self.warehouse.sink(run_id=f"run-{self._runs}")
        sink.batch_size = self._rng.choice([1, 10, 5_000])
        inner = self.server.connect(self._folder / "work", source=self._source)
        source: Any = _Cut(inner, self, pages)
        try:
            outcome = run_sync(
                plan=plan, source=source, sink=sink, run_log=FakeRunLog(), budget_seconds=budget
            )
        except _CutError:
            return "cut"
        except TransientError:  # two cursors of one read expired
            return "failed"
        finally:
            sink.close()
        return outcome.ending

    def differences(self) -> list[tuple[str, str, str, str]]:
        """Return (table, id, in the warehouse, in Convex) of what is not equal."""
        found = []
        for stream in sorted(self.server.streams()):
            here = _shown(self.warehouse.records(stream))
            there = _shown(_documents(self.server, stream))
            found += [
                (stream, key, here.get(key, ""), there.get(key, ""))
                for key in sorted(here.keys() | there.keys())
                if here.get(key) != there.get(key)
            ]
        return found


def _documents(server: Server, stream: str) -> dict[str, dict[str, Any]]:
    """Return a table's documents with every encoded value decoded, however deep."""
    read = (load_exact(line.decode()) for line in server.lines(stream))
    return {document["_id"]: document for document in read}


def _shown(records: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return records in a form where NaN equals itself and 0.0 is not -0.0.

    An integer that a float column holds exactly comes back from it as a float.
    """
    return {
        key: repr(sorted((n, _exact(v)) for n, v in record.items() if v is not None and n != "_id"))
        for key, record in records.items()
    }


def _exact(value: Any) -> str:
    is_number = type(value) is int and abs(value) <= 2**53
    return repr(float(value) if is_number else value)


@pytest.mark.parametrize("source", SOURCES)
def test_a_random_history_ends_with_equal_tables(tmp_path: Path, source: str) -> None:
    """After any history of changes, cuts, expiries and plans, every table equals Convex's."""
    small_export(tmp_path / "export.zip")
    with serve(state_dir=tmp_path, zip_file=tmp_path / "export.zip") as server:
        server.settle(plan="pro", pageRows=7)
        history = _History(server, tmp_path, source=source, seed=20_261_122)
        while history.done < MUTATIONS:
            history.happen(most=20)
            history.job(may_be_cut=True)
        for _ in range(2):  # the first one may end a read that began long ago
            history.job(may_be_cut=False)
        assert history.differences() == []
        assert {"cut", Ending.COMPLETED, Ending.PAUSED} <= set(history.endings)
        assert history.warehouse.registered(role="staging") == {}
