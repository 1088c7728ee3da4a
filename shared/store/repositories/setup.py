"""What a person chose for an instance: field mappings and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Table, delete, insert, select

from shared.domain.ids import new_id
from shared.domain.mapping import FieldMapping
from shared.domain.selections import TableSelection
from shared.errors import InvalidInputError
from shared.store.faults import UniqueError
from shared.store.session import SqlSession
from shared.store.tables import field_mappings, table_selections


class SqlMappingRepository:
    """The field mappings of an instance, in their order."""

    def __init__(self, session: SqlSession) -> None:
        self._session = session

    def list_for(self, instance_id: str) -> Sequence[FieldMapping]:
        """Return the rules of an instance; none for one that has none."""
        return [
            FieldMapping(
                stream=row["stream"],
                external_field=row["external_field"],
                entity=row["linkhub_entity"],
                field=row["linkhub_field"],
                transform=row["transform"],
            )
            for row in _rows_for(self._session, field_mappings, instance_id)
        ]

    def replace(self, instance_id: str, mappings: Sequence[FieldMapping], *, now: datetime) -> None:
        """Make these the rules; InvalidInputError where two fill one field from one stream."""
        rows = [
            {
                "stream": mapping.stream,
                "external_field": mapping.external_field,
                "linkhub_entity": mapping.entity,
                "linkhub_field": mapping.field,
                "transform": mapping.transform,
            }
            for mapping in mappings
        ]
        try:
            _replace(self._session, field_mappings, instance_id, rows, now)
        except UniqueError:
            raise InvalidInputError(
                "Two mappings of one stream fill the same LinkHub field: keep one of them."
            ) from None


class SqlSelectionRepository:
    """The tables of an instance that go to a warehouse, in their order."""

    def __init__(self, session: SqlSession) -> None:
        self._session = session

    def list_for(self, instance_id: str) -> Sequence[TableSelection]:
        """Return the chosen tables of an instance; none for one that has none."""
        return [
            TableSelection(
                component=row["component"],
                table=row["table_name"],
                mode=row["mode"],
                drift=row["drift"],
            )
            for row in _rows_for(self._session, table_selections, instance_id)
        ]

    def replace(
        self, instance_id: str, selections: Sequence[TableSelection], *, now: datetime
    ) -> None:
        """Make these the chosen tables; InvalidInputError where one is named twice."""
        rows = [
            {
                "component": selection.component,
                "table_name": selection.table,
                "mode": selection.mode,
                "drift": selection.drift,
            }
            for selection in selections
        ]
        try:
            _replace(self._session, table_selections, instance_id, rows, now)
        except UniqueError:
            raise InvalidInputError("A table is chosen twice: keep one of them.") from None


def _rows_for(session: SqlSession, table: Table, instance_id: str) -> Sequence[Mapping[Any, Any]]:
    statement = select(table).where(table.c.instance_id == instance_id)
    return session.all(statement.order_by(table.c.position))


def _replace(
    session: SqlSession,
    table: Table,
    instance_id: str,
    rows: Sequence[Mapping[str, Any]],
    now: datetime,
) -> None:
    session.run(delete(table).where(table.c.instance_id == instance_id))
    if rows:
        shared = {"instance_id": instance_id, "created_at": now, "updated_at": now}
        session.run(
            insert(table),
            [
                {"id": new_id(), "position": position, **shared, **row}
                for position, row in enumerate(rows)
            ],
        )
