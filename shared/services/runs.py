"""Run a job: claim it, sync, and settle what became of it.

What a queue message leads to, by how the run ends:

    completed            job success or partial, log closed, instance healthy
    time budget used up  lease ended, message sent again: the next run goes on
    cancelled            job cancelled, whatever went wrong meanwhile; what is committed stays
    TransientError       lease ended, attempt counted, raised: the host redelivers the message;
                         a known longer wait becomes a delayed message instead, no attempt burnt
    AuthError            job failed, instance in error `needs_reconnect`: nothing syncs before a
                         person reconnects, and then a new job goes on from the checkpoint
    PermanentError       job failed, instance in error `sync_failed`
    ApprovalNeededError  lease ended, job waiting_approval: a person approves it, and it goes on
                         from its checkpoint, or rejects it
    LeaseLostError       nothing: another run owns the job
    anything else        a bug: counted as an attempt and raised, ends in the poison queue
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

from shared.domain.ids import new_id
from shared.domain.instances import StatusReason
from shared.domain.jobs import Job, JobKind, JobStatus, SyncLog
from shared.domain.mapping import RecordMapper
from shared.domain.policies import Policies
from shared.domain.providers import ProviderSpec, SinkKind
from shared.domain.tallies import Tally
from shared.engine.heartbeat import Heartbeat
from shared.engine.opening import SyncPlan
from shared.engine.sync import Ending, Outcome, run_sync
from shared.errors import (
    ApprovalNeededError,
    AuthError,
    LeaseLostError,
    NotFoundError,
    SyncError,
    TransientError,
)
from shared.logs import bind
from shared.ports.provider import Connection
from shared.ports.queue import JobQueue
from shared.ports.sink import Sink
from shared.ports.vault import Vault
from shared.services.connections import Connector, stored_credentials
from shared.services.deps import Now, OpenUow
from shared.services.discovering import discover_tables
from shared.services.jobs import enqueue
from shared.services.plans import (
    SetUp,
    fingerprint_of,
    load_set_up,
    scopes_of,
    selected_fields,
)
from shared.services.run_log import SqlRunLog
from shared.services.secrets import remove_secrets
from shared.services.settlements import Settlement

_log = logging.getLogger(__name__)

REDELIVERY_SECONDS = 30
"""What host.json's visibilityTimeout waits: a longer known wait is a delayed message."""

MINIMUM_DELAY_SECONDS = 1.0

LONGEST_DELAY_SECONDS = 24 * 3600.0
"""Whatever wait a provider asks for: its quotas are a day's at most, and a person wants to know."""


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
    """What a sink is opened with; `mapper` is None for a warehouse."""

    set_up: SetUp
    job: Job
    mapper: RecordMapper | None
    run_log: SqlRunLog
    sleep: Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPorts:
    """Everything a run reaches the outside through."""

    open_uow: OpenUow
    queue: JobQueue
    vault: Vault
    connector: Connector
    open_sink: Callable[[SinkRequest], Sink]
    limits: RunLimits
    now: Now


def run_job(job_id: str, *, ports: RunPorts) -> None:
    """Claim the job and sync it, or leave it alone if it is not this message's to run.

    Raises TransientError (its text free of secrets) where the host should deliver the message
    again.
    """
    job = _claim(job_id, ports)
    if job is None:
        return
    with bind(job=job.id, run=job.run_id, instance=job.instance_id):
        try:
            _Run(job, ports).execute()
        except LeaseLostError as error:
            _log.warning("This run stops and writes nothing more: %s", error)
            return
        remove_secrets(
            open_uow=ports.open_uow, vault=ports.vault, now=ports.now, owner_id=job.instance_id
        )


def _claim(job_id: str, ports: RunPorts) -> Job | None:
    now = ports.now()
    lease = timedelta(seconds=ports.limits.lease_seconds)
    with ports.open_uow() as uow:
        job = uow.jobs.claim(job_id, run_id=new_id(), now=now, lease_until=now + lease)
        if job is not None:
            uow.commit()
            return job
        try:
            job = uow.jobs.get(job_id)
        except NotFoundError:
            _log.warning("Message dropped: there is no job %s.", job_id)
            return None
    if job.is_final or job.status is JobStatus.WAITING_APPROVAL:
        _log.info("Message dropped: job %s is %s.", job_id, job.status.value)
        return None
    free_at = job.lease_expires_at if job.status is JobStatus.RUNNING else job.not_before
    wait = (free_at - now).total_seconds() if free_at is not None else 0.0
    enqueue(
        job,
        open_uow=ports.open_uow,
        queue=ports.queue,
        now=ports.now,
        delay=max(wait, MINIMUM_DELAY_SECONDS),
    )
    return None


