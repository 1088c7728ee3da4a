"""The sandbox as a process: its one line, its directory, its end."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from local.sandbox.__main__ import _options
from local.sandbox.server import Options, run
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
        state = httpx.get(f"{line['url']}/hubspot/_state").json()
        assert state == {"deals": 20, "archived": 400}
        assert httpx.get(f"{line['convex_url']}/nothing").status_code == 404
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
    assert set(first) == {"hubspot", "linkhub", "issuer", "convex"}
    assert first["hubspot"]["token"] == second["hubspot"]["token"]
    assert first["linkhub"]["key"] == second["linkhub"]["key"]
    assert stat.S_IMODE((tmp_path / "sandbox-keys.json").stat().st_mode) == 0o600


def test_port_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A port that is taken ends the start with a sentence, not a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert run(Options(state_dir=tmp_path, port=port)) == 1
    assert "cannot start" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["--state", "x", "--deals", "-1"], ["--state", "x", "--convex-zip", "none"]]
)
def test_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A command line that cannot work is refused with what is wrong."""
    with pytest.raises(SystemExit) as ended:
        _options(arguments)
    assert ended.value.code == 2
    assert "--" in capsys.readouterr().err
