"""Syncs: start, list, read, cancel, retry, undo; approve or reject what one asks."""

from __future__ import annotations

import azure.functions as func

from functions import schemas
from functions.bootstrap import app
from functions.http_support import endpoint
from shared.domain.paging import ListQuery
from shared.domain.profiles import Caller
from shared.services import approvals, jobs, reruns

bp = func.Blueprint()


@bp.route(
    "api/v1/instances/{instance_id}/jobs", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS
)
@endpoint(status=202)
def start_job(instance_id: str, caller: Caller, body: schemas.JobInput) -> schemas.Job:
    """Queue a sync, or return the one that is not finished yet."""
    job = jobs.request_sync(
        instance_id,
        caller=caller,
        mode=body.mode,
        open_uow=app().open_uow,
        queue=app().queue,
        now=app().now,
    )
    return schemas.Job.of(job)


@bp.route("api/v1/jobs", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def list_jobs(
    caller: Caller, query: ListQuery, instance_id: str | None
) -> schemas.Page[schemas.Job]:
    """Return the caller's jobs, newest first."""
    part = jobs.list_jobs(
        query,
        caller=caller,
        open_uow=app().open_uow,
        instance_id=instance_id,
    )
    return schemas.Page[schemas.Job].of(part, schemas.Job.of)


@bp.route("api/v1/jobs/{job_id}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def get_job(job_id: str, caller: Caller) -> schemas.Job:
    """Return one of the caller's jobs with its counts."""
    job, log = jobs.get_job(job_id, caller=caller, open_uow=app().open_uow)
    return schemas.Job.of(job, log)


@bp.route("api/v1/jobs/{job_id}/cancel", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def cancel_job(job_id: str, caller: Caller) -> schemas.Job:
    """Cancel a job: at once while it waits, after its page while it runs."""
    job = jobs.cancel_job(
        job_id, caller=caller, open_uow=app().open_uow, queue=app().queue, now=app().now
    )
    return schemas.Job.of(job)


@bp.route("api/v1/jobs/{job_id}/approve", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint(status=202)
def approve_job(job_id: str, caller: Caller) -> schemas.Job:
    """Let a job that waits for an approval go on."""
    job = approvals.approve_job(
        job_id, caller=caller, open_uow=app().open_uow, queue=app().queue, now=app().now
    )
    return schemas.Job.of(job)


@bp.route("api/v1/jobs/{job_id}/reject", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def reject_job(job_id: str, caller: Caller) -> schemas.Job:
    """Cancel a job that waits for an approval: it does nothing more."""
    job = approvals.reject_job(
        job_id, caller=caller, open_uow=app().open_uow, queue=app().queue, now=app().now
    )
    return schemas.Job.of(job)


@bp.route("api/v1/jobs/{job_id}/retry", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint(status=202)
def retry_job(job_id: str, caller: Caller) -> schemas.Job:
    """Run what went wrong again, as a job of its own."""
    job = reruns.retry_job(
        job_id, caller=caller, open_uow=app().open_uow, queue=app().queue, now=app().now
    )
    return schemas.Job.of(job)


@bp.route("api/v1/jobs/{job_id}/undo", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint(status=202)
def undo_job(job_id: str, caller: Caller) -> schemas.Job:
    """Take a sync back, wherever nobody changed since what it wrote."""
    job = reruns.request_undo(
        job_id, caller=caller, open_uow=app().open_uow, queue=app().queue, now=app().now
    )
    return schemas.Job.of(job)
