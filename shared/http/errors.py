"""From an HTTP answer to the error class that says what happens next.

The message names the provider, the status, the path without its query, what the vendor said and
the vendor's correlation id: enough for a person or the vendor's support, and never a secret.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx

from shared.errors import AuthError, PermanentError, SyncError, TransientError
from shared.http.retries import parse_retry_after

UNPROCESSED_STATUSES = frozenset({423, 425, 429})
"""The server says that it did nothing: every method may be sent again."""

_TRANSIENT_STATUSES = UNPROCESSED_STATUSES | {408}
_HOPELESS_SERVER_ERRORS = frozenset({501, 505, 511})
_LONGEST_VENDOR_TEXT = 500
_LONGEST_ID = 100
_CORRELATION_HEADERS = (
    "x-hubspot-correlation-id",
    "request-id",
    "requestid",
    "x-request-id",
    "x-ms-request-id",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What an error answer says; '' and None where it does not. `body` is {} unless JSON.

    `headers` are for what a vendor says there only; their names match in any case. `path` is what
    was called, without its query.
    """

    status: int
    path: str = ""
    message: str = ""
    code: str = ""
    correlation_id: str = ""
    retry_after: float | None = None
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


Classify = Callable[[Failure, str], SyncError | None]
"""A provider's own view of a failure, given the message made for it; None: the usual one."""


def is_transient(status: int) -> bool:
    """Return whether the same call may well succeed later."""
    if status in _TRANSIENT_STATUSES:
        return True
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR and status not in _HOPELESS_SERVER_ERRORS


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with every secret in it replaced."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[secret]")
    return text


def read_failure(response: httpx.Response) -> Failure:
    """Return what a read error answer says, in whichever common form it says it.

    Understood are `{message, category, correlationId}` (HubSpot), `{code, message}` (Convex),
    `{error: {code, message}}` (Microsoft), `{error, error_description}` (RFC 6749) and problem
    details (RFC 9457). Every part is optional.
    """
    body = _json_object(response)
    inner = body.get("error")
    inner = inner if isinstance(inner, dict) else {}
    message = _first_text(
        inner.get("message"),
        body.get("message"),
        body.get("error_description"),
        body.get("detail"),
        body.get("title"),
    )
    code = _first_text(
        inner.get("code"), body.get("category"), body.get("errorType"), body.get("code")
    ) or _first_text(body.get("error"))
    headers = response.headers
    correlation_id = _first_text(
        body.get("correlationId"), *(headers.get(name) for name in _CORRELATION_HEADERS)
    )
    return Failure(
        status=response.status_code,
        path=response.request.url.path,
        message=message[:_LONGEST_VENDOR_TEXT],
        code=code[:_LONGEST_ID],
        correlation_id=correlation_id[:_LONGEST_ID],
        retry_after=parse_retry_after(headers.get("retry-after")),
        body=body,
        headers=headers,
    )


def error_of(
    response: httpx.Response,
    *,
    provider: str,
    secrets: Iterable[str] = (),
    classify: Classify | None = None,
) -> SyncError:
    """Return the error for a read answer whose status is not one that was hoped for."""
    failure = read_failure(response)
    text = redact(describe(response, failure, provider=provider), secrets)
    if classify is not None:
        error = classify(failure, text)
        if error is not None:
            return error
    status = failure.status
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return AuthError(f"{text} Connect the instance again with an account that may do this.")
    if is_transient(status):
        waits = status == HTTPStatus.TOO_MANY_REQUESTS and failure.retry_after is not None
        return TransientError(text, retry_after=failure.retry_after, is_outage=not waits)
    if response.is_redirect:
        return PermanentError(f"{text} Redirects are not followed: give the final address.")
    return PermanentError(text)


def describe(response: httpx.Response, failure: Failure, *, provider: str) -> str:
    """Return one or two sentences about an error answer, without the query of its URL."""
    request = response.request
    try:
        reason = f" {HTTPStatus(failure.status).phrase}"
    except ValueError:
        reason = ""
    text = f"{provider} answered {failure.status}{reason} to {request.method} {request.url.path}"
    if failure.message:
        text += f": {failure.message}"
    elif failure.code:
        text += f": {failure.code}"
    if failure.correlation_id:
        text = f"{text.rstrip('.')} (correlation id {failure.correlation_id})"
    return text if text.endswith((".", "!", "?")) else f"{text}."


def connection_error(cause: Exception, *, request: httpx.Request, provider: str) -> SyncError:
    """Return the error for a call that httpx could not bring to an end.

    `str(cause)` is left out on purpose: some of these messages repeat headers.
    """
    where = f"{request.method} {request.url.path} at {request.url.host}"
    if isinstance(cause, httpx.LocalProtocolError):
        return PermanentError(f"{provider}: {where} cannot be sent as it stands.")
    if _is_certificate_error(cause):
        return PermanentError(
            f"{provider}: the certificate of {request.url.host} is not valid. Check the base URL "
            "of the connection; the server's owner may have to renew the certificate."
        )
    if isinstance(cause, httpx.ConnectTimeout | httpx.ConnectError | httpx.PoolTimeout):
        what = "no connection could be made"
    elif isinstance(cause, httpx.TimeoutException):
        what = "no answer came in time"
    elif isinstance(cause, httpx.DecodingError):
        what = "the answer was garbled on its way"
    else:
        what = "the connection was cut before the answer was complete"
    return TransientError(f"{provider}: {what} ({where}). Try again later.")


def _is_certificate_error(cause: BaseException | None) -> bool:
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _json_object(response: httpx.Response) -> dict[str, Any]:
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _first_text(*values: object) -> str:
    for value in values:
        if isinstance(value, str) and value.strip():
            return " ".join(value.split())
    return ""
