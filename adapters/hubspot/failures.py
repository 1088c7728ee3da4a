"""HubSpot's own view of an error answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from shared.errors import AuthError, SyncError, TransientError
from shared.http.errors import Failure

QUOTA_WAIT = 3600.0
"""Seconds. The daily quota ends at midnight of the account's time zone, which nothing tells us."""

_MIGRATION_IN_PROGRESS = 477
"""The account moves between data centres; HubSpot asks to come back after `Retry-After`."""

_SCOPE_LISTS = ("requiredGranularScopes", "requiredScopes", "missingScopes")


def classify(failure: Failure, text: str) -> SyncError | None:
    """Return the error where HubSpot says more than the status; every field may be missing."""
    if failure.status == HTTPStatus.TOO_MANY_REQUESTS and _policy(failure.body) == "DAILY":
        return TransientError(text, retry_after=failure.retry_after or QUOTA_WAIT)
    if failure.status == _MIGRATION_IN_PROGRESS:
        return TransientError(text, retry_after=failure.retry_after or QUOTA_WAIT)
    if failure.status == HTTPStatus.FORBIDDEN:
        scopes = ", ".join(dict.fromkeys(_scopes(failure.body)))
        if scopes:
            return AuthError(f"{text} Grant these scopes in HubSpot and reconnect: {scopes}.")
    return None


def _policy(body: Mapping[str, Any]) -> str:
    return str(body.get("policyName") or "").upper()


def _scopes(body: Mapping[str, Any]) -> Iterator[str]:
    errors = body.get("errors")
    for part in [body, *(errors if isinstance(errors, list) else [])]:
        context = part.get("context") if isinstance(part, dict) else None
        if not isinstance(context, dict):
            continue
        for name in _SCOPE_LISTS:
            found = context.get(name)
            if isinstance(found, list):
                yield from (str(scope) for scope in found)
