"""Let the cycle collector rest, and threads take shorter turns, while records stream through."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

NEW_OBJECTS: Final = 50_000
"""Containers made between two looks for cycles; three pages of records, and no measurable memory.

With Python's own 700 a bulk load spends a sixth of its time looking at rows that hold no cycle.
"""


TURN_SECONDS: Final = 0.0005
"""How long a thread that computes keeps the others waiting. One that unpacks a file needs the
interpreter for microseconds between two blocks; with Python's own 5 ms it waits most of the time.
"""


class _Resting:
    """How many runs of this process want rest; the first and the last one change the setting."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs = 0
        self._before = (0, 0, 0)
        self._turn = 0.0

    def begin(self) -> None:
        with self._lock:
            self._runs += 1
            if self._runs == 1:
                self._before = gc.get_threshold()
                gc.set_threshold(NEW_OBJECTS, *self._before[1:])
                self._turn = sys.getswitchinterval()
                sys.setswitchinterval(TURN_SECONDS)

    def end(self) -> None:
        with self._lock:
            self._runs -= 1
            if self._runs == 0:
                gc.set_threshold(*self._before)
                sys.setswitchinterval(self._turn)


_resting = _Resting()


@contextmanager
def seldom_collecting() -> Generator[None]:
    """Collect cycles once in a while only and let threads take short turns; what it was before is
    back once the last block ends.
    """
    _resting.begin()
    try:
        yield
    finally:
        _resting.end()
