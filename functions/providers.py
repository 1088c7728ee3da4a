"""The provider catalogue."""

from __future__ import annotations

import azure.functions as func

from functions import schemas
from functions.bootstrap import app
from functions.http_support import endpoint
from shared.services import catalogue

bp = func.Blueprint()


@bp.route("api/v1/providers", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint(needs_profile=False)
def list_providers() -> schemas.Providers:
    """Return every provider a customer can connect."""
    entries = catalogue.list_providers(open_uow=app().open_uow)
    return schemas.Providers(items=[schemas.Provider.of(entry) for entry in entries])


@bp.route("api/v1/providers/{slug}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint(needs_profile=False)
def get_provider(slug: str) -> schemas.Provider:
    """Return one provider."""
    entry = catalogue.get_provider(slug, open_uow=app().open_uow)
    return schemas.Provider.of(entry)
