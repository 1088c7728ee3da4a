"""The signing keys of an OpenID Connect issuer, found by discovery and kept for a while."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final
from urllib.parse import urlsplit

from shared.errors import TransientError

_TIMEOUT_SECONDS: Final = 5
_LARGEST_DOCUMENT: Final = 1_000_000
_SMALLEST_RSA_KEY: Final = 2048
"""Bits, by RFC 7518 section 3.3."""
_FRESH_SECONDS: Final = 3600
"""How long keys are used without asking again."""
_STALE_SECONDS: Final = 24 * 3600
"""How long they are still used while the issuer does not answer."""
_PAUSE_SECONDS: Final = 60
_PAUSE_AFTER_FAILURE_SECONDS: Final = 5

Fetch = Callable[[str], bytes]
"""Returns the body of a URL; raises OSError or ValueError where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A public key of the issuer; `algorithm` is '' where the issuer does not pin one.

    `curve` is that of an elliptic key, and '' for RSA.
    """

    key: Any
    algorithm: str
    curve: str


class IssuerKeys:
    """The keys of `issuer` by key id. Safe for many threads; the network is used on first need.

    An unknown key id makes it ask again, at most once a minute (5 seconds after a failure), so
    that made-up ids cannot turn this app against the issuer.
    """

    def __init__(
        self, issuer: str, *, fetch: Fetch | None = None, clock: Callable[[], float]
    ) -> None:
        self._issuer = issuer
        self._fetch = fetch or fetch_document
        self._clock = clock
        self._lock = Lock()
        self._keys: dict[str, SigningKey] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._failed = False

    def find(self, key_id: str) -> SigningKey | None:
        """Return the key, None for an id that the issuer does not list.

        Raise TransientError when the issuer must be asked and does not answer.
        """
        known = self._keys.get(key_id)
        if known is not None and self._age() <= _FRESH_SECONDS:
            return known  # without the lock: who asks the issuer holds up nobody else
        must_wait = known is None or self._age() > _STALE_SECONDS
        if not self._lock.acquire(blocking=must_wait):
            return known  # likewise: a slow issuer takes one thread, not all of them
        try:
            if self._age() > _FRESH_SECONDS or key_id not in self._keys:
                self._refresh()
            if self._age() > _STALE_SECONDS:
                raise _unavailable()
            key = self._keys.get(key_id)
            if key is None and self._failed:
                raise _unavailable()
            return key
        finally:
            self._lock.release()

    def _age(self) -> float:
        return float("inf") if self._fetched_at is None else self._clock() - self._fetched_at

    def _refresh(self) -> None:
        """Ask the issuer unless that was done a moment ago; on a failure the old keys stay."""
        now = self._clock()
        pause = _PAUSE_AFTER_FAILURE_SECONDS if self._failed else _PAUSE_SECONDS
        if self._tried_at is not None and now - self._tried_at < pause:
            return
        self._tried_at = now
        try:
            self._keys = self._download()
        except (OSError, ValueError, RecursionError):
            self._failed = True
        else:
            self._failed = False
            self._fetched_at = now

    def _download(self) -> dict[str, SigningKey]:
        base = self._issuer.rstrip("/")
        document = _json_object(self._fetch(f"{base}/.well-known/openid-configuration"))
        if document.get("issuer") != self._issuer:
            raise ValueError("the discovery document is another issuer's")
        address = document.get("jwks_uri")
        if not isinstance(address, str) or not is_safe_url(address):
            raise ValueError("the discovery document names no safe jwks_uri")
        entries = _json_object(self._fetch(address)).get("keys")
        listed = [entry for entry in entries if isinstance(entry, dict)] if entries else []
        found = {str(entry.get("kid", "")): key for entry in listed if (key := _key(entry))}
        if not found:
            raise ValueError("the issuer lists no usable key")
        return found


def _key(entry: dict[str, Any]) -> SigningKey | None:
    """Return the key of a JWKS entry, None for one that signs no token we take."""
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    kind = entry.get("kty")
    if kind not in {"RSA", "EC"} or entry.get("use", "sig") != "sig":
        return None
    try:
        key = PyJWK(entry).key
    except (PyJWTError, ValueError, TypeError):
        return None
    if kind == "RSA" and key.key_size < _SMALLEST_RSA_KEY:
        return None
    curve = str(entry.get("crv", "")) if kind == "EC" else ""
    return SigningKey(key=key, algorithm=str(entry.get("alg", "")), curve=curve)


def is_safe_url(url: str) -> bool:
    """Return whether the URL is https, or http to this very machine, with nothing odd in it."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.username is not None or not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


def is_loopback(host: str) -> bool:
    """Return whether a host's name or address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def fetch_document(url: str) -> bytes:
    """Return the body of `url`, at most 1 MB, within seconds; redirects are not followed."""
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

    class NoRedirects(HTTPRedirectHandler):
        """A redirect is an answer like any other error."""

        def redirect_request(self, *_: Any) -> None:
            return None

    handlers: list[Any] = [NoRedirects]
    if is_loopback(urlsplit(url).hostname or ""):
        handlers.append(ProxyHandler({}))
    request = Request(url, headers={"Accept": "application/json"})  # noqa: S310  # is_safe_url said
    try:
        with build_opener(*handlers).open(request, timeout=_TIMEOUT_SECONDS) as response:
            body: bytes = response.read(_LARGEST_DOCUMENT + 1)
    except HTTPError as error:
        with error:
            raise OSError(f"the issuer answered {error.code}") from None
    except HTTPException as error:
        raise OSError("the issuer's answer broke off") from error
    if len(body) > _LARGEST_DOCUMENT:
        raise ValueError("the document is too large")
    return body


def _json_object(body: bytes) -> Mapping[str, Any]:
    value = json.loads(body)
    if not isinstance(value, dict):
        raise ValueError("the document is not a JSON object")  # noqa: TRY004  # the input's fault
    return value


def _unavailable() -> TransientError:
    return TransientError(
        "The identity provider does not answer, so the token cannot be checked; try again.",
        retry_after=_PAUSE_AFTER_FAILURE_SECONDS,
    )
