"""One run's syncing: import, export, or the one and then the other, under one log.

Both ways go through `run_sync`. What an earlier run of the job has settled is found settled, so a
job that was cut off anywhere goes on there.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace

from shared.domain.ids import new_id
from shared.domain.jobs import Job, JobKind, JobStatus, SyncLog
from shared.domain.mapping import RecordMapper
from shared.domain.policies import Policies
from shared.domain.providers import Direction, ProviderSpec, SinkKind
from shared.domain.reverse_mapping import ReverseMapper
from shared.domain.sync_rules import SyncRules
from shared.domain.tallies import Tally
from shared.engine.heartbeat import Heartbeat
from shared.engine.opening import SyncPlan
from shared.engine.sync import Ending, Outcome, run_sync
from shared.errors import NotFoundError, PermanentError
from shared.ports.provider import Connection, Credentials, ProviderDefinition
from shared.ports.run_log import RunLog
from shared.services.following import Following
from shared.services.plans import (
    SetUp,
    exports,
    fingerprint_of,
    imports,
    scopes_of,
    selected_fields,
    whole_streams,
)
from shared.services.replaying import sync_record
from shared.services.run_log import SqlRunLog
from shared.services.run_ports import RunPorts, SinkRequest


def sync_instance(
    job: Job,
    *,
    set_up: SetUp,
    definition: ProviderDefinition,
    credentials: Credentials,
    run_log: SqlRunLog,
    ports: RunPorts,
) -> Outcome:
    """Sync as far as the time budget allows and return how it ended, both ways together."""
    mapper = None
    if definition.spec.sink is SinkKind.LINKHUB:
        mapper = RecordMapper.compile(
            set_up.mappings, default_transform=definition.default_transform
        )
    with Heartbeat(run_log, interval=ports.limits.heartbeat_seconds) as heartbeat:
        connection = ports.connector.open(
            set_up.instance.provider,
            credentials=credentials,
            options=set_up.instance.options,
            selection=_selection(set_up, definition),
            whole=whole_streams(set_up),
            sleep=heartbeat.sleep,
            account=set_up.state.account,
        )
        with closing(connection):
            rules = None
            if mapper is not None and exports(set_up, definition.spec):
                rules = _rules(set_up, definition, mapper, connection)
            request = SinkRequest(
                set_up=set_up,
                job=job,
                mapper=mapper,
                run_log=run_log,
                sleep=heartbeat.sleep,
                rules=rules,
            )
            both = _Both(request, definition.spec, connection, ports, heartbeat)
            if job.target_record_id:
                return both.replay()
            return both.sync()


class _Both:
    """One run's two ways."""

    def __init__(
        self,
        request: SinkRequest,
        spec: ProviderSpec,
        connection: Connection,
        ports: RunPorts,
        heartbeat: Heartbeat,
    ) -> None:
        self._request = request
        self._spec = spec
        self._connection = connection
        self._ports = ports
        self._heartbeat = heartbeat
        self._deadline = time.monotonic() + ports.limits.budget_seconds
        set_up = request.set_up
        self._plan = SyncPlan(
            job_id=request.job.id,
            mode=request.job.mode,
            incremental=spec.incremental,
            fingerprint=fingerprint_of(set_up, spec),
            scopes=scopes_of(set_up, spec),
            record_error_limit=record_error_limit(set_up, ports.limits.record_error_limit),
            is_rejected=self._is_rejected,
        )

    def sync(self) -> Outcome:
        rules = self._request.rules
        if rules is None:
            return self._import()
        export = self._ports.open_export(self._request, rules, self._connection)
        with ExitStack() as stack:
            stack.enter_context(closing(export.source))
            stack.enter_context(closing(export.sink))
            export.sink.recover(rules.entities)
            done = Outcome(ending=Ending.COMPLETED, mode=self._plan.mode, tally=Tally())
            run_log: RunLog = self._request.run_log
            if rules.imports:
                done = self._import()
                if done.ending is not Ending.COMPLETED:
                    return done
                run_log = Following(run_log, done.tally)
            plan = replace(
                self._plan,
                incremental=True,
                scopes=rules.entities,
                record_error_limit=self._plan.record_error_limit - done.tally.error,
            )
            out = run_sync(
                plan=plan,
                source=export.source,
                sink=export.sink,
                run_log=run_log,
                budget_seconds=self._deadline - time.monotonic(),
                is_stopping=self._is_stopping,
            )
        mode = done.mode if rules.imports else out.mode
        return replace(done, ending=out.ending, mode=mode, tally=done.tally + out.tally)

    def replay(self) -> Outcome:
        """Bring the one record the job is about, the ways the instance goes."""
        with self._ports.open_uow(read_only=True) as uow:
            record = uow.logs.get_record(self._request.job.target_record_id)
        return sync_record(
            record,
            request=self._request,
            connection=self._connection,
            ports=self._ports,
            is_stopping=self._is_stopping,
        )

    def _import(self) -> Outcome:
        with closing(self._ports.open_sink(self._request)) as sink:
            return run_sync(
                plan=self._plan,
                source=self._connection,
                sink=sink,
                run_log=self._request.run_log,
                budget_seconds=self._deadline - time.monotonic(),
                is_stopping=self._is_stopping,
            )

    def _is_rejected(self, job_id: str) -> bool:
        with self._ports.open_uow(read_only=True) as uow:
            try:
                return uow.jobs.get(job_id).is_rejected
            except NotFoundError:  # it was long ago
                return False

    def _is_stopping(self) -> bool:
        self._heartbeat.check()
        return self._heartbeat.cancel_requested


