from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from shared.domain.conflicts import Conflict, ConflictStatus
from shared.domain.ids import new_id
from shared.domain.instances import Instance
from shared.domain.paging import ListQuery
from shared.errors import ConflictError, InvalidInputError, NotFoundError
from shared.store.database import Database
from tests.store_kit import LATER, make_conflict, make_link, seed_instance

SETTLED = ConflictStatus.SETTLED_EXTERNAL


@pytest.fixture
def instance(database: Database) -> Instance:
    return seed_instance(database)


def linked(database: Database, instance: Instance, count: int = 1) -> Sequence[str]:
    """Return the ids of that many new links."""
    links = [make_link(instance.id, new_id()) for _ in range(count)]
    with database.open_uow() as uow:
        uow.links.save_many(links)
        uow.commit()
    return [link.id for link in links]


def record(database: Database, *conflicts: Conflict) -> None:
    with database.open_uow() as uow:
        uow.conflicts.record(conflicts, now=LATER)
        uow.commit()


def test_a_conflict_comes_back_as_it_was(database: Database, instance: Instance) -> None:
    """Its values are LinkHub's wire values, empty ones too."""
    [link_id] = linked(database, instance)
    whole = {"name": "Deal", "budget": None}
    conflicts = [
        make_conflict(instance, link_id, field=field, external_value=value, linkhub_value=None)
        for field, value in (("budget", "1.00"), ("progress", 7), ("", whole))
    ]
    record(database, *conflicts)
    with database.open_uow(read_only=True) as uow:
        found = [uow.conflicts.get(one.id) for one in conflicts]
        waiting = uow.conflicts.open_for(instance.id, [link_id])
        assert {one.id: one for one in waiting} == {one.id: one for one in found}
    assert found == [replace(one, updated_at=LATER) for one in conflicts]


def test_one_is_open_for_each_link_and_field(database: Database, instance: Instance) -> None:
    """Recorded again it gets the present values and stays the same conflict."""
    first, second = linked(database, instance, 2)
    old = make_conflict(instance, first)
    record(database, old)
    again = make_conflict(instance, first, external_value="99.00", base_value=None)
    other = make_conflict(instance, second)
    record(database, again, other)
    with database.open_uow(read_only=True) as uow:
        found = uow.conflicts.open_for(instance.id, [first, second])
    changed = replace(old, external_value="99.00", base_value=None)
    assert {one.id: replace(one, updated_at=old.updated_at) for one in found} == {
        old.id: changed,
        other.id: other,
    }


def test_of_two_with_one_name_in_one_call_the_last_counts(
    database: Database, instance: Instance
) -> None:
    """A page that brings a record twice records its conflict once."""
    [link_id] = linked(database, instance)
    one, two = (make_conflict(instance, link_id, linkhub_value=value) for value in ("1", "2"))
    record(database, one, two)
    with database.open_uow(read_only=True) as uow:
        [found] = uow.conflicts.open_for(instance.id, [link_id])
        assert list(uow.conflicts.list_open(instance.id, limit=5)) == [found]
    assert found.linkhub_value == "2"


def test_what_a_person_chose_waits_for_a_sync(database: Database, instance: Instance) -> None:
    """Settled, it is open no more, and stands among the choices until one is carried out."""
    [link_id] = linked(database, instance)
    conflict = make_conflict(instance, link_id)
    record(database, conflict)
    with database.open_uow() as uow:
        settled = uow.conflicts.settle(conflict.id, SETTLED, settled_by="ada", now=LATER)
        uow.commit()
        assert (settled.status, settled.settled_by, settled.settled_at) == (SETTLED, "ada", LATER)
        assert list(uow.conflicts.open_for(instance.id, [link_id])) == []
        assert list(uow.conflicts.list_open(instance.id, limit=5)) == []
        assert list(uow.conflicts.settled_for(instance.id, [link_id])) == [settled]
        assert list(uow.conflicts.list_settled(instance.id, limit=5)) == [settled]
        uow.conflicts.close([conflict.id], now=LATER)
        assert list(uow.conflicts.settled_for(instance.id, [link_id])) == []
        assert list(uow.conflicts.list_settled(instance.id, limit=5)) == []
        closed = uow.conflicts.get(conflict.id)
    assert (closed.status, closed.closed_at) == (SETTLED, LATER)


def test_a_field_can_be_in_conflict_again(database: Database, instance: Instance) -> None:
    """After the first was settled another one may be open beside it."""
    [link_id] = linked(database, instance)
    first, second = (make_conflict(instance, link_id) for _ in range(2))
    record(database, first)
    with database.open_uow() as uow:
        uow.conflicts.settle(first.id, SETTLED, settled_by="ada", now=LATER)
        uow.commit()
    record(database, second)
    with database.open_uow(read_only=True) as uow:
        assert [one.id for one in uow.conflicts.open_for(instance.id, [link_id])] == [second.id]


def test_a_conflict_nobody_needs_to_settle_becomes_obsolete(
    database: Database, instance: Instance
) -> None:
    """It is closed under its new status, and no choice is possible any more."""
    [link_id] = linked(database, instance)
    conflict = make_conflict(instance, link_id)
    record(database, conflict)
    with database.open_uow() as uow:
        uow.conflicts.close([conflict.id], ConflictStatus.OBSOLETE, now=LATER)
        uow.commit()
        with pytest.raises(ConflictError, match="not open"):
            uow.conflicts.settle(conflict.id, SETTLED, settled_by="ada", now=LATER)


def test_lists_are_narrowed_and_belong_to_a_profile(database: Database) -> None:
    """By status, provider and instance; another profile sees nothing."""
    one, two = seed_instance(database), seed_instance(database)
    ids = {}
    for instance in (one, two):
        [link_id] = linked(database, instance)
        conflict = make_conflict(instance, link_id)
        record(database, conflict)
        ids[instance.id] = conflict.id
    with database.open_uow(read_only=True) as uow:

        def listed(query: ListQuery, instance_id: str | None = None) -> list[str]:
            part = uow.conflicts.list_page(one.profile_id, query, instance_id=instance_id)
            return [conflict.id for conflict in part.items]

        assert listed(ListQuery()) == [ids[one.id]]
        assert listed(ListQuery(status="open")) == [ids[one.id]]
        assert listed(ListQuery(status="obsolete")) == []
        assert listed(ListQuery(provider="other")) == []
        assert listed(ListQuery(), two.id) == []
        with pytest.raises(InvalidInputError, match="settled_linkhub"):
            listed(ListQuery(status="lost"))
        with pytest.raises(NotFoundError):
            uow.conflicts.get(ids[one.id], profile_id=two.profile_id)


def test_links_are_found_by_their_own_ids(database: Database, instance: Instance) -> None:
    """Those that exist, whichever instance they are of."""
    first, second = linked(database, instance, 2)
    with database.open_uow(read_only=True) as uow:
        assert set(uow.links.get_by_ids([first, second, "none"])) == {first, second}
