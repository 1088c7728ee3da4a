"""A sandbox in a thread of the test's own process, and clients for its emulators."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from local.sandbox.emulators import Options
from local.sandbox.server import Sandbox

PATIENCE = 120.0
"""Seconds after which what was waited for will not come any more, on the slowest of machines."""
_TLS = ssl.create_default_context()
"""Made once: httpx would load the certificates for each client anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A sandbox that answers. `directory` is what `GET /_sandbox` says."""

    url: str
    convex_url: str
    directory: dict[str, dict[str, Any]]
    control: httpx.Client

    def fault(self, provider: str, fault: str, **options: Any) -> None:
        """Switch a fault on."""
        body = {"provider": provider, "fault": fault, **options}
        self.control.post("/_faults", json=body).raise_for_status()

    def heal(self) -> None:
        """Switch every fault off and the counters to nothing."""
        self.control.delete("/_faults").raise_for_status()
        self.control.delete("/_requests").raise_for_status()

    def hubspot(self) -> httpx.Client:
        """Return a client of HubSpot with the token that may do everything."""
        entry = self.directory["hubspot"]
        headers = {"Authorization": f"Bearer {entry['token']}"}
        return _client(entry["url"], headers)

    def linkhub(self, profile: str) -> httpx.Client:
        """Return a client of the LinkHub API that acts for `profile`."""
        entry = self.directory["linkhub"]
        headers = {"Authorization": f"Bearer {entry['key']}", "X-LinkHub-Profile": profile}
        return _client(entry["url"], headers)

    def graph(self) -> httpx.Client:
        """Return a client of Microsoft Graph with the token that may do everything."""
        entry = self.directory["graph"]
        return _client(entry["url"], {"Authorization": f"Bearer {entry['token']}"})

    def issuer(self) -> httpx.Client:
        """Return a client of the issuer."""
        return _client(self.directory["issuer"]["url"])


def _client(url: str, headers: dict[str, str] | None = None) -> httpx.Client:
    return httpx.Client(base_url=url, headers=headers, timeout=PATIENCE, verify=_TLS)


@contextmanager
def running_sandbox(
    state_dir: Path, *, deals: int = 300, tasks: int = 3_000, convex_zip: Path | None = None
) -> Iterator[Running]:
    """Run a sandbox on free ports for the length of the block."""
    options = Options(state_dir=state_dir, deals=deals, tasks=tasks, convex_zip=convex_zip)
    sandbox = Sandbox(options)
    ready = threading.Event()
    thread = threading.Thread(
        target=lambda: asyncio.run(sandbox.serve(ready.set)), name="sandbox", daemon=True
    )
    thread.start()
    try:
        assert ready.wait(PATIENCE), "the sandbox did not start"
        with _client(sandbox.url) as control:
            yield Running(
                url=sandbox.url,
                convex_url=sandbox.urls["convex"],
                directory=control.get("/_sandbox").json(),
                control=control,
            )
    finally:
        sandbox.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the sandbox did not stop"
