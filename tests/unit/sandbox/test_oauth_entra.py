"""Entra over HTTP: one consent, a token for each resource, errors by their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import jwt
import pytest

from local.sandbox.entra.scopes import GRAPH, POWER_BI
from local.sandbox.entra.tenants import ALDER, BIRCH, USERS
from tests.oauth_kit import App, ConsentError, consent, new_verifier, query
from tests.sandbox_kit import PATIENCE, Running

CALLBACK = "http://127.0.0.1:7071/oauth/callback/planner"
TASKS, DATASETS = f"{GRAPH}/Tasks.Read", f"{POWER_BI}/Dataset.Read.All"
GROUPS = f"{GRAPH}/Group.Read.All"
SCOPE = f"openid profile email offline_access {TASKS} {DATASETS}"
USER, ADMIN, FOREIGNER, _ = USERS


@pytest.fixture
def app(sandbox: Running) -> Iterator[App]:
    entry = sandbox.directory["entra"]
    with httpx.Client(base_url=entry["url"], timeout=PATIENCE) as client:
        client.put("/oauth/_settings", json={"redirect_uris": [CALLBACK]}).raise_for_status()
        yield App.of(client, entry["oauth"], redirect_uri=CALLBACK, scope=SCOPE)
        client.delete("/oauth/_settings").raise_for_status()
        client.delete("/oauth/_state").raise_for_status()


def verify(app: App, text: str, audience: str, tenant: str = ALDER) -> dict[str, Any]:
    found = app.client.get(f"/{tenant}/v2.0/.well-known/openid-configuration").json()
    keys = jwt.PyJWKSet.from_dict(app.client.get(found["jwks_uri"]).json())
    key = keys[jwt.get_unverified_header(text)["kid"]]
    claims: dict[str, Any] = jwt.decode(
        text, key, algorithms=["RS256"], audience=audience, issuer=found["issuer"]
    )
    return claims


def refused(answer: httpx.Response, number: int, error: str = "invalid_grant") -> None:
    body = answer.json()
    assert body["error_codes"] == [number], body
    assert (answer.status_code // 100, body["error"]) == (4, error)
    assert body["error_description"].startswith(f"AADSTS{number}: ")
    assert {"timestamp", "trace_id", "correlation_id"} <= set(body)


def test_one_consent_serves_both_resources(app: App) -> None:
    """A refresh token gives an access token of whichever resource is asked, one at a time."""
    tokens = app.connect(account=USER.id)
    assert verify(app, tokens["access_token"], GRAPH)["scp"] == "openid profile email Tasks.Read"
    for scope, audience in [(DATASETS, POWER_BI), (TASKS, GRAPH), (f"{GRAPH}/.default", GRAPH)]:
        answer = app.refresh(tokens["refresh_token"], scope=f"{scope} offline_access").json()
        claims = verify(app, answer["access_token"], audience)
        assert (claims["tid"], claims["oid"]) == (ALDER, USER.id)
        assert f"{audience}/" in answer["scope"]
        assert "id_token" not in answer


def test_two_resources_in_one_token_request(app: App) -> None:
    """A token is for one resource: who asks for two gets neither, and nothing is used up."""
    token = app.connect()["refresh_token"]
    refused(app.refresh(token, scope=f"{TASKS} {DATASETS}"), 28000, "invalid_scope")
    refused(app.refresh(token, scope=f"{GRAPH}/User.Read"), 65001)
    assert app.client.get("/oauth/_state").json()["refreshes"] == 0


def test_identity(app: App) -> None:
    """The id token says who signed in, of which tenant, with the nonce of the request."""
    tokens = app.connect(account=FOREIGNER.id, nonce="n-1")
    claims = verify(app, tokens["id_token"], app.client_id, BIRCH)
    assert (claims["tid"], claims["oid"], claims["nonce"]) == (BIRCH, FOREIGNER.id, "n-1")
    assert (claims["name"], claims["preferred_username"]) == (FOREIGNER.name, FOREIGNER.upn)


def test_only_what_was_asked(app: App) -> None:
    """Without openid there is no id token, without offline_access no refresh token."""
    tokens = app.connect(scope=TASKS)
    assert not {"id_token", "refresh_token"} & set(tokens)
    assert verify(app, tokens["access_token"], GRAPH)["scp"] == "Tasks.Read"


def test_scope_without_resource_is_graph(app: App) -> None:
    """A short scope name is one of Microsoft Graph."""
    assert app.connect(scope="User.Read offline_access")["scope"] == f"{GRAPH}/User.Read"


def test_refresh_token_is_replaced_and_the_old_one_lives(app: App) -> None:
    """Every use gives a new refresh token; the one before works on unless it is set otherwise."""
    first = app.connect()["refresh_token"]
    second = app.refresh(first).json()["refresh_token"]
    assert second != first
    assert app.refresh(first).status_code == 200
    app.client.put("/oauth/_settings", json={"reuse": "refuse"}).raise_for_status()
    refused(app.refresh(first), 70000)
    assert app.refresh(second).status_code == 200


def test_deny(app: App) -> None:
    """Who declines is sent back with access_denied and AADSTS65004."""
    back = query(consent(app.client, app.link(), allow=False))
    assert (back["error"], back["state"]) == ("access_denied", "s-1")
    assert back["error_description"].startswith("AADSTS65004")


def test_admin_consent_is_needed(app: App) -> None:
    """A permission of administrators is not a person's to give; an administrator's it is."""
    scope = f"{SCOPE} {GROUPS}"
    back = query(consent(app.client, app.link(scope=scope), account=USER.id))
    assert (back["error"], back["state"]) == ("access_denied", "s-1")
    assert back["error_description"].startswith("AADSTS90094")
    assert GROUPS in app.connect(scope=scope, account=ADMIN.id)["scope"]
    app.client.put("/oauth/_settings", json={"admin_consent": True}).raise_for_status()
    assert GROUPS in app.connect(scope=scope, account=USER.id)["scope"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"client_id": "another"}, "client_id"),
        ({"redirect_uri": "https://thief.example/"}, "redirect_uri"),
        ({"redirect_uri": f"{CALLBACK}/"}, "redirect_uri"),
    ],
)
def test_bad_link_is_a_page(app: App, changes: dict[str, str], named: str) -> None:
    """Another client or redirect URI sends nobody anywhere."""
    with pytest.raises(ConsentError, match=named):
        consent(app.client, app.link(**changes))


@pytest.mark.parametrize(
    ("changes", "error", "number"),
    [
        ({"response_type": "token"}, "unsupported_response_type", 700054),
        ({"scope": ""}, "invalid_request", 900144),
        ({"scope": f"{GRAPH}/Yachts.Read"}, "invalid_client", 650053),
        ({"scope": "https://elsewhere.example/.default"}, "invalid_client", 650053),
        ({"prompt": "none"}, "login_required", 50058),
    ],
)
def test_bad_ask_is_sent_back(app: App, changes: dict[str, str], error: str, number: int) -> None:
    """What the application does wrong it is told, with its state."""
    back = query(consent(app.client, app.link(**changes)))
    assert (back["error"], back["state"]) == (error, "s-1")
    assert back["error_description"].startswith(f"AADSTS{number}: ")


def test_tenants(app: App) -> None:
    """At a tenant's own address only its people can come, and its codes count only there."""
    at = {t: app.authorize_url.replace("organizations", t) for t in (ALDER, "birch.example")}
    alder = replace(app, authorize_url=at[ALDER])
    with pytest.raises(ConsentError, match="account"):
        consent(app.client, alder.link(), account=FOREIGNER.id)
    birch = replace(
        app,
        authorize_url=at["birch.example"],
        token_url=app.token_url.replace("organizations", BIRCH),
    )
    refused(birch.redeem(alder.code(account=USER.id)), 700005)
    tokens = birch.connect()
    assert verify(app, tokens["access_token"], GRAPH, BIRCH)["tid"] == BIRCH
    elsewhere = app.token_url.replace("organizations", ALDER)
    refused(app.refresh(tokens["refresh_token"], url=elsewhere), 50020)
    nowhere = app.token_url.replace("organizations", "nobody.example")
    refused(app.refresh(tokens["refresh_token"], url=nowhere), 90002, "invalid_request")
    link = app.link().replace("organizations", "nobody.example")
    with pytest.raises(ConsentError, match="AADSTS90002"):
        consent(app.client, link)


