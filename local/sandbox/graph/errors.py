"""Graph's error bodies.

Source: "Microsoft Graph error responses and resource types". The messages are the emulator's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

_CODES = {
    400: "BadRequest",
    401: "InvalidAuthenticationToken",
    403: "accessDenied",
    404: "ResourceNotFound",
    405: "Request_BadRequest",
    409: "Conflict",
    410: "Gone",
    412: "PreconditionFailed",
    429: "TooManyRequests",
    503: "ServiceUnavailable",
}
_MESSAGES = {
    401: "The access token is missing or not valid.",
    403: "You do not have the required permissions to access this item.",
    404: "The requested item is not found.",
    409: "The request conflicts with another change of the item.",
    412: "The If-Match header is missing, or the item has changed since that version.",
    429: "There are too many requests; try again later.",
    503: "The service is unavailable; try again later.",
}


class GraphError(Exception):
    """A request the emulator refuses, with the answer to give."""

    def __init__(self, status: int, message: str = "", *, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = error_body(status, message, code=code)


def error_body(status: int, message: str = "", *, code: str = "") -> Mapping[str, Any]:
    """Return the body Graph would send with `status`."""
    request_id = str(uuid4())
    return {
        "error": {
            "code": code or _CODES.get(status, "generalException"),
            "message": message or _MESSAGES.get(status, "The request could not be served."),
            "innererror": {
                "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
                "request-id": request_id,
                "client-request-id": request_id,
            },
        }
    }
