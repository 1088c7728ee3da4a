from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from shared.domain.ids import new_id
from shared.domain.links import MAX_EXTERNAL_ID
from shared.errors import RecordError
from shared.store.database import Database
from shared.store.tables import checkpoints
from tests.factories import NOW
from tests.store_kit import LATER, make_link, seed_instance


def test_links_come_back_by_external_id(database: Database) -> None:
    """Those asked for that exist, of this instance and stream only."""
    one, two = seed_instance(database), seed_instance(database)
    link = make_link(one.id, "1", base={"amount": "12.50"}, sent_hash="a" * 64, external_etag="e")
    with database.open_uow() as uow:
        uow.links.save_many([link, make_link(one.id, "2"), make_link(two.id, "3")])
        uow.links.save_many([make_link(one.id, "1", stream="companies")])
        assert uow.links.get_many(one.id, "deals", ["1", "3", "9", "1"]) == {"1": link}
        assert uow.links.get_many(one.id, "deals", []) == {}


def test_a_link_saved_again_keeps_its_id_and_birth(database: Database) -> None:
    """All else is as it was saved last, also within one call."""
    instance = seed_instance(database)
    first = make_link(instance.id, "1")
    last = make_link(instance.id, "1", sent_hash="b", updated_at=LATER, created_at=LATER)
    with database.open_uow() as uow:
        uow.links.save_many([first])
        uow.links.save_many([replace(last, sent_hash="middle"), last])
        stored = uow.links.get_many(instance.id, "deals", ["1"])["1"]
    assert stored == replace(last, id=first.id, created_at=NOW)


def test_many_links_in_one_go(database: Database) -> None:
    """More than SQL Server takes parameters in one statement."""
    instance = seed_instance(database)
    links = [make_link(instance.id, str(n)) for n in range(4500)]
    with database.open_uow() as uow:
        uow.links.save_many(links)
        uow.commit()
        found = uow.links.get_many(instance.id, "deals", [link.external_id for link in links])
    assert found == {link.external_id: link for link in links}


def test_ids_that_differ_only_in_case_or_accent_are_two(database: Database) -> None:
    """Providers tell them apart, and so must the store."""
    instance = seed_instance(database)
    ids = ["abc", "ABC", "äbc", " abc", "\uff41bc", "ab\tc", "😀", 'a"b\\c\n', "a'b?:c%s"]
    with database.open_uow() as uow:
        uow.links.save_many([make_link(instance.id, key) for key in ids])
        assert set(uow.links.get_many(instance.id, "deals", ids)) == set(ids)


@pytest.mark.parametrize(
    "bad", ["", "1 ", "a\0b", "\ud800", "x" * (MAX_EXTERNAL_ID + 1), "😀" * MAX_EXTERNAL_ID]
)
def test_an_id_the_store_cannot_keep_apart_is_a_record_error(database: Database, bad: str) -> None:
    """The record is at fault, not the page: callers check before they save."""
    instance = seed_instance(database)
    with pytest.raises(RecordError), database.open_uow() as uow:
        uow.links.save_many([make_link(instance.id, bad)])


def test_the_longest_id_fits(database: Database) -> None:
    """The bound itself is allowed."""
    instance = seed_instance(database)
    with database.open_uow() as uow:
        uow.links.save_many([make_link(instance.id, "x" * MAX_EXTERNAL_ID)])
        assert len(uow.links.get_many(instance.id, "deals", ["x" * MAX_EXTERNAL_ID])) == 1


def test_a_deleted_link_keeps_when_it_went(database: Database) -> None:
    """Marking it again changes nothing; saving it revives it."""
    instance = seed_instance(database)
    link = make_link(instance.id, "1")
    with database.open_uow() as uow:
        uow.links.save_many([link, make_link(instance.id, "2")])
        uow.links.mark_deleted(instance.id, "deals", ["1", "9"], now=NOW)
        uow.links.mark_deleted(instance.id, "deals", ["1"], now=LATER)
        found = uow.links.get_many(instance.id, "deals", ["1", "2"])
        assert [found[key].deleted_at for key in ("1", "2")] == [NOW, None]
        uow.links.save_many([replace(link, id=new_id())])
        assert uow.links.get_many(instance.id, "deals", ["1"])["1"] == link


def test_a_checkpoint_is_kept_by_scope_and_direction(database: Database) -> None:
    """Each save replaces the last and counts the version up."""
    instance = seed_instance(database)
    with database.open_uow() as uow:
        assert uow.checkpoints.get(instance.id, "deals", "import") is None
        uow.checkpoints.save(instance.id, "deals", "import", {"resume": 2**60}, now=NOW)
        uow.checkpoints.save(instance.id, "deals", "export", {"resume": None}, now=NOW)
        uow.checkpoints.save(instance.id, "deals", "import", {"resume": [1, "ü"]}, now=LATER)
        uow.commit()
        assert uow.checkpoints.get(instance.id, "deals", "import") == {"resume": [1, "ü"]}
        assert uow.checkpoints.get(instance.id, "deals", "export") == {"resume": None}
    with database.engine.connect() as connection:
        versions = connection.execute(select(checkpoints.c.version)).scalars().all()
    assert sorted(versions) == [1, 2]
