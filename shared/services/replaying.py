"""One record of a log, brought once more through the same mapper and sinks as any other.

An import brings it from the provider, an export from LinkHub, both ways do the one and then the
other, each merging what both sides have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import timedelta

from shared.domain.changes import Change, Page, Upsert
from shared.domain.checkpoints import Checkpoint, Mode
from shared.domain.jobs import LogRecord
from shared.domain.links import RecordLink
from shared.domain.sync_rules import SyncRules
from shared.domain.tallies import Tally
from shared.engine.opening import SyncPlan
from shared.engine.sync import Ending, Outcome, run_sync
from shared.ports.provider import Connection
from shared.ports.run_log import RunLog
from shared.services.following import Following
from shared.services.run_ports import RunPorts, SinkRequest


def sync_record(
    record: LogRecord,
    *,
    request: SinkRequest,
    connection: Connection,
    ports: RunPorts,
    is_stopping: Callable[[], bool],
) -> Outcome:
    """Bring the record as it is now; its entry in the log counts as resolved where that works.

    No checkpoint moves: the sinks keep none for such a job.
    """
    replay = _Replay(record, request, connection, ports, is_stopping)
    rules = request.rules
    outcome = replay.from_provider() if rules is None else replay.both_ways(rules)
    if outcome.ending is Ending.COMPLETED and not outcome.tally.error:
        _resolve(record, request=request, ports=ports)
    return outcome


@dataclass(frozen=True, slots=True)
class _Replay:
    record: LogRecord
    request: SinkRequest
    connection: Connection
    ports: RunPorts
    is_stopping: Callable[[], bool]

    def from_provider(self) -> Outcome:
        """Bring the provider's record to LinkHub; one that is gone there is a delete."""
        stream, key = self.record.stream, self.record.external_id
        source = _OneRecord(lambda: self.connection.get(stream, [key]))
        with closing(self.ports.open_sink(self.request)) as sink:
            return run_sync(
                plan=self._plan(stream),
                source=source,
                sink=sink,
                run_log=self.request.run_log,
                budget_seconds=self.ports.limits.budget_seconds,
                is_stopping=self.is_stopping,
            )

    def both_ways(self, rules: SyncRules) -> Outcome:
        """Bring the record to LinkHub where the instance imports, then LinkHub's to the provider.

        A record that is not linked yet is known by the provider's id, or, if it was made in LinkHub
        and the provider did not take it so far, by LinkHub's.
        """
        with ExitStack() as stack:
            export = self.ports.open_export(self.request, rules, self.connection)
            stack.enter_context(closing(export.source))
            stack.enter_context(closing(export.sink))
            export.sink.recover(rules.entities)
            entity = rules.mapper.streams.get(self.record.stream, "")
            done = Outcome(ending=Ending.COMPLETED, mode=Mode.INCREMENTAL, tally=Tally())
            run_log: RunLog = self.request.run_log
            linkhub_id = self._linkhub_id()
            if linkhub_id is None and entity in rules.entities:
                own = export.get(entity, [self.record.external_id])
                linkhub_id = next((each.key for each in own if isinstance(each, Upsert)), None)
            if rules.imports and linkhub_id != self.record.external_id:
                done = self.from_provider()
                run_log = Following(run_log, done.tally)
                linkhub_id = self._linkhub_id()
            if done.ending is not Ending.COMPLETED or linkhub_id is None:
                return done
            if entity not in rules.entities:
                return done
            known = linkhub_id
            out = run_sync(
                plan=self._plan(entity),
                source=_OneRecord(lambda: export.get(entity, [known])),
                sink=export.sink,
                run_log=run_log,
                budget_seconds=self.ports.limits.budget_seconds,
                is_stopping=self.is_stopping,
            )
        return replace(done, ending=out.ending, tally=done.tally + out.tally)

    def _linkhub_id(self) -> str | None:
        """Return what LinkHub calls the record, None where it was never linked."""
        stream, key = self.record.stream, self.record.external_id
        with self.ports.open_uow(read_only=True) as uow:
            found = uow.links.get_many(self.request.set_up.instance.id, stream, [key])
        link: RecordLink | None = found.get(key)
        return None if link is None else link.linkhub_id

    def _plan(self, scope: str) -> SyncPlan:
        return SyncPlan(
            job_id=self.request.job.id,
            mode=Mode.INCREMENTAL,
            incremental=True,
            fingerprint="",
            scopes=(scope,),
            record_error_limit=1,
        )


def _resolve(record: LogRecord, *, request: SinkRequest, ports: RunPorts) -> None:
    now = ports.now()
    with ports.open_uow() as uow:
        until = now + timedelta(seconds=ports.limits.lease_seconds)
        uow.jobs.renew_lease(request.job.id, request.job.run_id, until=until)
        uow.logs.resolve_records(
            record.log_id, stream=record.stream, external_id=record.external_id, now=now
        )
        uow.commit()


@dataclass(frozen=True, slots=True)
class _OneRecord:
    """A source whose scope holds one record, as `show` returns it."""

    show: Callable[[], Sequence[Change]]

    def read(self, scope: str, checkpoint: Checkpoint | None) -> Iterator[Page]:
        """Yield the record as it is now; one that is gone is a delete."""
        del scope, checkpoint
        yield Page(changes=self.show(), checkpoint=Checkpoint())

    def close(self) -> None:
        """Leave what it is read from open: that is its owner's to close."""
