"""Keeps a run's lease alive while its main thread reads, writes or waits."""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from types import TracebackType
from typing import Self

from shared.errors import LeaseLostError
from shared.ports.run_log import RunLog

_log = logging.getLogger(__name__)


class Heartbeat:
    """Renews the lease every `interval` seconds in a thread of its own, as long as the block lasts.

    A renewal that fails for another reason than a lost lease is tried again at the next beat: the
    lease outlives several of them.
    """

    def __init__(self, run_log: RunLog, *, interval: float) -> None:
        self._run_log = run_log
        self._interval = interval
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._lost: LeaseLostError | None = None
        self.cancel_requested = False
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._beat,), name="heartbeat", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._wake.set()
        self._thread.join()

    def check(self) -> None:
        """Raise LeaseLostError if the lease was found lost."""
        if self._lost is not None:
            raise self._lost

    def sleep(self, seconds: float) -> None:
        """Wait; raise LeaseLostError as soon as the lease is lost, return early on a cancel."""
        deadline = time.monotonic() + seconds
        while not self.cancel_requested:
            self.check()
            left = deadline - time.monotonic()
            if left <= 0:
                return
            self._wake.wait(left)
            if self._stopped.is_set():
                return

    def _beat(self) -> None:
        while not self._stopped.wait(self._interval):
            try:
                self.cancel_requested = self._run_log.heartbeat() or self.cancel_requested
            except LeaseLostError as error:
                self._lost = error
            except Exception:  # noqa: BLE001  whatever it was, the next beat may work
                _log.warning("The lease was not renewed; trying again soon.", exc_info=True)
            if self._lost is not None or self.cancel_requested:
                self._wake.set()
            if self._lost is not None:
                return
