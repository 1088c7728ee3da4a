"""Liveness and readiness, for anybody."""

from __future__ import annotations

import logging

import azure.functions as func

from functions import schemas
from functions.bootstrap import app
from functions.http_support import public_endpoint
from shared.errors import TransientError
from shared.services.readiness import check_readiness

bp = func.Blueprint()
_log = logging.getLogger(__name__)


@bp.route("api/health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@public_endpoint()
def health() -> schemas.Health:
    """Answer as long as the process does."""
    return schemas.Health(status="ok")


@bp.route("api/ready", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@public_endpoint()
def ready() -> schemas.Readiness:
    """Answer 200 when SQL, queue and vault do, else 503; the log says which does not."""
    here = app()
    failures = check_readiness(
        {
            "sql": here.ping_database,
            "queue": here.ping_queue,
            "vault": here.ping_vault,
        }
    )
    if failures:
        _log.error("Not ready: %s", "; ".join(failures))
        raise TransientError("Not ready yet: something the app stands on does not answer.")
    return schemas.Readiness(status="ready")
