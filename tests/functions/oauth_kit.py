"""The app with its real HubSpot adapter, and HubSpot's sandbox as a person's browser meets it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.domain.instances import Instance, InstanceState
from tests.functions.kit import Answer, Client, HttpWorld
from tests.oauth_kit import consent, query
from tests.sandbox_kit import PATIENCE, Running

PUBLIC_URL = "http://127.0.0.1:7071"
DASHBOARD_URL = "https://dashboard.test"
CALLBACK = f"{PUBLIC_URL}/oauth/callback/hubspot"
ALDER, BIRCH = "146120331", "148990712"


def settings_for(sandbox: Running) -> dict[str, str]:
    """Return the app's settings for signing in at the sandbox."""
    return {
        **sandbox.directory["hubspot"]["settings"],
        "PUBLIC_URL": PUBLIC_URL,
        "DASHBOARD_URL": DASHBOARD_URL,
        "ALLOW_PRIVATE_HOSTS": "true",
    }


@dataclass(frozen=True, slots=True)
class Desk:
    """A function app, HubSpot's authorization server, and what people do between them."""

    world: HttpWorld
    sandbox: Running
    browser: httpx.Client

    def new_instance(self, client: Client) -> str:
        made = client.post("instances", {"provider": "hubspot"})
        assert made.status == 201, made.body
        instance_id: str = made.json["id"]
        return instance_id

    def link(self, client: Client, instance_id: str) -> str:
        """Return the provider's page a person is sent to."""
        started = client.post(f"instances/{instance_id}/oauth/start")
        assert started.status == 200, started.body
        url: str = started.json["authorizeUrl"]
        return url

    def come_back(self, url: str) -> dict[str, str]:
        """Follow a provider's redirect to our callback; return what the dashboard is handed."""
        assert url.startswith(CALLBACK)
        answer = self.callback("hubspot", **query(url))
        assert answer.status == 302
        location = answer.headers["Location"]
        assert location.startswith(f"{DASHBOARD_URL}/oauth/callback?")
        return query(location)

    def callback(self, provider: str, **params: str) -> Answer:
        """Call our callback as a browser does: without any token."""
        return Client(None).call("GET", f"oauth/callback/{provider}", params=params)

    def consent(self, link: str, *, account: str = ALDER, allow: bool = True) -> dict[str, str]:
        """Give consent, or not, and come back; return what the dashboard is handed."""
        return self.come_back(consent(self.browser, link, account=account, allow=allow))

    def connect(self, client: Client, instance_id: str, *, account: str = ALDER) -> Answer:
        """Walk the whole way; return the answer of the last step."""
        handed = self.consent(self.link(client, instance_id), account=account)
        return client.post("oauth/complete", handed)

    def settings(self, **wish: Any) -> None:
        """Change how the authorization server behaves."""
        self.browser.put("/oauth/_settings", json=wish).raise_for_status()

    def grants(self, action: str) -> None:
        """End the tokens given so far: revoke, expire_access or expire_refresh."""
        self.browser.post("/oauth/_grants", json={"action": action}).raise_for_status()

    @property
    def server(self) -> dict[str, Any]:
        """What the authorization server has counted."""
        found: dict[str, Any] = self.browser.get("/oauth/_state").json()
        return found

    def state(self, instance_id: str) -> InstanceState:
        with self.world.app.open_uow(read_only=True) as uow:
            return uow.instances.get_state(instance_id)

    def instance(self, instance_id: str) -> Instance:
        with self.world.app.open_uow(read_only=True) as uow:
            return uow.instances.get(instance_id, profile_id=None)


@contextmanager
def opened_desk(
    sandbox: Running, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Desk]:
    """Yield the app over the sandbox, whose state is cleared at the end."""
    for name, value in settings_for(sandbox).items():
        monkeypatch.setenv(name, value)
    world: HttpWorld = request.getfixturevalue("world")
    made = world.app
    made.__dict__.pop("connector")  # the real one, with the real adapters
    from adapters.hubspot import SPEC

    with made.open_uow() as uow:
        uow.providers.upsert(SPEC, now=world.clock())
        uow.commit()
    with httpx.Client(base_url=sandbox.directory["hubspot"]["url"], timeout=PATIENCE) as browser:
        desk = Desk(world, sandbox, browser)
        desk.settings(redirect_uris=[CALLBACK])
        yield desk
        browser.delete("/oauth/_settings").raise_for_status()
        browser.delete("/oauth/_state").raise_for_status()
        sandbox.heal()


def everything_kept(folder: Path) -> bytes:
    """Return the bytes of every file the app has written."""
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
