"""Runs the local host and Azurite for tests; import the fixtures by name where they are used."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from local.azurite import API_VERSION, AZURITE_HOME, ensure_installed, run_azurite

if TYPE_CHECKING:
    from azure.storage.queue import QueueClient

ROOT = Path(__file__).resolve().parent.parent
HOST_JSON: dict[str, Any] = {"version": "2.0"}
PATIENCE = 120.0
"""Seconds after which what was waited for will not come any more, on the slowest of machines."""


@dataclass(slots=True, kw_only=True)
class RunningHost:
    """A host in a process of its own; its log grows in `log_path`."""

    process: subprocess.Popen[str]
    url: str
    log_path: Path

    @property
    def log(self) -> str:
        """What it logged so far."""
        return self.log_path.read_text(encoding="utf-8")

    def stop(self, *, by: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal, wait for the end, return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(by)
        return self.process.wait(PATIENCE)


class HostFailedError(Exception):
    """The host ended before it served; `status` is its exit status and the text its log."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"the host ended with status {status}:\n{text}")
        self.status = status
        self.text = text


@contextmanager
def run_host(
    app_dir: Path, env: Mapping[str, str] | None = None, **flags: object
) -> Iterator[RunningHost]:
    """Run `python -m local.host` on `app_dir` until the block ends.

    `env` is added to this process's environment without its Azure settings; each flag is a
    command line option (`lease_seconds=4`). Raises HostFailedError when it does not come up.
    """
    words = [word for name, value in flags.items() for word in (_option(name), str(value))]
    log_path = app_dir / f"host-{time.monotonic_ns()}.log"
    with log_path.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "local.host", "--app", str(app_dir), *words],
            cwd=ROOT,
            env={**_clean_env(), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        url = json.loads(_first_line(process, log_path))["url"]
        yield RunningHost(process=process, url=url, log_path=log_path)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def write_app(
    folder: Path,
    code: str,
    *,
    host_json: Mapping[str, Any] | None = None,
    local_settings: Mapping[str, Any] | None = None,
) -> Path:
    """Write a function app into `folder` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "function_app.py").write_text(code, encoding="utf-8")
    (folder / "host.json").write_text(json.dumps({**HOST_JSON, **(host_json or {})}))
    if local_settings is not None:
        (folder / "local.settings.json").write_text(json.dumps(local_settings))
    return folder


def wait_for(condition: Callable[[], Any], *, seconds: float = PATIENCE) -> Any:
    """Return the first true value of `condition`; fail where none came within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.03)
    raise AssertionError(f"{condition} did not become true within {seconds} s")


def read_lines(path: Path) -> list[Any]:
    """Return the JSON lines an app wrote to `path`; none while it does not exist."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def storage_env(connection_string: str) -> dict[str, str]:
    """Return the settings that point an app at this storage."""
    return {"AzureWebJobsStorage": connection_string, "STORAGE_API_VERSION": API_VERSION}


@contextmanager
def open_queue(connection_string: str, name: str) -> Iterator[QueueClient]:
    """Give a client of queue `name`, which exists; texts go in and out as they are."""
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.queue import QueueClient

    with QueueClient.from_connection_string(
        connection_string, name, api_version=API_VERSION
    ) as client:
        with suppress(ResourceExistsError):
            client.create_queue()
        yield client


AzuriteFactory = Callable[..., str]
"""`azurite(state=None)` starts one more queue service and returns its connection string."""


@pytest.fixture(scope="session")
def azurite() -> Iterator[AzuriteFactory]:
    """Start Azurite where it is asked for; every one ends with the test session."""
    home = ROOT / AZURITE_HOME
    ensure_installed(home)
    with ExitStack() as stack:
        yield lambda state=None: stack.enter_context(run_azurite(home, state=state))


@pytest.fixture(scope="session")
def queue_storage(azurite: AzuriteFactory) -> str:
    """Return the connection string of one Azurite that every test of the session shares."""
    return azurite()


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """Return a client that follows no redirect."""
    with httpx.Client(timeout=PATIENCE, trust_env=False) as client:
        yield client


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _clean_env() -> dict[str, str]:
    settings = ("AzureWebJobs", "STORAGE_API_VERSION", "PYTHON_THREADPOOL")
    return {name: value for name, value in os.environ.items() if not name.startswith(settings)}


def _first_line(process: subprocess.Popen[str], log_path: Path) -> str:
    stdout = process.stdout
    if stdout is None:
        raise AssertionError("the host's stdout is a pipe")
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        is_ready = bool(selector.select(PATIENCE))
    line = stdout.readline() if is_ready else ""
    if not line:
        if not is_ready:
            process.kill()
        raise HostFailedError(process.wait(PATIENCE), log_path.read_text(encoding="utf-8"))
    return line
