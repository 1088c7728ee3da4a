"""Child processes that say when they are ready and end when told."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Self

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 40.0
_POLL_SECONDS = 0.2
_TAIL_LINES = 25


class StackError(Exception):
    """A part of the stack did not start or ended by itself; the message says which and why."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the block ends, so that no child is started and forgotten.

    Outside the main thread, which alone is disturbed by them, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    handlers = {
        number: signal.signal(number, lambda number, _: caught.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler or signal.SIG_DFL)
    for received in caught:
        signal.raise_signal(received)


class Service:
    """A running child; its first line on stdout, a JSON object, says that it is ready."""

    def __init__(self, name: str, process: subprocess.Popen[str], log_file: Path) -> None:
        self.name = name
        self.log_file = log_file
        self._process = process
        self._first_line: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read_stdout, daemon=True)
        self._reader.start()

    @classmethod
    def start(
        cls, name: str, module: str, args: Sequence[str], *, env: Mapping[str, str], logs: Path
    ) -> Self:
        """Start `python -m module`; its stderr goes to a log file named after it."""
        log_file = logs / f"{name}.log"
        with log_file.open("a", encoding="utf-8") as log:
            process = subprocess.Popen(  # noqa: S603  our own modules
                [sys.executable, "-m", module, *args],
                cwd=ROOT,
                env={**os.environ, **env},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        return cls(name, process, log_file)

    def wait_ready(self, *, seconds: float) -> dict[str, Any]:
        """Return what it said when it was ready; raise StackError with its log if it never was."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                line = self._first_line.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                self.check()
                continue
            answer: dict[str, Any] = json.loads(line)
            return answer
        raise StackError(f"{self.name} was not ready after {seconds:.0f} s.\n{self._log_tail()}")

    def check(self) -> None:
        """Raise StackError if the process has ended."""
        status = self._process.poll()
        if status is not None:
            raise StackError(f"{self.name} ended with status {status}.\n{self._log_tail()}")

    def stop(self) -> None:
        """End the process: asked first, killed if it does not listen or Ctrl-C comes meanwhile.

        Safe to call twice.
        """
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
            except KeyboardInterrupt:
                self.kill()
                raise
        self._reader.join()

    def kill(self) -> None:
        """End the process as a power cut would."""
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def _read_stdout(self) -> None:
        stdout: IO[str] | None = self._process.stdout
        if stdout is None:
            return
        with stdout, self.log_file.open("a", encoding="utf-8") as log:
            for number, line in enumerate(stdout):
                if number == 0:
                    self._first_line.put(line)
                else:
                    log.write(line)

    def _log_tail(self) -> str:
        lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(["Its last words:", *lines[-_TAIL_LINES:]])