def test_discovery_of_many_tenants(app: App) -> None:
    """Where any tenant may come, the issuer is a template to put the token's tenant in."""
    url = str(app.client.base_url).rstrip("/")
    found = app.client.get("/organizations/v2.0/.well-known/openid-configuration").json()
    assert found["issuer"] == f"{url}/{{tenantid}}/v2.0"
    assert found["authorization_endpoint"] == app.authorize_url
    assert found["token_endpoint"] == app.token_url
    assert app.client.get("/nobody.example/discovery/v2.0/keys").status_code == 400
    assert app.client.get("/nothing").status_code == 404


def test_code_errors(app: App) -> None:
    """Each way a code can be wrong has its number; a second use ends what it gave."""
    verifier = new_verifier()
    code = app.code(verifier=verifier)
    refused(app.redeem(code), 501481)
    refused(app.redeem(code, code_verifier=verifier, redirect_uri="x"), 500112, "invalid_client")
    tokens = app.redeem(code, code_verifier=verifier).json()
    refused(app.redeem(code, code_verifier=verifier), 54005)
    refused(app.refresh(tokens["refresh_token"]), 50173)
    refused(app.redeem("garbage"), 9002313)
    app.client.put("/oauth/_settings", json={"code_seconds": 0}).raise_for_status()
    refused(app.redeem(app.code()), 70008)


