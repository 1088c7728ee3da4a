"""Errors as `application/problem+json` (RFC 9457), each with a stable `type`: docs/errors.md."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from math import ceil
from typing import Any, Final

import azure.functions as func

from shared.errors import (
    IntegratorError,
    InvalidInputError,
    RequestError,
    TooManyRequestsError,
    TransientError,
    UnauthenticatedError,
)

_log = logging.getLogger(__name__)

PROBLEM_TYPE: Final = "urn:linkhub-integrator:problem:"
PROBLEM_JSON: Final = "application/problem+json"
UNAVAILABLE: Final = "unavailable"
INTERNAL: Final = "internal"
_BUSY_RETRY_SECONDS: Final = 5
_OUR_FAULT: Final = "Something went wrong on our side; the request id finds it in our logs."


def problem_of(error: Exception) -> func.HttpResponse:
    """Return the answer to a request that ended with this error; a fault of ours is logged."""
    headers: dict[str, str] = {}
    match error:
        case RequestError():
            status, kind, text = error.status, error.kind, error.message
        case TransientError():
            status, kind, text = HTTPStatus.SERVICE_UNAVAILABLE, UNAVAILABLE, error.message
        case IntegratorError():
            # Its text is for the operator: it may name settings and files.
            _log.error("A request met a set-up that cannot work: %s", error)
            status, kind, text = HTTPStatus.INTERNAL_SERVER_ERROR, INTERNAL, _OUR_FAULT
        case _:
            _log.error("A request failed unexpectedly", exc_info=error)
            status, kind, text = HTTPStatus.INTERNAL_SERVER_ERROR, INTERNAL, _OUR_FAULT
    if isinstance(error, TransientError | TooManyRequestsError):
        headers["Retry-After"] = str(ceil(error.retry_after or _BUSY_RETRY_SECONDS))
    if isinstance(error, UnauthenticatedError):
        headers["WWW-Authenticate"] = "Bearer"
    document: dict[str, Any] = {
        "type": PROBLEM_TYPE + kind,
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": text,
    }
    if isinstance(error, InvalidInputError) and error.errors:
        document["errors"] = [{"where": where, "what": what} for where, what in error.errors]
    return func.HttpResponse(
        json.dumps(document), status_code=int(status), headers=headers, mimetype=PROBLEM_JSON
    )
