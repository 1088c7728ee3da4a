"""A random history: documents change while syncs run, are cut anywhere and go on."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.convex import answers
from shared.domain.changes import Page
from shared.domain.checkpoints import Checkpoint, Mode
from shared.engine.opening import SyncPlan
from shared.engine.sync import Ending, run_sync
from shared.errors import ApprovalNeededError, TransientError
from shared.ports.provider import Connection
from shared.sinks.warehouse.swap import SwapRules
from tests.convex_compare import differences
from tests.convex_kit import Server, serve, small_export
from tests.fakes import FakeRunLog
from tests.warehouse_kit import KINDS, Warehouse, new_warehouses

MUTATIONS = int(os.environ.get("HISTORY_MUTATIONS", "600"))
"""How long each history is; HISTORY_MUTATIONS asks for longer ones."""
SOURCES = ("sync", "snapshot", "auto")
CHOSEN = {"cars": (), "wheels": (), "shop/cars": ()}
WHOLE = frozenset({"wheels"})
"""Of the tables chosen, those that every sync brings whole."""


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

    def __init__(
        self,
        server: Server,
        warehouse: Warehouse,
        folder: Path,
        *,
        source: str,
        seed: int,
        reads: Mapping[str, Any] | None = None,
    ) -> None:
        """Take what is read of the deployment, where it is not everything, from `reads`."""
        self.server = server
        self.warehouse = warehouse
        self.done = 0
        self._folder = folder
        self._source = source
        self._reads = reads or {}
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
            record_error_limit=10**6 if self._reads else 0,  # a chosen table may be dropped
        )
        is_approved = False
        while True:
            pages = self._rng.randrange(1, 9) if may_be_cut else 10**9
            budget = self._rng.choice([0.0, 1e9]) if may_be_cut else 1e9
            ending = self._run(plan, pages=pages, budget=budget, is_approved=is_approved)
            self.endings.append(ending)
            is_approved = is_approved or ending == "asks"
            if ending == Ending.COMPLETED or (may_be_cut and self._rng.random() < 0.15):
                return

    def _run(self, plan: SyncPlan, *, pages: int, budget: float, is_approved: bool) -> str:
        self._runs += 1
        rules = SwapRules(is_approved=is_approved)
        sink = self.warehouse.sink(run_id=f"run-{self._runs}", rules=rules)
        sink.batch_size = self._rng.choice([1, 10, 5_000])
        inner = self.server.connect(self._folder / "work", source=self._source, **self._reads)
        source: Any = _Cut(inner, self, pages)
        try:
            outcome = run_sync(
                plan=plan, source=source, sink=sink, run_log=FakeRunLog(), budget_seconds=budget
            )
        except _CutError:
            return "cut"
        except TransientError:  # two cursors of one read expired
            return "failed"
        except ApprovalNeededError:
            return "asks"
        finally:
            sink.close()
        return outcome.ending


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_random_history_ends_with_equal_tables(
    tmp_path: Path, kind: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After any history of changes, cuts, expiries and plans, every table equals Convex's.

    Cuts come inside answers too: parts of them are small.
    """
    monkeypatch.setattr(answers, "PART_BYTES", 700)
    with _lived(tmp_path, kind, source=source) as history:
        assert differences(history.warehouse, history.server) == []


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_random_history_of_chosen_tables_ends_with_equal_ones(
    tmp_path: Path, kind: str, source: str
) -> None:
    """So does every chosen table, whether its changes are followed or it comes whole each time."""
    reads = {"selection": CHOSEN, "whole": WHOLE}
    with _lived(tmp_path, kind, source=source, reads=reads) as history:
        assert differences(history.warehouse, history.server, streams=CHOSEN) == []
        assert history.warehouse.registered().keys() <= CHOSEN.keys()


@contextmanager
def _lived(
    folder: Path, kind: str, *, source: str, reads: Mapping[str, Any] | None = None
) -> Iterator[_History]:
    """Yield a history of MUTATIONS after its last job, with everything as it left it."""
    small_export(folder / "export.zip")
    with (
        serve(state_dir=folder, zip_file=folder / "export.zip") as server,
        new_warehouses(kind, folder) as new,
    ):
        server.settle(plan="pro", pageRows=7)
        history = _History(server, new(), folder, source=source, seed=20_261_122, reads=reads)
        while history.done < MUTATIONS:
            history.happen(most=20)
            history.job(may_be_cut=True)
        for _ in range(2):  # the first one may end a read that began long ago
            history.job(may_be_cut=False)
        assert {"cut", Ending.COMPLETED, Ending.PAUSED} <= set(history.endings)
        assert history.warehouse.registered(role="staging") == {}
        yield history
