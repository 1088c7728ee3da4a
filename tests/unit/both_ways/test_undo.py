"""Taking back a sync that went both ways: LinkHub is as before, nothing happens at the provider."""

from __future__ import annotations

import pytest

from shared.domain.ids import new_id
from shared.domain.jobs import Job, JobKind, JobStatus
from shared.domain.paging import ListQuery
from shared.errors import PermanentError
from tests.both_ways_kit import BothWays


def newest(pair: BothWays) -> str:
    with pair.world.database.open_uow(read_only=True) as uow:
        found = uow.journal.find_last_job(pair.instance.id)
    assert found is not None
    return found


def undo(pair: BothWays) -> Job:
    """Take the newest sync that wrote to LinkHub back."""
    job = pair.world.add_job(
        pair.instance, id=new_id(), kind=JobKind.UNDO, target_job_id=newest(pair)
    )
    pair.sync(job)
    done = pair.world.job(job.id)
    assert done.status is JobStatus.SUCCESS
    return done


def test_imported_changes_go_back_and_exported_ones_stay_where_they_are(pair: BothWays) -> None:
    """Planner keeps what people see there; the next sync brings both sides in step again."""
    first, second = pair.add_task("Roof"), pair.add_task("Wall")
    pair.sync()
    pair.graph.edit(first, title="Roof II")
    pair.edit_record("Wall", name="Wall II")
    pair.sync()
    assert set(pair.tasks()) == {"Roof II", "Wall II"}
    undo(pair)
    assert set(pair.records()) == {"Roof", "Wall II"}
    assert set(pair.tasks()) == {"Roof II", "Wall II"}
    pair.sync()
    assert set(pair.records()) == {"Roof II", "Wall II"}
    assert pair.graph.task(second)["title"] == "Wall II"
    pair.assert_in_step()
    pair.assert_quiet()


def test_values_that_came_back_with_an_export_go_back_too(pair: BothWays) -> None:
    """Planner made 100 % of a finished task, and the export wrote that to LinkHub."""
    pair.add_task("Roof")
    pair.sync()
    pair.edit_record("Roof", status="FINISHED")
    before = dict(pair.records()["Roof"].fields)
    pair.sync()
    assert pair.records()["Roof"].fields["progress"] == 100
    undo(pair)
    assert pair.records()["Roof"].fields == before
    pair.sync()
    pair.assert_in_step()
    pair.assert_quiet()


def test_a_record_people_made_in_linkhub_is_never_deleted(pair: BothWays) -> None:
    """It got its name by the sync; it is theirs all the same, and so is its task."""
    pair.add_task("Roof")
    pair.sync()
    pair.add_record("Solar")
    pair.graph.edit(pair.tasks()["Roof"]["id"], title="Roof II")
    pair.sync()
    undo(pair)
    assert set(pair.records()) == {"Roof", "Solar"}
    assert set(pair.tasks()) == {"Roof II", "Solar"}
    pair.sync()
    pair.assert_in_step()
    pair.assert_quiet()


def test_imported_records_and_deletes_go_back_without_touching_planner(pair: BothWays) -> None:
    """What an undo takes away in LinkHub is not deleted in Planner, and what it brings back is
    not made there again.
    """
    pair.add_task("Roof")
    gone = pair.add_task("Gone")
    pair.sync()
    pair.add_task("New")
    pair.remove_task(gone)
    pair.sync()
    assert set(pair.records()) == {"Roof", "New"}
    undo(pair)
    assert set(pair.records()) == {"Roof", "Gone"}
    assert set(pair.tasks()) == {"Roof", "New"}
    pair.sync()
    assert set(pair.tasks()) == {"Roof", "New"}
    pair.assert_in_step()
    pair.assert_quiet()


def test_a_job_that_fails_in_its_export_takes_its_import_back(
    pair: BothWays, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LinkHub is as before the job; once mended, the next one does both ways."""
    first = pair.add_task("Roof")
    pair.sync()
    pair.graph.edit(first, title="Roof II")
    pair.add_record("Solar")

    def broken(*_: object, **__: object) -> None:
        raise PermanentError("broken")

    with monkeypatch.context() as patch:
        patch.setattr("shared.sinks.provider.sink.write_to_linkhub", broken)
        job = pair.world.add_job(pair.instance)
        pair.sync(job)
    failed = pair.world.job(job.id)
    assert failed.status is JobStatus.FAILED
    assert failed.error_message.endswith("was taken back.")
    assert "Roof" in pair.records()
    pair.sync()
    pair.assert_in_step()
    pair.assert_quiet()


def test_the_log_says_that_the_provider_keeps_what_it_has(
    pair: BothWays, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, in the log of an undo and in that of a job that took its own writes back."""

    def notes(job: Job) -> list[str]:
        with pair.world.database.open_uow(read_only=True) as uow:
            page = uow.logs.list_records_page(pair.world.log(job.id).id, ListQuery())
        return [each.error for each in page.items if not each.external_id]

    id_ = pair.add_task("Roof")
    pair.sync()
    [told] = notes(undo(pair))
    assert "what the sync wrote to the provider stays there" in told
    pair.graph.edit(id_, title="Roof II")

    def broken(*_: object, **__: object) -> None:
        raise PermanentError("broken")

    monkeypatch.setattr("shared.sinks.provider.sink.write_to_linkhub", broken)
    pair.add_record("Solar")
    job = pair.world.add_job(pair.instance)
    pair.sync(job)
    assert told in notes(pair.world.job(job.id))
