"""Power BI's error bodies, and refusals that have none."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from local.sandbox.web import json_response

REASON_HEADER = "x-powerbi-error-info"
_CODES = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "PowerBIEntityNotFound",
    429: "TooManyRequests",
}


class Refused(Exception):  # noqa: N818  an answer rather than an error
    """Ends a request with this answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def error_body(status: int) -> dict[str, Any]:
    """Return the usual body of an error answer."""
    code = _CODES.get(status, "UnknownError")
    return {"error": {"code": code, "message": f"The sandbox answers {status}: {code}."}}


def empty_refusal(status: int, reason: str) -> Refused:
    """Return a refusal without a body, whose reason stands in a header."""
    return Refused(Response(status_code=status, headers={REASON_HEADER: reason}))


def expired() -> Refused:
    """Return the refusal of a token whose time is over: a 403, not a 401."""
    error = {
        "code": "TokenExpired",
        "message": "Access token has expired, resubmit with a new access token",
    }
    return Refused(json_response({"error": error}, 403, headers={REASON_HEADER: "TokenExpired"}))


def not_found() -> Refused:
    """Return what is said of a dataset that does not exist or is not this person's to see."""
    return Refused(json_response(_with_details("PowerBIEntityNotFound", []), 404))


def query_failed(message: str, *, engine_code: str = "3241803779") -> Refused:
    """Return what is said of a query the engine refuses: no message but in the details."""
    details = [
        {"code": "DetailsMessage", "detail": {"type": 1, "value": message}},
        {"code": "AnalysisServicesErrorCode", "detail": {"type": 1, "value": engine_code}},
    ]
    return Refused(json_response(_with_details("DatasetExecuteQueriesError", details), 400))


def _with_details(code: str, details: list[dict[str, Any]]) -> dict[str, Any]:
    inner = {"code": code, "parameters": {}, "details": details}
    return {"error": {"code": code, "pbi.error": inner}}
