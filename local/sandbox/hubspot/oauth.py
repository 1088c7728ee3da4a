"""HubSpot's authorization server: consent, tokens, introspection, revocation."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.sandbox.faults import Faults
from local.sandbox.hubspot.access import Token
from local.sandbox.hubspot.accounts import HUBS, SCOPES, Hub
from local.sandbox.oauth.clients import Client, read_form
from local.sandbox.oauth.control import control_routes
from local.sandbox.oauth.delivery import deliver, take
from local.sandbox.oauth.desk import Desk, PageError, SentBackError, read_ask
from local.sandbox.oauth.grants import Grants
from local.sandbox.oauth.pages import consent_page, error_page
from local.sandbox.oauth.settings import Settings
from local.sandbox.oauth.tokens import AccessToken, RefreshToken, Refusal, RefusedError
from local.sandbox.web import json_response

PROVIDER = "hubspot"
VERSIONS = ("2026-03", "v3", "v1")
_BUTTONS = {"allow": "Connect app", "deny": "Cancel"}
_CODE = ("BAD_AUTH_CODE", "missing or unknown auth code")
_REFRESH = ("BAD_REFRESH_TOKEN", "missing or invalid refresh token")
_REFUSALS = {
    Refusal.UNKNOWN_CODE: _CODE,
    Refusal.USED_CODE: _CODE,
    Refusal.EXPIRED_CODE: ("EXPIRED_AUTH_CODE", "the auth code has expired"),
    Refusal.OTHER_REDIRECT_URI: (
        "MISMATCH_REDIRECT_URI_AUTH_CODE",
        "the redirect_uri is not the one the auth code was given for",
    ),
    Refusal.WRONG_VERIFIER: ("BAD_AUTH_CODE", "the code_verifier does not match the auth code"),
}
_ERRORS = {
    "BAD_GRANT_TYPE": "unsupported_grant_type",
    "BAD_REQUEST": "invalid_request",
    "BAD_CLIENT_ID": "invalid_client",
    "BAD_CLIENT_SECRET": "invalid_client",
}
"""The RFC 6749 error of a status; `invalid_grant` for all others."""


class _RefusedFormError(Exception):
    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


class HubSpotOAuth:
    """The authorization server of one registered app; `settings` can be changed while it runs."""

    def __init__(self, *, client: Client, faults: Faults, settings: Settings) -> None:
        self._client = client
        self._faults = faults
        self._desk = Desk()
        self.grants: Grants[Hub] = Grants(settings, new_token=lambda _: f"na1-{uuid4()}")

    def routes(self) -> list[Route]:
        """Return the protocol's routes and those that control it."""
        tokens = [
            Route(f"/oauth/{version}/token{path}", handler, methods=["POST"])
            for version in VERSIONS
            for path, handler in (
                ("", self.token),
                ("/introspect", self.introspect),
                ("/revoke", self.revoke),
            )
        ]
        return [
            Route("/oauth/authorize", self.ask, methods=["GET"]),
            Route("/oauth/authorize", self.decide, methods=["POST"]),
            *tokens,
            *control_routes(self.grants),
        ]

    def find_token(self, text: str) -> Token | None:
        """Return the access token as the CRM API sees it, None where it was never given out."""
        found = self.grants.find_access(text)
        if found is None:
            return None
        state = "active" if self.grants.is_alive(found) else "expired"
        if self.grants.is_revoked(found):
            state = "revoked"
        hub = found.family.account.id
        return Token(
            scopes=frozenset(found.scopes), state=state, bucket=f"hub {hub}", account=int(hub)
        )

    async def ask(self, request: Request) -> Response:
        """GET: the consent page, or a page that says what is wrong with the link."""
        try:
            ask = read_ask(request.query_params, client=self._client, settings=self.grants.settings)
            scopes = _asked_scopes(request)
        except PageError as error:
            return error_page(str(error))
        except SentBackError as error:
            return error.ask.send_back(error=error.error, error_description=str(error))
        return consent_page(
            title="Connect LinkHub to HubSpot",
            lead="LinkHub asks to be allowed to:",
            ticket=self._desk.open(replace(ask, scopes=scopes)),
            scopes={scope: SCOPES[scope] for scope in scopes},
            accounts=HUBS,
            buttons=_BUTTONS,
        )

    async def decide(self, request: Request) -> Response:
        """POST: send the person back with a code or with `access_denied`."""
        try:
            form = await read_form(request)
            decision, account = form.get("decision", ""), form.get("account", "")
            hub = next((hub for hub in HUBS if hub.id == account), None)
            if decision not in _BUTTONS or (decision == "allow" and hub is None):
                return error_page("Choose an account, and whether to connect.")
            ask = self._desk.take(form.get("ticket", ""))
        except (PageError, ValueError) as error:
            return error_page(str(error))
        if hub is None or decision == "deny":
            self.grants.deny()
            text = "The user did not allow the app to be connected."
            return ask.send_back(error="access_denied", error_description=text)
        if take(self._faults, PROVIDER, "other_account", request):
            hub = next(other for other in HUBS if other is not hub)
        code = self.grants.allow(
            hub, scopes=ask.scopes, redirect_uri=ask.redirect_uri, challenge=ask.challenge
        )
        return ask.send_back(code=code)

    async def token(self, request: Request) -> Response:
        """POST: tokens for a code or for a refresh token."""
        try:
            form = await self._admit(request)
            answer = json_response(self._give(form, request), headers={"Cache-Control": "no-store"})
        except (_RefusedFormError, RefusedError) as error:
            answer = _refuse(request, error)
        return await deliver(
            answer,
            request=request,
            faults=self._faults,
            provider=PROVIDER,
            failure=_error_body(request, "INTERNAL_ERROR", "internal error", "server_error"),
        )

    def _give(self, form: dict[str, str], request: Request) -> dict[str, Any]:
        grant_type = form.get("grant_type", "")
        if grant_type == "authorization_code":
            token = self.grants.redeem(
                form.get("code", ""),
                redirect_uri=form.get("redirect_uri", ""),
                verifier=form.get("code_verifier", ""),
            )
        elif grant_type == "refresh_token":
            text = form.get("refresh_token", "")
            known = self.grants.find_refresh(text)
            if known and take(self._faults, PROVIDER, "revoked_consent", request):
                self.grants.revoke(known.family.id)
            token = self.grants.refresh(text)
        else:
            raise _RefusedFormError("BAD_GRANT_TYPE", "missing or unknown grant type")
        family = token.family
        access = self.grants.add_access(
            f"C{secrets.token_urlsafe(160)}", family, scopes=family.scopes
        )
        return {
            "token_type": "bearer",
            "refresh_token": token.text,
            "access_token": access.text,
            "expires_in": self.grants.settings.access_token_seconds,
            "token_use": "access_token",
            "hub_id": int(family.account.id),
            "user_id": family.account.user_id,
            "scopes": list(family.scopes),
        }

    async def introspect(self, request: Request) -> Response:
        """POST: whether a token works and whose it is (RFC 7662)."""
        try:
            form = await self._admit(request)
        except _RefusedFormError as error:
            return _refuse(request, error)
        text = form.get("token", "")
        found = self.grants.find_access(text) or self.grants.find_refresh(text)
        if found is None or not self.grants.is_alive(found):
            return json_response({"active": False})
        return json_response(self._describe(found))

    def _describe(self, found: AccessToken[Hub] | RefreshToken[Hub]) -> dict[str, Any]:
        family, is_access = found.family, isinstance(found, AccessToken)
        left = found.expires_at - self.grants.clock() if found.expires_at is not None else None
        return {
            "active": True,
            "token_use": "access_token" if is_access else "refresh_token",
            "token_type": "bearer",
            "client_id": self._client.id,
            "hub_id": int(family.account.id),
            "hub_domain": family.account.domain,
            "user_id": family.account.user_id,
            "user": family.account.user,
            "scopes": list(family.scopes),
            **({"expires_in": int(left)} if left is not None else {}),
        }

    async def revoke(self, request: Request) -> Response:
        """POST: end a token; an unknown one is no error (RFC 7009, 2.2)."""
        try:
            form = await self._admit(request)
        except _RefusedFormError as error:
            return _refuse(request, error)
        self.grants.revoke_token(form.get("token", ""))
        return Response(status_code=200)

    async def _admit(self, request: Request) -> dict[str, str]:
        """Return the form of a request that knows the client's credentials."""
        try:
            form = await read_form(request)
        except ValueError as error:
            raise _RefusedFormError("BAD_REQUEST", str(error)) from None
        if form.get("client_id", "") != self._client.id:
            raise _RefusedFormError("BAD_CLIENT_ID", "missing or unknown client id")
        if not self._client.has_secret(form.get("client_secret", "")):
            raise _RefusedFormError("BAD_CLIENT_SECRET", "missing or invalid client secret")
        return form


