"""One holder at a time, over threads and processes of one machine."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from shared.errors import TransientError

_POLL_SECONDS: Final = 0.01


@contextmanager
def exclusive(path: Path, *, timeout: float = 30) -> Iterator[None]:
    """Hold the lock file at `path`; TransientError if another keeps it for `timeout` seconds.

    The file is made where missing and stays: removing it would let two holders in. The operating
    system frees the lock of a process that dies.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        give_up_at = time.monotonic() + timeout
        while not _try_lock(handle):
            if time.monotonic() >= give_up_at:
                raise TransientError(f"Another process keeps {path.name} locked; try again.")
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(handle)


if sys.platform == "win32":

    def _try_lock(handle: int) -> bool:
        import msvcrt

        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:

    def _try_lock(handle: int) -> bool:
        import fcntl

        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
