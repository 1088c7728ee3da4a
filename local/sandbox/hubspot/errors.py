"""HubSpot's error bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

_CATEGORIES = {
    400: "VALIDATION_ERROR",
    401: "INVALID_AUTHENTICATION",
    403: "MISSING_SCOPES",
    404: "OBJECT_NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
}
_MESSAGES = {
    401: "Authentication credentials are missing or not valid.",
    429: "You have reached your ten_secondly_rolling limit.",
    500: "Internal error.",
    502: "Bad gateway.",
    503: "The service is temporarily unavailable.",
    504: "The upstream service did not answer in time.",
}


class HubSpotError(Exception):
    """A request the emulator refuses, with the answer to give."""

    def __init__(
        self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(body.get("message", ""))
        self.status = status
        self.body = body
        self.headers = headers


def error_body(status: int, message: str = "", **more: Any) -> dict[str, Any]:
    """Return the body HubSpot would send with `status`."""
    if status == 429:  # noqa: PLR2004 - Too Many Requests has a form of its own
        return rate_limit_body("TEN_SECONDLY_ROLLING")
    return {
        "status": "error",
        "message": message or _MESSAGES.get(status, "The request could not be served."),
        "correlationId": str(uuid4()),
        "category": _CATEGORIES.get(status, "INTERNAL_ERROR"),
        **more,
    }


def rate_limit_body(policy: str) -> dict[str, Any]:
    """Return the body of a 429; `policy` is TEN_SECONDLY_ROLLING, SECONDLY or DAILY."""
    return {
        "status": "error",
        "message": f"You have reached your {policy.lower()} limit.",
        "errorType": "RATE_LIMIT",
        "correlationId": str(uuid4()),
        "policyName": policy,
        "requestId": str(uuid4()),
    }


def invalid(message: str, **more: Any) -> HubSpotError:
    """Return the 400 of a request that is not as it should be."""
    return HubSpotError(400, error_body(400, message, **more))


def not_found(message: str = "resource not found") -> HubSpotError:
    """Return the 404 of a thing that is not there."""
    return HubSpotError(404, error_body(404, message))
