from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from shared.domain.audit import AuditEvent
from shared.domain.ids import new_id
from shared.domain.jobs import DeadLetter, DeadLetterState
from shared.domain.paging import ListQuery
from shared.errors import InvalidInputError, NotFoundError
from shared.store.database import Database
from shared.store.tables import audit_events, table_generations
from tests.factories import NOW
from tests.store_kit import LATER, seed_instance, seed_job


def make_letter(**values: Any) -> DeadLetter:
    defaults: dict[str, Any] = {
        "id": new_id(),
        "job_id": "",
        "attempt": 0,
        "body_hash": "",
        "queue": "sync-manual",
        "body": "{}",
        "error_class": "transient",
        "error": "busy",
        "state": DeadLetterState.OPEN,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return DeadLetter(**{**defaults, **values})


def test_a_copied_poison_message_is_one_letter(database: Database) -> None:
    """Same job and attempt: the first one's id and state stay, the newest error counts."""
    letter = make_letter(job_id=seed_job(database).id, attempt=1)
    with database.open_uow() as uow:
        assert uow.dead_letters.upsert(letter) == letter
        uow.dead_letters.set_state(letter.id, DeadLetterState.REPLAYED, now=LATER)
        copy = replace(letter, id=new_id(), error="still busy", updated_at=LATER)
        stored = uow.dead_letters.upsert(copy)
        assert stored == replace(
            letter, error="still busy", state=DeadLetterState.REPLAYED, updated_at=LATER
        )
        assert uow.dead_letters.get(letter.id) == stored
        another = uow.dead_letters.upsert(replace(letter, id=new_id(), attempt=2))
        assert another.id != letter.id


def test_unreadable_messages_are_told_apart_by_their_bodies(database: Database) -> None:
    """A hash of the body stands for the job nobody can name."""
    with database.open_uow() as uow:
        ids = {
            uow.dead_letters.upsert(make_letter(body_hash=body_hash)).id
            for body_hash in ("a", "b", "a")
        }
    assert len(ids) == 2


def test_letters_are_listed_by_state_and_provider(database: Database) -> None:
    """The provider is the job's; a filter that does not exist is refused."""
    job = seed_job(database, seed_instance(database, provider="hubspot"))
    of_job, of_nobody = make_letter(job_id=job.id), make_letter(body_hash="a")
    with database.open_uow() as uow:
        uow.dead_letters.upsert(of_job)
        uow.dead_letters.upsert(of_nobody)
        uow.dead_letters.set_state(of_nobody.id, DeadLetterState.DISCARDED, now=NOW)
        by_provider = uow.dead_letters.list_page(ListQuery(provider="hubspot")).items
        by_state = uow.dead_letters.list_page(ListQuery(status="discarded")).items
        assert [letter.id for letter in by_provider] == [of_job.id]
        assert [letter.id for letter in by_state] == [of_nobody.id]
        with pytest.raises(InvalidInputError, match="open, replayed, discarded"):
            uow.dead_letters.list_page(ListQuery(status="gone"))


def test_an_unknown_letter_is_not_found(database: Database) -> None:
    """Neither read nor settled."""
    with database.open_uow() as uow:
        with pytest.raises(NotFoundError):
            uow.dead_letters.get("none")
        with pytest.raises(NotFoundError):
            uow.dead_letters.set_state("none", DeadLetterState.OPEN, now=NOW)


def test_an_audit_event_is_stored(database: Database) -> None:
    """Who did what, from where, before and after."""
    event = AuditEvent(
        id=new_id(),
        actor="https://issuer.test|ada",
        profile_id="p",
        action="instance.delete",
        target="i-1",
        before={"name": "Fake"},
        ip="2001:db8::1, 10.0.0.1",
        occurred_at=NOW,
    )
    with database.open_uow() as uow:
        uow.audit.add(event)
        uow.commit()
    with database.engine.connect() as connection:
        row = connection.execute(select(audit_events)).mappings().one()
    assert {name: row[name] for name in event.__dataclass_fields__} == {
        name: getattr(event, name) for name in event.__dataclass_fields__
    }


def test_a_generation_is_noted_once(database: Database) -> None:
    """A crash between the swap and its note repeats the note."""
    job = seed_job(database)
    with database.open_uow() as uow:
        for count in (10, 11):
            uow.generations.add("", "dbo.flights", 3, count, job.id, now=NOW)
        uow.generations.add("", "dbo.flights", 4, 12, job.id, now=NOW)
        uow.commit()
    with database.engine.connect() as connection:
        rows = connection.execute(
            select(table_generations.c.generation, table_generations.c.row_count)
        ).all()
    assert sorted(tuple(row) for row in rows) == [(3, 10), (4, 12)]
