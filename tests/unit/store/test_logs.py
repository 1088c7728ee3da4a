from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.changes import RecordProblem
from shared.domain.checkpoints import Mode
from shared.domain.jobs import SyncLog
from shared.domain.paging import ListQuery
from shared.domain.tallies import Tally
from shared.errors import NotFoundError
from shared.store.database import Database
from tests.factories import NOW, make_job
from tests.store_kit import LATER, make_log, seed_instance, seed_job

TALLY = Tally(success=5, warning=2, error=1, unchanged=3, deleted=1)


def seed_log(database: Database) -> SyncLog:
    log = make_log(seed_job(database))
    with database.open_uow() as uow:
        uow.logs.start(log)
        uow.commit()
    return log


def problems(count: int, *, start: int = 0) -> list[RecordProblem]:
    return [
        RecordProblem(stream="deals", key=str(n), field="amount", message=f"bad {n}")
        for n in range(start, start + count)
    ]


def test_a_log_comes_back_as_it_was(database: Database) -> None:
    """By id and by its job, for its own profile only."""
    instance = seed_instance(database)
    log = make_log(seed_job(database, instance), tally=TALLY, mode=Mode.FULL)
    with database.open_uow() as uow:
        uow.logs.start(log)
        assert uow.logs.get(log.id, profile_id=instance.profile_id) == log
        assert uow.logs.find_by_job(log.job_id) == log
        assert uow.logs.find_by_job("none") is None
        with pytest.raises(NotFoundError):
            uow.logs.get(log.id, profile_id="another")


def test_a_job_has_one_log_however_often_it_starts(database: Database) -> None:
    """The second run goes on with the first one's."""
    log = seed_log(database)
    with database.open_uow() as uow:
        uow.logs.start(make_log(make_job(id=log.job_id, instance_id=log.instance_id)))
        uow.commit()
        assert uow.logs.find_by_job(log.job_id) == log


def test_no_log_without_a_job(database: Database) -> None:
    """A log always tells of a job."""
    with pytest.raises(NotFoundError), database.open_uow() as uow:
        uow.logs.start(make_log(make_job()))


def test_progress_and_end_are_told_in_the_log(database: Database) -> None:
    """Counts come with the pages, the verdict with the end."""
    log = seed_log(database)
    with database.open_uow() as uow:
        uow.logs.set_mode(log.job_id, Mode.FULL, now=LATER)
        uow.logs.set_progress(log.job_id, TALLY, duration_ms=1234, now=LATER)
        uow.commit()
    with database.open_uow() as uow:
        seen = uow.logs.get(log.id)
        uow.logs.finish(
            log.job_id,
            status="partial",
            success=True,
            error_message="1 of 8",
            error_stack_trace="at line 1",
            duration_ms=2000,
            now=LATER,
        )
        uow.commit()
        ended = uow.logs.get(log.id)
    assert (seen.tally, seen.duration_ms, seen.mode) == (TALLY, 1234, Mode.FULL)
    assert ended == replace(
        seen,
        status="partial",
        success=True,
        error_message="1 of 8",
        error_stack_trace="at line 1",
        duration_ms=2000,
    )


def test_the_same_problem_twice_is_one_row(database: Database) -> None:
    """A repeated page adds nothing; another field of the record does."""
    log = seed_log(database)
    other = replace(problems(1)[0], field="name", severity="warning")
    with database.open_uow() as uow:
        uow.logs.add_records(log.id, problems(3), cap=10, now=NOW)
        uow.logs.add_records(log.id, [*problems(3), *problems(1), other], cap=10, now=LATER)
        uow.logs.add_records(log.id, [], cap=10, now=LATER)
        uow.commit()
        page = uow.logs.list_records_page(log.id, ListQuery())
        warnings = uow.logs.list_records_page(log.id, ListQuery(status="warning"))
    assert sorted(record.external_id for record in page.items) == ["0", "0", "1", "2"]
    assert [record.field for record in warnings.items] == ["name"]
    second = next(record for record in page.items if record.external_id == "1")
    assert (second.stream, second.error, second.severity) == ("deals", "bad 1", "error")


def test_beyond_the_cap_problems_are_only_counted(database: Database) -> None:
    """The log says how many it does not show."""
    log = seed_log(database)
    with database.open_uow() as uow:
        uow.logs.add_records(log.id, problems(4), cap=5, now=NOW)
        uow.logs.add_records(log.id, problems(4, start=4), cap=5, now=NOW)
        uow.commit()
        assert len(uow.logs.list_records_page(log.id, ListQuery()).items) == 5
        assert uow.logs.get(log.id).records_capped == 3


def test_any_external_id_can_be_complained_of(database: Database) -> None:
    """Ids that are too strange to sync are the very ones the log must name."""
    log = seed_log(database)
    strange = [
        RecordProblem(stream="deals", key=key, message="bad id")
        for key in ("", "a ", "a", "x" * 5000, "x" * 5001, "\ud800")
    ]
    with database.open_uow() as uow:
        uow.logs.add_records(log.id, strange, cap=99, now=NOW)
        uow.commit()
        assert len(uow.logs.list_records_page(log.id, ListQuery()).items) == len(strange)


def test_old_records_are_pruned_oldest_first(database: Database) -> None:
    """At most as many as asked; newer ones stay."""
    log = seed_log(database)
    with database.open_uow() as uow:
        for minute in range(4):
            at = NOW + timedelta(minutes=minute)
            uow.logs.add_records(log.id, problems(1, start=minute), cap=9, now=at)
        before = NOW + timedelta(minutes=3)
        assert uow.logs.prune_records(before, limit=2) == 2
        left = uow.logs.list_records_page(log.id, ListQuery()).items
        assert [record.external_id for record in left] == ["3", "2"]
        assert uow.logs.prune_records(before, limit=2) == 1
        assert uow.logs.prune_records(before, limit=2) == 0
