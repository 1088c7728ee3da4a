"""Signing in at Microsoft through the function app: Power BI and Planner."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from adapters import find_provider
from shared.domain.oauth import TokenSet
from shared.errors import NotFoundError
from tests.functions.kit import Answer, Client, HttpWorld
from tests.oauth_kit import consent, query
from tests.sandbox_kit import PATIENCE, Running

SLUGS = ("powerbi", "planner")
PUBLIC_URL = "http://127.0.0.1:7071"
ALDER = "6f0cb1a4-53d1-4d0e-9a55-1f0f6c2f7d11"
PRIYA, SOFIA = "0b6e5a52-9d0c-4d6b-8f0a-3f5c1f9a0002", "0b6e5a52-9d0c-4d6b-8f0a-3f5c1f9a0004"
"""Administrators of two tenants; Priya's is Alder."""
ACCOUNTS = {"powerbi": ALDER, "planner": PRIYA}


@pytest.fixture
def entra(
    oauth_sandbox: Running, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[HttpWorld]:
    """Yield the app with its real adapters, where people sign in at the sandbox's Entra."""
    directory = oauth_sandbox.directory
    settings = {
        **directory["entra"]["settings"],
        **directory["powerbi"]["settings"],
        **directory["graph"]["settings"],
        "PUBLIC_URL": PUBLIC_URL,
        "DASHBOARD_URL": "https://dashboard.test",
        "ALLOW_PRIVATE_HOSTS": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    world: HttpWorld = request.getfixturevalue("world")
    del world.app.connector  # the kit's; the real one is made when it is next used
    with world.app.open_uow() as uow:
        for slug in SLUGS:
            uow.providers.upsert(find_provider(slug).spec, now=world.clock())
        uow.commit()
    with httpx.Client(base_url=directory["entra"]["url"], timeout=PATIENCE) as server:
        uris = [f"{PUBLIC_URL}/oauth/callback/{slug}" for slug in SLUGS]
        server.put("/oauth/_settings", json={"redirect_uris": uris}).raise_for_status()
        yield world
        server.delete("/oauth/_settings").raise_for_status()
        server.delete("/oauth/_state").raise_for_status()


def sign_in(world: HttpWorld, slug: str, instance_id: str, *, person: str = PRIYA) -> Answer:
    """Walk the whole way; return the answer of the last step."""
    link = world.ada.post(f"instances/{instance_id}/oauth/start").json["authorizeUrl"]
    with httpx.Client(timeout=PATIENCE) as browser:
        back = consent(browser, link, account=person)
    assert back.startswith(f"{PUBLIC_URL}/oauth/callback/{slug}?")
    sent_on = Client(None).call("GET", f"oauth/callback/{slug}", params=query(back))
    return world.ada.post("oauth/complete", query(sent_on.headers["Location"]))


def new_instance(world: HttpWorld, slug: str) -> str:
    made: str = world.ada.post("instances", {"provider": slug}).json["id"]
    return made


@pytest.mark.parametrize("slug", SLUGS)
def test_a_person_connects_and_disconnects(entra: HttpWorld, slug: str) -> None:
    """One consent connects an instance, bound to its account; its tokens go when it is told to."""
    instance_id = new_instance(entra, slug)
    answer = sign_in(entra, slug, instance_id)
    assert answer.status == 200, answer.body
    assert answer.json["instance"]["setupStep"] == "connection"
    with entra.app.open_uow(read_only=True) as uow:
        state = uow.instances.get_state(instance_id)
    assert state.account == ACCOUNTS[slug]
    kept = TokenSet.from_secret(entra.app.vault.get(state.secret_ref))
    assert (kept.provider, kept.account) == (slug, ACCOUNTS[slug])
    assert kept.refresh_token.encode() not in answer.body
    assert entra.ada.delete(f"instances/{instance_id}/connection").status == 200
    with pytest.raises(NotFoundError):
        entra.app.vault.get(state.secret_ref)


@pytest.mark.parametrize("slug", SLUGS)
def test_a_reconnect_stays_with_its_account(entra: HttpWorld, slug: str) -> None:
    """Somebody of another tenant is refused, and what works goes on working."""
    instance_id = new_instance(entra, slug)
    assert sign_in(entra, slug, instance_id).status == 200
    refused = sign_in(entra, slug, instance_id, person=SOFIA)
    assert ACCOUNTS[slug] in refused.problem(409, "conflict")["detail"]
    assert sign_in(entra, slug, instance_id).json["account"] == ACCOUNTS[slug]


def test_a_state_of_another_provider_is_not_taken(entra: HttpWorld) -> None:
    """Mix-up at one server: what Power BI's sign-in brought goes no further by Planner's way."""
    instance_id = new_instance(entra, "powerbi")
    link = entra.ada.post(f"instances/{instance_id}/oauth/start").json["authorizeUrl"]
    given = {"state": query(link)["state"], "code": "a-code"}
    sent_on = Client(None).call("GET", "oauth/callback/planner", params=given)
    assert query(sent_on.headers["Location"]) == {"error": "invalid_state"}
