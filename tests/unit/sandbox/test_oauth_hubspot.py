"""HubSpot's authorization server over HTTP: consent, tokens, what they open, how they end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from local.sandbox.hubspot.access import Access, Limits, Token
from local.sandbox.hubspot.errors import HubSpotError
from tests.oauth_kit import App, ConsentError, Page, consent, new_verifier, query
from tests.sandbox_kit import PATIENCE, Running

CALLBACK = "http://127.0.0.1:7071/oauth/callback/hubspot"
SCOPE = "oauth crm.objects.deals.read crm.schemas.deals.read"
DEALS = "/crm/objects/2026-03/deals"
OWNERS = "/crm/owners/2026-03"
ALDER, BIRCH = "146120331", "148990712"


@pytest.fixture
def app(sandbox: Running) -> Iterator[App]:
    entry = sandbox.directory["hubspot"]
    with httpx.Client(base_url=entry["url"], timeout=PATIENCE) as client:
        client.put("/oauth/_settings", json={"redirect_uris": [CALLBACK]}).raise_for_status()
        yield App.of(client, entry["oauth"], redirect_uri=CALLBACK, scope=SCOPE)
        client.delete("/oauth/_settings").raise_for_status()
        client.delete("/oauth/_state").raise_for_status()


def call(app: App, token: str, path: str = DEALS) -> httpx.Response:
    return app.client.get(path, headers={"Authorization": f"Bearer {token}"})


def state(app: App) -> dict[str, Any]:
    found: dict[str, Any] = app.client.get("/oauth/_state").json()
    return found


def settings(app: App, **wish: Any) -> None:
    app.client.put("/oauth/_settings", json=wish).raise_for_status()


def test_connect(app: App) -> None:
    """A consent leads to tokens bound to the chosen account, which open the CRM API."""
    verifier = new_verifier()
    back = consent(app.client, app.link(verifier=verifier), account=BIRCH)
    assert back.startswith(f"{CALLBACK}?")
    assert query(back)["state"] == "s-1"
    tokens = app.redeem(query(back)["code"], code_verifier=verifier).json()
    assert set(tokens) == {
        *("access_token", "refresh_token", "expires_in", "token_type", "token_use"),
        *("hub_id", "user_id", "scopes"),
    }
    assert (tokens["hub_id"], tokens["expires_in"]) == (148990712, 1800)
    assert tokens["scopes"] == SCOPE.split()
    told = call(app, tokens["access_token"], "/account-info/2026-03/details").json()
    assert told["portalId"] == tokens["hub_id"]
    answer = call(app, tokens["access_token"])
    assert answer.status_code == 200
    assert not [name for name in answer.headers if "ratelimit-daily" in name]


def test_deny(app: App) -> None:
    """Who says no is sent back with access_denied and the state, and nothing is given."""
    back = query(consent(app.client, app.link(), allow=False))
    assert (back["error"], back["state"]) == ("access_denied", "s-1")
    assert "code" not in back
    assert state(app)["consents"] == {"allowed": 0, "denied": 1}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"client_id": "another"}, "client_id"),
        ({"client_id": ""}, "client_id"),
        ({"redirect_uri": "https://thief.example/callback"}, "redirect_uri"),
        ({"redirect_uri": f"{CALLBACK}/"}, "redirect_uri"),
        ({"redirect_uri": f"{CALLBACK}?next=x"}, "redirect_uri"),
        ({"redirect_uri": CALLBACK.upper()}, "redirect_uri"),
        ({"redirect_uri": ""}, "redirect_uri"),
        ({"scope": ""}, "scope"),
        ({"scope": "oauth crm.objects.yachts.read"}, "yachts"),
    ],
)
def test_bad_link_is_a_page(app: App, changes: dict[str, str], named: str) -> None:
    """Where the link itself is wrong nobody is sent anywhere: a page says what is wrong."""
    link = app.link(**changes)
    answer = app.client.get(link)
    assert (answer.status_code, answer.headers.get("location")) == (400, None)
    with pytest.raises(ConsentError, match=named):
        consent(app.client, link)


def test_repeated_parameter_is_a_page(app: App) -> None:
    """A second redirect_uri in the link is not silently the one that counts."""
    answer = app.client.get(app.link() + "&redirect_uri=https%3A%2F%2Fthief.example")
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": "x" * 43, "code_challenge_method": "plain"},
        {"code_challenge": "x" * 43},
        {"code_challenge": "short", "code_challenge_method": "S256"},
        {"code_challenge_method": "S256"},
    ],
)
def test_bad_challenge(app: App, changes: dict[str, str]) -> None:
    """Anything but an S256 challenge is refused before the person is asked."""
    back = query(consent(app.client, app.link(**changes)))
    assert (back["error"], back["state"]) == ("invalid_request", "s-1")


def test_consent_page_is_accessible(app: App) -> None:
    """The page has a language, a title, one heading, labels and a legend, and needs no script."""
    answer = app.client.get(app.link(state='"><script>alert(1)</script>'))
    page = Page(answer.text)
    tags = [tag for tag, _ in page.tags]
    assert ("html", {"lang": "en"}) in page.tags
    assert (tags.count("h1"), tags.count("title"), tags.count("legend")) == (1, 1, 1)
    assert tags.count("label") == [a.get("type") for _, a in page.tags].count("radio") == 2
    assert "script" not in tags
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert "crm.objects.deals.read" in page.text
    assert "Alder Instruments" in page.text


def test_page_is_answered_once(app: App) -> None:
    """A page that was answered, or was never shown, gives no code."""
    page = Page(app.client.get(app.link()).text)
    assert page.form is not None
    fields = page.form.hidden | {"account": ALDER, "decision": "allow"}
    assert app.client.post("/oauth/authorize", data=fields).status_code == 302
    assert app.client.post("/oauth/authorize", data=fields).status_code == 400
    fields["ticket"] = "made-up"
    assert app.client.post("/oauth/authorize", data=fields).status_code == 400


@pytest.mark.parametrize("wish", [{"account": "1"}, {"account": ""}, {"decision": "maybe"}])
def test_unclear_answer(app: App, wish: dict[str, str]) -> None:
    """An answer without a known account or decision is refused and uses the page not up."""
    page = Page(app.client.get(app.link()).text)
    assert page.form is not None
    fields = page.form.hidden | {"account": ALDER, "decision": "allow"}
    assert app.client.post("/oauth/authorize", data=fields | wish).status_code == 400
    assert app.client.post("/oauth/authorize", data=fields).status_code == 302


def test_optional_scopes(app: App) -> None:
    """Optional scopes that exist are given; others are left out without a word."""
    tokens = app.connect(optional_scope="crm.objects.owners.read crm.objects.yachts.read")
    assert tokens["scopes"] == [*SCOPE.split(), "crm.objects.owners.read"]
    assert call(app, tokens["access_token"], OWNERS).status_code == 200


def test_missing_scope(app: App) -> None:
    """A token opens only what its consent was for."""
    answer = call(app, app.connect()["access_token"], OWNERS)
    assert (answer.status_code, answer.json()["category"]) == (403, "MISSING_SCOPES")


@pytest.mark.parametrize("version", ["2026-03", "v3", "v1"])
@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"grant_type": "refresh_token"}, "BAD_REFRESH_TOKEN", "invalid_grant"),
        (
            {"grant_type": "authorization_code", "code": "x"},
            "BAD_AUTH_CODE",
            "invalid_grant",
        ),
        ({"grant_type": "password"}, "BAD_GRANT_TYPE", "unsupported_grant_type"),
        ({"client_id": "x"}, "BAD_CLIENT_ID", "invalid_client"),
        ({"client_secret": "x"}, "BAD_CLIENT_SECRET", "invalid_client"),
        ({"client_secret": ""}, "BAD_CLIENT_SECRET", "invalid_client"),
    ],
)
def test_errors(app: App, version: str, fields: dict[str, str], status: str, error: str) -> None:
    """Errors are in HubSpot's form at every version, and in that of RFC 6749 after v1."""
    answer = app.ask(url=f"/oauth/{version}/token", **fields)
    body = answer.json()
    assert answer.status_code == 400
    assert (body["status"], bool(body["message"]), bool(body["correlationId"])) == (
        status,
        True,
        True,
    )
    assert body.get("error") == (None if version == "v1" else error)


