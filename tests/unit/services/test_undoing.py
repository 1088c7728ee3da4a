"""Undo where a warehouse keeps generations, and where nothing is kept at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from shared.domain.changes import RecordProblem
from shared.domain.jobs import Job, JobStatus
from shared.domain.paging import ListQuery
from shared.domain.providers import SinkKind
from shared.errors import ConflictError, PermanentError, TransientError
from shared.ports.sink import RestoreResult, TableLoad
from shared.services.dead_letters import take_poison
from shared.services.reruns import request_undo
from shared.services.runs import SinkRequest
from tests.fakes import FakeSink
from tests.store_kit import make_spec
from tests.world import World, world

__all__ = ["world"]

LOAD = TableLoad(table="flights", generation=1, row_count=4)


@dataclass
class Warehouse:
    """What a warehouse was asked to give back."""

    restored: list[tuple[str, str]] = field(default_factory=list)
    error: Exception | None = None

    def open(self, world: World, request: SinkRequest) -> FakeSink:
        run_id = request.job.run_id
        return _Generations(world.store, run_id=run_id, loads=[LOAD], warehouse=self)


class _Generations(FakeSink):
    def __init__(self, *args: Any, warehouse: Warehouse, **values: Any) -> None:
        super().__init__(*args, **values)
        self._warehouse = warehouse

    def restore_generations(self, target_job_id: str, *, undo_job_id: str) -> RestoreResult:
        self._warehouse.restored.append((target_job_id, undo_job_id))
        if self._warehouse.error is not None:
            raise self._warehouse.error
        text = "Table deals is generation 1 again, of 4 rows."
        told = RecordProblem(stream="deals", key="", message=text, severity="info")
        return RestoreResult(loads=[LOAD], problems=[told])


@pytest.fixture
def warehouse(world: World) -> Warehouse:
    made = Warehouse()
    world.spec = make_spec(sink=SinkKind.WAREHOUSE, single_scope=True)
    world.make_sink = partial(made.open, world)
    return made


def loaded(world: World, instance_id: str | None = None) -> Job:
    """Return a sync that is over and replaced tables."""
    world.clock.move(minutes=1)
    moment = world.clock()
    owner = None if instance_id is None else world.instance(instance_id)
    job = world.add_job(owner, created_at=moment, updated_at=moment)
    world.run(job)
    assert world.job(job.id).status is JobStatus.SUCCESS
    return job


def undo(world: World, job: Job) -> Job:
    queued = request_undo(
        job.id,
        caller=world.caller,
        open_uow=world.database.open_uow,
        queue=world.queue,
        now=world.clock,
    )
    world.run(queued)
    return world.job(queued.id)


def add_load(world: World, job: Job, generation: int) -> None:
    with world.database.open_uow() as uow:
        uow.generations.add("", "flights", generation, 4, job.id, now=world.clock())
        uow.commit()


def test_a_load_is_taken_back_by_its_warehouse(world: World, warehouse: Warehouse) -> None:
    """It is asked for the generation before that job's, and the log tells what is live now."""
    target = loaded(world)
    done = undo(world, target)
    assert done.status is JobStatus.SUCCESS
    assert warehouse.restored == [(target.id, done.id)]
    log = world.log(done.id)
    assert (log.operation, log.success) == ("undo", True)
    with world.database.open_uow(read_only=True) as uow:
        [told] = uow.logs.list_records_page(log.id, ListQuery()).items
    assert (told.severity, told.error) == ("info", "Table deals is generation 1 again, of 4 rows.")


def test_a_load_taken_back_is_not_taken_back_again(world: World, warehouse: Warehouse) -> None:
    """Then the one before it is the newest: the warehouse says whether it still has it."""
    first = loaded(world)
    second = loaded(world, first.instance_id)
    add_load(world, second, 2)
    with pytest.raises(ConflictError, match="later sync"):
        undo(world, first)
    undo(world, second)
    with pytest.raises(ConflictError, match="taken back already"):
        undo(world, second)
    undo(world, first)
    assert [target for target, _ in warehouse.restored] == [second.id, first.id]


def test_an_undo_the_warehouse_refuses_fails_and_can_be_asked_for_again(
    world: World, warehouse: Warehouse
) -> None:
    """The reason is the job's; the instance is as well as before."""
    target = loaded(world)
    warehouse.error = PermanentError("The generation before was not kept.")
    failed = undo(world, target)
    assert (failed.status, failed.error_message) == (
        JobStatus.FAILED,
        "The generation before was not kept.",
    )
    assert world.instance(target.instance_id).status_reason == ""
    warehouse.error = None
    assert undo(world, target).status is JobStatus.SUCCESS


def test_an_undo_of_a_busy_warehouse_is_tried_again(world: World, warehouse: Warehouse) -> None:
    """As any job; given up, it breaks no instance."""
    target = loaded(world)
    warehouse.error = TransientError("busy")
    with pytest.raises(TransientError):
        undo(world, target)
    with world.database.open_uow(read_only=True) as uow:
        job = uow.jobs.find_open(target.instance_id)
    assert job is not None
    take_poison(
        f'{{"v":1,"jobId":"{job.id}"}}'.encode(),
        queue_name="sync-manual",
        redrive_delays=(),
        open_uow=world.database.open_uow,
        queue=world.queue,
        now=world.clock,
    )
    assert world.job(job.id).status is JobStatus.FAILED
    assert world.instance(target.instance_id).status_reason == ""


@pytest.mark.parametrize("kind", SinkKind)
def test_a_sink_that_keeps_nothing_cannot_take_back(world: World, kind: SinkKind) -> None:
    """The job fails and says so."""
    world.spec = make_spec(sink=kind, single_scope=True)
    target = loaded(world)
    add_load(world, target, 1)
    failed = undo(world, target)
    assert failed.status is JobStatus.FAILED
    assert failed.error_class == "permanent"
