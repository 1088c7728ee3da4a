"""Exports that fail, wait, are stopped, or would delete too much."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from shared.domain.jobs import JobStatus
from shared.domain.tallies import Tally
from shared.errors import TransientError
from shared.services.runs import run_job
from tests.both_ways_kit import BothWays, both_ways
from tests.sandbox_kit import Running


def test_what_planner_rejects_is_tried_again(pair: BothWays) -> None:
    """The record is an error and names itself; the next job sends it though nobody touched it."""
    pair.add_record("Solar")
    pair.graph.fault("quota", count=1)
    log = pair.sync()
    assert (log.status, log.tally) == ("partial", Tally(error=1))
    assert not pair.tasks()
    assert pair.sync().tally == Tally(success=1)
    pair.assert_in_step()
    pair.assert_quiet()


def test_a_rejected_edit_is_not_forgotten(pair: BothWays) -> None:
    """Neither base moves for it, so the next job finds the same edit."""
    pair.add_task("Roof")
    pair.sync()
    pair.edit_record("Roof", end_date="2026-01-01", start_date="2026-02-01")
    log = pair.sync()
    assert log.tally.error == 1, "it would be due before it starts"
    pair.edit_record("Roof", end_date="2026-12-24")
    pair.sync()
    assert pair.tasks()["Roof"]["startDateTime"][:10] == "2026-02-01"
    pair.assert_quiet()


def test_a_record_that_was_rejected_and_is_deleted_then_is_forgotten(pair: BothWays) -> None:
    """What LinkHub has no more is not tried again."""
    id_ = pair.add_record("Solar")
    pair.graph.fault("quota", count=1)
    pair.sync()
    pair.edit(delete=[id_])
    assert pair.sync().tally == Tally()
    assert not pair.tasks()


def test_a_lost_answer_creates_nothing_twice(pair: BothWays) -> None:
    """The task was made and nobody was told: it is found again within the same call."""
    left = [1]

    def lose(request: httpx.Request) -> bool:
        if request.method == "POST" and request.url.path.endswith("/planner/tasks") and left[0]:
            left[0] -= 1
            return True
        return False

    pair.graph.lose = lose
    pair.add_record("Solar")
    pair.sync()
    assert not left[0]
    assert len(pair.graph.tasks(pair.plan)) == 1
    pair.assert_in_step()


def test_records_of_other_sources_are_left_alone(pair: BothWays) -> None:
    """What another instance brought to LinkHub is not exported by this one."""
    with pair.running.linkhub(pair.instance.profile_id) as linkhub:
        fields = {"name": "Theirs", "status": "LATE"}
        body = {"source": "other", "inputs": [{"externalKey": "deals/1", "fields": fields}]}
        linkhub.post("/v1/initiatives/batch/upsert", json=body).raise_for_status()
    assert pair.sync().tally == Tally()
    assert not pair.tasks()


def test_many_deletes_ask_first(tmp_path: Path, sandbox: Running) -> None:
    """Nothing of the page is sent until a person approves; then the job goes on from there."""
    with both_ways(tmp_path, sandbox, percent=10) as pair:
        for number in range(8):
            pair.add_task(f"Task {number}")
        pair.sync()
        pair.edit(delete=[record.id for record in pair.records().values()][:6])
        job = pair.world.add_job(pair.instance)
        pair.sync(job)
        assert pair.world.job(job.id).status is JobStatus.WAITING_APPROVAL
        assert len(pair.tasks()) == 8
        with pair.world.database.open_uow() as uow:
            uow.jobs.approve(job.id, now=pair.world.clock())
            uow.commit()
        log = pair.sync(job)
        assert (log.status, log.tally.deleted) == ("success", 6)
        assert len(pair.tasks()) == 2
        pair.assert_quiet()


def test_the_deletes_of_both_sides_count_together(tmp_path: Path, sandbox: Running) -> None:
    """A fifth on each side is nothing by itself; the two together are asked about."""
    with both_ways(tmp_path, sandbox, percent=25) as pair:
        for number in range(20):
            pair.add_task(f"Task {number}")
        pair.sync()
        tasks, records = pair.tasks(), pair.records()
        for number in range(4):
            pair.remove_task(tasks[f"Task {number}"]["id"])
        pair.edit(delete=[records[f"Task {number}"].id for number in range(4, 8)])
        job = pair.world.add_job(pair.instance)
        log = pair.sync(job)
        assert pair.world.job(job.id).status is JobStatus.WAITING_APPROVAL
        assert "8 of 20 records" in log.error_message
        assert len(pair.tasks()) == 16
        with pair.world.database.open_uow() as uow:
            uow.jobs.approve(job.id, now=pair.world.clock())
            uow.commit()
        assert pair.sync(job).tally.deleted == 8
        assert len(pair.tasks()) == 12
        pair.assert_in_step()


def test_a_job_out_of_time_goes_on_where_it_stopped(pair: BothWays) -> None:
    """Import and export each stop between pages; at the end the counts of both are there."""
    pair.add_task("Roof")
    pair.add_record("Solar")
    job = pair.world.add_job(pair.instance)
    for _ in range(4):
        ports = pair.ports()
        run_job(job.id, ports=replace(ports, limits=replace(ports.limits, budget_seconds=0)))
    assert pair.world.job(job.id).status is JobStatus.SUCCESS
    assert pair.world.log(job.id).tally == Tally(success=2)
    pair.assert_in_step()


def test_a_transient_failure_of_the_export_keeps_the_import(pair: BothWays) -> None:
    """The message comes again, and only the export is left to do."""
    pair.add_task("Roof")
    pair.add_record("Solar")
    job = pair.world.add_job(pair.instance)

    def refuse(request: httpx.Request) -> None:
        if request.method == "POST" and request.url.path.endswith("/planner/tasks"):
            raise httpx.ConnectError("no route", request=request)

    pair.graph.meddle = refuse
    with pytest.raises(TransientError):
        pair.sync(job)
    assert set(pair.records()) == {"Roof", "Solar"}
    pair.graph.meddle = lambda _request: None
    log = pair.sync(job)
    assert (log.status, log.tally) == ("success", Tally(success=2))
    pair.assert_in_step()
    pair.assert_quiet()
