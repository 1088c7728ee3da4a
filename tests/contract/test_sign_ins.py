"""Every provider with a sign-in, against its authorization server in the sandbox."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters import all_providers, find_provider
from local.sandbox.oauth import delivery
from local.stack.stack import provider_settings
from shared.domain.oauth import TokenGrant
from shared.errors import PermanentError, TransientError
from shared.http.entra import GRAPH, POWER_BI, entra_oauth, entra_scopes
from shared.http.oauth import GrantRefusedError, OAuthServer, Registration
from shared.ports.provider import ConnectRequest, Credentials
from shared.services.platform import PlatformSettings
from tests.oauth_kit import consent, query
from tests.sandbox_kit import PATIENCE, Running, running_sandbox

CALLBACK = "http://127.0.0.1:7071/oauth/callback"
VERIFIER = "v" * 43


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """How a provider is met in the sandbox: whose server it has, the account to see."""

    server: str
    account: str


CASES = {
    "hubspot": Case(server="hubspot", account="146120331"),
    "powerbi": Case(
        server="entra",
        account="6f0cb1a4-53d1-4d0e-9a55-1f0f6c2f7d11",
    ),
    "planner": Case(server="entra", account="0b6e5a52-9d0c-4d6b-8f0a-3f5c1f9a0002"),
}
REFUSED, BUSY = GrantRefusedError, TransientError
FAULTS: Mapping[str, tuple[Mapping[str, Any], Any]] = {
    "lost_answer": ({"status": 503}, BUSY),
    "late_answer": ({"seconds": 0.2}, None),
    "revoked_consent": ({}, REFUSED),
    "interaction_required": ({}, REFUSED),
    "unauthorized": ({}, (BUSY, PermanentError)),
    "rate_limit": ({"retry_after": 90}, BUSY),
    "server_error": ({"status": 500}, BUSY),
    "truncated": ({}, BUSY),
    "malformed": ({}, BUSY),
    "slow": ({"seconds": 0.2}, None),
    "clock_skew": ({"seconds": 86_400}, None),
}
"""What a refresh ends in, None where it comes through. `other_account` strikes a consent and has a
test of its own. A 401 in the form of HubSpot's API is no word of its token endpoint.
"""
ADMIN = "0b6e5a52-9d0c-4d6b-8f0a-3f5c1f9a0002"
"""Entra's person who may consent to everything."""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), deals=5) as running:
        for server in ("hubspot", "entra"):
            uris = {"redirect_uris": [f"{CALLBACK}/{slug}" for slug in CASES]}
            url = f"{running.directory[server]['url']}/oauth/_settings"
            httpx.put(url, json=uris, timeout=PATIENCE).raise_for_status()
        yield running


def options_of(sandbox: Running, slug: str) -> dict[str, str]:
    """Return what the platform tells a provider here."""
    env = provider_settings(sandbox.directory)
    read = PlatformSettings.read(all_providers(), env, allow_private_hosts=True)
    return dict(read.options[slug])


def server_of(sandbox: Running, slug: str) -> OAuthServer:
    definition = find_provider(slug)
    assert definition.oauth is not None
    registered = sandbox.directory[CASES[slug].server]["oauth"]
    return OAuthServer(
        name=definition.spec.name,
        spec=definition.oauth,
        registration=Registration(
            client_id=registered["clientId"], client_secret=registered["clientSecret"]
        ),
        options=options_of(sandbox, slug),
        allow_private_hosts=True,
    )


def code_of(server: OAuthServer, slug: str, scopes: tuple[str, ...]) -> str:
    """Return the code of a person's consent."""
    link = server.authorize_url(
        state="s", verifier=VERIFIER, redirect_uri=f"{CALLBACK}/{slug}", scopes=scopes
    )
    account = ADMIN if CASES[slug].server == "entra" else CASES[slug].account
    with httpx.Client(timeout=PATIENCE) as browser:
        return query(consent(browser, link, account=account))["code"]


def test_every_sign_in_has_a_case() -> None:
    """A provider that declares a sign-in is tried here."""
    assert {one.spec.slug for one in all_providers() if one.oauth is not None} == set(CASES)


@pytest.mark.parametrize("slug", CASES)
def test_a_consent_opens_the_api(sandbox: Running, slug: str, tmp_path: Path) -> None:
    """Its tokens name the account, work at the API, and can be refreshed."""
    server, spec = server_of(sandbox, slug), find_provider(slug).spec
    code = code_of(server, slug, spec.oauth_scopes)
    callback = f"{CALLBACK}/{slug}"
    with pytest.raises(GrantRefusedError):
        server.exchange(code=code, verifier="w" * 43, redirect_uri=callback)
    grant = server.exchange(code=code, verifier=VERIFIER, redirect_uri=callback)
    assert grant.account == CASES[slug].account
    assert grant.lifetime is not None
    fresh = server.refresh(grant.refresh_token)
    assert fresh.refresh_token
    assert fresh.access_token != grant.access_token
    for token in (grant.access_token, fresh.access_token):
        request = ConnectRequest(
            credentials=Credentials(values={"access_token": token}),
            options=options_of(sandbox, slug),
            work_dir=tmp_path,
            sleep=time.sleep,
            interactive=True,
            allow_private_hosts=True,
        )
        connection = find_provider(slug).connect(request)
        assert connection.check().account in {"", CASES[slug].account}
        connection.close()