def _rules(
    set_up: SetUp, definition: ProviderDefinition, mapper: RecordMapper, connection: Connection
) -> SyncRules:
    reverse = ReverseMapper.compile(
        set_up.mappings,
        streams=connection.discover(),
        default_transform=definition.default_transform,
    )
    rules = SyncRules(
        mapper=mapper,
        reverse=reverse,
        policy=Policies.from_json(set_up.instance.policies).on_conflict,
        imports=imports(set_up, definition.spec),
        version_fields=definition.version_fields,
        changed_at=definition.changed_at,
    )
    if not rules.entities:
        raise PermanentError(
            f"{set_up.instance.name} maps no field that can be exported: map a field the provider "
            "lets people write, or sync it as an import."
        )
    return rules


def _selection(set_up: SetUp, definition: ProviderDefinition) -> dict[str, Sequence[str]]:
    """Return the fields to read; an export also needs what tells versions and times of change."""
    selection = dict(selected_fields(set_up, definition.spec))
    if exports(set_up, definition.spec):
        for stream, names in selection.items():
            more = (*definition.version_fields.get(stream, ()), definition.changed_at.get(stream))
            selection[stream] = tuple(dict.fromkeys([*names, *(name for name in more if name)]))
    return selection


def record_error_limit(set_up: SetUp, limit: int) -> int:
    """Return how many bad records a job may have: the instance's limit, at most the app's own."""
    own = Policies.from_json(set_up.instance.policies).record_error_limit
    return limit if own is None else min(own, limit)


def start_log(job: Job, *, set_up: SetUp, spec: ProviderSpec, ports: RunPorts) -> SqlRunLog:
    """Begin the job's log, or go on with it."""
    now = ports.now()
    is_import = spec.sink is SinkKind.WAREHOUSE
    direction = Direction.IMPORT if is_import else set_up.instance.sync_direction
    operation = job.kind.value if job.kind is JobKind.UNDO else direction.value
    log = SyncLog(
        id=new_id(),
        job_id=job.id,
        instance_id=job.instance_id,
        provider=spec.slug,
        operation=operation,
        stream=",".join(selected_fields(set_up, spec)) or "*",
        entity=",".join(sorted({rule.entity for rule in set_up.mappings})),
        status=JobStatus.RUNNING.value,
        mode=job.mode,
        tally=Tally(),
        success=False,
        logged_at=now,
        created_at=now,
        updated_at=now,
    )
    with ports.open_uow() as uow:
        uow.logs.start(log)
        stored = uow.logs.find_by_job(job.id)
        uow.commit()
    return SqlRunLog(
        job,
        log_id=stored.id if stored is not None else log.id,
        open_uow=ports.open_uow,
        lease_seconds=ports.limits.lease_seconds,
        records_cap=ports.limits.records_cap,
        now=ports.now,
    )
