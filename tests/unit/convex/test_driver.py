"""Changes at random beside a sync, started and stopped by a person."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from shared.engine.sync import run_sync
from shared.sinks.warehouse.swap import SwapRules
from tests.convex_compare import differences
from tests.convex_kit import Server, call
from tests.factories import make_plan
from tests.fakes import FakeRunLog
from tests.warehouse_kit import new_warehouses

LONG = 120
"""Seconds after which what was waited for will not come any more."""


def driver(server: Server, method: str, **body: Any) -> dict[str, Any]:
    answer: dict[str, Any] = call(server.url, method, "/_driver", json=body or None).json()
    return answer


def done(told: dict[str, Any]) -> int:
    return sum(told["operations"].values())


def test_it_runs_until_it_is_stopped(server: Server) -> None:
    """It says what it did, and nothing changes once it has stopped."""
    assert driver(server, "GET") == {"running": False, "drive": None, "operations": {}}
    assert driver(server, "POST", seed=3, perSecond=2_000)["running"]
    until = time.monotonic() + LONG
    while done(driver(server, "GET")) < 50 and time.monotonic() < until:
        pass
    stopped = driver(server, "DELETE")
    assert not stopped["running"]
    assert done(stopped) >= 50
    assert stopped["drive"] == {"seed": 3, "perSecond": 2_000, "count": None}
    before = call(server.url, "GET", "/_state").content
    assert driver(server, "GET") == stopped
    assert call(server.url, "GET", "/_state").content == before


def test_what_it_cannot_read_is_told(server: Server) -> None:
    """400 names the field."""
    answer = call(server.url, "POST", "/_driver", json={"perSecond": 0})
    assert answer.status_code == 400
    assert "perSecond" in answer.text


@pytest.mark.parametrize("plan", ["pro", "free"])
def test_a_sync_after_it_finds_everything(server: Server, tmp_path: Path, plan: str) -> None:
    """Syncs run while documents change; the one after the last change has all of it."""
    server.settle(plan=plan, pageRows=3)
    with new_warehouses("sqlite", tmp_path) as new:
        warehouse = new()

        def sync(job: int) -> None:
            sink = warehouse.sink(run_id=f"run-{job}", rules=SwapRules(is_approved=True))
            try:
                run_sync(
                    plan=make_plan(job_id=f"job-{job}", scopes=("*",)),
                    source=server.connect(tmp_path / "work"),
                    sink=sink,
                    run_log=FakeRunLog(),
                    budget_seconds=600,
                )
            finally:
                sink.close()

        until, job, seed = time.monotonic() + LONG, 0, 0
        while not job and time.monotonic() < until:  # on a slow machine it may end too soon
            seed += 1
            driver(server, "POST", seed=seed, perSecond=1_000, count=300)
            while driver(server, "GET")["running"] and time.monotonic() < until:
                job += 1
                sync(job)
            assert done(driver(server, "DELETE")) == 300
        sync(job + 1)
        assert job > 0
        assert differences(warehouse, server) == []
