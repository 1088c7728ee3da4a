"""One record of a log, brought once more through the same mapper and sink as any other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

from shared.domain.changes import Page
from shared.domain.checkpoints import Checkpoint, Mode
from shared.domain.jobs import LogRecord
from shared.engine.opening import SyncPlan
from shared.engine.sync import Ending, Outcome, run_sync
from shared.ports.provider import Connection
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

    No checkpoint moves: the sink keeps none for such a job.
    """
    plan = SyncPlan(
        job_id=request.job.id,
        mode=Mode.INCREMENTAL,
        incremental=True,
        fingerprint="",
        scopes=(record.stream,),
        record_error_limit=1,
    )
    with closing(ports.open_sink(request)) as sink:
        outcome = run_sync(
            plan=plan,
            source=_OneRecord(connection, record.external_id),
            sink=sink,
            run_log=request.run_log,
            budget_seconds=ports.limits.budget_seconds,
            is_stopping=is_stopping,
        )
    if outcome.ending is Ending.COMPLETED and not outcome.tally.error:
        _resolve(record, request=request, ports=ports)
    return outcome


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
    """A source whose scope holds one record."""

    connection: Connection
    key: str

    def read(self, scope: str, checkpoint: Checkpoint | None) -> Iterator[Page]:
        """Yield the record as it is now; one that is gone is a delete."""
        del checkpoint
        yield Page(changes=self.connection.get(scope, [self.key]), checkpoint=Checkpoint())

    def close(self) -> None:
        """Leave the connection open: it is its owner's to close."""
