"""An authorization server as a client sees it, over the kit's own HTTP client.

The protocol is Authlib's (loaded when first used); what it is sent through is ours, so that the
egress guard, the time-outs and the errors are those of every other call. Error answers are read
here: Authlib knows RFC 6749's alone, and refuses a description with a line break in it, as Entra's
have.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

import httpx

from shared.domain.oauth import OAuthSpec, TokenGrant
from shared.errors import AuthError, PermanentError, SyncError, TransientError
from shared.http.client import HttpClient
from shared.http.errors import Failure, read_failure, redact
from shared.http.retries import Ladder

if TYPE_CHECKING:
    from authlib.oauth2.client import OAuth2Client

TIMEOUT = 20.0
"""Seconds without a byte before a token request counts as lost."""

_LADDER = Ladder(waits=(0.5, 1, 2), longest=5, total=8)
"""Only for what the server surely did not do: no connection, 423, 425, 429."""

_SET_UP_WAIT = 900.0
_REFRESH: Final = "refresh_token"
_READ_HERE = frozenset({*range(200, 300), 400, 401, 403})
_REFUSALS = frozenset(
    {
        "invalid_grant",
        "access_denied",
        "interaction_required",
        "consent_required",
        "login_required",
        # HubSpot's older endpoints say it in `status`.
        "bad_auth_code",
        "expired_auth_code",
        "mismatch_redirect_uri_auth_code",
        "bad_refresh_token",
    }
)
_OUR_SET_UP = frozenset(
    {"invalid_client", "unauthorized_client", "bad_client_id", "bad_client_secret"}
)
_BUSY = frozenset({"temporarily_unavailable", "server_error", "internal_error"})


class GrantRefusedError(AuthError):
    """The server says for good that a code or refresh token is worth nothing.

    `code` is its word for it, such as `invalid_grant`.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Registration:
    """What a provider knows our application by."""

    client_id: str
    client_secret: str

    def __repr__(self) -> str:
        """Return the public part."""
        return f"Registration({self.client_id!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthServer:
    """The authorization server of one provider; `name` is what people call the provider.

    `options` fill the URL templates of `spec`. Calls raise TransientError for anything that says
    nothing about the grant (a time-out, a lost answer, a refused registration of ours),
    GrantRefusedError where the grant itself is refused, and PermanentError for the rest.
    """

    name: str
    spec: OAuthSpec
    registration: Registration
    options: Mapping[str, str]
    allow_private_hosts: bool = False
    sleep: Callable[[float], None] = time.sleep
    transport: httpx.BaseTransport | None = None

    def authorize_url(
        self, *, state: str, verifier: str, redirect_uri: str, scopes: Sequence[str]
    ) -> str:
        """Return where a person gives consent; the PKCE challenge is in it, the verifier is not."""
        url, _ = self._client().create_authorization_url(
            self._filled(self.spec.authorize_url),
            state=state,
            code_verifier=verifier,
            redirect_uri=redirect_uri,
            scope=" ".join(scopes),
            **self.spec.extra,
        )
        return str(url)

    def exchange(self, *, code: str, verifier: str, redirect_uri: str) -> TokenGrant:
        """Return what a code is redeemed for; it cannot be redeemed twice."""
        return self._grant(
            "authorization_code",
            secrets=(code, verifier),
            code=code,
            code_verifier=verifier,
            redirect_uri=redirect_uri,
            scope=self._scope(""),
        )

    def refresh(self, refresh_token: str, *, resource: str = "") -> TokenGrant:
        """Return a new access token for `resource`, and the refresh token to use from now on.

        Sent once: where the server replaces refresh tokens, the same one again after a lost
        answer may look like theft. `refresh_token` is '' where the answer names none.
        """
        return self._grant(
            _REFRESH,
            secrets=(refresh_token,),
            refresh_token=refresh_token,
            scope=self._scope(resource),
        )

    def revoke(self, refresh_token: str) -> bool:
        """End a refresh token and what came from it; return whether the server offers that."""
        url = self._filled(self.spec.revoke_url)
        if not url:
            return False
        session = _Session(self, secrets=(refresh_token,))
        self._client(session).revoke_token(url, token=refresh_token, token_type_hint=_REFRESH)
        return True

    def _grant(self, grant_type: str, *, secrets: Sequence[str], **form: str) -> TokenGrant:
        session = _Session(self, secrets=secrets, is_grant=True)
        answer = self._client(session).fetch_token(
            self._filled(self.spec.token_url), grant_type=grant_type, **form
        )
        return self._read(answer)

    def _read(self, answer: Mapping[str, Any]) -> TokenGrant:
        token = answer.get("access_token")
        refresh = answer.get("refresh_token") or ""
        if not isinstance(token, str) or not token or not isinstance(refresh, str):
            raise TransientError(f"{self.name} answered a token request without a token.")
        kind = answer.get("token_type", "bearer")
        if str(kind).lower() != "bearer":
            raise PermanentError(f"{self.name} gives tokens of a kind that is not known here.")
        return TokenGrant(
            access_token=token,
            refresh_token=refresh,
            lifetime=answer.get("expires_in"),
            account=self.spec.account_of(answer),
        )

    def _scope(self, resource: str) -> str:
        return " ".join(self.spec.resources.get(resource, ()))

    def _filled(self, template: str) -> str:
        try:
            return template.format_map(self.options)
        except KeyError as error:
            raise PermanentError(
                f"{self.name}'s address of the sign-in needs the setting {error.args[0]}."
            ) from None

    def _client(self, session: _Session | None = None) -> OAuth2Client:
        from authlib.oauth2.client import OAuth2Client

        return OAuth2Client(
            session,
            client_id=self.registration.client_id,
            client_secret=self.registration.client_secret,
            token_endpoint_auth_method="client_secret_post",  # noqa: S106  a method's name
            revocation_endpoint_auth_method="client_secret_post",
            code_challenge_method="S256",
        )


