"""Asked for after a job is over: once more, one of its records, or that it be taken back."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.domain.checkpoints import Mode
from shared.domain.ids import new_id
from shared.domain.instances import Instance
from shared.domain.jobs import Job, JobKind, JobStatus, JobTrigger
from shared.domain.profiles import Caller
from shared.domain.providers import SinkKind
from shared.errors import ConflictError
from shared.ports.queue import JobQueue
from shared.services.audit import record_act
from shared.services.deps import FindProvider, Now, OpenUow
from shared.services.jobs import enqueue, require_syncable
from shared.services.profiles import require_profile

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork

_RETRIED = frozenset({JobStatus.FAILED, JobStatus.PARTIAL, JobStatus.CANCELLED})


def retry_job(job_id: str, *, caller: Caller, open_uow: OpenUow, queue: JobQueue, now: Now) -> Job:
    """Queue what an unsuccessful job was to do, as a job of its own; return it.

    Raises ConflictError for a job that is not failed, partial or cancelled, while another one of
    its instance is unfinished, and where the instance cannot sync.
    """
    moment = now()
    with open_uow() as uow:
        profile = require_profile(uow, caller)
        old = uow.jobs.get(job_id, profile_id=profile.id)
        if old.status not in _RETRIED:
            raise ConflictError(
                f"This job is {old.status.value}: only one that went wrong is run again."
            )
        instance = uow.instances.get(old.instance_id, profile_id=profile.id)
        if old.kind is JobKind.SYNC:
            require_syncable(instance)
        if old.kind is JobKind.UNDO:
            _require_newest(uow, instance, old.target_job_id)
        job = _new_job(
            instance,
            moment,
            kind=old.kind,
            mode=old.mode,
            trigger=JobTrigger.RETRY,
            target_job_id=old.target_job_id,
            target_record_id=old.target_record_id,
        )
        _store(uow, job, caller=caller, action="job.retry", target=old.id)
    enqueue(job, open_uow=open_uow, queue=queue, now=now)
    return job


def request_undo(
    job_id: str, *, caller: Caller, open_uow: OpenUow, queue: JobQueue, now: Now
) -> Job:
    """Queue a job that takes a sync back; return it.

    Only the newest sync of an instance that changed something can be taken back, and those before
    it one by one then. Raises ConflictError for any other, for one that is not over, for one whose
    journal is gone, and while another job of the instance is unfinished.
    """
    moment = now()
    with open_uow() as uow:
        profile = require_profile(uow, caller)
        target = uow.jobs.get(job_id, profile_id=profile.id)
        instance = uow.instances.get(target.instance_id, profile_id=profile.id)
        if target.kind is not JobKind.SYNC:
            raise ConflictError("Only a sync can be taken back.")
        if not target.is_final:
            raise ConflictError("This sync is not over: cancel it first, then take it back.")
        _require_newest(uow, instance, target.id)
        job = _new_job(
            instance, moment, kind=JobKind.UNDO, mode=target.mode, target_job_id=target.id
        )
        _store(uow, job, caller=caller, action="job.undo", target=target.id)
    enqueue(job, open_uow=open_uow, queue=queue, now=now)
    return job


def replay_record(
    record_id: str,
    *,
    caller: Caller,
    open_uow: OpenUow,
    find_provider: FindProvider,
    queue: JobQueue,
    now: Now,
) -> Job:
    """Queue a job that brings one record of a log again, alone; return it.

    Raises ConflictError where the record stands for no single one, where it goes to a warehouse,
    while another job of the instance is unfinished, and where the instance cannot sync.
    """
    moment = now()
    with open_uow() as uow:
        profile = require_profile(uow, caller)
        record = uow.logs.get_record(record_id, profile_id=profile.id)
        log = uow.logs.get(record.log_id)
        instance = uow.instances.get(log.instance_id, profile_id=profile.id)
        require_syncable(instance)
        if not record.external_id:
            raise ConflictError("This entry is about no single record: sync again instead.")
        if find_provider(instance.provider).spec.sink is not SinkKind.LINKHUB:
            raise ConflictError(
                "A warehouse's records are not brought one by one: start a full sync instead."
            )
        job = _new_job(instance, moment, trigger=JobTrigger.REPLAY, target_record_id=record.id)
        _store(uow, job, caller=caller, action="record.replay", target=record.id)
    enqueue(job, open_uow=open_uow, queue=queue, now=now)
    return job


def _require_newest(uow: UnitOfWork, instance: Instance, target_job_id: str) -> None:
    """Raise ConflictError unless this job is the newest one that changed something."""
    found = [
        uow.jobs.get(job_id)
        for job_id in (
            uow.journal.find_last_job(instance.id),
            uow.generations.find_last_job(instance.id),
        )
        if job_id is not None
    ]
    newest = max(found, key=lambda job: (job.created_at, job.id), default=None)
    if newest is not None and newest.id == target_job_id:
        return
    if all(job.id != target_job_id for job in found) and (
        newest is None or newest.created_at < uow.jobs.get(target_job_id).created_at
    ):
        raise ConflictError(
            "There is nothing to take back: this sync changed nothing, was taken back already, or "
            "is too long ago."
        )
    raise ConflictError("A later sync changed something too: take that one back first.")


def _new_job(instance: Instance, moment: datetime, **values: Any) -> Job:
    defaults: dict[str, Any] = {"mode": Mode.INCREMENTAL}
    return Job(
        id=new_id(),
        instance_id=instance.id,
        created_at=moment,
        updated_at=moment,
        **{**defaults, **values},
    )


def _store(uow: UnitOfWork, job: Job, *, caller: Caller, action: str, target: str) -> None:
    """Add the job and what it was asked for, and commit; ConflictError if one is unfinished."""
    uow.jobs.add(job)
    profile = require_profile(uow, caller)
    record_act(
        uow,
        caller,
        profile_id=profile.id,
        action=action,
        target=target,
        after={"job": job.id},
        now=job.created_at,
    )
    uow.commit()
