"""The warehouse as a `Sink`: rows and checkpoint in one database, moved in one transaction.

    begin    takes the scope for this run; a fresh full load drops what an earlier one staged
    write    stages rows in tables nobody queries, in the open transaction or beside it
    commit   checkpoint and rows, together; while rows are on their way beside the transaction, it
             waits for them some time (`held`)
    finish   checks the staged tables and makes them the live ones, all in one transaction

Staged is all that a full load brings, and of an incremental one each stream that its source begins
again (`Truncate`): nobody sees an empty or half-filled table.

A crash at any line leaves the last commit: the next run goes on from its checkpoint.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import cast

from sqlalchemy import URL, Connection
from sqlalchemy.exc import SQLAlchemyError

from shared.domain.changes import Change
from shared.domain.checkpoints import SavedCheckpoint, Stage
from shared.domain.selections import DriftPolicy
from shared.errors import SyncError
from shared.ports.sink import FinishResult, RestoreResult, WriteResult
from shared.sinks.warehouse.access.address import tell_at_connect
from shared.sinks.warehouse.engines import driver_text, open_engine
from shared.sinks.warehouse.errors import (
    BrokenLoadError,
    BulkRefusedError,
    MismatchError,
    translated,
)
from shared.sinks.warehouse.held import Held
from shared.sinks.warehouse.names import plain_prefix
from shared.sinks.warehouse.ownership import Estate
from shared.sinks.warehouse.registry import Registry, Role
from shared.sinks.warehouse.restore import checkpoints_of, find_restoration, restore, restored_by
from shared.sinks.warehouse.state import ScopeStates, Tables, utc_now
from shared.sinks.warehouse.swap import SwapRules, result_of, swap_in, void_result
from shared.sinks.warehouse.writer import TableWriter

_log = logging.getLogger(__name__)

BATCH_SIZE = 5_000


class WarehouseSink:
    """One run's way into a warehouse; used by one thread.

    Tables of other instances and of other people are never touched. Every method raises
    TransientError when the database cannot answer now and PermanentError when it refuses the login
    or anything else; whatever was uncommitted is rolled back by then.
    """

    batch_size = BATCH_SIZE

    def __init__(
        self,
        *,
        url: str | URL,
        instance_id: str,
        run_id: str,
        table_prefix: str = "",
        schema: str = "",
        connection_string: Callable[[], str] | None = None,
        drift: Mapping[str, DriftPolicy] | None = None,
        rules: SwapRules | None = None,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is opened yet. `schema` means nothing on SQLite.

        `table_prefix` may be any text; `names.plain_prefix` says what it becomes. `drift` says by
        stream how its table may change, EVOLVE where it does not; `rules` when a load may replace
        a table. `connection_string` tells before each connection what the driver is to be told
        instead of the URL. Raise PermanentError for a URL that cannot be used.
        """
        self._dialect, self._engine = open_engine(url, schema=schema)
        if connection_string is not None:
            tell_at_connect(self._engine, connection_string)
        self._dialect.offer_bulk(connection_string or partial(driver_text, self._engine))
        self._tables = Tables(self._dialect.schema)
        self._states = ScopeStates(self._tables, instance_id=instance_id, run_id=run_id, now=now)
        self._estate = Estate(
            instance_id=instance_id,
            prefix=plain_prefix(table_prefix),
            dialect=self._dialect,
            registry=Registry(self._tables, instance_id=instance_id, now=now),
            drift=drift or {},
        )
        self._rules = rules or SwapRules()
        self._now = now
        self._clock = clock
        self._connection: Connection | None = None
        self._writers: dict[str, TableWriter] = {}
        self._begun: dict[str, SavedCheckpoint] = {}
        self._seen: dict[str, int] = {}
        self._held: Held | None = None

    def load(self, scope: str) -> SavedCheckpoint | None:
        """Return the scope's checkpoint, None where it was never read.

        What was written and not committed is rolled back first; `begin` and `finish` do so too.
        """
        self._discard()
        with self._transaction() as connection:
            saved, self._seen[scope] = self._states.find(connection, scope)
            connection.commit()
        return saved

    def begin(self, scope: str, saved: SavedCheckpoint) -> None:
        """Take the scope for this run; drop staged tables unless `saved` goes on with them.

        Raise TransientError if another run moved the scope on since our `load`.
        """
        self._discard()
        with self._transaction() as connection:
            seen = self._seen.pop(scope, None)
            if seen is None:
                _, seen = self._states.find(connection, scope)
            self._states.claim(connection, scope, saved, seen=seen)
            if not saved.is_under_way:
                self._drop_staged(connection, scope)
            connection.commit()
        self._begun[scope] = saved
        self._writers.pop(scope, None)

    def write(self, scope: str, changes: Sequence[Change]) -> WriteResult:
        """Write a batch in the open transaction; raise LeaseLostError if the scope is not ours.

        Raise BrokenLoadError (a PermanentError) for a key that comes twice in a full load of a
        stream that does not repeat itself.
        """
        with self._transaction(scope) as connection:
            if self._held is not None:
                self._held.is_whole = False
            return self._writer(scope).write(connection, changes)

    def commit(self, scope: str, saved: SavedCheckpoint) -> None:
        """Make rows and checkpoint count, together; raise LeaseLostError if we were overtaken.

        Rows on their way beside the transaction count with a later `commit` of this stage, at the
        latest with its last one or with `close`. Raise ReadAgainError where they did not arrive.
        """
        with self._transaction() as connection:
            if not self._may_wait(scope, saved):
                self._settle(connection, scope, saved)
                return
            self._held = self._held or Held(scope, saved, since=self._clock())
            self._held.take(saved)
            connection.commit()  # no row that counts: others may look at the scope meanwhile

    def _settle(self, connection: Connection, scope: str, saved: SavedCheckpoint) -> None:
        if scope in self._writers:
            self._writers[scope].drain(connection)  # which ends transactions: before the checkpoint
        self._states.save(connection, scope, saved)
        self._writer(scope).flush(connection)
        connection.commit()
        self._held = None
        self._seen.pop(scope, None)

    def _may_wait(self, scope: str, saved: SavedCheckpoint) -> bool:
        writer = self._writers.get(scope)
        if saved.stage is not Stage.READING or writer is None or not writer.is_busy:
            return False
        return self._held is None or not self._held.is_enough(self._clock())

    def finish(self, scope: str, saved: SavedCheckpoint, totals: Mapping[str, int]) -> FinishResult:
        """Store `saved` as finished; swap in what was staged. Doing it again is harmless.

        When a table has other rows than `totals` says or than were read, nothing is swapped, what
        was staged is dropped and the scope counts as never read: the result `is_void`, its checks
        say what differs. Raise BrokenLoadError (a PermanentError) when a key is there twice, with
        the same consequences; ApprovalNeededError when a table would lose too much of its rows:
        what was staged stays, and a run whose `rules` are approved swaps it in.
        """
        self._discard()
        try:
            return self._finish(scope, replace(saved, stage=Stage.FINISHED), totals)
        except MismatchError as error:
            self._drop_load(scope)
            return void_result(error.checks)

    def _finish(
        self, scope: str, saved: SavedCheckpoint, totals: Mapping[str, int]
    ) -> FinishResult:
        writer = self._writers.get(scope)
        written = writer.written() if writer is not None else {}
        with self._transaction(scope) as connection:
            stored, _ = self._states.find(connection, scope)
            done = stored is not None and stored.stage is Stage.FINISHED
            if stored is None or not done or stored.job_id != saved.job_id:
                swap_in(
                    connection,
                    self._estate,
                    scope=scope,
                    saved=saved,
                    totals=totals,
                    rules=self._rules,
                    written=written,
                    now=self._now,
                )
                self._estate.settle(connection, scope=scope, saved=saved)
                self._states.save(connection, scope, saved)
            result = result_of(connection, self._estate, scope=scope, saved=saved)
            connection.commit()
        self._seen.pop(scope, None)
        return result

    def restore_generations(self, target_job_id: str, *, undo_job_id: str) -> RestoreResult:
        """Take the full load of a job back, in one transaction; see `Restorable`.

        The generation before it is live again with the checkpoint it had when that load began,
        whatever incremental syncs have changed since: the next one goes on from there and brings
        it again. Where that checkpoint is not known, the next sync reads everything.
        """
        self._discard()
        with self._transaction() as connection:
            result = restored_by(connection, self._estate, undo_job_id)
            if result is None:
                found = find_restoration(connection, self._estate, job_id=target_job_id)
                for scope, saved in checkpoints_of(found).items():
                    self._states.take(connection, scope, saved)
                restore(connection, self._estate, found, undo_job_id=undo_job_id)
                result = restored_by(connection, self._estate, undo_job_id) or RestoreResult()
            connection.commit()
        return result

    def close(self) -> None:
        """Count what waits for its rows, roll back what was not committed, release connections."""
        if self._held is not None and self._held.is_whole:
            try:
                with self._transaction() as connection:
                    self._settle(connection, self._held.scope, self._held.saved)
            except SyncError as error:
                _log.warning("Some pages are going to be read again: %s", error.message)
        self._reset()
        self._engine.dispose()

    @contextmanager
    def _transaction(self, scope: str = "") -> Iterator[Connection]:
        """Give the open transaction, or begin one and lock `scope` in it; an error ends it."""
        try:
            connection = self._connection
            if connection is None:
                connection = self._connection = self._engine.connect()
                self._dialect.check(connection)
                self._tables.create_missing(connection)
                connection.commit()
            if not connection.in_transaction():
                connection.begin()
                if scope:
                    self._states.hold(connection, scope)
            yield connection
        except BrokenLoadError:
            self._reset()
            self._void(scope)
            raise
        except (SQLAlchemyError, self._driver_error, BulkRefusedError) as error:
            self._reset()
            raise translated(error) from None
        except BaseException:
            self._reset()
            raise

    @property
    def _driver_error(self) -> type[Exception]:
        """The driver's base class: bulk inserts go past SQLAlchemy."""
        return cast("type[Exception]", self._engine.dialect.loaded_dbapi.Error)

    def _writer(self, scope: str) -> TableWriter:
        writer = self._writers.get(scope)
        if writer is None:
            saved = self._begun.get(scope)
            if saved is None:
                raise RuntimeError(
                    f"Scope {scope!r} was not begun, or what it wrote was rolled back: begin it."
                )
            writer = self._writers[scope] = TableWriter(
                self._estate,
                scope=scope,
                mode=saved.mode,
                job_id=saved.job_id,
                commit=lambda connection: self._commit_shape(connection, scope),
            )
        return writer

    def _commit_shape(self, connection: Connection, scope: str) -> None:
        """Commit what is no row that counts, and take the scope again."""
        connection.commit()
        connection.begin()
        self._states.hold(connection, scope)

    def _drop_staged(self, connection: Connection, scope: str) -> None:
        for owned in self._estate.registry.list_role(connection, Role.STAGING, scope=scope):
            self._estate.drop(connection, owned)

    def _void(self, scope: str) -> None:
        """After a load that cannot succeed: the next run of whatever job starts afresh."""
        try:
            self._drop_load(scope)
        except Exception:  # noqa: BLE001  the caller's error matters more
            _log.exception("The staged tables of scope %r could not be dropped.", scope)

    def _drop_load(self, scope: str) -> None:
        with self._transaction(scope) as connection:
            self._drop_staged(connection, scope)
            self._states.save(connection, scope, None)
            connection.commit()
        self._seen.pop(scope, None)

    def _discard(self) -> None:
        """Roll back what was written and does not count, if there is any."""
        connection = self._connection
        if self._held is not None or (connection is not None and connection.in_transaction()):
            self._reset()

    def _reset(self) -> None:
        """Roll back, and forget whatever was true only inside the transaction."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if connection.in_transaction() or self._held is not None:
            # A commit to come would move the checkpoint past rows that are gone.
            for scope in self._writers:
                self._begun.pop(scope, None)
        for writer in self._writers.values():
            writer.abandon()
        self._writers.clear()
        self._held = None
        try:
            connection.rollback()
            connection.close()
        except Exception:  # noqa: BLE001  a broken connection has nothing left to roll back
            connection.invalidate()