class _Session:
    """What Authlib sends a form through: one answer, or one of our errors."""

    def __init__(
        self, server: OAuthServer, *, secrets: Sequence[str], is_grant: bool = False
    ) -> None:
        self._server = server
        self._is_grant = is_grant
        self._secrets = (server.registration.client_secret, *secrets)

    def post(
        self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: Any
    ) -> httpx.Response:
        server = self._server
        url, sent, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        parts = urlsplit(url)
        client = HttpClient(
            name=server.name,
            base_url=f"{parts.scheme}://{parts.netloc}",
            sleep=server.sleep,
            allow_private_hosts=server.allow_private_hosts,
            transport=server.transport,
            secrets=self._secrets,
            ladder=_LADDER,
        )
        try:
            response = client.request(
                "POST",
                url,
                content=body.encode("ascii"),
                headers=sent,
                timeout=TIMEOUT,
                ok=_READ_HERE,
            )
        finally:
            client.close()
        if not response.is_success:
            raise self._error(read_failure(response))
        return self._readable(response) if self._is_grant else response

    def _readable(self, response: httpx.Response) -> httpx.Response:
        """Return the answer in a form that Authlib reads: JSON whose `expires_in` is whole."""
        try:
            body = json.loads(response.content)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise TransientError(
                f"{self._server.name} answered a token request with something that is not JSON."
            )
        lifetime = _seconds(body.pop("expires_in", None))
        if lifetime is not None:
            body["expires_in"] = int(lifetime)
        return httpx.Response(response.status_code, json=body)

    def _error(self, failure: Failure) -> SyncError:
        name, body = self._server.name, failure.body
        given = body.get("error") or body.get("status")
        code = given.lower() if isinstance(given, str) else ""
        described = body.get("error_description") or failure.message
        said = _first_line(described) if isinstance(described, str) else ""
        text = redact(f"{said or code} ({failure.status})", self._secrets)
        if code in _REFUSALS:
            return GrantRefusedError(f"{name} refused the sign-in: {text}.", code=code)
        if code in _OUR_SET_UP:
            return TransientError(
                f"{name} refuses this service itself: {text}. Its operator must correct the client "
                "id or secret that it is registered with.",
                retry_after=_SET_UP_WAIT,
            )
        if code in _BUSY or not code:
            return TransientError(
                f"{name} could not answer a token request ({failure.status}). Try again later.",
                retry_after=failure.retry_after,
            )
        return PermanentError(f"{name} does not accept the token request: {text}.")


def _first_line(text: str) -> str:
    """Return the first line: Entra's others are ids of the request."""
    lines = text.strip().splitlines()
    return " ".join(lines[0].split()).rstrip(".")[:300] if lines else ""


def _seconds(value: object) -> float | None:
    """Return `expires_in`, which some servers send as text; None where it says nothing usable."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None
