"""What every HTTP handler is wrapped in: who calls, how often, what went wrong, what is answered.

A handler takes what its signature names (see `operations`) and returns one of `schemas`, a
`Redirect`, or None for an empty answer.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil
from typing import Any, Final

import azure.functions as func

from functions.bootstrap import app
from functions.http_inputs import body_of, from_camel, list_query, route_id
from functions.operations import Operation
from functions.problems import PROBLEM_TYPE, problem_of
from functions.schemas.base import Document, Wire, to_json
from shared.domain.ids import new_id
from shared.domain.rate_limits import Standing
from shared.errors import RequestError, TooLargeError, TooManyRequestsError, UnauthenticatedError
from shared.logs import bind

__all__ = [
    "MAX_BODY_BYTES",
    "PROBLEM_TYPE",
    "Redirect",
    "body_of",
    "endpoint",
    "from_camel",
    "list_query",
    "public_endpoint",
    "route_id",
]

_log = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 1_000_000
_REQUEST_ID: Final = re.compile(r"[0-9A-Za-z._-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """Sends a browser on, with a 302; where it came from stays unknown to where it goes."""

    url: str


Answer = Wire | Document | Redirect | None
Decorator = Callable[[Callable[..., Answer]], Callable[[func.HttpRequest], func.HttpResponse]]


def endpoint(
    *,
    status: int = HTTPStatus.OK,
    needs_profile: bool = True,
    errors: tuple[type[RequestError], ...] = (),
) -> Decorator:
    """Make the handler a route only a valid token passes; it answers with `status`.

    `needs_profile` and `errors` are for the API document: whether a caller without a profile is
    told to make one first, and what is raised beyond what every such route may raise.
    """
    return lambda handler: _wrapped(
        Operation(
            handler=handler,
            status=status,
            is_public=False,
            needs_profile=needs_profile,
            errors=errors,
        )
    )


def public_endpoint(
    *, status: int = HTTPStatus.OK, errors: tuple[type[RequestError], ...] = ()
) -> Decorator:
    """Make the handler a route anybody may call."""
    return lambda handler: _wrapped(
        Operation(
            handler=handler, status=status, is_public=True, needs_profile=False, errors=errors
        )
    )


def _wrapped(operation: Operation) -> Callable[[func.HttpRequest], func.HttpResponse]:
    handler: Any = operation.handler

    def wrapper(req: func.HttpRequest) -> func.HttpResponse:
        given = req.headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else new_id()
        started = time.perf_counter()
        headers = {"X-Request-Id": request_id, "Cache-Control": "no-store"}
        with bind(request=request_id):
            try:
                response = _response(_serve(req, operation, headers), status=operation.status)
            except Exception as error:  # noqa: BLE001  every error has an answer
                response = problem_of(error)
            response.headers.update(headers)
            _log.info(
                "%s %s %s in %d ms",
                req.method,
                handler.__name__,
                response.status_code,
                (time.perf_counter() - started) * 1000,
            )
        return response

    # Not functools.wraps: the worker reads the signature and must not see the handler's own.
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(wrapper, name, getattr(handler, name))
    wrapper.operation = operation  # type: ignore[attr-defined]  # the API document finds it here
    return wrapper


def _serve(req: func.HttpRequest, operation: Operation, headers: dict[str, str]) -> Answer:
    """Return the handler's answer; who may not ask, asks too often or too much is told so first."""
    caller = None
    if not operation.is_public:
        caller = app().verifier.verify(_bearer_token(req))
        standing = app().limiter.take(caller, app().rate_limit(req.method))
        headers.update(_rate_headers(standing))
        if not standing.is_allowed:
            raise TooManyRequestsError(
                f"That is more than {standing.limit.per_minute:g} {standing.limit.name} a minute. "
                "Wait as long as Retry-After says.",
                retry_after=standing.retry_after,
            )
    if len(req.get_body()) > MAX_BODY_BYTES:
        raise TooLargeError(f"The body is larger than {MAX_BODY_BYTES} bytes.")
    answer: Answer = operation.call(req, caller)
    return answer


def _bearer_token(req: func.HttpRequest) -> str:
    scheme, _, token = req.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthenticatedError("Send `Authorization: Bearer <token>`.")
    return str(token).strip()


def _rate_headers(standing: Standing) -> dict[str, str]:
    """Return the fields of draft-ietf-httpapi-ratelimit-headers-06.

    Later drafts put all of it into one structured field, which no client in use reads yet.
    """
    limit = standing.limit
    return {
        "RateLimit-Limit": str(limit.burst),
        "RateLimit-Remaining": str(standing.remaining),
        "RateLimit-Reset": str(ceil(standing.reset_seconds)),
        "RateLimit-Policy": f"{limit.per_minute:g};w=60;burst={limit.burst}",
    }


def _response(answer: Answer, *, status: int) -> func.HttpResponse:
    match answer:
        case None:
            return func.HttpResponse(status_code=HTTPStatus.NO_CONTENT)
        case Redirect():
            sent_on = {"Location": answer.url, "Referrer-Policy": "no-referrer"}
            return func.HttpResponse(status_code=HTTPStatus.FOUND, headers=sent_on)
        case Document():
            return func.HttpResponse(answer.text, status_code=status, mimetype=answer.media_type)
    headers = {"ETag": answer.etag} if answer.etag else None
    return func.HttpResponse(
        to_json(answer), status_code=status, headers=headers, mimetype="application/json"
    )
