"""What the sink keeps beside the rows: `_linkhub_state` and `_linkhub_tables`.

Being in the same database, a checkpoint moves in the same transaction as the rows it stands for.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    MetaData,
    String,
    Table,
    UnicodeText,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.dialects import mssql
from sqlalchemy.exc import IntegrityError
from sqlalchemy.types import TypeEngine

from shared.domain.checkpoints import SavedCheckpoint
from shared.errors import LeaseLostError, TransientError
from shared.sinks.warehouse.names import bounded_key

if TYPE_CHECKING:
    from sqlalchemy import Connection

STATE: Final = "_linkhub_state"
REGISTRY: Final = "_linkhub_tables"
_COLLATION = "Latin1_General_100_BIN2"


def _key(length: int) -> TypeEngine[str]:
    """ASCII text, compared exactly."""
    return String(length).with_variant(mssql.VARCHAR(length, collation=_COLLATION), "mssql")


def _text() -> TypeEngine[str]:
    return UnicodeText().with_variant(mssql.NVARCHAR(None), "mssql")


def _time() -> TypeEngine[datetime]:
    """UTC, without a zone because SQLite has none."""
    return DateTime().with_variant(mssql.DATETIME2(precision=3), "mssql")  # type: ignore[no-untyped-call]


class Tables:
    """The two tables as SQLAlchemy knows them, in one schema."""

    def __init__(self, schema: str) -> None:
        self.metadata = MetaData(schema=schema or None)
        self.state = Table(
            STATE,
            self.metadata,
            Column("instance_id", _key(64), primary_key=True),
            Column("scope", _key(128), primary_key=True),
            Column("run_id", _key(64), nullable=False),
            Column("version", BigInteger, nullable=False),
            Column("checkpoint", _text(), nullable=True),
            Column("updated_at", _time(), nullable=False),
        )
        self.registry = Table(
            REGISTRY,
            self.metadata,
            Column("instance_id", _key(64), primary_key=True),
            Column("stream", _key(128), primary_key=True),
            Column("role", _key(16), primary_key=True),
            Column("scope", _key(128), nullable=False),
            Column("table_name", _key(128), nullable=False),
            Column("target_name", _key(128), nullable=False),
            Column("view_name", _key(160), nullable=False),
            Column("columns", _text(), nullable=False),
            Column("generation", BigInteger, nullable=False),
            Column("row_count", BigInteger, nullable=False),
            Column("checksum", BigInteger, nullable=False),
            Column("rejected", BigInteger, nullable=False),
            Column("repeats", Boolean, nullable=False),
            Column("batch", BigInteger, nullable=False),
            Column("job_id", _key(64), nullable=False),
            Column("written_by", _key(64), nullable=False),
            Column("last_check", _text(), nullable=True),
            Column("undone_by", _key(64), nullable=False),
            Column("checkpoint", _text(), nullable=True),
            Column("loaded_at", _time(), nullable=True),
        )

    def create_missing(self, connection: Connection) -> None:
        """Make sure both tables exist."""
        there = set(inspect(connection).get_table_names(schema=self.metadata.schema))
        for table in (self.state, self.registry):
            if table.name not in there:
                table.create(connection)


def utc_now() -> datetime:
    """Return the time as both tables keep it: UTC, to the millisecond, without a zone."""
    now = datetime.now(UTC).replace(tzinfo=None)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class ScopeStates:
    """The checkpoints of one instance, written for one run.

    `version` counts every write of a row; with it a run learns that another one wrote in between.
    """

    def __init__(
        self, tables: Tables, *, instance_id: str, run_id: str, now: Callable[[], datetime]
    ) -> None:
        self._table = tables.state
        self._instance_id = instance_id
        self._run_id = run_id
        self._now = now

    def find(self, connection: Connection, scope: str) -> tuple[SavedCheckpoint | None, int]:
        """Return the scope's checkpoint and version; (None, 0) where it was never taken."""
        table = self._table
        row = connection.execute(
            select(table.c.checkpoint, table.c.version).where(*self._this(scope))
        ).first()
        if row is None:
            return None, 0
        saved = None if row[0] is None else SavedCheckpoint.from_json(json.loads(row[0]))
        return saved, int(row[1])

    def claim(
        self, connection: Connection, scope: str, saved: SavedCheckpoint, *, seen: int
    ) -> None:
        """Make the scope this run's; TransientError if it has moved on since version `seen`."""
        table = self._table
        values = self._values(saved)
        if seen == 0:
            keys = {"instance_id": self._instance_id, "scope": bounded_key(scope)}
            try:
                connection.execute(
                    insert(table).values(**keys, **values, version=1, run_id=self._run_id)
                )
            except IntegrityError:
                raise _moved_on(scope) from None
            return
        taken = connection.execute(
            update(table)
            .where(*self._this(scope), table.c.version == seen)
            .values(**values, version=seen + 1, run_id=self._run_id)
            .returning(table.c.version)
        ).first()
        if taken is None:
            raise _moved_on(scope)

    def take(self, connection: Connection, key: str, saved: SavedCheckpoint | None) -> None:
        """Make a scope, by its bounded key, this run's and set its checkpoint: others stop."""
        table = self._table
        columns = table.c
        connection.execute(
            update(table)
            .where(columns.instance_id == self._instance_id, columns.scope == key)
            .values(**self._values(saved), version=table.c.version + 1, run_id=self._run_id)
        )

    def hold(self, connection: Connection, scope: str) -> None:
        """Lock the scope's row until the transaction ends; LeaseLostError if it is not ours."""
        self._write(connection, scope, {"updated_at": self._now()})

    def save(self, connection: Connection, scope: str, saved: SavedCheckpoint | None) -> None:
        """Store the checkpoint, None for "never read"; LeaseLostError if the scope is not ours."""
        self._write(connection, scope, self._values(saved))

    def _write(self, connection: Connection, scope: str, values: dict[str, Any]) -> None:
        table = self._table
        written = connection.execute(
            update(table)
            .where(*self._this(scope), table.c.run_id == self._run_id)
            .values(**values, version=table.c.version + 1)
            .returning(table.c.version)
        ).first()
        if written is None:
            raise LeaseLostError(
                f"Another run has taken scope {scope!r} of this warehouse: this one stops."
            )

    def _this(self, scope: str) -> tuple[Any, Any]:
        columns = self._table.c
        return columns.instance_id == self._instance_id, columns.scope == bounded_key(scope)

    def _values(self, saved: SavedCheckpoint | None) -> dict[str, Any]:
        text = None if saved is None else json.dumps(saved.to_json())
        return {"checkpoint": text, "updated_at": self._now()}


def _moved_on(scope: str) -> TransientError:
    return TransientError(
        f"Another run moved scope {scope!r} on while this one opened it: it starts again."
    )
