"""Entra's authorize address: who asks, for what, and who may say yes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from local.sandbox.entra.errors import EntraError, description
from local.sandbox.entra.scopes import ADMIN_ONLY, UnknownScopeError, describe, read_scopes
from local.sandbox.entra.settings import EntraSettings
from local.sandbox.entra.tenants import User, users_of
from local.sandbox.faults import Faults
from local.sandbox.oauth.clients import Client, read_form
from local.sandbox.oauth.delivery import take
from local.sandbox.oauth.desk import Ask, Desk, PageError, SentBackError, read_ask
from local.sandbox.oauth.grants import Grants
from local.sandbox.oauth.pages import consent_page, error_page

PROVIDER = "entra"
_ASKED = {"allow": "Accept", "deny": "Cancel"}
_STUCK = {"return": "Return to the application without granting consent"}


class Consent:
    """The pages behind `/{tenant}/oauth2/v2.0/authorize`."""

    def __init__(
        self, *, client: Client, grants: Grants[User], settings: EntraSettings, faults: Faults
    ) -> None:
        self._client = client
        self._grants = grants
        self._settings = settings
        self._faults = faults
        self._desk = Desk()

    async def ask(self, request: Request) -> Response:
        """GET: the consent page, or a page that says what is wrong with the link."""
        users = users_of(request.path_params["tenant"])
        if not users:
            return error_page(description(90002))
        try:
            ask = self._read(request)
        except PageError as error:
            return error_page(str(error))
        except SentBackError as error:
            return error.ask.send_back(error=error.error, error_description=str(error))
        return self._page(
            ask,
            title="Permissions requested",
            lead="LinkHub would like to:",
            users=users,
            buttons=_ASKED,
        )

    def _read(self, request: Request) -> Ask:
        query = request.query_params
        ask = read_ask(query, client=self._client, settings=self._settings)
        if query.get("response_type", "") != "code":
            raise _sent_back(ask, 700054)
        if query.get("response_mode", "query") != "query":
            raise SentBackError(ask, "invalid_request", "Only response_mode 'query' is served.")
        if query.get("prompt", "") == "none":
            raise _sent_back(ask, 50058)
        try:
            scopes = read_scopes(query.get("scope", "").split()).names
        except UnknownScopeError as error:
            raise _sent_back(ask, 650053, f"Scope: {error}.") from None
        if not scopes:
            raise _sent_back(ask, 900144, "It is 'scope'.")
        return replace(ask, scopes=scopes)

    async def decide(self, request: Request) -> Response:
        """POST: send the person back with a code or an error, or say who could allow it."""
        users = {user.id: user for user in users_of(request.path_params["tenant"])}
        try:
            form = await read_form(request)
            user, decision = users.get(form.get("account", "")), form.get("decision", "")
            if decision not in _ASKED | _STUCK or (decision == "allow" and user is None):
                return error_page("Choose an account, and whether to accept.")
            ask = self._desk.take(form.get("ticket", ""))
        except (PageError, ValueError) as error:
            return error_page(str(error))
        if user is None or decision != "allow":
            self._grants.deny()
            refused = EntraError(90094 if decision == "return" else 65004)
            return ask.send_back(error=refused.error, error_description=str(refused))
        if take(self._faults, PROVIDER, "other_account", request):
            user = next(other for other in users.values() if other is not user)
        if not user.is_admin and not self._settings.admin_consent and ADMIN_ONLY & {*ask.scopes}:
            return self._page(
                ask,
                title="Need admin approval",
                lead=f"{user.name} cannot allow all of this; only an administrator can:",
                users=(),
                buttons=_STUCK,
            )
        code = self._grants.allow(
            user,
            scopes=ask.scopes,
            redirect_uri=ask.redirect_uri,
            challenge=ask.challenge,
            nonce=ask.nonce,
        )
        return ask.send_back(code=code)

    def _page(
        self,
        ask: Ask,
        *,
        title: str,
        lead: str,
        users: tuple[User, ...],
        buttons: Mapping[str, str],
    ) -> Response:
        marked = [] if self._settings.admin_consent else sorted(ADMIN_ONLY)
        return consent_page(
            title=title,
            lead=lead,
            ticket=self._desk.open(ask),
            scopes={scope: describe(scope) for scope in ask.scopes},
            accounts=users,
            buttons=buttons,
            marked=marked,
        )


def _sent_back(ask: Ask, number: int, more: str = "") -> SentBackError:
    error = EntraError(number, more)
    return SentBackError(ask, error.error, str(error))
