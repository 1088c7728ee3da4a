"""Profiles' own databases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import insert, select, text, update

from shared.domain.paging import ListQuery, Slice
from shared.domain.warehouses import Warehouse
from shared.errors import ConflictError, NotFoundError
from shared.store.lists import fetch_slice, where_given
from shared.store.rows import columns_of, from_row, to_row
from shared.store.session import SqlSession
from shared.store.tables import integration_instances as instances
from shared.store.tables import warehouses
from shared.store.tables.instances import NOT_DELETED

_COLUMNS = columns_of(warehouses, Warehouse)


class SqlWarehouseRepository:
    """Warehouses that are not deleted; a deleted one is as good as none."""

    def __init__(self, session: SqlSession) -> None:
        self._session = session

    def add(self, warehouse: Warehouse) -> None:
        """Store a new warehouse."""
        self._session.run(insert(warehouses).values(**to_row(warehouse)))

    def get(self, warehouse_id: str, *, profile_id: str | None) -> Warehouse:
        """Return a warehouse of this profile (None: of any); NotFoundError if there is none.

        In a unit of work that writes, the row stays ours until its end: an instance that takes it
        into use, and its deletion, wait for each other.
        """
        statement = where_given(
            select(*_COLUMNS).where(
                warehouses.c.id == warehouse_id, warehouses.c.deleted_at.is_(None)
            ),
            (warehouses.c.profile_id, profile_id),
        )
        if not self._session.read_only:
            statement = statement.with_hint(warehouses, "WITH (UPDLOCK)", "mssql")
        row = self._session.first(statement)
        if row is None:
            raise NotFoundError("There is no such warehouse.")
        return from_row(Warehouse, row)

    def list_page(self, profile_id: str, query: ListQuery) -> Slice[Warehouse]:
        """Return a profile's warehouses, newest first, narrowed by time."""
        statement = select(*_COLUMNS).where(
            warehouses.c.profile_id == profile_id, text(NOT_DELETED)
        )
        return fetch_slice(
            self._session, statement, warehouses, query, lambda row: from_row(Warehouse, row)
        )

    def save(self, warehouse: Warehouse, *, expected_version: int) -> Warehouse:
        """Store a person's change and return the warehouse with its next `config_version`.

        ConflictError where somebody changed it since `expected_version`.
        """
        values = to_row(warehouse, without=("id", "profile_id", "created_at", "config_version"))
        row = self._session.first(
            update(warehouses)
            .where(
                warehouses.c.id == warehouse.id,
                warehouses.c.deleted_at.is_(None),
                warehouses.c.config_version == expected_version,
            )
            .values(**values, config_version=expected_version + 1)
            .returning(*_COLUMNS)
        )
        if row is None:
            self.get(warehouse.id, profile_id=None)
            raise ConflictError("Somebody else changed this warehouse meanwhile: read it again.")
        return from_row(Warehouse, row)

    def soft_delete(self, warehouse_id: str, *, now: datetime) -> None:
        """Make the warehouse as good as none; what was loaded into it stays."""
        self._session.run(
            update(warehouses)
            .where(warehouses.c.id == warehouse_id, warehouses.c.deleted_at.is_(None))
            .values(deleted_at=now, updated_at=now)
        )

    def list_users(self, warehouse: Warehouse) -> Sequence[tuple[str, str]]:
        """Return names and ids of the instances whose tables go there, in order."""
        rows = self._session.all(
            select(instances.c.name, instances.c.id).where(
                instances.c.profile_id == warehouse.profile_id,
                instances.c.destination == warehouse.id,
                text(NOT_DELETED),
            )
        )
        return sorted((row["name"], row["id"]) for row in rows)
