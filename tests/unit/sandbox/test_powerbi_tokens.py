"""Power BI's emulator and the tokens of Entra's."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from adapters import find_provider
from local.sandbox.entra.tenants import USERS
from tests import powerbi_kit as kit
from tests.oauth_kit import App
from tests.sandbox_kit import PATIENCE, Running

AMELIE, PRIYA, KAITO = (user.id for user in USERS[:3])
CALLBACK = "http://127.0.0.1:7071/oauth/callback/powerbi"
SCOPES = find_provider("powerbi").spec.oauth_scopes
API = "https://analysis.windows.net/powerbi/api"


@pytest.fixture
def app(sandbox: Running) -> Iterator[App]:
    entry = sandbox.directory["entra"]
    with httpx.Client(base_url=entry["url"], timeout=PATIENCE) as client:
        client.put("/oauth/_settings", json={"redirect_uris": [CALLBACK]}).raise_for_status()
        yield App.of(client, entry["oauth"], redirect_uri=CALLBACK, scope=" ".join(SCOPES))
        client.delete("/oauth/_settings").raise_for_status()


def get(sandbox: Running, path: str, token: str) -> httpx.Response:
    url = f"{sandbox.directory['powerbi']['url']}/v1.0/myorg{path}"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return sandbox.control.get(url, headers=headers)


@pytest.mark.parametrize(
    ("account", "workspaces", "own"),
    [
        (AMELIE, ["Aviation", "Sales"], ["Scratch"]),
        (PRIYA, ["Aviation", "Sales", "Board"], []),
        (KAITO, [], []),
    ],
)
def test_each_person_sees_their_own(
    sandbox: Running, app: App, account: str, workspaces: list[str], own: list[str]
) -> None:
    """What a consent asks for, the adapter's own scopes, is enough to list both."""
    token = app.connect(account=account)["access_token"]
    listed = get(sandbox, "/groups", token).json()["value"]
    assert [one["name"] for one in listed] == workspaces
    assert [one["name"] for one in get(sandbox, "/datasets", token).json()["value"]] == own
    status = get(sandbox, f"/groups/{kit.BOARD}/datasets/{kit.BUDGET}", token).status_code
    assert status == (200 if account == PRIYA else 404)


def test_the_directory_has_a_token(sandbox: Running) -> None:
    """It stands for Amélie, for whoever needs no sign-in."""
    token = sandbox.directory["powerbi"]["token"]
    assert len(get(sandbox, "/groups", token).json()["value"]) == 2


@pytest.mark.parametrize("token", ["", "pbi-wrong"])
def test_others_have_no_way_in(sandbox: Running, token: str) -> None:
    """No token, or one nobody gave out: 401 without a body."""
    refused = get(sandbox, "/groups", token)
    assert (refused.status_code, refused.content) == (401, b"")


def test_tokens_end(sandbox: Running, app: App) -> None:
    """One whose time is over is a 403 that says so, here and in a header."""
    token = app.connect(account=AMELIE)["access_token"]
    assert get(sandbox, "/groups", token).status_code == 200
    app.client.post("/oauth/_grants", json={"action": "expire_access"}).raise_for_status()
    refused = get(sandbox, "/groups", token)
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "TokenExpired"
    assert refused.headers["x-powerbi-error-info"] == "TokenExpired"


def test_tokens_are_for_one_resource_and_its_scopes(sandbox: Running, app: App) -> None:
    """A token of Graph opens nothing here, nor does one without the scope."""
    graph = app.connect(account=AMELIE, scope="https://graph.microsoft.com/User.Read")
    refused = get(sandbox, "/groups", graph["access_token"])
    assert (refused.status_code, refused.headers["x-powerbi-error-info"]) == (
        401,
        "InvalidAudience",
    )
    narrow = app.connect(account=AMELIE, scope=f"{API}/Dataset.Read.All")["access_token"]
    assert get(sandbox, "/datasets", narrow).status_code == 200
    refused = get(sandbox, "/groups", narrow)
    assert refused.headers["x-powerbi-error-info"] == "InsufficientScopes"
