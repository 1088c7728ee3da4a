"""Which reads of a deployment the next one goes on from, and for how long."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.convex import PROVIDER
from local.sandbox.convex.sync import LIFETIME
from shared.engine.sync import run_sync
from tests.convex_kit import Server
from tests.factories import make_plan
from tests.fakes import FakeRunLog, FakeSink, FakeStore


@pytest.mark.parametrize("plan", ["pro", "free"])
def test_only_data_syncs_leave_a_watermark(server: Server, work_dir: Path, plan: str) -> None:
    """There is nothing to be kept alive after a snapshot export."""
    server.settle(plan=plan)
    outcome = run_sync(
        plan=make_plan(scopes=("*",)),
        source=server.connect(work_dir),
        sink=FakeSink(FakeStore()),
        run_log=FakeRunLog(),
        budget_seconds=600,
    )
    assert outcome.leaves_watermark == (plan == "pro")


def test_the_provider_says_how_long_cursors_last() -> None:
    """As long as Convex says."""
    assert PROVIDER.keeps_for is not None
    assert PROVIDER.keeps_for.total_seconds() == LIFETIME
