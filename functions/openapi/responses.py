"""What routes answer: their own models with their headers, and problems."""

from __future__ import annotations

import inspect
from http import HTTPStatus
from typing import Any, Final

from functions.openapi.models import Models
from functions.openapi.routes import Route
from functions.problems import INTERNAL, PROBLEM_JSON, PROBLEM_TYPE, UNAVAILABLE
from shared.errors import (
    InvalidInputError,
    RequestError,
    TooManyRequestsError,
    UnauthenticatedError,
)

Response = dict[str, Any]

_RATE_LIMIT: Final = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
_OURS: Final = {
    "ServerFault": (500, INTERNAL, "Something went wrong on our side; the log knows what."),
    "Unavailable": (503, UNAVAILABLE, "Something the app needs does not answer now; try again."),
}


def responses_of(route: Route, models: Models) -> dict[str, Response]:
    """Return the route's responses by status."""
    problems = {str(error.status): _ref(_name_of(error)) for error in route.errors}
    problems |= {str(status): _ref(name) for name, (status, _, _) in _OURS.items()}
    return {str(_status_of(route)): _success(route, models), **dict(sorted(problems.items()))}


def shared_responses() -> dict[str, Response]:
    """Return every problem a route may refer to."""
    refused = {
        _name_of(error): _problem(error.status, error.kind, inspect.getdoc(error) or "", error)
        for error in RequestError.__subclasses__()
    }
    ours = {
        name: _problem(status, kind, text, None) for name, (status, kind, text) in _OURS.items()
    }
    return dict(sorted({**refused, **ours}.items()))


def shared_headers() -> dict[str, Any]:
    """Return every header a response may refer to."""
    whole = {"type": "integer", "minimum": 0}
    return {
        "X-Request-Id": {
            "description": "The request's id, the caller's own where one was sent; our log has it.",
            "required": True,
            "schema": {"type": "string"},
        },
        "ETag": {
            "description": "The version of the instance shown, for a later `If-Match`.",
            "required": True,
            "schema": {"type": "string"},
        },
        "RateLimit-Limit": {
            "description": "How many requests of this kind may come at once "
            "(draft-ietf-httpapi-ratelimit-headers-06).",
            "required": True,
            "schema": whole,
        },
        "RateLimit-Remaining": {
            "description": "How many of them are left, as far as this worker knows.",
            "required": True,
            "schema": whole,
        },
        "RateLimit-Reset": {
            "description": "Seconds until all of them are there again.",
            "required": True,
            "schema": whole,
        },
        "Retry-After": {
            "description": "Seconds to wait before the next request.",
            "required": True,
            "schema": whole,
        },
        "WWW-Authenticate": {
            "description": "How to sign in.",
            "required": True,
            "schema": {"type": "string", "const": "Bearer"},
        },
        "Location": {
            "description": "Where the browser goes next.",
            "required": True,
            "schema": {"type": "string"},
        },
    }


def problem_schema() -> dict[str, Any]:
    """Return the schema of a problem document (RFC 9457)."""
    kinds = {error.kind for error in RequestError.__subclasses__()} | {INTERNAL, UNAVAILABLE}
    error = {
        "type": "object",
        "required": ["where", "what"],
        "properties": {"where": {"type": "string"}, "what": {"type": "string"}},
    }
    return {
        "type": "object",
        "description": "Why a request was not served (RFC 9457). `type` is stable.",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "enum": [PROBLEM_TYPE + kind for kind in sorted(kinds)]},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "errors": {
                "type": "array",
                "description": "What is wrong where, as far as that is known.",
                "items": error,
            },
        },
    }


def _success(route: Route, models: Models) -> Response:
    names = ["X-Request-Id", *(() if route.operation.is_public else _RATE_LIMIT)]
    if route.has_etag:
        names.append("ETag")
    if route.is_redirect:
        names.append("Location")
    found: Response = {
        "description": HTTPStatus(_status_of(route)).phrase,
        "headers": _headers(*names),
    }
    if route.answer_model is not None:
        found["content"] = {"application/json": models.answer(route.answer_model)}
    elif route.is_document:
        example = {"openapi": "3.1.0"}
        content = {"schema": {"type": "object"}, "example": example}
        found["content"] = {"application/json": content}
    return found


def _problem(status: int, kind: str, text: str, error: type[RequestError] | None) -> Response:
    names = ["X-Request-Id"]
    if error is UnauthenticatedError:
        names.append("WWW-Authenticate")
    if error is TooManyRequestsError or status == HTTPStatus.SERVICE_UNAVAILABLE:
        names.append("Retry-After")
    example: dict[str, Any] = {
        "type": PROBLEM_TYPE + kind,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": " ".join(text.partition("\n\n")[0].split()),
    }
    if error is InvalidInputError:
        example["errors"] = [{"where": "name", "what": "Field required"}]
    schema = {
        "allOf": [{"$ref": "#/components/schemas/Problem"}],
        "properties": {"type": {"const": PROBLEM_TYPE + kind}, "status": {"const": status}},
    }
    return {
        "description": example["detail"],
        "headers": _headers(*names),
        "content": {PROBLEM_JSON: {"schema": schema, "example": example}},
    }


def _status_of(route: Route) -> int:
    return int(route.operation.status)


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _name_of(error: type[RequestError]) -> str:
    return error.__name__.removesuffix("Error")


def _ref(name: str) -> Response:
    return {"$ref": f"#/components/responses/{name}"}
