"""Signed-in instances and the authorization server behind them, in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx

from shared.domain.instances import Instance, InstanceState
from shared.domain.oauth import OAuthSpec, TokenGrant, TokenSet
from shared.domain.providers import AuthType, ProviderSpec
from shared.errors import NotFoundError
from shared.http.oauth import Registration
from shared.ports.provider import Connection, ConnectRequest, ProviderDefinition
from shared.ports.vault import Vault
from shared.services.deps import OpenUow
from shared.services.oauth_servers import OAuthServers
from shared.services.token_refresh import InstanceTokens, TokenKeeper
from shared.store.database import Database
from tests.factories import NOW
from tests.fakes import FakeVault
from tests.store_kit import make_database, make_spec, seed_instance
from tests.world import Clock

CLIENT_SECRET = "client-secret-canary-51be"
SECRET_REF = "sign-in-1"
PUBLIC_URL = "https://integrator.test"
BASE = "https://sign-in.test"


def account_of(answer: Mapping[str, Any]) -> str:
    return str(answer.get("account", ""))


def make_oauth(**values: Any) -> OAuthSpec:
    defaults: dict[str, Any] = {
        "client": "fake",
        "authorize_url": "{base_url}/authorize",
        "token_url": "{base_url}/token",
        "revoke_url": "{base_url}/revoke",
        "account_of": account_of,
    }
    return OAuthSpec(**{**defaults, **values})


@dataclass
class FakeIssuer:
    """A token endpoint: rotates where told, and ends everything when a token is used again.

    `answer` may replace what one request is answered with; `lose` does what was asked and then
    raises in place of the answer.
    """

    rotates: bool = True
    lifetime: Any = 3600
    lose: Exception | None = None
    answer: Callable[[Mapping[str, str]], httpx.Response | None] = lambda _form: None
    alive: str = "refresh-canary-0"
    is_revoked: bool = False
    asked: list[dict[str, str]] = field(default_factory=list)
    given: int = 0

    @property
    def refreshes(self) -> int:
        """How often a refresh token was used."""
        return sum(form.get("grant_type") == "refresh_token" for form in self.asked)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer as a token endpoint."""
        form = dict(parse_qsl(request.content.decode()))
        form["_path"] = request.url.path
        self.asked.append(form)
        if (other := self.answer(form)) is not None:
            return other
        if request.url.path == "/revoke":
            self.is_revoked = True
            return httpx.Response(200)
        if form["client_secret"] != CLIENT_SECRET:
            return refusal("invalid_client", "unknown client", status=401)
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] != self.alive:
                self.is_revoked = True  # reuse ends the family
            if self.is_revoked:
                return refusal("invalid_grant", "the refresh token is unknown or revoked")
        self.given += 1
        if self.rotates:
            self.alive = f"refresh-canary-{self.given}"
        if self.lose is not None:
            raise self.lose
        body = {
            "access_token": f"access-canary-{self.given}",
            "refresh_token": self.alive,
            "token_type": "bearer",
            "expires_in": self.lifetime,
            "account": "acme-1",
        }
        return httpx.Response(200, json=body)


def refusal(error: str, description: str, *, status: int = 400) -> httpx.Response:
    return httpx.Response(status, json={"error": error, "error_description": description})


@dataclass
class SignedIn:
    """An instance that signed in, everything its tokens depend on, and what became of it."""

    database: Database
    vault: Vault = field(default_factory=FakeVault)
    issuer: FakeIssuer = field(default_factory=FakeIssuer)
    clock: Clock = field(default_factory=Clock)
    spec: ProviderSpec = field(default_factory=lambda: make_spec(auth_type=AuthType.OAUTH2))
    oauth: OAuthSpec = field(default_factory=make_oauth)
    lease: timedelta = timedelta(seconds=60)
    open_uow: OpenUow | None = None
    slept: list[float] = field(default_factory=list)
    on_sleep: Callable[[float], None] = lambda _seconds: None
    instance: Instance = field(init=False)

    def __post_init__(self) -> None:
        """Store the instance; its access token ends in an hour."""
        self.instance = seed_instance(self.database)
        tokens = TokenSet(provider="fake", instance_id=self.instance.id, account="acme-1")
        grant = TokenGrant(
            access_token="access-canary-0", refresh_token="refresh-canary-0", lifetime=3600
        )
        self.keep(tokens.with_grant(grant, resource="", asked_at=NOW))
        self.change_state(secret_ref=SECRET_REF, account="acme-1")

    @property
    def keeper(self) -> TokenKeeper:
        return TokenKeeper(
            open_uow=self.open_uow or self.database.open_uow,
            vault=self.vault,
            servers=self.servers,
            now=self.clock,
            lease=self.lease,
            pause=self.clock_sleep,
        )

    @property
    def servers(self) -> OAuthServers:
        return OAuthServers(
            find_provider=self.find,
            registrations={
                "fake": lambda: Registration(client_id="app-1", client_secret=CLIENT_SECRET)
            },
            public_url=PUBLIC_URL,
            platform_options={"fake": {"base_url": BASE}},
            transport=httpx.MockTransport(self.issuer),
        )

    def find(self, slug: str) -> ProviderDefinition:
        if slug != "fake":
            raise NotFoundError(f"There is no provider {slug!r}.")
        return ProviderDefinition(spec=self.spec, oauth=self.oauth, connect=_connect)

    def tokens(
        self,
        *,
        knows: bool = True,
        patience: float = 90,
        resource: str = "",
        sleep: Callable[[float], None] | None = None,
    ) -> InstanceTokens:
        """Return the token source of a connection; `knows` what the vault has now, or nothing."""
        return InstanceTokens(
            self.keeper,
            provider="fake",
            instance_id=self.instance.id,
            resource=resource,
            known=self.stored if knows else None,
            sleep=sleep or self.sleep,
            patience=patience,
        )

    def clock_sleep(self, seconds: float) -> None:
        self.clock.move(seconds=seconds)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.on_sleep(seconds)
        self.clock.move(seconds=seconds)

    @property
    def stored(self) -> TokenSet:
        """What the vault has."""
        return TokenSet.from_secret(self.vault.get(self.state.secret_ref))

    def keep(self, tokens: TokenSet) -> None:
        self.vault.put(SECRET_REF, tokens.to_secret())

    @property
    def state(self) -> InstanceState:
        with self.database.open_uow(read_only=True) as uow:
            return uow.instances.get_state(self.instance.id)

    def change_state(self, **values: Any) -> None:
        with self.database.open_uow() as uow:
            state = uow.instances.get_state(self.instance.id)
            uow.instances.save_state(replace(state, **values), now=self.clock())
            uow.commit()

    def expire(self) -> None:
        """Let the access token end."""
        self.clock.move(hours=2)

    def read(self) -> Instance:
        """Return the instance as it is now."""
        with self.database.open_uow(read_only=True) as uow:
            return uow.instances.get(self.instance.id, profile_id=None)


def signed_in(folder: Path, **values: Any) -> SignedIn:
    """Return a signed-in instance over a database file of its own."""
    return SignedIn(database=make_database("file", folder), **values)


def everything_in(database: Database) -> str:
    """Return every value of every table as text."""
    from shared.store.tables import metadata

    with database.engine.connect() as connection:
        rows = {
            table.name: [list(map(str, row)) for row in connection.execute(table.select())]
            for table in metadata.sorted_tables
        }
    return json.dumps(rows)


def _connect(request: ConnectRequest) -> Connection:
    raise AssertionError(f"nothing here opens a connection: {request}")
