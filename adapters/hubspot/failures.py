"""HubSpot's own view of an error answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from adapters.hubspot.budget import UNKNOWN_WAIT
from shared.errors import AuthError, PermanentError, SyncError, TransientError
from shared.http.errors import Classify, Failure

_MIGRATION_IN_PROGRESS = 477
"""The account moves between data centres; HubSpot asks to come back after `Retry-After`."""

_SCOPE_LISTS = ("requiredGranularScopes", "requiredScopes", "missingScopes")
_NAME_LISTS = ("propertyName", "propertyNames", "properties", "property")
_ONE_CALL = frozenset({400, 404, 409})
_LONGEST = 500


class MissingScopesError(AuthError):
    """The credentials work, but not for this: the account did not grant what it takes."""


class RefusedError(PermanentError):
    """HubSpot refused one call for what it asked, not for who asked; `failure` is its answer."""

    def __init__(self, message: str, *, failure: Failure) -> None:
        super().__init__(message)
        self.failure = failure

    @property
    def status(self) -> int:
        """The answer's status."""
        return self.failure.status


def classifier(until_reset: Callable[[], float]) -> Classify:
    """Return HubSpot's view of failures; `until_reset` tells when the day's quota starts anew."""

    def classify(failure: Failure, text: str) -> SyncError | None:
        """Return the error where HubSpot says more than the status; every field may be missing."""
        status = failure.status
        if status == HTTPStatus.TOO_MANY_REQUESTS and _policy(failure.body) == "DAILY":
            wait = failure.retry_after or until_reset()
            return TransientError(text, retry_after=wait, is_outage=False)
        if status == _MIGRATION_IN_PROGRESS:
            wait = failure.retry_after or UNKNOWN_WAIT
            return TransientError(text, retry_after=wait, is_outage=False)
        if status == HTTPStatus.FORBIDDEN:
            scopes = ", ".join(dict.fromkeys(_scopes(failure.body)))
            if scopes or failure.code == "MISSING_SCOPES":
                wish = f": {scopes}" if scopes else ""
                return MissingScopesError(
                    f"{text} Grant these scopes in HubSpot and reconnect{wish}."
                )
        return RefusedError(text, failure=failure) if status in _ONE_CALL else None

    return classify


def complaint_of(error: Mapping[str, Any]) -> tuple[str, str]:
    """Return the property an error is about, '' where it names none, and what is wrong.

    Broken rules of properties come as JSON within the message: `Property values were not valid:
    [{"isValid":false,"message":…,"error":…,"name":…}]` (developers.hubspot.com/changelog/
    upcoming-property-validations-rules-will-be-enforced-for-apis-and-integrations). Other errors
    name properties in the `context` of the error or of its parts.
    """
    message = str(error.get("message") or error.get("category") or "HubSpot gives no reason.")
    rules = _rules(message)
    if rules:
        texts = [
            f"{rule.get('name', '')}: {rule.get('message') or rule.get('error')}" for rule in rules
        ]
        return str(rules[0].get("name") or ""), "; ".join(texts)[:_LONGEST]
    parts = [part for part in error.get("errors") or () if isinstance(part, Mapping)]
    names = [name for each in (*parts, error) for name in _names(each)]
    texts = [str(part["message"]) for part in parts if part.get("message")]
    text = "; ".join(dict.fromkeys([message, *texts]))
    if names and not any(name in text for name in names):
        text = f"{text} ({', '.join(dict.fromkeys(names))})"
    return names[0] if names else "", text[:_LONGEST]


def _rules(message: str) -> list[Mapping[str, Any]]:
    start = message.find("[{")
    if start < 0:
        return []
    try:
        found, _ = json.JSONDecoder().raw_decode(message[start:])
    except ValueError:
        return []
    return [rule for rule in found if isinstance(rule, Mapping)]


def _names(part: Mapping[str, Any]) -> Iterator[str]:
    context = part.get("context")
    if isinstance(context, Mapping):
        for name in _NAME_LISTS:
            found = context.get(name)
            yield from (str(each) for each in (found if isinstance(found, list) else ()))


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
