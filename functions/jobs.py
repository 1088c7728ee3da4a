"""Syncs: start, list, read, cancel."""

from __future__ import annotations

import azure.functions as func

from functions import schemas
from functions.bootstrap import app
from functions.http_support import body_of, endpoint, list_query, route_id
from shared.domain.profiles import Caller
from shared.services import jobs

bp = func.Blueprint()


@bp.route(
    "api/v1/instances/{instance_id}/jobs", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS
)
@endpoint(status=202)
def start_job(req: func.HttpRequest, caller: Caller) -> schemas.Job:
    """Queue a sync, or return the one that is not finished yet."""
    body = body_of(req, schemas.JobInput)
    job = jobs.request_sync(
        route_id(req, "instance_id"),
        caller=caller,
        mode=body.mode,
        open_uow=app().open_uow,
        queue=app().queue,
        now=app().now,
    )
    return schemas.Job.of(job)


@bp.route("api/v1/jobs", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def list_jobs(req: func.HttpRequest, caller: Caller) -> schemas.Page[schemas.Job]:
    """Return the caller's jobs, newest first."""
    part = jobs.list_jobs(
        list_query(req),
        caller=caller,
        open_uow=app().open_uow,
        instance_id=req.params.get("instanceId"),
    )
    return schemas.Page[schemas.Job].of(part, schemas.Job.of)


@bp.route("api/v1/jobs/{job_id}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def get_job(req: func.HttpRequest, caller: Caller) -> schemas.Job:
    """Return one of the caller's jobs with its counts."""
    job, log = jobs.get_job(route_id(req, "job_id"), caller=caller, open_uow=app().open_uow)
    return schemas.Job.of(job, log)


@bp.route("api/v1/jobs/{job_id}/cancel", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def cancel_job(req: func.HttpRequest, caller: Caller) -> schemas.Job:
    """Cancel a job: at once while it waits, after its page while it runs."""
    job = jobs.cancel_job(
        route_id(req, "job_id"), caller=caller, open_uow=app().open_uow, now=app().now
    )
    return schemas.Job.of(job)
