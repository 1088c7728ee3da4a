"""Dead letters, for admins."""

from __future__ import annotations

import azure.functions as func

from functions import schemas
from functions.bootstrap import app
from functions.http_support import endpoint
from shared.domain.paging import ListQuery
from shared.domain.profiles import Caller
from shared.errors import ConflictError
from shared.services import dead_letters

bp = func.Blueprint()


@bp.route("api/v1/admin/dead-letters", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint(needs_profile=False)
def list_dead_letters(caller: Caller, query: ListQuery) -> schemas.Page[schemas.DeadLetter]:
    """Return all dead letters, newest first."""
    part = dead_letters.list_dead_letters(query, caller=caller, open_uow=app().open_uow)
    return schemas.Page[schemas.DeadLetter].of(part, schemas.DeadLetter.of)


@bp.route(
    "api/v1/admin/dead-letters/{letter_id}/replay",
    methods=["POST"],
    auth_level=func.AuthLevel.ANONYMOUS,
)
@endpoint(status=202, needs_profile=False, errors=(ConflictError,))
def replay_dead_letter(letter_id: str, caller: Caller) -> schemas.Job:
    """Queue a dead letter's sync again."""
    job = dead_letters.replay_dead_letter(
        letter_id,
        caller=caller,
        open_uow=app().open_uow,
        queue=app().queue,
        now=app().now,
    )
    return schemas.Job.of(job)
