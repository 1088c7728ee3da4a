"""Jobs: asked for, looked at, cancelled."""

from __future__ import annotations

import logging

from shared.domain.checkpoints import Mode
from shared.domain.ids import new_id
from shared.domain.instances import Instance, InstanceStatus, SetupStep, StatusReason
from shared.domain.jobs import Job, JobKind, JobTrigger, SyncLog
from shared.domain.paging import ListQuery, Slice
from shared.domain.profiles import Caller
from shared.domain.wizard import require_step
from shared.errors import ConflictError, TransientError
from shared.ports.queue import JobQueue
from shared.services.audit import record_act
from shared.services.deps import Now, OpenUow
from shared.services.profiles import require_profile

_log = logging.getLogger(__name__)


def request_sync(
    instance_id: str,
    *,
    caller: Caller,
    mode: Mode,
    open_uow: OpenUow,
    queue: JobQueue,
    now: Now,
) -> Job:
    """Return a job for the instance, queued: a new one, or the unfinished one it already has."""
    moment = now()
    with open_uow() as uow:
        profile = require_profile(uow, caller)
        instance = uow.instances.get(instance_id, profile_id=profile.id)
        require_syncable(instance)
        job = uow.jobs.find_open(instance.id)
        if job is not None and (job.kind is not JobKind.SYNC or job.target_record_id):
            raise ConflictError(f"{instance.name} is busy with another job: try again soon.")
        if job is None:
            job = Job(
                id=new_id(),
                instance_id=instance.id,
                mode=mode,
                trigger=JobTrigger.MANUAL,
                created_at=moment,
                updated_at=moment,
            )
            try:
                uow.jobs.add(job)
            except ConflictError:
                job = None  # another request was faster by a moment
            else:
                record_act(
                    uow,
                    caller,
                    profile_id=profile.id,
                    action="job.request",
                    target=job.id,
                    after={"instance": instance.id, "mode": mode.value},
                    now=moment,
                )
                uow.commit()
    job = job or _open_job(instance.id, open_uow=open_uow)
    if job.enqueued_at is None:
        enqueue(job, open_uow=open_uow, queue=queue, now=now)
    return job


def require_syncable(instance: Instance) -> None:
    """Raise ConflictError, saying what to do first, where an instance cannot sync."""
    require_step(instance.setup_step, SetupStep.COMPLETED)
    if instance.status is InstanceStatus.PAUSED:
        raise ConflictError(f"{instance.name} is paused: resume it first.")
    if instance.status_reason == StatusReason.NEEDS_RECONNECT:
        raise ConflictError(f"{instance.name} must be connected again first.")


def _open_job(instance_id: str, *, open_uow: OpenUow) -> Job:
    with open_uow(read_only=True) as uow:
        job = uow.jobs.find_open(instance_id)
    if job is None:
        raise ConflictError("Another sync of this instance ended just now: start again.")
    return job


def enqueue(job: Job, *, open_uow: OpenUow, queue: JobQueue, now: Now, delay: float = 0) -> bool:
    """Send the job's message and note when; return whether the queue took it.

    A message that cannot be sent is left to the reaper.
    """
    try:
        queue.send(job.id, scheduled=job.trigger is JobTrigger.SCHEDULED, delay=delay)
    except TransientError as error:
        _log.warning("Job %s is stored but not queued yet: %s", job.id, error)
        return False
    with open_uow() as uow:
        uow.jobs.set_enqueued(job.id, now=now())
        uow.commit()
    return True


def get_job(job_id: str, *, caller: Caller, open_uow: OpenUow) -> tuple[Job, SyncLog | None]:
    """Return one of the caller's jobs and what it has done so far."""
    with open_uow(read_only=True) as uow:
        job = uow.jobs.get(job_id, profile_id=require_profile(uow, caller).id)
        return job, uow.logs.find_by_job(job.id)


def list_jobs(
    query: ListQuery, *, caller: Caller, open_uow: OpenUow, instance_id: str | None = None
) -> Slice[Job]:
    """Return a page of the caller's jobs, newest first."""
    with open_uow(read_only=True) as uow:
        profile = require_profile(uow, caller)
        return uow.jobs.list_page(profile.id, query, instance_id=instance_id)


def cancel_job(job_id: str, *, caller: Caller, open_uow: OpenUow, queue: JobQueue, now: Now) -> Job:
    """Cancel a waiting job at once, ask a running one to stop after its page.

    One that waits for an approval is rejected by that: its message is sent once more, for what it
    has staged to be dropped.

    Raises ConflictError for one that is already over.
    """
    moment = now()
    with open_uow() as uow:
        profile = require_profile(uow, caller)
        uow.jobs.get(job_id, profile_id=profile.id)
        job = uow.jobs.request_cancel(job_id, now=moment)
        record_act(
            uow, caller, profile_id=profile.id, action="job.cancel", target=job_id, now=moment
        )
        uow.commit()
    if job.is_rejected:
        enqueue(job, open_uow=open_uow, queue=queue, now=now)
    return job
