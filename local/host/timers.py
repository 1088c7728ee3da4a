"""The timer trigger: one run at a time, written down, and made up for once when it was missed.

Follows TimerListener and ScheduleMonitor of azure-webjobs-sdk-extensions; Azure keeps the status
in a blob, this host in `STATE/timers/NAME.json`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from local.host.invoker import Invoker
from local.host.protos import TypedData
from local.host.schedules import Schedule
from local.host.worker import Function

log = logging.getLogger("host.timers")

NEVER = datetime(1, 1, 1, tzinfo=UTC)
_LOCK_RETRY = 5.0
_LONGEST_SLEEP = 60.0
"""Seconds; a laptop that slept looks at the clock again."""

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleStatus:
    """When a timer ran last (NEVER before its first run), is due next, and what that stands on."""

    last: datetime
    next: datetime
    last_updated: datetime

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the status that `to_json` wrote."""
        document = json.loads(text)
        return cls(
            last=datetime.fromisoformat(document["Last"]),
            next=datetime.fromisoformat(document["Next"]),
            last_updated=datetime.fromisoformat(document["LastUpdated"]),
        )

    def to_wire(self) -> dict[str, str]:
        """Return it as the function sees it in `schedule_status`."""
        return {
            "Last": self.last.isoformat(),
            "Next": self.next.isoformat(),
            "LastUpdated": self.last_updated.isoformat(),
        }


class StatusFile:
    """Where one timer's status is kept; `path` None forgets it with the process."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def read(self) -> ScheduleStatus | None:
        """Return what was written last; None where there is nothing that can be read."""
        if self._path is None or not self._path.exists():
            return None
        try:
            return ScheduleStatus.from_json(self._path.read_text(encoding="utf-8"))
        except (ValueError, KeyError, TypeError):
            log.warning("%s cannot be read: the timer starts anew", self._path)
            return None

    def write(self, status: ScheduleStatus) -> None:
        """Keep `status` whole or not at all."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".tmp")
        draft.write_text(json.dumps(status.to_wire()), encoding="utf-8")
        draft.replace(self._path)


def resume(
    schedule: Schedule, status: ScheduleStatus | None, now: datetime
) -> tuple[ScheduleStatus, bool]:
    """Return the status to start with and whether a run was missed.

    A schedule that changed while the host was down counts from now: it missed nothing.
    """
    if status is None:
        return ScheduleStatus(last=NEVER, next=schedule.after(now), last_updated=now), False
    since = status.last if status.last != NEVER else status.last_updated
    expected = schedule.after(since)
    if expected != status.next:
        if now > expected:
            expected, since = schedule.after(now), now
        status = ScheduleStatus(last=NEVER, next=expected, last_updated=since)
    return status, now > status.next


class TimerListener:
    """Runs one function when its schedule says so."""

    def __init__(
        self,
        function: Function,
        *,
        schedule: Schedule,
        state: Path | None,
        invoker: Invoker,
        clock: Clock = utc_now,
    ) -> None:
        self._function = function
        self._schedule = schedule
        self._invoker = invoker
        self._clock = clock
        self._stopping = asyncio.Event()
        self._is_monitored = bool(
            function.trigger.get("useMonitor", True)
        ) and schedule.is_monitored(clock())
        folder = state / "timers" if state and self._is_monitored else None
        self._file = StatusFile(folder / f"{function.name}.json" if folder else None)
        self._lock = _Lock(folder / f"{function.name}.lock" if folder else None)
        self.status = ScheduleStatus(last=NEVER, next=NEVER, last_updated=NEVER)

    async def run(self) -> None:
        """Run the function at each due moment until `stop`; return when no run is under way."""
        while not self._lock.take():
            log.info("Another host runs the timer '%s': waiting for its turn", self._function.name)
            if await self._sleep(_LOCK_RETRY):
                return
        try:
            await self._run_alone()
        finally:
            self._lock.release()

    def next_run(self) -> datetime:
        """Return the next occurrence from now on."""
        return self._schedule.after(self._clock())

    def stop(self) -> None:
        """Start no further run."""
        self._stopping.set()

    async def run_once(self, *, reason: str, is_past_due: bool = False) -> None:
        """Run the function now; what it does wrong is logged and stops nothing."""
        status = self.status.to_wire() if self._is_monitored else None
        info = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": status,
            "IsPastDue": is_past_due,
        }
        await self._invoker.run(self._function, TypedData(json=json.dumps(info)), reason=reason)

    async def _run_alone(self) -> None:
        self.status, is_past_due = resume(self._schedule, self._file.read(), self._clock())
        self._file.write(self.status)
        if is_past_due:
            log.info("The timer '%s' missed a run: catching up once", self._function.name)
            await self._fire(reason="Timer past due", is_past_due=True)
        elif self._function.trigger.get("runOnStartup", False):
            await self._fire(reason="Run on startup", at_start=True)
        while not await self._sleep_until_due():
            await self._fire(reason="Timer fired")

    async def _fire(
        self, *, reason: str, is_past_due: bool = False, at_start: bool = False
    ) -> None:
        """Run once; the next occurrence counts from the moment this one began."""
        began = self._clock()
        await self.run_once(reason=reason, is_past_due=is_past_due)
        if not is_past_due and not at_start:
            began = max(began, self.status.next)
        self.status = ScheduleStatus(
            last=began, next=self._schedule.after(began), last_updated=began
        )
        self._file.write(self.status)

    async def _sleep_until_due(self) -> bool:
        """Return True when the host stops, False when the next occurrence is due."""
        while not self._stopping.is_set():
            left = (self.status.next - self._clock()).total_seconds()
            if left <= 0:
                return False
            await self._sleep(min(left, _LONGEST_SLEEP))
        return True

    async def _sleep(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return False
        return True


class _Lock:
    """Lets one host of those that share a state folder run a timer; Windows has no such guard."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._handle: int | None = None

    def take(self) -> bool:
        """Take the lock; return False while another process has it."""
        try:
            import fcntl
        except ImportError:
            return True
        if self._path is None:
            return True
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._handle = handle
        return True

    def release(self) -> None:
        """Let another process have it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
