"""Error answers as Convex gives them."""

from __future__ import annotations

from starlette.responses import Response

from local.sandbox.web import json_response

_CODES = {
    400: ("BadRequest", "The request cannot be understood."),
    401: ("BadAdminKey", "The provided admin key was invalid for this instance"),
    403: ("OperationNotPermitted", "You do not have permission to perform this operation."),
    404: ("NotFound", "There is nothing at this address."),
    429: ("RateLimited", "Too many requests: slow down."),
    503: ("Overloaded", "The deployment is overloaded: try again."),
}


def error_body(status: int) -> dict[str, str]:
    """Return the body Convex gives an error answer with this status."""
    code, message = _CODES.get(
        status, ("InternalServerError", "Your request couldn't be completed.")
    )
    return {"code": code, "message": message}


def error(status: int, code: str, message: str) -> Response:
    """Return an error answer."""
    return json_response({"code": code, "message": message}, status)
