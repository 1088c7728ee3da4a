"""Which tables of the warehouse are ours. No other table is ever dropped, renamed or written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import delete, func, insert, or_, select, update

from shared.sinks.warehouse.names import bounded_key
from shared.sinks.warehouse.state import Tables
from shared.sinks.warehouse.types import BASE_COLUMNS, Column

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, RowMapping


class Role(StrEnum):
    """STAGING: being loaded. LIVE: what people query. PREVIOUS: the generation before."""

    STAGING = "staging"
    LIVE = "live"
    PREVIOUS = "previous"


class Owner(NamedTuple):
    """Whose a name is: one entry of the registry, of any instance."""

    instance_id: str
    stream: str
    role: Role
    table_name: str


@dataclass(slots=True, kw_only=True)
class OwnedTable:
    """A table of ours; `stream` and `scope` are bounded keys.

    `target_name` is the live name, which a staging table gets when it is swapped in; `view_name`
    is the live table's view, '' for none. `rejected` counts the records of this load that were not
    written. `job_id` made this generation, `undone_by` (the job of an undo, or '') gave it back or
    set it aside. `checkpoint` is what the last sync that ended left behind for this generation: a
    table that is given back goes on from there. `repeats`: a staging table whose keys may come
    again. `checksum` is the sum of the hashes of its rows, as written; `batch` the last batch that
    counts of a staging table filled by a bulk route, else 0; `written_by` the last job that wrote
    some; `last_check` what the last comparison found, as JSON.
    """

    stream: str
    role: Role
    scope: str
    table_name: str
    target_name: str
    view_name: str = ""
    columns: list[Column] = field(default_factory=lambda: list(BASE_COLUMNS))
    generation: int
    row_count: int = 0
    checksum: int = 0
    rejected: int = 0
    repeats: bool = False
    batch: int = 0
    job_id: str
    written_by: str = ""
    last_check: str | None = None
    undone_by: str = ""
    checkpoint: str | None = None
    loaded_at: datetime | None = None


class Registry:
    """The tables of one instance."""

    def __init__(self, tables: Tables, *, instance_id: str, now: Callable[[], datetime]) -> None:
        self._table = tables.registry
        self._instance_id = instance_id
        self._now = now

    def list_all(self, connection: Connection) -> list[OwnedTable]:
        """Return every table of this instance, by stream and role."""
        return self._list(connection)

    def list_role(
        self, connection: Connection, role: Role, *, scope: str | None = None
    ) -> list[OwnedTable]:
        """Return the tables in one role, of one scope if it is given."""
        columns = self._table.c
        of_scope = () if scope is None else (columns.scope == bounded_key(scope),)
        return self._list(connection, columns.role == role.value, *of_scope)

    def list_stream(self, connection: Connection, key: str) -> list[OwnedTable]:
        """Return the tables of the stream of this key, by role."""
        return self._list(connection, self._table.c.stream == key)

    def find(self, connection: Connection, stream: str, role: Role) -> OwnedTable | None:
        """Return the stream's table in a role, None if it has none."""
        columns = self._table.c
        found = self._list(
            connection, columns.stream == bounded_key(stream), columns.role == role.value
        )
        return next(iter(found), None)

    def is_used(self, connection: Connection, name: str, *, but_by: str) -> bool:
        """Whether a stream of this instance other than that of the key `but_by` has this name, or
        is going to get it. Names differ by more than their case.
        """
        table = self._table
        found = connection.execute(
            select(table.c.stream)
            .where(
                table.c.instance_id == self._instance_id,
                table.c.stream != but_by,
                or_(
                    func.lower(table.c.table_name) == name.lower(),
                    func.lower(table.c.target_name) == name.lower(),
                ),
            )
            .limit(1)
        )
        return found.first() is not None

    def _list(self, connection: Connection, *which: ColumnElement[bool]) -> list[OwnedTable]:
        table = self._table
        rows = connection.execute(
            select(table)
            .where(table.c.instance_id == self._instance_id, *which)
            .order_by(table.c.stream, table.c.role)
        ).mappings()
        return [read_entry(row) for row in rows]

    def owners_of(self, connection: Connection, name: str) -> list[Owner]:
        """Return all, of any instance, who use this name, or whose table is going to get it."""
        table = self._table
        is_made = func.lower(table.c.table_name) == name.lower()
        is_claimed = func.lower(table.c.target_name) == name.lower()
        rows = connection.execute(
            select(table.c.instance_id, table.c.stream, table.c.role, table.c.table_name)
            .where(or_(is_made, is_claimed))
            # Two instances that swap at once would else wait for each other's rows. A claim that is
            # taken back yet counts: its name was about to clash.
            .with_hint(table, "WITH (NOLOCK)", "mssql")
        )
        return [Owner(row[0], row[1], Role(row[2]), row[3]) for row in rows]

    def forget(self, connection: Connection, owner: Owner) -> None:
        """Forget a table of any instance that somebody has dropped."""
        columns = self._table.c
        connection.execute(
            delete(self._table).where(
                columns.instance_id == owner.instance_id,
                columns.stream == owner.stream,
                columns.role == owner.role.value,
                columns.table_name == owner.table_name,
            )
        )

    def save(self, connection: Connection, owned: OwnedTable) -> None:
        """Add the table, or replace what is known of this stream in this role."""
        self.remove(connection, owned)
        connection.execute(
            insert(self._table).values(
                instance_id=self._instance_id,
                stream=owned.stream,
                role=owned.role.value,
                scope=owned.scope,
                table_name=owned.table_name,
                target_name=owned.target_name,
                view_name=owned.view_name,
                columns=json.dumps([column.to_json() for column in owned.columns]),
                generation=owned.generation,
                row_count=owned.row_count,
                checksum=owned.checksum,
                rejected=owned.rejected,
                repeats=owned.repeats,
                batch=owned.batch,
                job_id=owned.job_id,
                written_by=owned.written_by,
                last_check=owned.last_check,
                undone_by=owned.undone_by,
                checkpoint=owned.checkpoint,
                loaded_at=owned.loaded_at,
            )
        )

    def promote(self, connection: Connection, owned: OwnedTable, *, job_id: str) -> None:
        """Record that a staging table, already renamed, is the live one now."""
        self.remove(connection, owned)
        owned.role, owned.table_name = Role.LIVE, owned.target_name
        owned.job_id, owned.loaded_at = job_id, self._now()
        self.save(connection, owned)

    def retire(self, connection: Connection, owned: OwnedTable, *, name: str) -> None:
        """Record that the live table, already renamed, is the previous one now."""
        self.remove(connection, owned)
        owned.role, owned.table_name = Role.PREVIOUS, name
        self.save(connection, owned)

    def settle(self, connection: Connection, *, scope: str, checkpoint: str) -> None:
        """Record that a sync of the scope has ended: its live tables have come this far."""
        columns = self._table.c
        connection.execute(
            update(self._table)
            .where(
                columns.instance_id == self._instance_id,
                columns.role == Role.LIVE.value,
                columns.scope == bounded_key(scope),
            )
            .values(checkpoint=checkpoint)
        )

    def remove(self, connection: Connection, owned: OwnedTable) -> None:
        """Forget a table; it is dropped or was never made."""
        connection.execute(delete(self._table).where(*self._this(owned)))

    def _this(self, owned: OwnedTable) -> tuple[Any, ...]:
        columns = self._table.c
        return (
            columns.instance_id == self._instance_id,
            columns.stream == owned.stream,
            columns.role == owned.role.value,
        )


def read_entry(row: RowMapping) -> OwnedTable:
    """Return the table a row of the registry tells of."""
    return OwnedTable(
        stream=row["stream"],
        role=Role(row["role"]),
        scope=row["scope"],
        table_name=row["table_name"],
        target_name=row["target_name"],
        view_name=row["view_name"],
        columns=[Column.from_json(item) for item in json.loads(row["columns"])],
        generation=row["generation"],
        row_count=row["row_count"],
        checksum=row["checksum"],
        rejected=row["rejected"],
        repeats=row["repeats"],
        batch=row["batch"],
        job_id=row["job_id"],
        written_by=row["written_by"],
        last_check=row["last_check"],
        undone_by=row["undone_by"],
        checkpoint=row["checkpoint"],
        loaded_at=row["loaded_at"],
    )
