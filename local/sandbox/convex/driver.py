"""Changes documents at random for as long as a person likes, beside the syncs that run."""

from __future__ import annotations

import random
from threading import Event, Lock, Thread
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from local.sandbox.convex.exports import Source
from local.sandbox.convex.mutations import apply, random_operation


class Drive(BaseModel):
    """How many random operations a second, each a commit, until so many are done (null: no end)."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    seed: int = 0
    per_second: float = Field(default=20, gt=0, le=10_000, alias="perSecond")
    count: int | None = Field(default=None, ge=1)


class Driver:
    """One at a time; safe for several threads."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = Lock()
        self._stopped = Event()
        self._thread: Thread | None = None
        self._drive: Drive | None = None
        self._counts: dict[str, int] = {}

    def start(self, drive: Drive) -> dict[str, Any]:
        """Begin, in place of what is under way; raise what `zipfile` raises for a broken export."""
        self._source.store()
        with self._lock:
            self._stop()
            self._drive, self._counts, self._stopped = drive, {}, Event()
            self._thread = Thread(
                target=self._run, args=(drive, self._counts, self._stopped), daemon=True
            )
            self._thread.start()
        return self.status()

    def stop(self) -> dict[str, Any]:
        """End what is under way; nothing more is changed once this returns."""
        with self._lock:
            self._stop()
        return self.status()

    def status(self) -> dict[str, Any]:
        """Return whether it runs, what it was told and how often it did what."""
        thread, drive = self._thread, self._drive
        return {
            "running": thread is not None and thread.is_alive(),
            "drive": None if drive is None else drive.model_dump(by_alias=True),
            "operations": dict(self._counts),
        }

    def _stop(self) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, drive: Drive, counts: dict[str, int], stopped: Event) -> None:
        store, rng = self._source.store(), random.Random(f"mutations-{drive.seed}")
        done = 0
        while done != drive.count and not stopped.wait(1 / drive.per_second):
            with store.lock:
                operation = random_operation(store, rng)
                apply(store, [operation])
            counts[operation.op] = counts.get(operation.op, 0) + 1
            done += 1