def test_token_request_must_be_a_form(app: App) -> None:
    """JSON, and a field that stands there twice, are refused."""
    assert app.client.post("/oauth/2026-03/token", json={}).json()["status"] == "BAD_REQUEST"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    twice = app.client.post("/oauth/2026-03/token", content="code=a&code=b", headers=kind)
    assert twice.json()["status"] == "BAD_REQUEST"


def test_code_reuse_revokes(app: App) -> None:
    """A code that comes twice ends what it gave: refresh token and access token."""
    code = app.code()
    tokens = app.redeem(code).json()
    assert app.redeem(code).json()["status"] == "BAD_AUTH_CODE"
    answer = call(app, tokens["access_token"])
    assert (answer.status_code, answer.json()["category"]) == (401, "INVALID_AUTHENTICATION")
    assert app.refresh(tokens["refresh_token"]).json()["status"] == "BAD_REFRESH_TOKEN"


def test_code_needs_its_redirect_uri_and_verifier(app: App) -> None:
    """A code without its redirect URI, or without the verifier of its challenge, gives nothing."""
    verifier = new_verifier()
    code = app.code(verifier=verifier)
    assert app.redeem(code).status_code == 400
    assert app.redeem(code, code_verifier=new_verifier()).status_code == 400
    mismatch = app.redeem(code, code_verifier=verifier, redirect_uri=f"{CALLBACK}2")
    assert mismatch.json()["status"] == "MISMATCH_REDIRECT_URI_AUTH_CODE"
    assert app.redeem(code, code_verifier=verifier).status_code == 200


