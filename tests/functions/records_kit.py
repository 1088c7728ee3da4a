"""Rows about single records, put where the routes find them."""

from __future__ import annotations

from typing import Any

from functions.bootstrap import App
from shared.domain.breakers import CircuitState
from shared.domain.changes import RecordProblem
from shared.domain.ids import new_id
from shared.domain.paging import ListQuery
from tests.factories import NOW
from tests.store_kit import make_breaker, make_conflict, make_entry, make_link


def add_record(app: App, job_id: str, *, key: str = "1") -> str:
    """Return the id of a new record with a problem in the job's log."""
    with app.open_uow() as uow:
        log = uow.logs.find_by_job(job_id)
        assert log is not None
        problem = RecordProblem(stream="deals", key=key, message="too long")
        uow.logs.add_records(log.id, [problem], cap=100, now=NOW)
        part = uow.logs.list_records_page(log.id, ListQuery(limit=200))
        uow.commit()
    return next(record.id for record in part.items if record.external_id == key)


def add_entry(app: App, job_id: str) -> None:
    """Note in the job's journal that it wrote a record."""
    with app.open_uow() as uow:
        uow.journal.add([make_entry(job_id, uow.journal.next_sequence(job_id))])
        uow.commit()


def add_conflict(app: App, instance_id: str, **values: Any) -> str:
    """Return the id of a new open conflict of a record of its own."""
    with app.open_uow() as uow:
        instance = uow.instances.get(instance_id, profile_id=None)
        link = make_link(instance_id, new_id())
        uow.links.save_many([link])
        conflict = make_conflict(instance, link.id, **values)
        uow.conflicts.record([conflict], now=conflict.updated_at)
        uow.commit()
    return conflict.id


def add_breaker(app: App, **values: Any) -> str:
    """Return the id of a new breaker that has opened."""
    breaker = make_breaker(**{"account": new_id(), "state": CircuitState.OPEN, **values})
    with app.open_uow() as uow:
        uow.breakers.add(breaker)
        uow.commit()
    return breaker.id
