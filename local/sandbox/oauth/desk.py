"""What an authorize request asks, who may be sent back, and the pages that wait for an answer."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.responses import RedirectResponse

from local.sandbox.oauth.clients import Client
from local.sandbox.oauth.settings import Settings

_WAIT_SECONDS = 600
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


class PageError(Exception):
    """A request that is answered with a page: where to send the person cannot be trusted."""


class SentBackError(Exception):
    """A request that is refused by sending the person back with `error`."""

    def __init__(self, ask: Ask, error: str, description: str) -> None:
        super().__init__(description)
        self.ask = ask
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """An authorize request from the registered client with a registered redirect URI."""

    redirect_uri: str
    state: str
    challenge: str
    nonce: str
    scopes: tuple[str, ...] = ()

    def send_back(self, **fields: str) -> RedirectResponse:
        """Return the redirect that carries `fields` and the state the request came with."""
        given = fields | ({"state": self.state} if self.state else {})
        joint = "&" if "?" in self.redirect_uri else "?"
        headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        return RedirectResponse(
            f"{self.redirect_uri}{joint}{urlencode(given)}", 302, headers=headers
        )


def read_ask(query: QueryParams, *, client: Client, settings: Settings) -> Ask:
    """Return what the query asks; its scopes are left to the provider.

    Raises PageError for another client or redirect URI, and SentBackError where the PKCE
    challenge is not one of S256 (RFC 7636, 4.3).
    """
    if len(query.multi_items()) != len(query):
        raise PageError("A parameter stands in the address twice.")
    if query.get("client_id", "") != client.id:
        raise PageError("The client_id is not one of a registered application.")
    redirect_uri = query.get("redirect_uri", "")
    if redirect_uri not in settings.redirect_uris:
        raise PageError(
            "The redirect_uri is not registered for this application. It must be the same to the "
            "character as a registered one."
        )
    challenge, method = query.get("code_challenge", ""), query.get("code_challenge_method", "")
    ask = Ask(
        redirect_uri=redirect_uri,
        state=query.get("state", ""),
        challenge=challenge,
        nonce=query.get("nonce", ""),
    )
    if (challenge or method) and (method != "S256" or not _CHALLENGE.fullmatch(challenge)):
        text = "code_challenge must be 43 base64url characters, code_challenge_method S256."
        raise SentBackError(ask, "invalid_request", text)
    return ask


class Desk:
    """The consent pages people have before them: each is answered once, within ten minutes."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._waiting: dict[str, tuple[float, Ask]] = {}

    def open(self, ask: Ask) -> str:
        """Return the ticket a page for `ask` carries."""
        now = self._clock()
        self._waiting = {t: w for t, w in self._waiting.items() if w[0] > now}
        ticket = secrets.token_urlsafe(24)
        self._waiting[ticket] = (now + _WAIT_SECONDS, ask)
        return ticket

    def take(self, ticket: str) -> Ask:
        """Return what the page asked, once; raise PageError where no such page waits."""
        until, ask = self._waiting.pop(ticket, (0.0, None))
        if ask is None or until <= self._clock():
            raise PageError("This page was answered already or is too old. Start again.")
        return ask
