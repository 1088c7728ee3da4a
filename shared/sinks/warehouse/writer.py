"""Writes changes into tables: staging ones of what is read whole, live ones of what changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import groupby, repeat
from operator import is_, itemgetter
from typing import TYPE_CHECKING, cast

from shared.domain.changes import (
    Change,
    Delete,
    RecordProblem,
    Rows,
    Truncate,
    Upsert,
    parts_of,
)
from shared.domain.checkpoints import Mode
from shared.domain.selections import DriftPolicy
from shared.domain.tallies import Tally
from shared.ports.sink import WriteResult
from shared.sinks.warehouse.drift import Shape, notes
from shared.sinks.warehouse.errors import is_integrity_error, translated
from shared.sinks.warehouse.hashing import Total
from shared.sinks.warehouse.keys import key_faults
from shared.sinks.warehouse.names import bounded_key
from shared.sinks.warehouse.ownership import Estate
from shared.sinks.warehouse.packing import Record, pack
from shared.sinks.warehouse.registry import OwnedTable, Role
from shared.sinks.warehouse.staged import StagedRows, repeated
from shared.sinks.warehouse.targets import Target
from shared.sinks.warehouse.types import BATCH_COLUMN, Column

if TYPE_CHECKING:
    from sqlalchemy import Connection


class TableWriter:
    """Writes the changes of one scope. What it remembers is void once its transaction is.

    A full load fills a staging table per stream. An incremental one changes the live tables,
    until a Truncate begins a stream again: from there on it is staged too. Where keys may come
    again (a live table, a stream that repeats) a record replaces its row, by a delete and an insert
    in the same transaction.
    """

    def __init__(
        self,
        estate: Estate,
        *,
        scope: str,
        mode: Mode,
        job_id: str,
        commit: Callable[[Connection], None],
    ) -> None:
        """`commit` ends the transaction without a checkpoint and begins the next one."""
        self._estate = estate
        self._staged = StagedRows(estate, commit=commit)
        self._scope = scope
        self._job_id = job_id
        self._is_full = mode is Mode.FULL
        self._targets: dict[str, Target] = {}

    def write(self, connection: Connection, changes: Sequence[Change]) -> WriteResult:
        """Apply the changes in order; raise BrokenLoadError where they cannot become a table."""
        results = [self._write(connection, part) for part in parts_of(changes)]
        return WriteResult(
            tally=sum((result.tally for result in results), Tally()),
            problems=[problem for result in results for problem in result.problems],
        )

    def _write(self, connection: Connection, changes: Sequence[Change]) -> WriteResult:
        if isinstance(changes, Rows):
            target = self._target(connection, changes.stream)
            if not target.replaces:
                return self._insert(connection, changes.stream, target, changes.keys, changes)
            changes = list(changes)
        if set(map(type, changes)) == {Upsert} and len(set(map(itemgetter(0), changes))) == 1:
            return self._apply(connection, changes[0].stream, cast("Sequence[Upsert]", changes))
        by_stream: dict[str, list[Change]] = {}
        for stream, run in groupby(changes, key=itemgetter(0)):
            by_stream.setdefault(stream, []).extend(run)
        tally, problems = Tally(), list[RecordProblem]()
        for stream, its_changes in by_stream.items():
            for is_truncate, run in groupby(its_changes, key=lambda c: c.__class__ is Truncate):
                if is_truncate:
                    *_, last = cast("Iterable[Truncate]", run)
                    self._truncate(connection, last)
                    continue
                result = self._apply(connection, stream, cast("list[Upsert | Delete]", list(run)))
                tally += result.tally
                problems += result.problems
        return WriteResult(tally=tally, problems=problems)

    def written(self) -> dict[str, Sequence[str]]:
        """Return some keys of each stream that this run has written rows of."""
        return {bounded_key(stream): target.written for stream, target in self._targets.items()}

    @property
    def is_busy(self) -> bool:
        """Whether rows are on their way that no checkpoint may count yet."""
        return self._staged.is_busy

    def drain(self, connection: Connection) -> None:
        """Wait until everything that is on its way is stored."""
        self._staged.drain(connection)

    def abandon(self) -> None:
        """Stop what is on its way."""
        self._staged.abandon()

    def flush(self, connection: Connection) -> None:
        """Create the tables that got no row, and bring the registry up to date."""
        for target in self._targets.values():
            owned = target.owned
            owned.batch = target.batch
            target.counted = (owned.row_count, owned.checksum, owned.rejected, owned.batch)
            if not target.is_saved:
                target.owned.written_by = self._job_id
            if not target.exists:
                self._reshape(connection, target, added=[], widened=[])
            if not target.is_shown:
                self._estate.show(connection, target.owned)
            elif not target.is_saved:
                self._estate.registry.save(connection, target.owned)
            target.is_saved = target.is_shown = True

    def _truncate(self, connection: Connection, change: Truncate) -> None:
        """Begin a new staging table for the stream, whatever was staged of it before."""
        stream = change.stream
        staged = self._estate.registry.find(connection, stream, Role.STAGING)
        if staged is not None:
            if stream in self._targets:
                self._staged.drain(connection, self._targets[stream])
            self._estate.drop(connection, staged)
        self._targets[stream] = self._staging(connection, stream, repeats=change.repeats)

    def _apply(
        self, connection: Connection, stream: str, changes: Sequence[Upsert | Delete]
    ) -> WriteResult:
        """Apply changes of one stream, in order."""
        target = self._target(connection, stream)
        deleted = sum(map(is_, map(type, changes), repeat(Delete)))
        if not deleted and not target.replaces:
            _, keys, records = zip(*cast("Sequence[Upsert]", changes), strict=True)
            return self._insert(connection, stream, target, keys, records)
        latest = {change[1]: change for change in changes}
        gone = [key for key, change in latest.items() if change.__class__ is Delete]
        if gone and target.exists:
            table = target.owned.table_name
            self._staged.drain(connection, target)
            target.count(-1, self._estate.dialect.delete(connection, table, gone))
        left = {key: change[2] for key, change in latest.items() if isinstance(change, Upsert)}
        result = self._insert(connection, stream, target, [*left], [*left.values()])
        passed_over = len(changes) - len(left)
        return replace(result, tally=result.tally + Tally(success=passed_over, deleted=deleted))

    def _insert(
        self,
        connection: Connection,
        stream: str,
        target: Target,
        keys: Sequence[str],
        records: Sequence[Record] | Rows,
    ) -> WriteResult:
        if not keys:
            return WriteResult(tally=Tally())
        owned = target.owned
        faults = key_faults(keys, records)
        problems = [
            RecordProblem(stream=stream, key=keys[row], field="_id", message=fault)
            for row, fault in faults.items()
        ]
        if faults:
            good_ones = [row for row in range(len(keys)) if row not in faults]
            every = list(records.records()) if isinstance(records, Rows) else records
            keys, records = [keys[row] for row in good_ones], [every[row] for row in good_ones]
        if len(set(keys)) < len(keys):
            ((key, _),) = Counter(keys).most_common(1)
            raise repeated(stream, f"{key!r}")
        dialect = self._estate.dialect
        packed = pack(
            stream,
            keys,
            records,
            shape=target.shape,
            storage=dialect,
        )
        before = list(owned.columns) if target.is_live else None
        self._reshape(connection, target, added=packed.added, widened=packed.widened)
        if before is not None:
            problems += notes(stream, before, owned.columns)
        if target.replaces:
            target.count(-1, dialect.delete(connection, owned.table_name, packed.keys))
        try:
            if target.batch:
                self._staged.put(connection, target, packed, stream=stream)
            else:
                dialect.insert(
                    connection,
                    owned.table_name,
                    packed.columns,
                    packed.rows(),
                    with_companion=packed.extras is not None,
                )
        except Exception as error:
            if not target.replaces and is_integrity_error(error):
                raise repeated(stream, translated(error).message) from None
            raise
        rejected = len(faults) + packed.rejected
        target.count(+1, Total(len(packed.keys), sum(packed.hashes)))
        owned.rejected += rejected
        target.remember(packed.keys)
        good = len(keys) - packed.rejected - packed.warned
        return WriteResult(
            tally=Tally(success=good, warning=packed.warned, error=rejected),
            problems=[*problems, *packed.problems],
        )

    def _target(self, connection: Connection, stream: str) -> Target:
        target = self._targets.get(stream)
        if target is None:
            estate = self._estate
            owned = estate.registry.find(connection, stream, Role.STAGING)
            if owned is None and not self._is_full:
                owned = estate.registry.find(connection, stream, Role.LIVE)
            if owned is not None:
                target = self._known(connection, stream, owned, exists=True)
                self._staged.resume(connection, target)
            elif self._is_full:
                target = self._staging(connection, stream, repeats=False)
            else:
                owned = estate.add_live(connection, stream, scope=self._scope, job_id=self._job_id)
                target = self._known(connection, stream, owned, exists=False)
            self._targets[stream] = target
        return target

    def _staging(self, connection: Connection, stream: str, *, repeats: bool) -> Target:
        owned = self._estate.add_staging(
            connection, stream, scope=self._scope, job_id=self._job_id, repeats=repeats
        )
        return self._known(connection, stream, owned, exists=False)

    def _known(
        self, connection: Connection, stream: str, owned: OwnedTable, *, exists: bool
    ) -> Target:
        """Return a target with what its table may become."""
        estate = self._estate
        former = {} if owned.role is Role.LIVE else estate.former(connection, stream)
        is_new = not former if owned.role is Role.STAGING else not exists

        def may_become(old: Column, new: Column) -> bool:
            if old.type is not new.type:
                self._staged.drain(connection, target)
            return estate.dialect.may_become(connection, owned.table_name, old, new)

        shape = Shape(
            columns=owned.columns,
            policy=DriftPolicy.EVOLVE if is_new else estate.policy(stream),
            former=former,
            may_become=may_become,
        )
        counted = (owned.row_count, owned.checksum, owned.rejected, owned.batch)
        target = Target(owned, shape=shape, exists=exists, counted=counted)
        return target

    def _is_batched(self, target: Target) -> bool:
        """Whether a new table's rows get numbers: in a full load where all tables' rows do."""
        if self._estate.dialect.aside is None or not self._is_full or target.replaces:
            return False
        return all(o.batch for o in self._targets.values() if o.exists and o is not target)

    def _reshape(
        self,
        connection: Connection,
        target: Target,
        *,
        added: Sequence[Column],
        widened: Sequence[tuple[Column, Column]],
    ) -> None:
        """Create the table, or give it the columns and the types it lacks."""
        owned, dialect = target.owned, self._estate.dialect
        is_live = owned.role is Role.LIVE
        is_new = not target.exists
        if target.batch and (added or widened):
            self._staged.make_way(connection, target, widened)
        if not target.exists:
            target.batch = int(self._is_batched(target))
            numbers = [BATCH_COLUMN] if target.batch else []
            dialect.create(connection, owned.table_name, [*owned.columns, *added, *numbers])
            target.exists = True
            if target.replaces:
                self._estate.seal(connection, owned)
            target.is_shown = not is_live
        elif added:
            dialect.add(connection, owned.table_name, added)
        if widened:
            if is_live:
                self._estate.hide(connection, owned)
            dialect.widen(connection, owned.table_name, [new for _, new in widened])
        if added or widened:
            target.is_saved = False
            target.is_shown = not is_live
        wider = dict(widened)
        owned.columns[:] = [wider.get(column, column) for column in owned.columns]
        owned.columns += added
        if target.batch and (is_new or added or widened):
            self._staged.note_shape(connection, target)
