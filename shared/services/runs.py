"""Run a job: claim it, sync, and settle what became of it.

What a queue message leads to, by how the run ends:

    completed            job success or partial, log closed, instance healthy
    time budget used up  lease ended, message sent again: the next run goes on
    cancelled            job cancelled, whatever went wrong meanwhile; what is committed stays
    TransientError       lease ended, attempt counted, raised: the host redelivers the message;
                         a known longer wait becomes a delayed message instead, no attempt burnt
    AuthError            job failed, instance in error `needs_reconnect`: nothing syncs before a
                         person reconnects, and then a new job goes on from the checkpoint
    PermanentError       what it wrote to LinkHub taken back, job failed, instance in error
                         `sync_failed`
    ApprovalNeededError  lease ended, job waiting_approval: a person approves it, and it goes on
                         from its checkpoint, or rejects it
    LeaseLostError       nothing: another run owns the job
    anything else        a bug: counted as an attempt and raised, ends in the poison queue
"""

from __future__ import annotations

import logging
from datetime import timedelta

from shared.domain.ids import new_id
from shared.domain.instances import StatusReason
from shared.domain.jobs import Job, JobKind, JobStatus
from shared.domain.providers import ProviderSpec
from shared.engine.sync import Ending, Outcome
from shared.errors import (
    ApprovalNeededError,
    AuthError,
    LeaseLostError,
    NotFoundError,
    SyncError,
    TransientError,
)
from shared.logs import bind
from shared.services.connections import stored_credentials
from shared.services.discovering import discover_tables
from shared.services.dropping import drop_staged
from shared.services.jobs import enqueue
from shared.services.plans import SetUp, load_set_up
from shared.services.run_log import SqlRunLog
from shared.services.run_ports import RunLimits, RunPorts, SinkRequest
from shared.services.secrets import remove_secrets
from shared.services.settlements import Settlement
from shared.services.syncing import start_log, sync_instance
from shared.services.undoing import failure_of, mark_failed, roll_back, undo_job

__all__ = ["RunLimits", "RunPorts", "SinkRequest", "run_job"]

_log = logging.getLogger(__name__)

REDELIVERY_SECONDS = 30
"""What host.json's visibilityTimeout waits: a longer known wait is a delayed message."""

MINIMUM_DELAY_SECONDS = 1.0

LONGEST_DELAY_SECONDS = 24 * 3600.0
"""Whatever wait a provider asks for: its quotas are a day's at most, and a person wants to know."""


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
    if job.is_rejected:
        drop_staged(job, ports=ports)
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
            outcome = self._work(settlement)
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
                self._fail(error, settlement)

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

    def _work(self, settlement: Settlement) -> Outcome | None:
        match self._job.kind:
            case JobKind.DISCOVER:
                discover_tables(self._job, ports=self._ports, settlement=settlement)
                return None
            case JobKind.UNDO:
                set_up, spec, run_log = self._opened()
                return undo_job(
                    self._job, set_up=set_up, spec=spec, run_log=run_log, ports=self._ports
                )
        failure = failure_of(self._job, ports=self._ports)
        if failure is not None:  # an earlier run has failed, and takes its writes back
            raise failure
        return self._sync(settlement)

    def _opened(self) -> tuple[SetUp, ProviderSpec, SqlRunLog]:
        """Return what a run needs that calls no provider."""
        with self._ports.open_uow(read_only=True) as uow:
            set_up = load_set_up(uow, self._job.instance_id)
        spec = self._ports.connector.find_provider(set_up.instance.provider).spec
        run_log = start_log(self._job, set_up=set_up, spec=spec, ports=self._ports)
        return set_up, spec, run_log

    def _fail(self, error: SyncError, settlement: Settlement) -> None:
        """Take back what the job wrote to LinkHub, then fail it; or go on with that later."""
        note = ""
        try:
            is_sync = self._job.kind is JobKind.SYNC
            if is_sync and mark_failed(self._job, settlement.text(error), ports=self._ports):
                set_up, _, run_log = self._opened()
                ending = roll_back(self._job, set_up=set_up, run_log=run_log, ports=self._ports)
                if ending is Ending.PAUSED:
                    settlement.postpone(error, seconds=0)
                    self._send_again(0)
                    return
                note = "What the sync had written to LinkHub was taken back."
        except LeaseLostError:
            raise
        except TransientError as busy:
            self._try_again(busy, settlement)
            return
        except (SyncError, NotFoundError) as second:
            note = f"What it had written could not be taken back: {settlement.text(second)}"
        settlement.fail(error, StatusReason.SYNC_FAILED, note=note)

    def _sync(self, settlement: Settlement) -> Outcome:
        ports, job = self._ports, self._job
        with ports.open_uow(read_only=True) as uow:
            set_up = load_set_up(uow, job.instance_id)
        self._secret_ref = set_up.state.secret_ref
        settlement.warehouse_id = set_up.instance.destination
        definition = ports.connector.find_provider(set_up.instance.provider)
        run_log = start_log(job, set_up=set_up, spec=definition.spec, ports=ports)
        credentials = stored_credentials(
            set_up.instance, set_up.state.secret_ref, vault=ports.vault
        )
        settlement.secrets = tuple(credentials.values.values())
        return sync_instance(
            job,
            set_up=set_up,
            definition=definition,
            credentials=credentials,
            run_log=run_log,
            ports=ports,
        )