@pytest.mark.parametrize("slug", CASES)
def test_a_consent_taken_back_is_a_refusal(sandbox: Running, slug: str) -> None:
    """The provider's word for it is understood, and a person can read it."""
    server, spec = server_of(sandbox, slug), find_provider(slug).spec
    grant = server.exchange(
        code=code_of(server, slug, spec.oauth_scopes),
        verifier=VERIFIER,
        redirect_uri=f"{CALLBACK}/{slug}",
    )
    url = f"{sandbox.directory[CASES[slug].server]['url']}/oauth/_grants"
    httpx.post(url, json={"action": "revoke"}, timeout=PATIENCE).raise_for_status()
    with pytest.raises(GrantRefusedError, match=f"{spec.name} refused the sign-in"):
        server.refresh(grant.refresh_token)


def test_one_consent_serves_two_resources(sandbox: Running) -> None:
    """One refresh token is redeemed for Graph and for Power BI, in turn."""
    graph, bi = (f"{GRAPH}/Tasks.Read",), (f"{POWER_BI}/Dataset.Read.All",)
    plain = server_of(sandbox, "powerbi")
    server = OAuthServer(
        name="Microsoft",
        spec=entra_oauth({"": graph, "power-bi": bi}),
        registration=plain.registration,
        options=plain.options,
        allow_private_hosts=True,
    )
    code = code_of(server, "powerbi", entra_scopes(graph, bi))
    grant = server.exchange(code=code, verifier=VERIFIER, redirect_uri=f"{CALLBACK}/powerbi")
    other = server.refresh(grant.refresh_token, resource="power-bi")
    again = server.refresh(other.refresh_token)
    assert len({grant.access_token, other.access_token, again.access_token}) == 3
    assert grant.account == other.account == again.account == CASES["powerbi"].account


def faults_of(sandbox: Running, server: str) -> set[str]:
    found: dict[str, dict[str, str]] = sandbox.control.get("/_faults").json()["kinds"]
    return set(found[server])


def connected(sandbox: Running, slug: str) -> tuple[OAuthServer, TokenGrant]:
    """Return a provider's server and what a person's consent brought."""
    server, spec = server_of(sandbox, slug), find_provider(slug).spec
    code = code_of(server, slug, spec.oauth_scopes)
    redirect_uri = f"{CALLBACK}/{slug}"
    return server, server.exchange(code=code, verifier=VERIFIER, redirect_uri=redirect_uri)


@pytest.mark.parametrize("slug", ["hubspot", "powerbi"])
@pytest.mark.parametrize("kind", FAULTS)
def test_a_refresh_on_a_bad_day(sandbox: Running, slug: str, kind: str) -> None:
    """Only what the server says for good ends a consent; all else is tried again, or comes
    through.
    """
    name = CASES[slug].server
    if kind not in faults_of(sandbox, name):
        assert kind == "interaction_required"  # Entra's alone
        return
    server, grant = connected(sandbox, slug)
    options, ends_in = FAULTS[kind]
    patient = replace(server, sleep=lambda _seconds: None)
    sandbox.fault(name, kind, **options)
    try:
        if ends_in is None:
            assert patient.refresh(grant.refresh_token).access_token
        else:
            with pytest.raises(ends_in) as caught:
                patient.refresh(grant.refresh_token)
            assert grant.refresh_token not in str(caught.value)
        struck = [one["struck"] for one in sandbox.control.get("/_faults").json()["active"]]
        assert all(struck)
    finally:
        sandbox.heal()


def test_a_consent_for_another_account_is_seen(sandbox: Running) -> None:
    """Whose account it is, the answer says, not the choice on the page."""
    sandbox.fault("hubspot", "other_account")
    try:
        _, grant = connected(sandbox, "hubspot")
    finally:
        sandbox.heal()
    assert grant.account not in {"", CASES["hubspot"].account}


def test_another_account_may_lack_the_right_to_consent(sandbox: Running) -> None:
    """Entra sends a person who is no administrator back without a code."""
    server, spec = server_of(sandbox, "planner"), find_provider("planner").spec
    link = server.authorize_url(
        state="s",
        verifier=VERIFIER,
        redirect_uri=f"{CALLBACK}/planner",
        scopes=spec.oauth_scopes,
    )
    sandbox.fault("entra", "other_account")
    try:
        with httpx.Client(timeout=PATIENCE) as browser:
            handed = query(consent(browser, link, account=ADMIN))
    finally:
        sandbox.heal()
    assert handed["error"]
    assert "code" not in handed


def test_every_fault_of_a_server_has_a_case(sandbox: Running) -> None:
    """What Entra declares is tried here; HubSpot's declares its API's faults too."""
    tried = {*FAULTS, "other_account"}
    assert faults_of(sandbox, "entra") == tried
    assert set(delivery.KINDS) <= tried
