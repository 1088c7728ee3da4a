"""A warehouse that holds something else than was written makes a job partial; the API says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from functions import schemas
from shared.domain.checkpoints import SavedCheckpoint
from shared.domain.jobs import JobStatus
from shared.domain.reconciliation import TableCheck
from shared.engine.sync import run_sync
from shared.ports.sink import FinishResult
from tests.factories import make_plan
from tests.fakes import FakeRunLog, FakeSink, FakeSource, FakeStore
from tests.world import World, world

__all__ = ["world"]

_GOOD = TableCheck(
    stream="deals", table="deals", rows=4, rows_due=4, has_checksum=True, read_back=4
)


class _CheckingSink(FakeSink):
    """Tells of two tables that were compared."""

    other = _GOOD

    def finish(self, scope: str, saved: SavedCheckpoint, totals: Mapping[str, int]) -> FinishResult:
        finished = super().finish(scope, saved, totals)
        return replace(finished, checks=(_GOOD, self.other))


@pytest.mark.parametrize(
    ("other", "status", "said"),
    [
        (_GOOD, JobStatus.SUCCESS, None),
        (replace(_GOOD, rows=3), JobStatus.PARTIAL, "3 rows where 4"),
        (replace(_GOOD, has_checksum=False), JobStatus.PARTIAL, "sum of their hashes"),
        (replace(_GOOD, differing=1), JobStatus.PARTIAL, "1 of 4 rows"),
        (replace(_GOOD, rows=3, is_refused=True), JobStatus.PARTIAL, "Nothing of this load"),
        (replace(_GOOD, has_checksum=False, is_refused=True), JobStatus.PARTIAL, "stays as it was"),
    ],
    ids=["equal", "count", "checksum", "sample", "refused for count", "refused for checksum"],
)
def test_a_table_that_differs_makes_the_job_partial(
    world: World, other: TableCheck, status: JobStatus, said: str | None
) -> None:
    """Count, checksum and sample each count; job and log name the table."""
    job = world.add_job()

    def make_sink(request: object) -> FakeSink:
        del request
        sink = _CheckingSink(world.store, run_id=world.job(job.id).run_id)
        sink.other = other
        return sink

    world.make_sink = make_sink
    world.run(job)

    log = world.log(job.id)
    scopes = len(world.store.saved)
    assert world.job(job.id).status is status
    assert log.success is (status is JobStatus.SUCCESS)
    told = schemas.Job.of(world.job(job.id), log).reconciliation
    assert told is not None
    assert (told.tables_checked, told.rows_read_back) == (2 * scopes, 8 * scopes)
    assert told == schemas.Log.of(log).reconciliation
    assert [said in mismatch.message for mismatch in told.mismatches if said] == [True] * (
        0 if said is None else scopes
    )


def test_a_job_without_a_warehouse_tells_nothing(world: World) -> None:
    """Where nothing was compared, nothing is said to be equal."""
    job = world.add_job()
    world.run(job)
    assert schemas.Job.of(world.job(job.id), world.log(job.id)).reconciliation is None


def test_a_void_load_leaves_no_watermark() -> None:
    """After a load that was not taken over an incremental sync has nothing to go on from."""

    class VoidSink(FakeSink):
        def finish(
            self, scope: str, saved: SavedCheckpoint, totals: Mapping[str, int]
        ) -> FinishResult:
            return replace(super().finish(scope, saved, totals), is_void=True)

    def left_by(kind: type[FakeSink]) -> bool:
        return run_sync(
            plan=make_plan(),
            source=FakeSource(3),
            sink=kind(FakeStore()),
            run_log=FakeRunLog(),
            budget_seconds=600,
        ).leaves_watermark

    assert left_by(FakeSink)
    assert not left_by(VoidSink)
