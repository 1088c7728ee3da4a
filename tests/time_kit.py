"""A clock shared by threads, which only their sleeping moves: one of them runs at a time."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

BEGAN = datetime(2026, 11, 21, 8, tzinfo=UTC)
PATIENCE = 600
"""Seconds of the wall clock after which a thread that is not woken gives up."""


class SharedClock:
    """Runs workers one after the other, in the order in which their sleeps end."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._turn = threading.Condition()
        self._sleepers: list[tuple[float, int]] = []
        self._awake: int | None = None
        self._names = threading.local()
        self._running = 0

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self.seconds)

    def sleep(self, seconds: float) -> None:
        me: int = self._names.me
        with self._turn:
            heapq.heappush(self._sleepers, (self.seconds + max(0.0, seconds), me))
            self._running -= 1
            self._wake_next()
            assert self._turn.wait_for(lambda: self._awake == me, PATIENCE)

    def run(self, workers: Sequence[Callable[[], None]]) -> None:
        """Run the workers to their ends; raise what the first of them raised."""
        failures: list[BaseException] = []

        def work(me: int, worker: Callable[[], None]) -> None:
            self._names.me = me
            try:
                self.sleep(0)  # nobody begins before all are there
                worker()
            except BaseException as error:  # noqa: BLE001  raised below, in the test's thread
                failures.append(error)
            finally:
                with self._turn:
                    self._running -= 1
                    self._wake_next()

        self._running = len(workers)
        threads = [threading.Thread(target=work, args=each) for each in enumerate(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    def _wake_next(self) -> None:
        if not self._running and self._sleepers:
            at, self._awake = heapq.heappop(self._sleepers)
            self.seconds = max(self.seconds, at)
            self._running += 1
            self._turn.notify_all()
