"""Answers to a job that asks before it does something unusual."""

from __future__ import annotations

from shared.domain.jobs import Job
from shared.domain.profiles import Caller
from shared.ports.queue import JobQueue
from shared.services.audit import record_act
from shared.services.deps import Now, OpenUow
from shared.services.jobs import enqueue
from shared.services.profiles import require_profile


def approve_job(
    job_id: str, *, caller: Caller, open_uow: OpenUow, queue: JobQueue, now: Now
) -> Job:
    """Let a job that waits for an approval go on from its checkpoint and do what it asked for.

    It asks again where it comes to delete more than that.

    Raises ConflictError for a job that does not wait for one.
    """
    moment = now()
    with open_uow() as uow:
        profile = require_profile(uow, caller)
        asked = uow.jobs.get(job_id, profile_id=profile.id)
        job = uow.jobs.approve(job_id, now=moment)
        record_act(
            uow,
            caller,
            profile_id=profile.id,
            action="job.approve",
            target=job_id,
            before={"question": asked.error_message},
            now=moment,
        )
        uow.commit()
    enqueue(job, open_uow=open_uow, queue=queue, now=now)
    return job


def reject_job(job_id: str, *, caller: Caller, open_uow: OpenUow, queue: JobQueue, now: Now) -> Job:
    """Cancel a job that waits for an approval: nothing of what it asked about is done.

    Its message is sent once more: whoever gets it drops what the job has staged. The next job reads
    everything afresh.

    Raises ConflictError for a job that does not wait for one.
    """
    moment = now()
    with open_uow() as uow:
        profile = require_profile(uow, caller)
        uow.jobs.get(job_id, profile_id=profile.id)
        job = uow.jobs.reject(job_id, now=moment)
        record_act(
            uow,
            caller,
            profile_id=profile.id,
            action="job.reject",
            target=job_id,
            before={"question": job.error_message},
            now=moment,
        )
        uow.commit()
    enqueue(job, open_uow=open_uow, queue=queue, now=now)
    return job
