"""The sandbox as a process: its one line, its directory, its end."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.sandbox.__main__ import _options
from local.sandbox.emulators import KeptSecrets, Options
from local.sandbox.server import run, sandbox_apps
from tests.sandbox_kit import PATIENCE, running_sandbox

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_process(tmp_path: Path, number: signal.Signals) -> None:
    """It prints one JSON line once both ports answer, and a signal ends it well."""
    command = [sys.executable, "-m", "local.sandbox", "--state", str(tmp_path), "--deals", "20"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        assert set(line) == {"url", "convex_url"}
        state = httpx.get(f"{line['url']}/hubspot/_state", timeout=PATIENCE).json()
        assert state == {"deals": 20, "archived": 400}
        assert httpx.get(f"{line['convex_url']}/nothing", timeout=PATIENCE).status_code == 404
        process.send_signal(number)
        rest, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, rest, errors) == (0, "", "")


def test_directory(tmp_path: Path) -> None:
    """`/_sandbox` names every emulator; credentials live as long as the state folder."""
    directories = []
    for _ in range(2):
        with running_sandbox(tmp_path, deals=5) as running:
            directories.append(running.directory)
            with running.hubspot() as hubspot, running.linkhub("p") as linkhub:
                assert hubspot.get("/crm/owners/2026-03").status_code == 200
                assert linkhub.get("/v1/values/changes").status_code == 200
    first, second = directories
    assert set(first) == {"hubspot", "entra", "graph", "powerbi", "linkhub", "issuer", "convex"}
    assert first["hubspot"]["token"] == second["hubspot"]["token"]
    assert first["linkhub"]["key"] == second["linkhub"]["key"]
    assert first["powerbi"]["token"] == second["powerbi"]["token"]
    for provider in ("hubspot", "entra"):
        for name in ("clientId", "clientSecret"):
            assert first[provider]["oauth"][name] == second[provider]["oauth"][name]
    assert stat.S_IMODE((tmp_path / "sandbox-keys.json").stat().st_mode) == 0o600


def test_port_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A port that is taken ends the start with a sentence, not a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert run(Options(state_dir=tmp_path, port=port)) == 1
    assert "cannot start" in capsys.readouterr().err


def test_keys_of_an_older_sandbox(tmp_path: Path) -> None:
    """A key file that lacks later credentials keeps its own and gets the others."""
    path = tmp_path / "sandbox-keys.json"
    path.write_text('{"hubspot_token": "pat-old", "linkhub_key": "lhk-old"}')
    first = KeptSecrets(path)
    assert first.get("hubspot_token", str) == "pat-old"
    assert first.get("graph_token", lambda: "graph-new") == "graph-new"
    second = KeptSecrets(path)
    assert second.get("graph_token", str) == "graph-new"
    assert second.get("linkhub_key", str) == "lhk-old"


def test_redirect_uris_of_the_command_line(tmp_path: Path) -> None:
    """`--redirect-uri` registers for both providers, as often as it is given."""
    uris = ["http://127.0.0.1:7071/oauth/callback/hubspot", "https://app.example/cb"]
    words = ["--state", str(tmp_path), *(w for uri in uris for w in ("--redirect-uri", uri))]
    options = _options(words)
    assert options.redirect_uris == tuple(uris)
    app = sandbox_apps(options, urls={"": "http://sandbox", "convex": "http://convex"}).first
    transport = httpx.ASGITransport(app)

    async def show() -> dict[str, Any]:
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client,
        ):
            answer: dict[str, Any] = (await client.get("/_sandbox")).json()
            return answer

    directory = asyncio.run(show())
    for provider in ("hubspot", "entra"):
        assert directory[provider]["oauth"]["redirectUris"] == uris


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--state", "x", "--deals", "-1"],
        ["--state", "x", "--convex-zip", "none"],
        ["--state", "x", "--redirect-uri", "http://elsewhere.example/callback"],
    ],
)
def test_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A command line that cannot work is refused with what is wrong."""
    with pytest.raises(SystemExit) as ended:
        _options(arguments)
    assert ended.value.code == 2
    assert "--" in capsys.readouterr().err
