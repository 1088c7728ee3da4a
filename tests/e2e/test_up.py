"""`dev.py up` and `dev.py token`, as a person uses them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.stack.client import ApiClient
from tests.e2e.kit import (
    DEV,
    JOB_SECONDS,
    ROOT,
    STEP_SECONDS,
    alive,
    descendants,
    ended_with_us,
    eventually,
)

EMULATORS = {"issuer", "hubspot", "entra", "powerbi", "graph", "linkhub", "convex"}
KEYS = {"api", "sandbox", "mailbox", "state", "pid", *EMULATORS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """A running `dev.py up`."""

    process: subprocess.Popen[str]
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "stack.json"

    def urls(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.file.read_text(encoding="utf-8"))
        return found

    def token(self, *words: str) -> str:
        return dev("token", "--state", str(self.folder), *words).stdout.strip()


def dev(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DEV, *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=STEP_SECONDS
    )


@contextmanager
def start_up(folder: Path) -> Iterator[Up]:
    """Start `dev.py up` as a terminal would, with a process group of its own."""
    process = subprocess.Popen(
        [*DEV, "up", "--state", str(folder)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # a background job inherits a Ctrl-C that is switched off; a terminal's does not
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509  no threads yet
    )
    with ended_with_us(process):
        yield Up(process=process, folder=folder)


def wait_ready(up: Up) -> None:
    def look() -> bool:
        assert up.process.poll() is None, up.process.communicate()[0]
        return up.file.exists()

    eventually(look, seconds=STEP_SECONDS, what="stack.json")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with start_up(tmp_path_factory.mktemp("up")) as running:
        wait_ready(running)
        yield running


def test_the_file_appears_when_all_is_ready_and_goes_at_the_end(tmp_path: Path) -> None:
    """A stale stack.json goes at the start; the new one is whole, true at once, and no orphan."""
    file = tmp_path / "stack.json"
    file.write_text('{"api": "http://127.0.0.1:1/api"}', encoding="utf-8")
    with start_up(tmp_path) as up:
        eventually(lambda: not file.exists(), seconds=STEP_SECONDS, what="no stale file")
        wait_ready(up)
        urls = up.urls()
        assert urls.keys() >= KEYS
        assert urls["api"].endswith("/api")
        assert httpx.get(f"{urls['api']}/ready", timeout=STEP_SECONDS).status_code == 200
        assert httpx.get(f"{urls['sandbox']}/_sandbox", timeout=STEP_SECONDS).status_code == 200
        assert Path(urls["state"]).is_dir()

        below = descendants(up.process.pid)
        assert len(below) >= 4, "the command's own process, Azurite, the sandbox and the host"
        up.process.terminate()
        said, _ = up.process.communicate(timeout=STEP_SECONDS)
        assert up.process.returncode == 0
        assert "Everything is stopped." in said
        assert urls["api"] in said
        assert alive(below) == set()
        assert not file.exists()


def test_ctrl_c_stops_everything(tmp_path: Path) -> None:
    """A Ctrl-C, which a terminal sends to the whole group, leaves neither process nor file."""
    with start_up(tmp_path) as up:
        wait_ready(up)
        below = descendants(up.process.pid)
        os.killpg(up.process.pid, signal.SIGINT)
        up.process.communicate(timeout=STEP_SECONDS)
        assert up.process.returncode == 0
        assert alive(below) == set()
        assert not up.file.exists()


def test_a_stop_during_the_start_leaves_nothing(tmp_path: Path) -> None:
    """A SIGTERM before all is ready ends what was started so far."""
    with start_up(tmp_path) as up:
        below = eventually(
            lambda: found if len(found := descendants(up.process.pid)) > 1 else set(),
            seconds=STEP_SECONDS,
            what="a first child",
        )
        up.process.terminate()
        up.process.communicate(timeout=STEP_SECONDS)
        assert up.process.returncode == 0
        assert alive(below) == set()
        assert not up.file.exists()


def test_tokens_open_the_api(up: Up) -> None:
    """`dev.py token` prints a customer's JWT, `--admin` one that admin routes take as well."""
    api = up.urls()["api"]
    for words, status in (((), 403), (("--admin",), 200)):
        headers = {"Authorization": f"Bearer {up.token(*words)}"}
        assert (
            httpx.get(f"{api}/v1/providers", headers=headers, timeout=STEP_SECONDS).status_code
            == 200
        )
        letters = httpx.get(f"{api}/v1/admin/dead-letters", headers=headers, timeout=STEP_SECONDS)
        assert letters.status_code == status


def test_the_calls_of_the_readme_work(up: Up) -> None:
    """What a newcomer tries first, from the profile to a queued job, is accepted."""
    urls = up.urls()
    key = httpx.get(f"{urls['sandbox']}/_sandbox", timeout=STEP_SECONDS).json()["hubspot"]["token"]
    with ApiClient(urls["api"], up.token()) as api:
        api.call("PUT", "me", {"name": "Ada", "timeZone": "Europe/Rome"})
        instance = api.connect("hubspot", api_key=key)
        job = api.wait(api.start(instance["id"])["id"], seconds=JOB_SECONDS)
    assert (job["status"], job["counts"]["processed"]) == ("success", 25_000)


def test_a_second_stack_in_the_same_folder_is_refused(up: Up) -> None:
    """Two stacks would share databases: the second says so, and the first one's file stays."""
    second = dev("up", "--state", str(up.folder))
    assert second.returncode == 1
    assert "A stack runs in" in second.stderr
    assert up.file.exists()


def test_a_token_without_a_stack_says_what_to_do(tmp_path: Path) -> None:
    """Without stack.json there is no issuer to ask."""
    answer = dev("token", "--state", str(tmp_path))
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "dev.py up" in answer.stderr
