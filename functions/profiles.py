"""The caller's own profile."""

from __future__ import annotations

import azure.functions as func

from functions import schemas
from functions.bootstrap import app
from functions.http_support import endpoint
from shared.domain.profiles import Caller
from shared.errors import NotFoundError
from shared.services import profiles

bp = func.Blueprint()


@bp.route("api/v1/me", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint(needs_profile=False, errors=(NotFoundError,))
def get_me(caller: Caller) -> schemas.Profile:
    """Return the caller's profile."""
    return schemas.Profile.of(profiles.get_profile(caller, open_uow=app().open_uow))


@bp.route("api/v1/me", methods=["PUT"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint(needs_profile=False)
def put_me(caller: Caller, body: schemas.ProfileInput) -> schemas.Profile:
    """Make the caller's profile or change it."""
    profile = profiles.save_profile(
        caller, **body.model_dump(), open_uow=app().open_uow, now=app().now
    )
    return schemas.Profile.of(profile)