def test_refresh_repeats_the_refresh_token(app: App) -> None:
    """By default a refresh gives a new access token and the same refresh token."""
    first = app.connect()
    second = app.refresh(first["refresh_token"]).json()
    assert second["refresh_token"] == first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert second["hub_id"] == first["hub_id"]
    assert state(app)["refreshes"] == 1


def test_expired_access_token(app: App) -> None:
    """An access token whose time is over is told from one that never was."""
    tokens = app.connect()
    app.client.post("/oauth/_grants", json={"action": "expire_access"}).raise_for_status()
    answer = call(app, tokens["access_token"])
    assert (answer.status_code, answer.json()["category"]) == (401, "EXPIRED_AUTHENTICATION")
    fresh = app.refresh(tokens["refresh_token"]).json()["access_token"]
    assert call(app, fresh).status_code == 200
    assert call(app, "unknown").json()["category"] == "INVALID_AUTHENTICATION"


def test_introspect_and_revoke(app: App) -> None:
    """Introspection tells whose a token is until the refresh token's revocation ends them all."""
    tokens = app.connect(account=ALDER)
    url = app.token_url
    told = app.ask(url=f"{url}/introspect", token=tokens["access_token"]).json()
    assert (told["active"], told["token_use"], told["hub_id"]) == (True, "access_token", int(ALDER))
    assert 0 < told["expires_in"] <= 1800
    told = app.ask(url=f"{url}/introspect", token=tokens["refresh_token"]).json()
    assert (told["active"], told["token_use"]) == (True, "refresh_token")
    for token in (tokens["refresh_token"], "unknown"):
        assert app.ask(url=f"{url}/revoke", token=token).status_code == 200
    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert app.ask(url=f"{url}/introspect", token=token).json() == {"active": False}
    assert app.ask(url=f"{url}/revoke", client_secret="x", token="t").status_code == 400
    assert call(app, tokens["access_token"]).status_code == 401


def test_burst_is_counted_by_account() -> None:
    """Access tokens of one account share its burst limit; another account has its own."""
    issued = {"a": Token(bucket="1"), "b": Token(bucket="1"), "c": Token(bucket="2")}
    access = Access(tokens={}, issued=issued.get, limits=Limits(burst=2), clock=lambda: 0)
    for text in ("a", "b", "c"):
        assert "X-HubSpot-RateLimit-Daily" not in access.check_burst(text)
    with pytest.raises(HubSpotError):
        access.check_burst("a")
    assert access.check_burst("c")["X-HubSpot-RateLimit-Remaining"] == "0"


def test_registered_addresses_can_be_changed(sandbox: Running, app: App) -> None:
    """The settings' redirect URIs are those of the directory, and one that is none is refused."""
    port = urlsplit(CALLBACK).port
    entry = sandbox.control.get("/_sandbox").json()["hubspot"]["oauth"]
    assert entry["redirectUris"] == [CALLBACK]
    bad = app.client.put("/oauth/_settings", json={"redirect_uris": [f"http://x:{port}/"]})
    assert bad.status_code == 400
    assert app.client.put("/oauth/_settings", json={"rotation": True}).status_code == 400
    settings(app, rotate=True)
    assert app.client.get("/oauth/_settings").json()["redirect_uris"] == [CALLBACK]