def _asked_scopes(request: Request) -> tuple[str, ...]:
    """Return the scopes asked for, and those of the optional ones that exist."""
    needed = request.query_params.get("scope", "").split()
    if not needed:
        raise PageError("The link asks for no scope.")
    unknown = [scope for scope in needed if scope not in SCOPES]
    if unknown:
        raise PageError(f"The link asks for scopes this app does not have: {' '.join(unknown)}.")
    optional = request.query_params.get("optional_scope", "").split()
    return tuple(dict.fromkeys(["oauth", *needed, *(s for s in optional if s in SCOPES)]))


def _refuse(request: Request, error: _RefusedFormError | RefusedError) -> Response:
    if isinstance(error, RefusedError):
        status, message = _REFUSALS.get(error.reason, _REFRESH)
    else:
        status, message = error.status, str(error)
    rfc = _ERRORS.get(status, "invalid_grant")
    return json_response(_error_body(request, status, message, rfc), 400)


def _error_body(request: Request, status: str, message: str, rfc: str) -> dict[str, str]:
    """Return HubSpot's own form; the endpoints after v1 add that of RFC 6749, 5.2."""
    body = {"status": status, "message": message, "correlationId": str(uuid4())}
    if "/oauth/v1/" not in request.url.path:
        body |= {"error": rfc, "error_description": message}
    return body
