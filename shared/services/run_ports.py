"""What a run is handed: limits, and ways to the outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.domain.changes import Change
from shared.domain.jobs import Job
from shared.domain.mapping import RecordMapper
from shared.domain.sync_rules import SyncRules
from shared.ports.provider import Connection, Source
from shared.ports.queue import JobQueue
from shared.ports.sink import ExportSink, Sink
from shared.ports.vault import Vault
from shared.services.connections import Connector
from shared.services.deps import Now, OpenUow
from shared.services.plans import SetUp
from shared.services.run_log import SqlRunLog


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """How long a run may take and how much may go wrong in it; all times in seconds."""

    lease_seconds: float
    heartbeat_seconds: float
    budget_seconds: float
    record_error_limit: int
    records_cap: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkRequest:
    """What a sink is opened with; `mapper` is None for a warehouse.

    `rules`: how records travel both ways, None where they are only imported.
    """

    set_up: SetUp
    job: Job
    mapper: RecordMapper | None
    run_log: SqlRunLog
    sleep: Callable[[float], None]
    rules: SyncRules | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """The way out of LinkHub: its changes, and the provider they go to.

    `get(entity, ids)` returns records as the source would show them now.
    """

    source: Source
    get: Callable[[str, Sequence[str]], Sequence[Change]]
    sink: ExportSink


OpenExport = Callable[[SinkRequest, SyncRules, Connection], Export]
"""Opens the way from LinkHub to a provider's connection, which stays the caller's to close."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPorts:
    """Everything a run reaches the outside through."""

    open_uow: OpenUow
    queue: JobQueue
    vault: Vault
    connector: Connector
    open_sink: Callable[[SinkRequest], Sink]
    open_export: OpenExport
    limits: RunLimits
    now: Now
