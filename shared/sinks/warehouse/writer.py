"""Writes changes into tables: staging ones of a full load, live ones of an incremental one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

from shared.domain.changes import Change, Delete, RecordProblem, Upsert
from shared.domain.checkpoints import Mode
from shared.domain.tallies import Tally
from shared.ports.sink import WriteResult
from shared.sinks.warehouse import names
from shared.sinks.warehouse.errors import BrokenLoadError, is_integrity_error, translated
from shared.sinks.warehouse.keys import key_faults
from shared.sinks.warehouse.ownership import Estate
from shared.sinks.warehouse.packing import Record, pack
from shared.sinks.warehouse.registry import OwnedTable, Role
from shared.sinks.warehouse.types import Column

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(slots=True)
class _Target:
    """Where a stream's changes go now; `is_saved`: the registry knows all of it."""

    owned: OwnedTable
    exists: bool
    is_saved: bool = True


class TableWriter:
    """Writes the changes of one scope. What it remembers is void once its transaction is.

    A full load fills a staging table per stream. An incremental one changes the live tables: a
    record replaces its row, by a delete and an insert in the same transaction.
    """

    def __init__(self, estate: Estate, *, scope: str, mode: Mode, job_id: str) -> None:
        self._estate = estate
        self._scope = scope
        self._job_id = job_id
        self._role = Role.STAGING if mode is Mode.FULL else Role.LIVE
        self._targets: dict[str, _Target] = {}

    def write(self, connection: Connection, changes: Sequence[Change]) -> WriteResult:
        """Apply the changes in order; raise BrokenLoadError where they cannot become a table."""
        tally, problems = Tally(), list[RecordProblem]()
        for (kind, stream), run in groupby(changes, key=lambda c: (c.__class__, c.stream)):
            if kind is Upsert:
                pairs = [(change[1], change[2]) for change in cast("Iterable[Upsert]", run)]
                result = self._upsert(connection, stream, pairs)
            elif kind is Delete:
                keys = [change.key for change in cast("Iterable[Delete]", run)]
                result = self._delete(connection, stream, keys)
            else:
                result = self._truncate(connection, stream)
            tally += result.tally
            problems += result.problems
        return WriteResult(tally=tally, problems=problems)

    def flush(self, connection: Connection) -> None:
        """Create the tables that got no row, and bring the registry up to date."""
        for target in self._targets.values():
            if not target.exists:
                self._shape(connection, target, [])
            if not target.is_saved:
                self._estate.registry.save(connection, target.owned)
                target.is_saved = True

    def _truncate(self, connection: Connection, stream: str) -> WriteResult:
        target = self._target(connection, stream)
        if self._role is Role.LIVE:
            if target.exists:
                self._estate.dialect.clear(connection, target.owned.table_name)
        elif target.exists or target.owned.rejected:
            self._estate.drop(connection, target.owned)
            del self._targets[stream]
            self._target(connection, stream)
        return WriteResult(tally=Tally())

    def _delete(self, connection: Connection, stream: str, keys: list[str]) -> WriteResult:
        target = self._target(connection, stream)
        if target.exists:
            self._estate.dialect.delete(connection, target.owned.table_name, keys)
            target.owned.row_count = self._count(connection, target.owned)
            target.is_saved = False
        return WriteResult(tally=Tally(success=len(keys), deleted=len(keys)))

    def _upsert(
        self, connection: Connection, stream: str, pairs: list[tuple[str, Record]]
    ) -> WriteResult:
        target = self._target(connection, stream)
        owned = target.owned
        faults = key_faults(pairs)
        problems = [
            RecordProblem(stream=stream, key=pairs[row][0], field="_id", message=fault)
            for row, fault in faults.items()
        ]
        if faults:
            pairs = [pair for row, pair in enumerate(pairs) if row not in faults]
        records = dict(pairs)
        if len(records) < len(pairs) and self._role is Role.STAGING:
            ((key, _),) = Counter(key for key, _ in pairs).most_common(1)
            raise repeated(stream, f"{key!r}")
        dialect = self._estate.dialect
        packed = pack(
            stream,
            list(records),
            list(records.values()),
            columns=owned.columns,
            storage=dialect,
        )
        self._shape(connection, target, packed.added)
        if self._role is Role.LIVE:
            dialect.delete(connection, owned.table_name, packed.keys)
        beside: list[Sequence[Any]] = [] if packed.extras is None else [packed.extras]
        try:
            dialect.insert(
                connection,
                owned.table_name,
                packed.columns,
                zip(packed.keys, *packed.values, *beside, strict=True),
                with_companion=packed.extras is not None,
            )
        except Exception as error:
            if self._role is Role.STAGING and is_integrity_error(error):
                raise repeated(stream, translated(error).message) from None
            raise
        rejected = len(faults) + packed.rejected
        owned.row_count += len(packed.keys)
        owned.rejected += rejected
        target.is_saved = False
        good = len(pairs) - packed.rejected - packed.warned
        return WriteResult(
            tally=Tally(success=good, warning=packed.warned, error=rejected),
            problems=[*problems, *packed.problems],
        )

    def _target(self, connection: Connection, stream: str) -> _Target:
        target = self._targets.get(stream)
        if target is None:
            estate = self._estate
            owned = estate.registry.find(connection, stream, self._role)
            if owned is not None:
                target = _Target(owned, exists=True)
            else:
                add = estate.add_staging if self._role is Role.STAGING else estate.add_live
                owned = add(connection, stream, scope=self._scope, job_id=self._job_id)
                target = _Target(owned, exists=False)
            self._targets[stream] = target
        return target

    def _shape(self, connection: Connection, target: _Target, added: Sequence[Column]) -> None:
        """Create the table, or add to it the columns it lacks."""
        owned, dialect = target.owned, self._estate.dialect
        if not target.exists:
            dialect.create(connection, owned.table_name, [*owned.columns, *added])
            target.exists = True
            if self._role is Role.LIVE:
                index = names.index_name(
                    owned.target_name, self._estate.instance_id, owned.generation
                )
                dialect.seal(connection, owned.table_name, index=index)
        elif added:
            dialect.add(connection, owned.table_name, added)
        owned.columns += added

    def _count(self, connection: Connection, owned: OwnedTable) -> int:
        return self._estate.dialect.count(connection, owned.table_name)


def repeated(stream: str, what: str) -> BrokenLoadError:
    """Return the error for a full read in which a key came twice."""
    return BrokenLoadError(
        f"Stream {stream!r} came with the same _id twice in one full read ({what}): the source is "
        "broken or changed meanwhile. The table in the warehouse stays as it was; sync again."
    )
