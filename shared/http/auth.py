"""How requests are signed: flow objects that httpx runs for each request."""

from __future__ import annotations

from collections.abc import Generator
from http import HTTPStatus
from typing import Protocol

import httpx

from shared.errors import AuthError
from shared.ports.provider import ConnectRequest


class TokenSource(Protocol):
    """Where bearer tokens come from."""

    def token(self) -> str:
        """Return the access token to use now; raise AuthError where there is none."""

    def refreshed(self, *, after_401_of: str) -> str | None:
        """Return a newer token than the one just refused, None where there cannot be one.

        Two callers may be refused with the same token: the second gets what the first one's
        refresh brought, without another refresh. Raise AuthError where a person must reconnect.
        """


class StaticToken:
    """A token that is what it is: a key, or an access token somebody else refreshes."""

    def __init__(self, value: str) -> None:
        self._value = value

    def token(self) -> str:
        """Return the token."""
        return self._value

    def refreshed(self, *, after_401_of: str) -> str | None:  # noqa: ARG002 - the protocol's
        """Return None: nothing here can make a newer one."""
        return None


def token_source(request: ConnectRequest, resource: str = "") -> TokenSource:
    """Return where a connection's bearer tokens come from: a sign-in, or the key a person gave.

    `resource` is one of the provider's `OAuthSpec.resources`.
    """
    if request.tokens is not None:
        return request.tokens(resource)
    values = request.credentials.values
    token = values.get(f"access_token@{resource}" if resource else "access_token")
    token = token or values.get("api_key")
    if not token:
        raise AuthError("There are no credentials. Connect the instance again.")
    return StaticToken(token)


class BearerAuth(httpx.Auth):
    """`Authorization: <scheme> <token>`; a 401 is answered once with a refreshed token."""

    def __init__(self, source: TokenSource, *, scheme: str = "Bearer") -> None:
        self._source = source
        self._scheme = scheme

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign the request, and sign and send it again where a newer token can be had."""
        token = self._source.token()
        request.headers["Authorization"] = f"{self._scheme} {_checked(token)}"
        response = yield request
        if response.status_code != HTTPStatus.UNAUTHORIZED:
            return
        newer = self._source.refreshed(after_401_of=token)
        if newer is not None and newer != token:
            request.headers["Authorization"] = f"{self._scheme} {_checked(newer)}"
            yield request


class HeaderKeyAuth(httpx.Auth):
    """A key in a header of the provider's choosing."""

    def __init__(self, key: str, *, header: str) -> None:
        self._key = key
        self._header = header

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign the request."""
        request.headers[self._header] = _checked(self._key)
        yield request


def _checked(value: str) -> str:
    """Return a secret that can stand in a header; raise AuthError (without it) for another."""
    if not value or not value.isascii() or not value.isprintable() or value != value.strip():
        raise AuthError(
            "The key or token is empty or holds characters that none has, such as a line break. "
            "Copy it again from the provider and reconnect."
        )
    return value
