"""Entra's errors by their AADSTS numbers.

Source: "Microsoft Entra authentication and authorization error codes". The numbers are Entra's, the
sentences this emulator's own; a client is told not to depend on them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from local.sandbox.oauth.tokens import Refusal

_ERRORS: dict[int, tuple[int, str, str]] = {
    28000: (
        400,
        "invalid_scope",
        "The scopes of a token request belong to more than one resource.",
    ),
    50011: (400, "invalid_request", "The redirect URI is not one registered for the application."),
    50020: (400, "invalid_grant", "The user account does not exist in this tenant."),
    50058: (400, "login_required", "Nobody is signed in, and the request forbids to ask."),
    50076: (400, "interaction_required", "The user must use multi-factor authentication."),
    50173: (400, "invalid_grant", "The grant was revoked; a fresh sign-in is needed."),
    54005: (400, "invalid_grant", "The authorization code was already redeemed."),
    65001: (400, "invalid_grant", "The user or administrator has not consented to the scope."),
    65004: (400, "access_denied", "The user declined to consent to access the app."),
    70000: (400, "invalid_grant", "The provided grant is not valid."),
    70003: (400, "unsupported_grant_type", "The grant type is not supported."),
    70008: (400, "invalid_grant", "The authorization code or refresh token has expired."),
    90002: (400, "invalid_request", "The tenant was not found."),
    90033: (503, "temporarily_unavailable", "A transient error has occurred. Please try again."),
    90055: (429, "temporarily_unavailable", "There are too many requests; they are throttled."),
    90094: (400, "access_denied", "The permissions asked for need an administrator's consent."),
    500112: (400, "invalid_client", "The reply address is not the one the code was given for."),
    501481: (400, "invalid_grant", "The code_verifier does not match the code_challenge."),
    650053: (400, "invalid_client", "A scope asked for does not exist on its resource."),
    700005: (400, "invalid_grant", "The code is meant for another tenant."),
    700016: (400, "unauthorized_client", "The application was not found in the directory."),
    700054: (400, "unsupported_response_type", "Only response_type 'code' is enabled."),
    700082: (400, "invalid_grant", "The refresh token has expired due to inactivity."),
    900144: (400, "invalid_request", "A parameter the request needs is missing."),
    7000215: (401, "invalid_client", "The client secret is not valid."),
    7000218: (401, "invalid_client", "The request must contain client_secret."),
    9002313: (400, "invalid_grant", "The request is malformed or invalid."),
    9002325: (400, "invalid_request", "code_challenge must be one of S256."),
}
_SUBERRORS = {50076: "basic_action", 65001: "consent_required", 50173: "bad_token"}
_REFUSALS = {
    Refusal.UNKNOWN_CODE: 9002313,
    Refusal.EXPIRED_CODE: 70008,
    Refusal.USED_CODE: 54005,
    Refusal.OTHER_REDIRECT_URI: 500112,
    Refusal.WRONG_VERIFIER: 501481,
    Refusal.UNKNOWN_REFRESH: 9002313,
    Refusal.REPLACED_REFRESH: 70000,
    Refusal.EXPIRED_REFRESH: 700082,
    Refusal.REVOKED: 50173,
}


class EntraError(Exception):
    """A request Entra refuses; `more` is added to the sentence."""

    def __init__(self, number: int, more: str = "") -> None:
        super().__init__(description(number, more))
        self.status, self.error, _ = _ERRORS[number]
        self.number = number
        self.body = _body(number, self.error, str(self))

    @classmethod
    def of(cls, reason: Refusal) -> EntraError:
        """Return the error Entra gives for a refused grant."""
        return cls(_REFUSALS[reason])


def description(number: int, more: str = "") -> str:
    """Return `AADSTS<number>: <what is wrong>`."""
    return f"AADSTS{number}: {_ERRORS[number][2]}{' ' if more else ''}{more}"


def error_body(status: int) -> dict[str, Any]:
    """Return the body Entra would send with `status` on a bad day."""
    numbers = {401: 7000215, 429: 90055}
    return EntraError(numbers.get(status, 90033)).body


def _body(number: int, error: str, text: str) -> dict[str, Any]:
    trace, correlation = str(uuid4()), str(uuid4())
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    body = {
        "error": error,
        "error_description": f"{text} Trace ID: {trace} Correlation ID: {correlation} "
        f"Timestamp: {now}",
        "error_codes": [number],
        "timestamp": now,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"https://login.microsoftonline.com/error?code={number}",
    }
    if number in _SUBERRORS:
        body["suberror"] = _SUBERRORS[number]
    return body