class _Run:
    """One claimed execution of a job."""

    def __init__(self, job: Job, ports: RunPorts) -> None:
        self._job = job
        self._ports = ports
        self._limits = ports.limits
        self._secret_ref = ""

    def execute(self) -> None:
        ports = self._ports
        settlement = Settlement(self._job, open_uow=ports.open_uow, now=ports.now)
        if self._job.cancel_requested_at is not None:  # the run that was asked has died
            settlement.cancel(None)
            return
        try:
            if self._job.kind is JobKind.DISCOVER:
                discover_tables(self._job, ports=ports, settlement=settlement)
                outcome = None
            else:
                outcome = self._sync(settlement)
        except LeaseLostError:
            raise
        except (SyncError, NotFoundError) as error:
            self._stop(error, settlement)
        except Exception as error:  # noqa: BLE001  a bug is recorded before the host retries
            _log.error("The run failed unexpectedly: %s", settlement.trace(error))
            settlement.count_attempt(error)
            raise RuntimeError(f"The run failed unexpectedly: {settlement.text(error)}") from None
        else:
            self._settle(outcome, settlement)

    def _stop(self, error: SyncError | NotFoundError, settlement: Settlement) -> None:
        match error:
            case TransientError():
                self._try_again(error, settlement)
            case AuthError():
                self._wait_for_reconnect(error, settlement)
            case ApprovalNeededError():
                self._wait_for_approval(error, settlement)
            case NotFoundError():
                settlement.cancel(error)
            case _:
                settlement.fail(error, StatusReason.SYNC_FAILED)

    def _try_again(self, error: TransientError, settlement: Settlement) -> None:
        """Leave it to the host, or to a message for later; not where somebody asked to cancel."""
        if self._is_cancelled():
            settlement.cancel(None)
        elif error.retry_after is None or error.retry_after <= REDELIVERY_SECONDS:
            settlement.count_attempt(error)
            raise TransientError(settlement.text(error)) from None
        else:
            wait = min(error.retry_after, LONGEST_DELAY_SECONDS)
            settlement.postpone(error, seconds=wait)
            self._send_again(wait)

    def _wait_for_approval(self, error: ApprovalNeededError, settlement: Settlement) -> None:
        """Ask a person, unless one wants no more of this job anyway."""
        if self._is_cancelled():
            settlement.cancel(None)
        else:
            settlement.wait_for_approval(error)

    def _is_cancelled(self) -> bool:
        with self._ports.open_uow(read_only=True) as uow:
            return uow.jobs.get(self._job.id).cancel_requested_at is not None

    def _wait_for_reconnect(self, error: AuthError, settlement: Settlement) -> None:
        """Fail the job and break the instance; go on where somebody reconnected meanwhile."""
        with self._ports.open_uow(read_only=True) as uow:
            present = uow.instances.get_state(self._job.instance_id).secret_ref
        if self._secret_ref and present not in {"", self._secret_ref}:
            settlement.postpone(error, seconds=0)
            self._send_again(0)
        else:
            settlement.fail(error, StatusReason.NEEDS_RECONNECT)

    def _settle(self, outcome: Outcome | None, settlement: Settlement) -> None:
        if outcome is None:
            settlement.discovered()
            return
        match outcome.ending:
            case Ending.COMPLETED:
                settlement.complete(outcome)
            case Ending.CANCELLED:
                settlement.cancel(None)
            case Ending.PAUSED:
                settlement.postpone(None, seconds=0)
                self._send_again(0)

    def _send_again(self, delay: float) -> None:
        ports = self._ports
        enqueue(self._job, open_uow=ports.open_uow, queue=ports.queue, now=ports.now, delay=delay)

    def _sync(self, settlement: Settlement) -> Outcome:
        ports, job = self._ports, self._job
        with ports.open_uow(read_only=True) as uow:
            set_up = load_set_up(uow, job.instance_id)
        self._secret_ref = set_up.state.secret_ref
        settlement.warehouse_id = set_up.instance.destination
        definition = ports.connector.find_provider(set_up.instance.provider)
        spec = definition.spec
        run_log = self._start_log(set_up, spec)
        credentials = stored_credentials(
            set_up.instance, set_up.state.secret_ref, vault=ports.vault
        )
        settlement.secrets = tuple(credentials.values.values())
        plan = SyncPlan(
            job_id=job.id,
            mode=job.mode,
            incremental=spec.incremental,
            fingerprint=fingerprint_of(set_up, spec),
            scopes=scopes_of(set_up, spec),
            record_error_limit=self._record_error_limit(set_up),
        )
        mapper = None
        if spec.sink is SinkKind.LINKHUB:
            mapper = RecordMapper.compile(
                set_up.mappings, default_transform=definition.default_transform
            )
        with Heartbeat(run_log, interval=self._limits.heartbeat_seconds) as heartbeat:

            def is_stopping() -> bool:
                heartbeat.check()
                return heartbeat.cancel_requested

            connection: Connection = ports.connector.open(
                set_up.instance.provider,
                credentials=credentials,
                options=set_up.instance.options,
                selection=selected_fields(set_up, spec),
                sleep=heartbeat.sleep,
            )
            request = SinkRequest(
                set_up=set_up,
                job=job,
                mapper=mapper,
                run_log=run_log,
                sleep=heartbeat.sleep,
            )
            with closing(connection), closing(ports.open_sink(request)) as sink:
                return run_sync(
                    plan=plan,
                    source=connection,
                    sink=sink,
                    run_log=run_log,
                    budget_seconds=self._limits.budget_seconds,
                    is_stopping=is_stopping,
                )

    def _record_error_limit(self, set_up: SetUp) -> int:
        own = Policies.from_json(set_up.instance.policies).record_error_limit
        limit = self._limits.record_error_limit
        return limit if own is None else min(own, limit)

    def _start_log(self, set_up: SetUp, spec: ProviderSpec) -> SqlRunLog:
        now = self._ports.now()
        log = SyncLog(
            id=new_id(),
            job_id=self._job.id,
            instance_id=self._job.instance_id,
            provider=spec.slug,
            operation="import",
            stream=",".join(selected_fields(set_up, spec)) or "*",
            entity=",".join(sorted({rule.entity for rule in set_up.mappings})),
            status=JobStatus.RUNNING.value,
            mode=self._job.mode,
            tally=Tally(),
            success=False,
            logged_at=now,
            created_at=now,
            updated_at=now,
        )
        with self._ports.open_uow() as uow:
            uow.logs.start(log)
            stored = uow.logs.find_by_job(self._job.id)
            uow.commit()
        return SqlRunLog(
            self._job,
            log_id=stored.id if stored is not None else log.id,
            open_uow=self._ports.open_uow,
            lease_seconds=self._limits.lease_seconds,
            records_cap=self._limits.records_cap,
            now=self._ports.now,
        )
