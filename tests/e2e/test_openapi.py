"""Schemathesis asks the running app whatever its API document permits, and what it does not.

No answer may be a server error or differ from what the document says: status, headers, content
type, body. Two runs, each with a time of its own: one with a connected instance and its job behind
the ids of the paths, one that makes, uses and deletes its own things.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from local.stack.client import ApiClient
from local.stack.stack import Stack, StackOptions
from tests.convex_kit import small_export
from tests.e2e.kit import JOB_SECONDS, eventually

FEWEST: Final = 100
"""Requests of a run below which it proves nothing."""
ABOUT_THE_PLATFORM: Final = ("unsupported_method", "allow_header_conformance")
"""The Functions host answers 404, not 405, for a method no function has."""
BEYOND_A_SCHEMA: Final = ("positive_data_acceptance",)
"""A body of the right form may still name a time zone or a provider that does not exist."""
REACHING_OUT: Final = ("create_warehouse", "test_new_warehouse")
"""They would look for servers of any name that is made up, outside this machine."""
SIGN_IN: Final = {
    "DASHBOARD_URL": "https://dashboard.test",
    "PUBLIC_URL": "http://127.0.0.1:7071",
    "SIGN_IN_HUBSPOT_CLIENT_ID": "a-client",
    "SIGN_IN_HUBSPOT_CLIENT_SECRET": "its-secret",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("openapi")
    small_export(folder / "export.zip")
    options = StackOptions(
        state=folder / "stack", deals=40, convex_zip=folder / "export.zip", settings=SIGN_IN
    )
    with Stack(options) as stack:
        yield stack


@pytest.fixture(scope="module")
def token(stack: Stack) -> str:
    """Return the token of a customer who is an admin too, so that no route is closed."""
    claims = {"sub": "ada", "name": "Ada", "email": "", "roles": ["integrator.admin"]}
    answer = httpx.post(f"{stack.directory['issuer']['url']}/dev/token", json=claims, timeout=10)
    token = str(answer.raise_for_status().json()["access_token"])
    with ApiClient(stack.api, token) as api:
        api.call("PUT", "me", {"name": "Ada"})
    return token


@pytest.fixture
def ids(stack: Stack, token: str) -> dict[str, str]:
    """Return the ids of a connected HubSpot instance, its first job and that one's log."""
    with ApiClient(stack.api, token) as api:
        instance = api.call("POST", "instances", {"provider": "hubspot"})
        path = f"instances/{instance['id']}"
        api.call("PUT", f"{path}/connection", {"apiKey": stack.directory["hubspot"]["token"]})
        rules = api.call("GET", f"{path}/mappings")["mappings"]
        api.call("PUT", f"{path}/mappings", {"mappings": rules})
        api.call("PUT", f"{path}/sync-config", {"frequency": "manual"})
        job = api.call("POST", f"{path}/activate")["job"]
        api.wait(job["id"], seconds=JOB_SECONDS, meanwhile=stack.check)
        [log] = eventually(
            lambda: api.call("GET", "logs")["items"], seconds=JOB_SECONDS, what="a log"
        )
    return {"instance_id": instance["id"], "job_id": job["id"], "log_id": log["id"]}


def schemathesis(
    stack: Stack, token: str, folder: Path, *options: str, seconds: int, config: str = ""
) -> None:
    """Run it against the stack; fail with its report where it found anything."""
    (folder / "schemathesis.toml").write_text(config, encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--no-color"),
            *("--config-file", str(folder / "schemathesis.toml")),
            *("run", f"{stack.api}/openapi.json"),
            *("--header", f"Authorization: Bearer {token}"),
            *("--exclude-checks", ",".join((*ABOUT_THE_PLATFORM, *BEYOND_A_SCHEMA))),
            *("--max-time", str(seconds), "--seed", "7"),
            *("--continue-on-failure", "--no-shrink", "--warnings", "off"),
            *(part for name in REACHING_OUT for part in ("--exclude-operation-id", name)),
            *options,
        ],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds * 3,
        check=False,
    )
    stack.check()
    assert done.returncode == 0, done.stdout[-20_000:]
    sent = re.search(r"(\d+) generated", done.stdout)
    assert sent is not None, done.stdout
    assert int(sent[1]) >= FEWEST


def test_everything_that_can_be_asked_about_existing_things(
    stack: Stack, token: str, ids: dict[str, str], tmp_path: Path
) -> None:
    """Every operation but those that end the instance, with good and bad input, keeps its word."""
    config = "[parameters]\n" + "".join(f'"path.{name}" = "{ids[name]}"\n' for name in ids)
    schemathesis(
        stack,
        token,
        tmp_path,
        *("--phases", "examples,coverage,fuzzing"),
        *("--exclude-operation-id", "delete_instance"),
        *("--exclude-operation-id", "disconnect"),
        seconds=20,
        config=config,
    )
    with ApiClient(stack.api, token) as api:
        assert api.call("GET", f"instances/{ids['instance_id']}")["id"] == ids["instance_id"]


def test_things_made_used_and_deleted(stack: Stack, token: str, tmp_path: Path) -> None:
    """Chains of operations over things that the run makes itself keep their word as well."""
    schemathesis(stack, token, tmp_path, *("--phases", "coverage,stateful"), seconds=15)
