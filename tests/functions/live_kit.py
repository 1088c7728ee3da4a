"""The app of the function tests with the sandbox's HubSpot, Convex and LinkHub behind it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import pytest

from adapters import find_provider
from local.sandbox.convex.sample import write_sample
from tests.functions.kit import Client, HttpWorld
from tests.sandbox_kit import Running, running_sandbox

DEALS = 60


@dataclass(frozen=True, slots=True)
class Live:
    """The world, the sandbox, and a customer."""

    world: HttpWorld
    sandbox: Running

    @property
    def ada(self) -> Client:
        return self.world.ada

    def connected(self, provider: str) -> str:
        """Return the id of an instance whose connection is done."""
        entry = self.sandbox.directory[provider]
        options = {"deploymentUrl": entry["url"]} if provider == "convex" else {}
        body = {"apiKey": entry.get("token") or entry["deployKey"], "options": options}
        made = self.ada.post("instances", {"provider": provider})
        instance_id: str = made.json["id"]
        answer = self.ada.put(f"instances/{instance_id}/connection", body)
        assert answer.status == 200, answer.body
        return instance_id

    def activated(self, instance_id: str) -> str:
        """Configure and activate an instance whose second step is done; return its first job."""
        path = f"instances/{instance_id}"
        assert self.ada.put(f"{path}/sync-config", {}).status == 200
        answer = self.ada.post(f"{path}/activate")
        assert answer.status == 200, answer.body
        job_id: str = answer.json["job"]["id"]
        return job_id

    def rows(self) -> dict[str, list[Any]]:
        """Return everything the app's database holds, by table; but how often callers called."""
        url = f"{(self.world.folder / 'app.db').as_uri()}?mode=ro"
        with closing(sqlite3.connect(url, uri=True)) as database:
            names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {
                name: sorted(database.execute(f"SELECT * FROM [{name}]"), key=repr)  # noqa: S608 - our own names
                for (name,) in names.fetchall()
                if name != "rate_buckets"
            }

    def requests(self, provider: str) -> dict[tuple[str, str], int]:
        """Return how often an emulator was asked what, as (method, path); its controls aside."""
        found = self.sandbox.control.get("/_requests").json()
        counted: dict[tuple[str, str], int] = {}
        for one in found.get(provider, {}).get("requests", ()):
            if not one["path"].startswith("/_"):
                key = (one["method"], one["path"])
                counted[key] = counted.get(key, 0) + one["count"]
        return counted

    def linkhub(self) -> dict[str, int]:
        """Return how many records LinkHub holds."""
        found: dict[str, int] = self.sandbox.control.get("/linkhub/_state").json()
        return found


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("sandbox")
    write_sample(folder / "few.zip", limit=50)
    with running_sandbox(folder, deals=DEALS, convex_zip=folder / "few.zip") as running:
        yield running


@pytest.fixture
def live(world: HttpWorld, sandbox: Running) -> Live:
    """Return the world with the real adapters and sinks, and nothing in LinkHub."""
    app = world.app
    for name in ("connector", "open_sink", "platform"):
        del app.__dict__[name]
    app.settings = replace(
        app.settings,
        providers=sandbox.directory["hubspot"]["settings"],
        linkhub_api_url=sandbox.directory["linkhub"]["url"],
        linkhub_api_key=sandbox.directory["linkhub"]["key"],
        allow_private_hosts=True,
    )
    with app.open_uow() as uow:
        for slug in ("hubspot", "convex"):
            uow.providers.upsert(find_provider(slug).spec, now=world.clock())
        uow.commit()
    sandbox.heal()
    return Live(world, sandbox)
