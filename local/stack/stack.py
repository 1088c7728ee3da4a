"""Start everything, in order, on free ports or given ones, and stop it again."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from adapters import all_providers
from local.azurite import API_VERSION, AZURITE_HOME, ensure_installed, run_azurite
from local.stack.processes import ROOT, Service, StackError, undisturbed

USUAL_PORT = 7071
DASHBOARD_URL = "http://localhost:5173"
SANDBOX_SECONDS = 300.0
HOST_SECONDS = 180.0
"""What is not there by then will not come; one that dies is noticed at once."""
_NO_AZURE = {
    "KEY_VAULT_URL": "",
    "AzureWebJobsStorage__queueServiceUri": "",
    "DATABASE_USE_MANAGED_IDENTITY": "false",
}
"""What a person's shell or local.settings.json may say is not for the stack."""
_UNHURRIED = {
    "WRITES_PER_MINUTE": "60000",
    "WRITES_BURST": "10000",
    "READS_PER_MINUTE": "600000",
    "READS_BURST": "100000",
}
"""Nobody else waits on a machine of one's own: scripts may ask faster than people do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """Where the stack keeps its state and how it differs from production.

    Ports of 0 mean any free one; a `mailbox_port` of None means no mail server. `settings` are
    further environment variables of the functions host.
    """

    state: Path
    host_port: int = 0
    sandbox_port: int = 0
    convex_port: int = 0
    mailbox_port: int | None = None
    convex_zip: Path | None = None
    deals: int | None = None
    lease_seconds: int = 600
    settings: Mapping[str, str] | None = None


class Stack:
    """The running stack, as a context manager; leaving it stops every process it started."""

    def __init__(self, options: StackOptions) -> None:
        self._options = options
        self._exits = ExitStack()
        self._services: list[Service] = []
        self._environment: dict[str, str] = {}
        self.directory: dict[str, Any] = {}
        self.api = ""
        self.mailbox = ""
        """Where to read the mails it sends; '' without a mail server."""

    @property
    def state(self) -> Path:
        """The folder of databases, vault and log files."""
        return self._options.state

    @property
    def sandbox(self) -> str:
        """The sandbox's address."""
        return str(self.directory["url"])

    @property
    def urls(self) -> dict[str, Any]:
        """Return what `.local/stack.json` tells."""
        return {
            "api": self.api,
            "sandbox": self.sandbox,
            **{name: entry["url"] for name, entry in self._emulators.items()},
            "mailbox": self.mailbox,
            "state": str(self.state),
            "pid": os.getpid(),
        }

    def __enter__(self) -> Self:
        with ExitStack() as until_ready:
            until_ready.push(self._exits)
            self._start()
            self._exits = until_ready.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exits.close()

    def check(self) -> None:
        """Raise StackError if a process has ended by itself."""
        for service in self._services:
            service.check()

    def token(self, *, admin: bool = False) -> str:
        """Return a caller's JWT, good for an hour."""
        return mint_token(self.directory["issuer"]["url"], admin=admin)

    def kill_host(self) -> None:
        """End the functions host as a power cut would; `start_host` brings another."""
        host = self._services.pop()
        host.kill()

    def start_host(self) -> None:
        """Start the functions host with the product in it."""
        host = self._launch(
            "host",
            "local.host",
            [
                *("--app", str(ROOT)),
                *("--port", str(self._options.host_port)),
                *("--lease-seconds", str(self._options.lease_seconds)),
                *("--state", str(self.state / "host")),
            ],
        )
        self.api = host.wait_ready(seconds=HOST_SECONDS)["url"] + "/api"

    def _start(self) -> None:
        options = self._options
        logs = self.state / "logs"
        for folder in (self.state, logs, self.state / "host", self.state / "work"):
            folder.mkdir(parents=True, exist_ok=True)
        ensure_installed(ROOT / AZURITE_HOME)
        sandbox_args = [
            *("--state", str(self.state / "sandbox")),
            *("--port", str(options.sandbox_port)),
            *("--convex-port", str(options.convex_port)),
        ]
        for provider in all_providers():
            if provider.oauth is not None:
                uri = f"{self._public_url}/oauth/callback/{provider.spec.slug}"
                sandbox_args += ["--redirect-uri", uri]
        if options.deals is not None:
            sandbox_args += ["--deals", str(options.deals)]
        if options.convex_zip is not None:
            sandbox_args += ["--convex-zip", str(options.convex_zip)]
        sandbox = self._launch("sandbox", "local.sandbox", sandbox_args)
        queue = run_azurite(ROOT / AZURITE_HOME, state=self.state / "azurite")
        with undisturbed():
            connection = self._exits.enter_context(queue)
        ready = sandbox.wait_ready(seconds=SANDBOX_SECONDS)
        self.directory = {"url": ready["url"], **_get_json(ready["url"] + "/_sandbox")}
        self._environment = self._settings(connection) | self._start_mailbox()
        self._operate("migrate")
        self._operate("seed")
        self.start_host()

    def _start_mailbox(self) -> dict[str, str]:
        """Start the mail server, where one is wanted; return the settings that lead to it."""
        port = self._options.mailbox_port
        if port is None:
            return {}
        mailbox = self._launch("mailbox", "local.sandbox.mailbox", ["--port", str(port)])
        ready = mailbox.wait_ready(seconds=HOST_SECONDS)
        self.mailbox = ready["url"]
        return {
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(ready["smtp_port"]),
            "SMTP_FROM": "LinkHub Integrator <integrator@linkhub.test>",
        }

    def _settings(self, connection: str) -> dict[str, str]:
        directory, state = self.directory, self.state
        return {
            "AzureWebJobsStorage": connection,
            "STORAGE_API_VERSION": API_VERSION,
            "DATABASE_URL": f"sqlite:///{state / 'app.db'}",
            "WAREHOUSE_URL": f"sqlite:///{state / 'warehouse.db'}",
            "LOCAL_VAULT_PATH": str(state / "vault"),
            "OIDC_ISSUER": directory["issuer"]["url"],
            "OIDC_AUDIENCE": directory["issuer"]["audience"],
            "LINKHUB_API_URL": directory["linkhub"]["url"],
            "LINKHUB_API_KEY": directory["linkhub"]["key"],
            "PUBLIC_URL": self._public_url,
            "DASHBOARD_URL": DASHBOARD_URL,
            **provider_settings(self._emulators),
            "ALLOW_PRIVATE_HOSTS": "true",
            "WORK_DIR": str(state / "work"),
            **_UNHURRIED,
            **_NO_AZURE,
            **(self._options.settings or {}),
        }

    @property
    def _emulators(self) -> dict[str, dict[str, Any]]:
        """The sandbox's directory, without the sandbox's own address."""
        return {name: entry for name, entry in self.directory.items() if name != "url"}

    @property
    def _public_url(self) -> str:
        """Where providers are told to send people back; they only ever see it in a redirect."""
        return f"http://127.0.0.1:{self._options.host_port or USUAL_PORT}"

    def _launch(self, name: str, module: str, args: list[str]) -> Service:
        with undisturbed():
            logs = self.state / "logs"
            service = Service.start(name, module, args, env=self._environment, logs=logs)
            self._exits.callback(service.stop)
        self._services.append(service)
        return service

    def _operate(self, command: str) -> None:
        done = subprocess.run(  # noqa: S603  our own module
            [sys.executable, "-m", "ops", command],
            cwd=ROOT,
            env={**os.environ, **self._environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StackError(f"`python -m ops {command}` failed:\n{done.stderr or done.stdout}")


def provider_settings(directory: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return what leads providers to their emulators, as a sandbox's directory tells it."""
    found: dict[str, str] = {}
    for entry in directory.values():
        found |= entry.get("settings", {})
    return found


def mint_token(issuer: str, *, admin: bool = False) -> str:
    """Return a JWT of the sandbox's issuer: of Ada, a customer, or of Grace, an admin."""
    name = "Grace Admin" if admin else "Ada Customer"
    subject = "grace" if admin else "ada"
    claims = {
        "sub": subject,
        "name": name,
        "email": f"{subject}@example.com",
        "roles": ["integrator.admin"] if admin else [],
    }
    answer = httpx.post(f"{issuer}/dev/token", json=claims, timeout=60)
    answer.raise_for_status()
    return str(answer.json()["access_token"])


def free_port(wanted: int) -> int:
    """Return `wanted` if nobody listens there, else 0 for any free one."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return 0 if probe.connect_ex(("127.0.0.1", wanted)) == 0 else wanted


def fresh_state(parent: Path, prefix: str) -> Path:
    """Return a new empty folder below `parent`."""
    folder = parent / f"{prefix}-{secrets.token_hex(4)}"
    folder.mkdir(parents=True)
    return folder


def _get_json(url: str) -> dict[str, Any]:
    answer = httpx.get(url, timeout=60)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found
