"""Entra's v2.0 endpoints as an ASGI app, one set for each tenant and for `organizations`."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.sandbox.entra.consent import PROVIDER, Consent
from local.sandbox.entra.errors import EntraError, error_body
from local.sandbox.entra.scopes import DEFAULT, GRAPH, Scopes, UnknownScopeError, read_scopes
from local.sandbox.entra.settings import EntraSettings
from local.sandbox.entra.signing import Signer
from local.sandbox.entra.tenants import ANY, User, users_of
from local.sandbox.faults import Faults
from local.sandbox.oauth import delivery
from local.sandbox.oauth.clients import Client, given_credentials, read_form
from local.sandbox.oauth.control import control_routes
from local.sandbox.oauth.delivery import deliver, take
from local.sandbox.oauth.grants import Grants
from local.sandbox.oauth.tokens import Family, RefreshToken, RefusedError
from local.sandbox.web import json_response


class Entra:
    """The emulator that calls itself `url`, with its signing key in `state_dir`."""

    def __init__(
        self,
        *,
        url: str,
        state_dir: Path,
        client: Client,
        settings: EntraSettings,
        faults: Faults,
    ) -> None:
        faults.declare(
            PROVIDER,
            **delivery.KINDS,
            interaction_required="A refresh needs the person: AADSTS50076, multi-factor "
            "authentication.",
        )
        self._client = client
        self._faults = faults
        self._settings = settings
        self._signer = Signer(state_dir / "entra-keys.json", url=url, client_id=client.id)
        self.grants: Grants[User] = Grants(settings, new_token=_new_token)
        """For emulators of its resources: `find_access` knows the tokens it gave out."""
        self._consent = Consent(client=client, grants=self.grants, settings=settings, faults=faults)

    def app(self) -> Starlette:
        """Return the ASGI app."""
        authorize, token = "/{tenant}/oauth2/v2.0/authorize", "/{tenant}/oauth2/v2.0/token"
        discovery = "/{tenant}/v2.0/.well-known/openid-configuration"
        return Starlette(
            routes=[
                *control_routes(self.grants),
                Route(authorize, self._consent.ask, methods=["GET"]),
                Route(authorize, self._consent.decide, methods=["POST"]),
                Route(token, self.token, methods=["POST"]),
                Route(discovery, self.discovery, methods=["GET"]),
                Route("/{tenant}/discovery/v2.0/keys", self.jwks, methods=["GET"]),
            ],
            exception_handlers={EntraError: _refuse, HTTPException: _no_route},
        )

    async def discovery(self, request: Request) -> Response:
        """GET: the OpenID configuration; where any tenant may come, its issuer is a template."""
        tenant = _tenant(request)
        known = "{tenantid}" if tenant in ANY else users_of(tenant)[0].tenant
        return json_response(self._signer.discovery(tenant, issuer=self._signer.issuer(known)))

    async def jwks(self, request: Request) -> Response:
        """GET: the public keys."""
        _tenant(request)
        return json_response(self._signer.keys.public())

    async def token(self, request: Request) -> Response:
        """POST: an access token for one resource, for a code or for a refresh token."""
        try:
            answer = json_response(
                self._give(request, await self._admit(request)),
                headers={"Cache-Control": "no-store"},
            )
        except EntraError as error:
            answer = json_response(error.body, error.status)
        except RefusedError as error:
            refused = EntraError.of(error.reason)
            answer = json_response(refused.body, refused.status)
        return await deliver(
            answer,
            request=request,
            faults=self._faults,
            provider=PROVIDER,
            failure=error_body(500),
        )

    async def _admit(self, request: Request) -> dict[str, str]:
        _tenant(request)
        try:
            form = await read_form(request)
        except ValueError as error:
            raise EntraError(900144, str(error)) from None
        client_id, secret = given_credentials(request, form)
        if client_id != self._client.id:
            raise EntraError(700016)
        if not secret:
            raise EntraError(7000218)
        if not self._client.has_secret(secret):
            raise EntraError(7000215)
        return form

    def _give(self, request: Request, form: dict[str, str]) -> dict[str, Any]:
        grant_type = form.get("grant_type", "")
        if not grant_type:
            raise EntraError(900144, "It is 'grant_type'.")
        asked = _asked(form)
        if grant_type == "authorization_code":
            return self._redeem(request, form, asked)
        if grant_type == "refresh_token":
            return self._refresh(request, form, asked)
        raise EntraError(70003, f"It is {grant_type!r}.")

    def _redeem(
        self, request: Request, form: dict[str, str], asked: Scopes | None
    ) -> dict[str, Any]:
        code = form.get("code", "")
        user = self.grants.peek(code)
        if user and user not in users_of(_tenant(request)):
            raise EntraError(700005)
        token = self.grants.redeem(
            code,
            redirect_uri=form.get("redirect_uri", ""),
            verifier=form.get("code_verifier", ""),
        )
        return self._answer(token, asked)

    def _refresh(
        self, request: Request, form: dict[str, str], asked: Scopes | None
    ) -> dict[str, Any]:
        known = self.grants.find_refresh(form.get("refresh_token", ""))
        if known:
            if known.family.account not in users_of(_tenant(request)):
                raise EntraError(50020)
            if take(self._faults, PROVIDER, "interaction_required", request):
                raise EntraError(50076)
            if take(self._faults, PROVIDER, "revoked_consent", request):
                self.grants.revoke(known.family.id)
            _choose(known.family, asked)  # what was never consented to uses no token up
        return self._answer(self.grants.refresh(form.get("refresh_token", "")), asked)

    def _answer(self, token: RefreshToken[User], asked: Scopes | None) -> dict[str, Any]:
        family = token.family
        resource, scopes = _choose(family, asked)
        seconds = self._settings.access_token_seconds
        now = int(self.grants.clock())
        text = self._signer.access_token(
            family, resource=resource, scopes=scopes, now=now, seconds=seconds
        )
        self.grants.add_access(text, family, scopes=scopes, resource=resource)
        answer = {
            "token_type": "Bearer",
            "scope": " ".join(scopes),
            "expires_in": seconds,
            "ext_expires_in": seconds,
            "access_token": text,
        }
        if "offline_access" in family.scopes:
            answer["refresh_token"] = token.text
        if "openid" in (asked.oidc if asked else family.scopes):
            answer["id_token"] = self._signer.id_token(family, now=now, seconds=seconds)
        return answer


def _new_token(kind: str) -> str:
    return f"{'0.A' if kind == 'code' else '1.A'}{secrets.token_urlsafe(300)}"


def _asked(form: dict[str, str]) -> Scopes | None:
    """Return the scopes a token request names, None where it names none."""
    try:
        scopes = read_scopes(form.get("scope", "").split())
    except UnknownScopeError as error:
        raise EntraError(650053, f"Scope: {error}.") from None
    if len(scopes.by_resource) > 1:
        raise EntraError(28000)
    return scopes if scopes.oidc or scopes.by_resource else None


def _choose(family: Family[User], asked: Scopes | None) -> tuple[str, tuple[str, ...]]:
    """Return the resource and all scopes consented to there.

    It is the one that is asked for, else the first of the consent, else Microsoft Graph, which
    gives what OpenID Connect asks for.
    """
    consented = read_scopes(family.scopes)
    wanted = asked.by_resource if asked else {}
    resource = next(iter(wanted or consented.by_resource), GRAPH)
    granted = consented.by_resource.get(resource, ())
    missing = [
        name
        for name in wanted.get(resource, ())
        if name not in granted and not (granted and name.endswith(f"/{DEFAULT}"))
    ]
    if missing:
        raise EntraError(65001, f"Scope: {' '.join(missing)}.")
    return resource, (*(name for name in consented.oidc if name != "offline_access"), *granted)


def _tenant(request: Request) -> str:
    tenant: str = request.path_params["tenant"]
    if not users_of(tenant):
        raise EntraError(90002)
    return tenant


async def _refuse(_: Request, error: Exception) -> Response:
    if not isinstance(error, EntraError):
        raise error
    return json_response(error.body, error.status)


async def _no_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return json_response(error_body(status), status)