def test_client_errors(app: App) -> None:
    """Each way the request itself can be wrong has its number."""
    refused(app.ask(grant_type=""), 900144, "invalid_request")
    refused(app.ask(grant_type="password"), 70003, "unsupported_grant_type")
    refused(app.refresh("x", client_id="y"), 700016, "unauthorized_client")
    refused(app.refresh("x", client_secret="y"), 7000215, "invalid_client")
    refused(app.refresh("x", client_secret=""), 7000218, "invalid_client")
    refused(app.refresh("x", scope="Yachts.Read"), 650053, "invalid_client")
    refused(app.client.post(app.token_url, json={}), 900144, "invalid_request")


def test_basic_credentials(app: App) -> None:
    """The client may say who it is in the Authorization header."""
    fields = {"grant_type": "refresh_token", "refresh_token": app.connect()["refresh_token"]}
    for secret, status in [(app.secret, 200), ("wrong", 401)]:
        answer = app.client.post(app.token_url, data=fields, auth=(app.client_id, secret))
        assert answer.status_code == status


def test_refresh_errors(sandbox: Running, app: App) -> None:
    """Inactivity, a taken-back consent, a call for the person and garbage differ by number."""
    token = app.connect()["refresh_token"]
    sandbox.fault("entra", "interaction_required", count=1)
    refused(app.refresh(token), 50076, "interaction_required")
    assert app.refresh(token).status_code == 200
    app.client.post("/oauth/_grants", json={"action": "expire_refresh"}).raise_for_status()
    refused(app.refresh(token), 700082)
    token = app.connect()["refresh_token"]
    sandbox.fault("entra", "revoked_consent", count=1)
    refused(app.refresh(token), 50173)
    refused(app.refresh(token), 50173)
    refused(app.refresh("garbage"), 9002313)


def test_bad_days(sandbox: Running, app: App) -> None:
    """Faults come in Entra's form, and a lost answer after the rotation."""
    token = app.connect()["refresh_token"]
    for fault, status, number in [("rate_limit", 429, 90055), ("server_error", 503, 90033)]:
        sandbox.fault("entra", fault, count=1)
        answer = app.refresh(token)
        assert (answer.status_code, answer.json()["error_codes"]) == (status, [number])
    sandbox.fault("entra", "lost_answer", count=1)
    assert app.refresh(token).status_code == 500
    state = app.client.get("/oauth/_state").json()
    assert state["refreshes"] == 1
    assert state["families"][0]["refreshTokens"]["given"] == 2


def test_other_account(sandbox: Running, app: App) -> None:
    """A reconnect can come back from another person than the one that was chosen."""
    sandbox.fault("entra", "other_account", count=1)
    tokens = app.connect(account=USER.id)
    assert verify(app, tokens["access_token"], GRAPH)["oid"] == ADMIN.id
