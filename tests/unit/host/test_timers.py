from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from local.host.invoker import Invoker
from local.host.protos import TypedData
from local.host.schedules import parse_schedule
from local.host.timers import NEVER, ScheduleStatus, StatusFile, TimerListener, resume
from local.host.worker import Function, Result

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PATIENCE = 60
HOURLY = parse_schedule("0 0 * * * *")


def status(last: datetime, due: datetime) -> ScheduleStatus:
    return ScheduleStatus(last=last, next=due, last_updated=last)


@dataclass(kw_only=True)
class FakeInvoker:
    """Notes what a timer function was called with; `during` is what happens meanwhile."""

    during: Callable[[], None] = lambda: None
    calls: list[dict[str, Any]] = field(default_factory=list)

    async def run(self, function: Function, data: TypedData, *, reason: str) -> Result:
        self.calls.append({**json.loads(data.json), "reason": reason})
        self.during()
        return Result(ok=False, error="the function's own")


@dataclass(kw_only=True)
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


def listener(
    state: Path | None, invoker: FakeInvoker, clock: Clock, **trigger: object
) -> TimerListener:
    function = Function(
        name="tick",
        function_id="1",
        trigger={"type": "timerTrigger", "name": "t", **trigger},
        outputs={},
    )
    return TimerListener(
        function, schedule=HOURLY, state=state, invoker=cast(Invoker, invoker), clock=clock
    )


def run_until_stopped(timer: TimerListener, invoker: FakeInvoker, *, calls: int) -> None:
    """Let the listener run until it called the function so often, then stop it."""

    def stop_after() -> None:
        if len(invoker.calls) >= calls:
            timer.stop()

    invoker.during = stop_after
    if not calls:
        timer.stop()
    asyncio.run(asyncio.wait_for(timer.run(), PATIENCE))


def write_status(state: Path, value: ScheduleStatus) -> None:
    StatusFile(state / "timers" / "tick.json").write(value)


def read_status(state: Path) -> ScheduleStatus | None:
    return StatusFile(state / "timers" / "tick.json").read()


def test_first_start_waits_for_the_next_occurrence() -> None:
    """A timer never seen before missed nothing."""
    begun, is_past_due = resume(HOURLY, None, NOON + timedelta(minutes=5))
    assert begun.next == NOON + timedelta(hours=1)
    assert begun.last == NEVER
    assert not is_past_due


def test_missed_occurrence_is_past_due() -> None:
    """An occurrence that went by while the host was down is past due."""
    old = status(NOON - timedelta(hours=5), NOON - timedelta(hours=4))
    assert resume(HOURLY, old, NOON + timedelta(minutes=1)) == (old, True)


def test_occurrence_ahead_is_not_past_due() -> None:
    """A short downtime between two occurrences changes nothing."""
    old = status(NOON, NOON + timedelta(hours=1))
    assert resume(HOURLY, old, NOON + timedelta(minutes=30)) == (old, False)


def test_changed_schedule_is_not_past_due() -> None:
    """A schedule that is another than the one written down counts from now."""
    old = status(NOON - timedelta(days=2), NOON - timedelta(days=1, minutes=7))
    begun, is_past_due = resume(HOURLY, old, NOON + timedelta(minutes=1))
    assert begun.next == NOON + timedelta(hours=1)
    assert not is_past_due


def test_catch_up_runs_once(tmp_path: Path) -> None:
    """After a downtime over five occurrences one run says IsPastDue, then all is as usual."""
    write_status(tmp_path, status(NOON - timedelta(hours=5), NOON - timedelta(hours=4)))
    invoker, clock = FakeInvoker(), Clock(now=NOON + timedelta(minutes=1))
    run_until_stopped(listener(tmp_path, invoker, clock), invoker, calls=1)
    assert [call["IsPastDue"] for call in invoker.calls] == [True]
    assert invoker.calls[0]["ScheduleStatus"]["Next"] == "2026-11-21T08:00:00+00:00"
    again = FakeInvoker()
    run_until_stopped(listener(tmp_path, again, clock), again, calls=0)
    assert again.calls == []
    assert read_status(tmp_path) == status(clock.now, NOON + timedelta(hours=1))


def test_due_run_is_followed_by_the_next_occurrence(tmp_path: Path) -> None:
    """A run on time is not past due, and its failure does not stop the schedule."""
    write_status(tmp_path, status(NOON - timedelta(hours=1), NOON))
    invoker = FakeInvoker()
    run_until_stopped(listener(tmp_path, invoker, Clock()), invoker, calls=1)
    assert [call["IsPastDue"] for call in invoker.calls] == [False]
    assert read_status(tmp_path) == status(NOON, NOON + timedelta(hours=1))


def test_long_run_delays_the_next_one(tmp_path: Path) -> None:
    """A run that outlasts occurrences is followed by one at once: the last, and they never meet."""
    write_status(tmp_path, status(NOON - timedelta(hours=1), NOON))
    invoker, clock = FakeInvoker(), Clock()
    timer = listener(tmp_path, invoker, clock)

    def take_three_hours() -> None:
        clock.now += timedelta(hours=3)
        if len(invoker.calls) == 2:
            timer.stop()

    invoker.during = take_three_hours
    asyncio.run(asyncio.wait_for(timer.run(), PATIENCE))
    assert [call["IsPastDue"] for call in invoker.calls] == [False, False]
    assert invoker.calls[1]["ScheduleStatus"]["Last"] == NOON.isoformat()
    assert read_status(tmp_path) == status(NOON + timedelta(hours=3), NOON + timedelta(hours=4))


def test_run_on_startup() -> None:
    """With runOnStartup it runs at once, not past due."""
    invoker = FakeInvoker()
    timer = listener(None, invoker, Clock(), runOnStartup=True)
    run_until_stopped(timer, invoker, calls=1)
    assert [call["reason"] for call in invoker.calls] == ["Run on startup"]


def test_use_monitor_false_keeps_no_status(tmp_path: Path) -> None:
    """Without the monitor nothing is written and the function sees no status."""
    invoker = FakeInvoker()
    timer = listener(tmp_path, invoker, Clock(), useMonitor=False, runOnStartup=True)
    run_until_stopped(timer, invoker, calls=1)
    assert invoker.calls[0]["ScheduleStatus"] is None
    assert list(tmp_path.iterdir()) == []


def test_unreadable_status_starts_anew(tmp_path: Path) -> None:
    """A damaged file is no reason not to run."""
    (tmp_path / "timers").mkdir()
    (tmp_path / "timers" / "tick.json").write_text('{"Last"')
    invoker = FakeInvoker()
    run_until_stopped(listener(tmp_path, invoker, Clock()), invoker, calls=0)
    assert read_status(tmp_path) == ScheduleStatus(
        last=NEVER, next=NOON + timedelta(hours=1), last_updated=NOON
    )


def test_one_host_at_a_time(tmp_path: Path) -> None:
    """Of two hosts with one state folder, the second waits and runs nothing."""
    first, second = FakeInvoker(), FakeInvoker()
    holder = listener(tmp_path, first, Clock())
    waiter = listener(tmp_path, second, Clock(), runOnStartup=True)

    async def both() -> None:
        held = asyncio.create_task(holder.run())
        await asyncio.sleep(0)
        waiting = asyncio.create_task(waiter.run())
        await asyncio.sleep(0)
        waiter.stop()
        await waiting
        holder.stop()
        await held

    asyncio.run(asyncio.wait_for(both(), PATIENCE))
    assert second.calls == []
