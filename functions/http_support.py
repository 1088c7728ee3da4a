"""What every HTTP handler shares: who calls, what went wrong, how the answer looks.

A handler takes the request and, where it is not public, the caller; it returns one of `schemas`,
or None for an empty answer. Errors become `application/problem+json` (RFC 9457) with a stable
`type`.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from math import ceil
from typing import TYPE_CHECKING, Any, TypeVar

import azure.functions as func

from functions.bootstrap import app
from functions.schemas import Wire, to_json
from shared.domain.ids import new_id
from shared.domain.paging import DEFAULT_LIMIT, MAX_LIMIT, Keyset, ListQuery
from shared.errors import (
    IntegratorError,
    InvalidInputError,
    NotFoundError,
    RequestError,
    TransientError,
    UnauthenticatedError,
)
from shared.logs import bind

if TYPE_CHECKING:
    from pydantic import BaseModel

    from shared.domain.profiles import Caller

_log = logging.getLogger(__name__)

Body = TypeVar("Body", bound="BaseModel")
Answer = Wire | None

PROBLEM_TYPE = "urn:linkhub-integrator:problem:"
MAX_BODY_BYTES = 1_000_000
_BUSY_RETRY_SECONDS = 5
_OUR_FAULT = "Something went wrong on our side; the request id finds it in our logs."
_CAPITAL = re.compile(r"[A-Z]")
_REQUEST_ID = re.compile(r"[0-9A-Za-z._-]{1,64}")
_ID = re.compile(r"[0-9A-Za-z-]{1,36}")
_ERRORS_TOLD = 20
_LONGEST_NAME_TOLD = 64


def endpoint(*, status: int = HTTPStatus.OK) -> Callable[..., Callable[..., func.HttpResponse]]:
    """Make `handler(req, caller)` a route only a valid token passes; it answers with `status`."""

    def decorate(
        handler: Callable[[func.HttpRequest, Caller], Answer],
    ) -> Callable[[func.HttpRequest], func.HttpResponse]:
        def serve(req: func.HttpRequest) -> Answer:
            return handler(req, app().verifier.verify(_bearer_token(req)))

        return _wrapped(handler, serve, status)

    return decorate


def public_endpoint(
    *, status: int = HTTPStatus.OK
) -> Callable[..., Callable[..., func.HttpResponse]]:
    """Make `handler(req)` a route anybody may call."""

    def decorate(
        handler: Callable[[func.HttpRequest], Answer],
    ) -> Callable[[func.HttpRequest], func.HttpResponse]:
        return _wrapped(handler, handler, status)

    return decorate


def _wrapped(
    handler: Callable[..., Answer], serve: Callable[[func.HttpRequest], Answer], status: int
) -> Callable[[func.HttpRequest], func.HttpResponse]:
    def wrapper(req: func.HttpRequest) -> func.HttpResponse:
        given = req.headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else new_id()
        started = time.perf_counter()
        with bind(request=request_id):
            try:
                answer = serve(req)
                response = _json(answer, status=status)
            except Exception as error:  # noqa: BLE001  every error has an answer
                response = _problem(error)
            response.headers["X-Request-Id"] = request_id
            response.headers["Cache-Control"] = "no-store"
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
    return wrapper


def _bearer_token(req: func.HttpRequest) -> str:
    scheme, _, token = req.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthenticatedError("Send `Authorization: Bearer <token>`.")
    return str(token).strip()


def body_of(req: func.HttpRequest, model: type[Body]) -> Body:
    """Return the request's JSON body; raise InvalidInputError naming what is wrong with it."""
    from pydantic import ValidationError

    raw = req.get_body()
    if len(raw) > MAX_BODY_BYTES:
        raise InvalidInputError(f"The body is larger than {MAX_BODY_BYTES} bytes.")
    try:
        return model.model_validate_json(raw or b"{}")
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        errors = [
            (".".join(str(part)[:_LONGEST_NAME_TOLD] for part in item["loc"]), item["msg"])
            for item in found[:_ERRORS_TOLD]
        ]
        text = "; ".join(f"{where}: {what}" if where else what for where, what in errors)
        raise InvalidInputError(f"The body is not right: {text}.", errors=errors) from None


def route_id(req: func.HttpRequest, name: str) -> str:
    """Return the id in the path; raise NotFoundError for a text that cannot be one."""
    found = str(req.route_params[name])
    if not _ID.fullmatch(found):
        raise NotFoundError("There is nothing with this id.")
    return found


def from_camel(name: str) -> str:
    """Return the snake_case name the domain has for a name on the wire."""
    return _CAPITAL.sub(lambda match: "_" + match[0].lower(), name)


def list_query(req: func.HttpRequest) -> ListQuery:
    """Return `?limit&cursor&from&to&status&provider`; raise InvalidInputError for a wrong one."""
    params = req.params
    try:
        limit = int(params.get("limit", DEFAULT_LIMIT))
    except ValueError:
        limit = 0
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInputError(f"`limit` is a whole number from 1 to {MAX_LIMIT}.")
    cursor = params.get("cursor")
    return ListQuery(
        limit=limit,
        after=Keyset.decode(cursor) if cursor else None,
        since=_moment(params.get("from"), "from"),
        until=_moment(params.get("to"), "to"),
        status=params.get("status") or None,
        provider=params.get("provider") or None,
    )


def _moment(text: str | None, name: str) -> datetime | None:
    if not text:
        return None
    try:
        # A `+` of an offset arrives as a space where the caller did not escape it.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInputError(
            f"`{name}` is a date or an ISO 8601 time such as 2026-11-21T08:00:00Z."
        ) from None


def _json(answer: Answer, *, status: int) -> func.HttpResponse:
    if answer is None:
        return func.HttpResponse(status_code=HTTPStatus.NO_CONTENT)
    return func.HttpResponse(to_json(answer), status_code=status, mimetype="application/json")


def _problem(error: Exception) -> func.HttpResponse:
    headers: dict[str, str] = {}
    detail: dict[str, Any]
    match error:
        case RequestError():
            status, kind, text = error.status, error.kind, error.message
        case TransientError():
            status, kind, text = HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", error.message
            headers["Retry-After"] = str(ceil(error.retry_after or _BUSY_RETRY_SECONDS))
        case IntegratorError():
            # Its text is for the operator: it may name settings and files.
            _log.error("A request met a set-up that cannot work: %s", error)
            status, kind, text = HTTPStatus.INTERNAL_SERVER_ERROR, "internal", _OUR_FAULT
        case _:
            _log.error("A request failed unexpectedly", exc_info=error)
            status, kind, text = HTTPStatus.INTERNAL_SERVER_ERROR, "internal", _OUR_FAULT
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    detail = {
        "type": PROBLEM_TYPE + kind,
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": text,
    }
    if isinstance(error, InvalidInputError) and error.errors:
        detail["errors"] = [{"where": where, "what": what} for where, what in error.errors]
    return func.HttpResponse(
        json.dumps(detail),
        status_code=int(status),
        headers=headers,
        mimetype="application/problem+json",
    )
