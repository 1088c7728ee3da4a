"""One record brought again where the instance exports: the ways the instance goes."""

from __future__ import annotations

from pathlib import Path

from shared.domain.ids import new_id
from shared.domain.jobs import Job, JobStatus, JobTrigger, LogRecord
from shared.domain.paging import ListQuery
from shared.domain.providers import Direction
from shared.domain.tallies import Tally
from tests.both_ways_kit import INITIATIVES, BothWays, both_ways
from tests.sandbox_kit import Running


def problem(pair: BothWays) -> LogRecord:
    """Sync and return the log's record of what went wrong."""
    job = pair.world.add_job(pair.instance)
    log = pair.sync(job)
    with pair.world.database.open_uow(read_only=True) as uow:
        (record,) = uow.logs.list_records_page(log.id, ListQuery()).items
    return record


def replay(pair: BothWays, record: LogRecord) -> Job:
    job = pair.world.add_job(
        pair.instance, id=new_id(), trigger=JobTrigger.REPLAY, target_record_id=record.id
    )
    pair.sync(job)
    return pair.world.job(job.id)


def is_resolved(pair: BothWays, record: LogRecord) -> bool:
    with pair.world.database.open_uow(read_only=True) as uow:
        return uow.logs.get_record(record.id).resolved_at is not None


def export_stands(pair: BothWays) -> dict[str, object]:
    """Return where the export's read of changes is."""
    with pair.world.database.open_uow(read_only=True) as uow:
        data = uow.checkpoints.get(pair.instance.id, INITIATIVES, Direction.EXPORT) or {}
    return {name: value for name, value in data.items() if name != "retry"}


def test_an_export_only_instance_exports_a_native_record(tmp_path: Path, sandbox: Running) -> None:
    """Its entry names LinkHub's id, since the provider has none; nothing is imported for it."""
    with both_ways(tmp_path, sandbox, direction=Direction.EXPORT) as pair:
        pair.add_task("Theirs")
        id_ = pair.add_record("Solar")
        pair.add_record("Wall")
        pair.graph.fault("quota", count=1)
        record = problem(pair)
        assert record.external_id == id_
        before = export_stands(pair)
        done = replay(pair, record)
        assert (done.status, pair.world.log(done.id).tally) == (JobStatus.SUCCESS, Tally(success=1))
        assert set(pair.tasks()) == {"Theirs", "Solar", "Wall"}
        assert set(pair.records()) == {"Solar", "Wall"}
        assert is_resolved(pair, record)
        assert export_stands(pair) == before
        pair.assert_quiet()


def test_an_export_only_instance_exports_a_linked_record(tmp_path: Path, sandbox: Running) -> None:
    """Its entry names the task: LinkHub's value reaches it, and not the other way round."""
    with both_ways(tmp_path, sandbox, direction=Direction.EXPORT) as pair:
        pair.add_record("Solar")
        pair.sync()
        pair.edit_record("Solar", end_date="2026-01-01", start_date="2026-02-01")
        record = problem(pair)
        id_ = pair.tasks()["Solar"]["id"]
        assert record.external_id == id_
        pair.graph.edit(id_, title="Edited there")
        pair.edit_record("Solar", end_date="2026-12-24")
        done = replay(pair, record)
        assert done.status is JobStatus.SUCCESS
        assert pair.graph.task(id_)["startDateTime"][:10] == "2026-02-01"
        assert set(pair.records()) == {"Solar"}
        assert is_resolved(pair, record)
        pair.assert_quiet()


def test_both_ways_merge_the_record_and_no_other(pair: BothWays) -> None:
    """What people changed on either side is on both; the records beside it wait for a sync."""
    id_, other = pair.add_task("Roof"), pair.add_task("Wall")
    pair.sync()
    pair.edit_record("Roof", end_date="2026-01-01", start_date="2026-02-01")
    record = problem(pair)
    pair.graph.edit(id_, title="Roof II")
    pair.graph.edit(other, title="Wall II")
    pair.edit_record("Roof", end_date="2026-12-24")
    done = replay(pair, record)
    assert done.status is JobStatus.SUCCESS
    assert set(pair.records()) == {"Roof II", "Wall"}
    assert pair.graph.task(id_)["startDateTime"][:10] == "2026-02-01"
    assert is_resolved(pair, record)
    pair.sync()
    pair.assert_in_step()
    pair.assert_quiet()


def test_a_record_that_fails_again_is_tried_again_by_the_next_sync(pair: BothWays) -> None:
    """It stays unresolved, and nothing is forgotten."""
    pair.add_record("Solar")
    pair.graph.fault("quota", count=1)
    record = problem(pair)
    pair.graph.fault("quota", count=1)
    done = replay(pair, record)
    assert done.status is JobStatus.PARTIAL
    assert not is_resolved(pair, record)
    pair.sync()
    pair.assert_in_step()
    pair.assert_quiet()
