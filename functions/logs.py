"""What jobs did, and the records they had trouble with."""

from __future__ import annotations

import azure.functions as func

from functions import schemas
from functions.bootstrap import app
from functions.http_support import endpoint
from shared.domain.paging import ListQuery
from shared.domain.profiles import Caller
from shared.services import reruns, sync_logs

bp = func.Blueprint()


@bp.route("api/v1/logs", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def list_logs(caller: Caller, query: ListQuery) -> schemas.Page[schemas.Log]:
    """Return the caller's logs, newest first."""
    part = sync_logs.list_logs(query, caller=caller, open_uow=app().open_uow)
    return schemas.Page[schemas.Log].of(part, schemas.Log.of)


@bp.route("api/v1/logs/{log_id}/records", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def list_log_records(
    log_id: str, caller: Caller, query: ListQuery
) -> schemas.Page[schemas.LogRecord]:
    """Return the records of a log that were not synced as they stand."""
    part = sync_logs.list_records(log_id, query, caller=caller, open_uow=app().open_uow)
    return schemas.Page[schemas.LogRecord].of(part, schemas.LogRecord.of)


@bp.route(
    "api/v1/records/{record_id}/replay", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS
)
@endpoint(status=202)
def replay_record(record_id: str, caller: Caller) -> schemas.Job:
    """Bring one record of a log again, alone."""
    job = reruns.replay_record(
        record_id,
        caller=caller,
        open_uow=app().open_uow,
        find_provider=app().connector.find_provider,
        queue=app().queue,
        now=app().now,
    )
    return schemas.Job.of(job)
