"""What an authorization server may do to a client that refreshes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.e2e.kit import eventually
from tests.oauth_kit import App
from tests.sandbox_kit import PATIENCE, Running

CALLBACK = "http://127.0.0.1:7071/oauth/callback/hubspot"
SCOPE = "oauth crm.objects.deals.read"
TOKEN_PATH = "/oauth/2026-03/token"


@pytest.fixture
def app(sandbox: Running) -> Iterator[App]:
    entry = sandbox.directory["hubspot"]
    with httpx.Client(base_url=entry["url"], timeout=PATIENCE) as client:
        client.put("/oauth/_settings", json={"redirect_uris": [CALLBACK]}).raise_for_status()
        yield App.of(client, entry["oauth"], redirect_uri=CALLBACK, scope=SCOPE)
        client.delete("/oauth/_settings").raise_for_status()
        client.delete("/oauth/_state").raise_for_status()


@pytest.fixture
def strict(app: App) -> App:
    """Return the application at a server that rotates, and revokes the family on reuse."""
    wish = {"rotate": True, "reuse": "revoke_family"}
    app.client.put("/oauth/_settings", json=wish).raise_for_status()
    return app


def state(app: App) -> dict[str, Any]:
    found: dict[str, Any] = app.client.get("/oauth/_state").json()
    return found


def test_reuse_ends_the_family(strict: App) -> None:
    """The old refresh token is a thief's: the new one and every access token die with it."""
    first = strict.connect()
    second = strict.refresh(first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert strict.refresh(first["refresh_token"]).json()["status"] == "BAD_REFRESH_TOKEN"
    assert strict.refresh(second["refresh_token"]).json()["status"] == "BAD_REFRESH_TOKEN"
    headers = {"Authorization": f"Bearer {second['access_token']}"}
    assert strict.client.get("/crm/objects/2026-03/deals", headers=headers).status_code == 401
    (family,) = state(strict)["families"]
    assert (family["revoked"], family["refreshes"], family["reuses"]) == ("reuse", 1, 1)
    assert family["refreshTokens"] == {"given": 2, "alive": 0}


def test_one_of_many_at_once(strict: App) -> None:
    """Of many requests with one refresh token at once, the first alone gets tokens."""
    token = strict.connect()["refresh_token"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: strict.refresh(token).status_code, range(24)))
    assert answers.count(200) == 1
    assert state(strict)["refreshes"] == 1
    assert state(strict)["refusals"] == {"replaced_refresh": 1, "revoked": 22}


def test_grace(strict: App) -> None:
    """A grace forgives the client that did not get the answer."""
    strict.client.put("/oauth/_settings", json={"grace_seconds": 60}).raise_for_status()
    first = strict.connect()
    again = [strict.refresh(first["refresh_token"]) for _ in range(2)]
    assert [answer.status_code for answer in again] == [200, 200]
    assert state(strict)["reuses"] == 0


@pytest.mark.parametrize("status", [500, 503])
def test_lost_answer(sandbox: Running, strict: App, status: int) -> None:
    """The answer is lost after the rotation: the token that was sent is used up."""
    first = strict.connect()
    sandbox.fault("hubspot", "lost_answer", count=1, status=status)
    answer = strict.refresh(first["refresh_token"])
    assert (answer.status_code, "access_token" in answer.json()) == (status, False)
    assert state(strict)["refreshes"] == 1
    assert strict.refresh(first["refresh_token"]).json()["status"] == "BAD_REFRESH_TOKEN"


def test_lost_answer_waits_for_one(sandbox: Running, strict: App) -> None:
    """A refusal is no answer to lose: the fault strikes the next success."""
    sandbox.fault("hubspot", "lost_answer", count=1)
    assert strict.refresh("unknown").status_code == 400
    code = strict.code()
    assert strict.redeem(code).status_code == 500


def test_truncated_answer(sandbox: Running, strict: App) -> None:
    """A connection cut inside the answer loses it likewise."""
    first = strict.connect()
    sandbox.fault("hubspot", "truncated", count=1, path=TOKEN_PATH)
    with pytest.raises(httpx.RemoteProtocolError):
        strict.refresh(first["refresh_token"])
    assert state(strict)["refreshes"] == 1


def test_late_answer(sandbox: Running, strict: App) -> None:
    """The server has decided when the client gives up waiting."""
    first = strict.connect()
    sandbox.fault("hubspot", "late_answer", count=1, seconds=20)
    fields = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    known = {"client_id": strict.client_id, "client_secret": strict.secret}
    timeout = httpx.Timeout(PATIENCE, read=2)
    with pytest.raises(httpx.ReadTimeout):
        strict.client.post(strict.token_url, data=fields | known, timeout=timeout)
    eventually(lambda: state(strict)["refreshes"] == 1, seconds=PATIENCE, what="the decision")


@pytest.mark.parametrize(("fault", "status"), [("rate_limit", 429), ("server_error", 503)])
def test_not_carried_out(sandbox: Running, strict: App, fault: str, status: int) -> None:
    """A 429 or 503 comes before anything is decided: the token still works."""
    first = strict.connect()
    sandbox.fault("hubspot", fault, count=1, path="/oauth/", retry_after=1)
    answer = strict.refresh(first["refresh_token"])
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "1")
    assert strict.refresh(first["refresh_token"]).status_code == 200


def test_revoked_consent(sandbox: Running, app: App) -> None:
    """A consent taken back is gone for good, and only that one."""
    mine, other = app.connect(), app.connect()
    sandbox.fault("hubspot", "revoked_consent", count=1)
    for _ in range(2):
        assert app.refresh(mine["refresh_token"]).json()["status"] == "BAD_REFRESH_TOKEN"
    assert app.refresh(other["refresh_token"]).status_code == 200


def test_grants_can_be_ended_one_by_one(app: App) -> None:
    """`_grants` ends one family or all of them, and names one that does not exist."""
    mine, other = app.connect(), app.connect()
    first = state(app)["families"][0]["id"]
    answer = app.client.post("/oauth/_grants", json={"action": "revoke", "family": first})
    assert answer.json() == {"families": 1}
    assert app.refresh(mine["refresh_token"]).status_code == 400
    assert app.refresh(other["refresh_token"]).status_code == 200
    every = app.client.post("/oauth/_grants", json={"action": "expire_refresh"})
    assert every.json() == {"families": 2}
    assert app.refresh(other["refresh_token"]).status_code == 400
    for wish in ({"action": "revoke", "family": "x"}, {"action": "bless"}):
        assert app.client.post("/oauth/_grants", json=wish).status_code == 400


def test_other_account(sandbox: Running, app: App) -> None:
    """A reconnect can come back from another account than the one that was chosen."""
    sandbox.fault("hubspot", "other_account", count=1)
    hubs = [app.connect(account="146120331")["hub_id"] for _ in range(2)]
    assert hubs == [148990712, 146120331]


def test_control_meets_no_fault(sandbox: Running, app: App) -> None:
    """Settings and state can be reached while everything else is down."""
    sandbox.fault("hubspot", "server_error")
    assert app.client.get("/oauth/_state").status_code == 200
    assert app.client.get("/oauth/_settings").status_code == 200
    assert app.refresh("x").status_code == 503


def test_state_holds_no_secret(app: App) -> None:
    """Neither state nor settings tell a token or the client's secret."""
    tokens = app.connect()
    told = app.client.get("/oauth/_state").text + app.client.get("/oauth/_settings").text
    for secret in (tokens["access_token"], tokens["refresh_token"], app.secret):
        assert secret not in told
