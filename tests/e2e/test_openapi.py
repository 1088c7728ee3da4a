"""Schemathesis asks the running app whatever its API document permits, and what it does not.

No answer may be a server error or differ from what the document says: status, headers, content
type, body. Two runs: one with a connected instance and its job behind the ids of the paths, one of
chains that make, use and delete their own things.

What is sent is a number of requests, not what a machine gets done in a time, and follows from a
seed. Whoever looks for more sets `FUZZ_SEED` (7 unless it is set) and `FUZZ_EXAMPLES` (so many of
each operation, and three times as many chains).
"""

from __future__ import annotations

import os
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
from tests.e2e.chains_kit import ANSWERS, PATIENCE, World
from tests.e2e.kit import JOB_SECONDS, eventually

SEED: Final = int(os.environ.get("FUZZ_SEED", "7"))
EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "20"))
CHAINS: Final = 3 * EXAMPLES
FEWEST: Final = 1500
"""Requests to existing things below which a run proves nothing; a whole one has some 2,350."""
NEVER_SO_LONG: Final = 900 + 60 * EXAMPLES
"""Seconds after which something hangs. A run takes some 15 with 20 examples on an idle machine."""
ABOUT_THE_PLATFORM: Final = ("unsupported_method", "allow_header_conformance")
"""The Functions host answers 404, not 405, for a method no function has."""
BEYOND_A_SCHEMA: Final = ("positive_data_acceptance",)
"""A body of the right form may still name a time zone or a provider that does not exist."""
ASKED_ELSEWHERE: Final = ("ignored_auth",)
"""It asks again without a token where an answer was good, which may be up to a job beside it; the
access matrix asks so of every route."""
REACHING_OUT: Final = ("create_warehouse", "test_new_warehouse")
"""They would look for servers of any name that is made up, outside this machine."""
ENDING: Final = ("delete_instance", "disconnect")
"""After them the ids of the paths would be nobody's."""
SAME_EACH_TIME: Final = f"""
[checks.not_a_server_error]
expected-statuses = {list(ANSWERS)}
[cache]
enabled = false
[phases.examples.extra-data-sources]
responses = false
[phases.coverage.extra-data-sources]
responses = false
[phases.fuzzing.extra-data-sources]
responses = false
[phases.fuzzing.error-feedback]
enabled = false
"""
"""Nothing that is sent is taken from an answer, whose ids and times are new in each run."""
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


@pytest.fixture(scope="module")
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


def test_everything_that_can_be_asked_about_existing_things(
    stack: Stack, token: str, ids: dict[str, str], tmp_path: Path
) -> None:
    """Every operation but those that end the instance, with good and bad input, keeps its word."""
    named = "".join(f'"path.{name}" = "{ids[name]}"\n' for name in ids)
    config = tmp_path / "schemathesis.toml"
    config.write_text(f"[parameters]\n{named}{SAME_EACH_TIME}", encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", str(config)),
            *("run", f"{stack.api}/openapi.json", "--header", f"Authorization: Bearer {token}"),
            *("--phases", "examples,coverage,fuzzing", "--workers", "1", "--seed", str(SEED)),
            *("--max-examples", str(EXAMPLES), "--generation-database", "none", "--no-shrink"),
            *("--suppress-health-check", "all", "--request-timeout", str(PATIENCE)),
            *("--exclude-checks", ",".join(ABOUT_THE_PLATFORM + BEYOND_A_SCHEMA + ASKED_ELSEWHERE)),
            *("--continue-on-failure", "--warnings", "off"),
            *(part for name in REACHING_OUT + ENDING for part in ("--exclude-operation-id", name)),
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=NEVER_SO_LONG,
        check=False,
    )
    stack.check()
    assert done.returncode == 0, done.stdout[-20_000:]
    sent = re.search(r"(\d+) generated", done.stdout)
    assert sent is not None, done.stdout
    assert int(sent[1]) >= FEWEST
    with ApiClient(stack.api, token) as api:
        assert api.call("GET", f"instances/{ids['instance_id']}")["id"] == ids["instance_id"]


def test_things_made_used_and_deleted(stack: Stack, token: str, ids: dict[str, str]) -> None:
    """Chains of operations over things that they make themselves keep their word as well."""
    with ApiClient(stack.api, token) as api:
        rules = api.call("GET", f"instances/{ids['instance_id']}/mappings")["mappings"]
    world = World(stack=stack, rules=rules, without_checks=ABOUT_THE_PLATFORM + BEYOND_A_SCHEMA)
    world.play(CHAINS, seed=SEED)
    stack.check()
    assert world.failures == []
    assert world.asked["POST /api/v1/instances 201"] >= CHAINS // 10
    assert world.asked.total() >= 3 * CHAINS
    unavailable = sum(n for what, n in world.asked.items() if what.endswith(" 503"))
    assert unavailable <= world.asked.total() // 10, world.asked
