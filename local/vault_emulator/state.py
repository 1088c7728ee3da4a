"""What the emulated vault holds, and the rules Key Vault applies to it.

Source: the Key Vault REST reference ("Secrets", api-version 7.x) and "About Azure Key Vault
secrets": 25 KiB a value, names without case, a soft-deleted name refused until purged.
"""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

_LARGEST: Final = 25 * 1024
_NAME: Final = re.compile(r"[0-9a-zA-Z-]{1,127}")
_RECOVERABLE_DAYS: Final = 90
_DAY: Final = 86_400

Json = dict[str, Any]


class VaultError(Exception):
    """An answer that is an error: its HTTP status, code, and headers."""

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers or {}


@dataclass(slots=True, kw_only=True)
class _Version:
    """One version of a secret."""

    id: str
    value: str
    content_type: str | None
    tags: dict[str, str]
    enabled: bool
    created: int
    updated: int


@dataclass(slots=True, kw_only=True)
class VaultState:
    """The secrets by name in lower case, oldest version first, and the soft-deleted ones.

    `throttled` and `broken` are faults: how many of the next calls answer 429 or 503.
    """

    url: str = ""
    live: dict[str, list[_Version]] = field(default_factory=dict)
    deleted: dict[str, list[_Version]] = field(default_factory=dict)
    throttled: int = 0
    retry_after: int = 7
    broken: int = 0
    calls: int = 0
    _lock: Lock = field(default_factory=Lock)

    def count_call(self) -> None:
        """Count a call and raise the fault that is due."""
        with self._lock:
            self.calls += 1
            if self.throttled > 0:
                self.throttled -= 1
                wait = {"Retry-After": str(self.retry_after)}
                raise VaultError(429, "Throttled", "Request was not processed.", wait)
            if self.broken > 0:
                self.broken -= 1
                raise VaultError(503, "ServiceUnavailable", "The service is unavailable.")

    def put(self, name: str, body: Json) -> Json:
        """Add a version and return it."""
        value = body.get("value")
        if not _NAME.fullmatch(name) or not isinstance(value, str):
            raise VaultError(400, "BadParameter", "The name or the value is not valid.")
        if len(value.encode()) > _LARGEST:
            raise VaultError(400, "BadParameter", "The value is longer than 25,600 bytes.")
        now, key = int(time.time()), name.lower()
        version = _Version(
            id=secrets.token_hex(16),
            value=value,
            content_type=body.get("contentType"),
            tags=body.get("tags") or {},
            enabled=(body.get("attributes") or {}).get("enabled", True),
            created=now,
            updated=now,
        )
        with self._lock:
            if key in self.deleted:
                raise VaultError(
                    409,
                    "Conflict",
                    f"Secret {name} is currently in a deleted but recoverable state.",
                )
            self.live.setdefault(key, []).append(version)
        return self._bundle(key, version)

    def get(self, name: str, version: str) -> Json:
        """Return a version, or the newest one for ''."""
        found = self._find(name, version)
        if not found.enabled:
            raise VaultError(403, "Forbidden", "Operation get is not allowed on a disabled secret.")
        return self._bundle(name.lower(), found)

    def update(self, name: str, version: str, body: Json) -> Json:
        """Change a version's attributes and return it without its value."""
        found = self._find(name, version)
        found.enabled = (body.get("attributes") or {}).get("enabled", found.enabled)
        found.updated = int(time.time())
        return self._properties(name.lower(), found)

    def versions(self, name: str) -> list[Json]:
        """Return the properties of every version."""
        key = name.lower()
        with self._lock:
            return [self._properties(key, version) for version in self.live.get(key, [])]

    def delete(self, name: str) -> Json:
        """Move a secret to the deleted ones and return it."""
        key = name.lower()
        with self._lock:
            if key not in self.live:
                raise _not_found(name)
            self.deleted[key] = self.live.pop(key)
        return self.get_deleted(name)

    def get_deleted(self, name: str) -> Json:
        """Return a deleted secret without its value."""
        key, now = name.lower(), int(time.time())
        with self._lock:
            if key not in self.deleted:
                raise _not_found(name)
            return {
                **self._properties(key, self.deleted[key][-1]),
                "recoveryId": f"{self.url}/deletedsecrets/{key}",
                "deletedDate": now,
                "scheduledPurgeDate": now + _RECOVERABLE_DAYS * _DAY,
            }

    def recover(self, name: str) -> Json:
        """Bring a deleted secret back."""
        key = name.lower()
        with self._lock:
            if key not in self.deleted:
                raise _not_found(name)
            self.live[key] = self.deleted.pop(key)
            return self._properties(key, self.live[key][-1])

    def _find(self, name: str, version: str) -> _Version:
        with self._lock:
            for candidate in reversed(self.live.get(name.lower(), [])):
                if version in ("", candidate.id):
                    return candidate
        raise _not_found(name)

    def _properties(self, key: str, version: _Version) -> Json:
        return {
            "id": f"{self.url}/secrets/{key}/{version.id}",
            "contentType": version.content_type,
            "tags": version.tags,
            "attributes": {
                "enabled": version.enabled,
                "created": version.created,
                "updated": version.updated,
                "recoveryLevel": "Recoverable",
                "recoverableDays": _RECOVERABLE_DAYS,
            },
        }

    def _bundle(self, key: str, version: _Version) -> Json:
        return {**self._properties(key, version), "value": version.value}


def _not_found(name: str) -> VaultError:
    return VaultError(
        404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault."
    )
