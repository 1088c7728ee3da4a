"""Fields that changed on both sides."""

from __future__ import annotations

import azure.functions as func

from functions import schemas
from functions.bootstrap import app
from functions.http_support import endpoint
from shared.domain.paging import ListQuery
from shared.domain.profiles import Caller
from shared.services import conflicts

bp = func.Blueprint()


@bp.route("api/v1/conflicts", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def list_conflicts(
    caller: Caller, query: ListQuery, instance_id: str | None
) -> schemas.Page[schemas.Conflict]:
    """Return the caller's conflicts, newest first."""
    part = conflicts.list_conflicts(
        query, caller=caller, open_uow=app().open_uow, instance_id=instance_id
    )
    return schemas.Page[schemas.Conflict].of(part, schemas.Conflict.of)


@bp.route("api/v1/conflicts/{conflict_id}", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def settle_conflict(
    conflict_id: str, caller: Caller, body: schemas.ConflictInput
) -> schemas.Conflict:
    """Say whose value is to stand; the next sync writes it to the other side."""
    settled = conflicts.settle_conflict(
        conflict_id,
        choice=body.choice,
        caller=caller,
        open_uow=app().open_uow,
        now=app().now,
    )
    return schemas.Conflict.of(settled)
