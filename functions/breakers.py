"""Circuit breakers, for admins."""

from __future__ import annotations

import azure.functions as func

from functions import schemas
from functions.bootstrap import app
from functions.http_support import endpoint
from shared.domain.paging import ListQuery
from shared.domain.profiles import Caller
from shared.services import breakers

bp = func.Blueprint()


@bp.route("api/v1/admin/breakers", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint(needs_profile=False)
def list_breakers(caller: Caller, query: ListQuery) -> schemas.Page[schemas.Breaker]:
    """Return the breakers of all accounts whose provider ever failed, newest first."""
    part = breakers.list_breakers(query, caller=caller, open_uow=app().open_uow)
    return schemas.Page[schemas.Breaker].of(part, schemas.Breaker.of)


@bp.route(
    "api/v1/admin/breakers/{breaker_id}/reset",
    methods=["POST"],
    auth_level=func.AuthLevel.ANONYMOUS,
)
@endpoint(needs_profile=False)
def reset_breaker(breaker_id: str, caller: Caller) -> schemas.Breaker:
    """Close a breaker and forget its failures, so that syncs ask the provider again."""
    breaker = breakers.reset_breaker(
        breaker_id, caller=caller, open_uow=app().open_uow, now=app().now
    )
    return schemas.Breaker.of(breaker)
