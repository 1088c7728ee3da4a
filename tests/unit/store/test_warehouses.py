"""Warehouses in the store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.paging import ListQuery
from shared.errors import ConflictError, NotFoundError
from shared.store.database import Database
from tests.factories import NOW
from tests.store_kit import LATER, seed_instance
from tests.warehouse_access_kit import make_warehouse


def test_a_warehouse_reads_back(database: Database) -> None:
    """As it was added, for its profile and for nobody else."""
    instance = seed_instance(database)
    warehouse = make_warehouse(
        profile_id=instance.profile_id,
        name="Çatalhöyük 🚀",
        database_name="Ünïcode",
        trust_server_certificate=True,
    )
    with database.open_uow() as uow:
        uow.warehouses.add(warehouse)
        uow.commit()
    with database.open_uow(read_only=True) as uow:
        assert uow.warehouses.get(warehouse.id, profile_id=None) == warehouse
        assert uow.warehouses.get(warehouse.id, profile_id=instance.profile_id) == warehouse
        assert uow.warehouses.list_page(instance.profile_id, ListQuery()).items == [warehouse]
        assert uow.warehouses.list_page("somebody-else", ListQuery()).items == []
        with pytest.raises(NotFoundError):
            uow.warehouses.get(warehouse.id, profile_id="somebody-else")


def test_a_change_counts_versions(database: Database) -> None:
    """The second of two who read the same version is told so."""
    instance = seed_instance(database)
    warehouse = make_warehouse(profile_id=instance.profile_id)
    with database.open_uow() as uow:
        uow.warehouses.add(warehouse)
        changed = replace(warehouse, name="Another", updated_at=LATER)
        saved = uow.warehouses.save(changed, expected_version=1)
        assert saved == replace(changed, config_version=2)
        with pytest.raises(ConflictError):
            uow.warehouses.save(changed, expected_version=1)
        assert uow.warehouses.get(warehouse.id, profile_id=None) == saved


def test_a_deleted_warehouse_is_as_good_as_none(database: Database) -> None:
    """It is in no list, cannot be read and cannot be changed."""
    instance = seed_instance(database)
    warehouse = make_warehouse(profile_id=instance.profile_id)
    with database.open_uow() as uow:
        uow.warehouses.add(warehouse)
        uow.warehouses.soft_delete(warehouse.id, now=LATER)
        assert uow.warehouses.list_page(instance.profile_id, ListQuery()).items == []
        with pytest.raises(NotFoundError):
            uow.warehouses.get(warehouse.id, profile_id=None)
        with pytest.raises(NotFoundError):
            uow.warehouses.save(warehouse, expected_version=1)


def test_its_users_are_named(database: Database) -> None:
    """Instances that are not deleted and whose tables go there, in order."""
    first = seed_instance(database, name="b")
    warehouse = make_warehouse(profile_id=first.profile_id)
    with database.open_uow() as uow:
        uow.warehouses.add(warehouse)
        uow.commit()
    for key, name, destination in (
        *(("2", "a", warehouse.id), ("3", "gone", warehouse.id), ("4", "elsewhere", "")),
    ):
        instance = seed_instance(
            database,
            profile_id=first.profile_id,
            connection_key=key,
            name=name,
            destination=destination,
        )
        if name == "gone":
            with database.open_uow() as uow:
                uow.instances.soft_delete(instance.id, now=NOW)
                uow.commit()
    with database.open_uow(read_only=True) as uow:
        assert [name for name, _ in uow.warehouses.list_users(warehouse)] == ["a"]
