"""What the end-to-end tests share: the running stack, its controls, and both destinations."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from local.stack.client import ApiClient
from local.stack.stack import Stack, StackOptions

ROOT = Path(__file__).resolve().parents[2]
DEV = (sys.executable, str(ROOT / "dev.py"))
JOB_SECONDS = 600.0
STEP_SECONDS = 240.0
"""What was waited for as long as that will not come, not even on the slowest of machines."""
COUNTS = ("processed", "success", "warning", "error", "unchanged")

Found = TypeVar("Found")


def eventually(look: Callable[[], Found | None], *, seconds: float, what: str) -> Found:
    """Return the first true value of `look`; fail saying `what` did not come about in time."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.02)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A stack with a signed-in customer and an instance of each provider."""

    stack: Stack
    token: str
    hubspot: str
    convex: str
    sandbox: httpx.Client

    @contextmanager
    def api(self) -> Iterator[ApiClient]:
        """Give a client of the API as it is now: a new host has a new port."""
        with ApiClient(self.stack.api, self.token) as client:
            yield client

    def start(self, instance: str, *, mode: str = "full") -> str:
        """Start a sync; return its job's id."""
        with self.api() as api:
            return str(api.start(instance, mode=mode)["id"])

    def wait(self, job_id: str) -> dict[str, Any]:
        """Return the job once it is over."""
        with self.api() as api:
            return api.wait(job_id, seconds=JOB_SECONDS, meanwhile=self.stack.check)

    def sync(self, instance: str, *, mode: str = "full") -> dict[str, Any]:
        """Start a sync and return its job once it is over."""
        return self.wait(self.start(instance, mode=mode))

    def fault(self, provider: str, fault: str, **options: object) -> None:
        """Switch a fault on."""
        body = {"provider": provider, "fault": fault, **options}
        self.sandbox.post("/_faults", json=body).raise_for_status()

    def struck(self) -> list[int]:
        """Return how often each fault that is still active struck."""
        active = self.sandbox.get("/_faults").raise_for_status().json()["active"]
        return [fault["struck"] for fault in active]

    @contextmanager
    def counted(self) -> Iterator[Callable[[str, str], dict[int, int]]]:
        """Count requests from here on: `answers(provider, path)` gives answers by status."""
        self.sandbox.delete("/_requests").raise_for_status()

        def answers(provider: str, path: str) -> dict[int, int]:
            report = self.sandbox.get("/_requests").raise_for_status().json()
            found: dict[int, int] = {}
            for row in report.get(provider, {"requests": []})["requests"]:
                if path in row["path"]:
                    found[row["status"]] = found.get(row["status"], 0) + row["count"]
            return found

        try:
            yield answers
        finally:
            self.sandbox.delete("/_faults").raise_for_status()

    def change_deals(self, **changes: object) -> dict[str, Any]:
        """Change HubSpot's deals from outside."""
        answer = self.sandbox.post("/hubspot/_deals", json=changes).raise_for_status()
        changed: dict[str, Any] = answer.json()
        return changed

    def deal_ids(self) -> set[str]:
        """Return the ids of all live deals, read as anybody reads HubSpot."""
        entry = self.stack.directory["hubspot"]
        headers = {"Authorization": f"Bearer {entry['token']}"}
        found: set[str] = set()
        params: dict[str, str | int] = {"limit": 100}
        while True:
            answer = self.sandbox.get(
                "/hubspot/crm/objects/2026-03/deals", params=params, headers=headers
            )
            page = answer.raise_for_status().json()
            found |= {deal["id"] for deal in page["results"]}
            if "paging" not in page:
                return found
            params["after"] = page["paging"]["next"]["after"]

    def linkhub(self, statement: str, *values: object) -> list[sqlite3.Row]:
        """Query LinkHub's database."""
        return query(self.stack.state / "sandbox" / "linkhub.db", statement, *values)

    def warehouse(self, statement: str, *values: object) -> list[sqlite3.Row]:
        """Query the warehouse."""
        return query(self.stack.state / "warehouse.db", statement, *values)

    def warehouse_exists(self) -> bool:
        """Tell whether anything was ever loaded."""
        return (self.stack.state / "warehouse.db").exists()

    def app(self, statement: str, *values: object) -> list[sqlite3.Row]:
        """Query the app's own database."""
        return query(self.stack.state / "app.db", statement, *values)


@contextmanager
def running_world(options: StackOptions) -> Iterator[World]:
    """Run a stack for the length of the block, both providers connected and nothing synced."""
    with ExitStack() as opened:
        stack = opened.enter_context(Stack(options))
        sandbox = opened.enter_context(httpx.Client(base_url=stack.sandbox, timeout=STEP_SECONDS))
        yield joined(stack, sandbox, subject="ada")


def joined(stack: Stack, sandbox: httpx.Client, *, subject: str) -> World:
    """Return the stack as another customer sees it, with an instance of each provider."""
    claims = {"sub": subject, "name": subject, "email": f"{subject}@example.com"}
    answer = sandbox.post("/issuer/dev/token", json=claims).raise_for_status()
    token = str(answer.json()["access_token"])
    directory = stack.directory
    with ApiClient(stack.api, token) as api:
        api.call("PUT", "me", {"name": subject})
        hubspot = api.connect("hubspot", api_key=directory["hubspot"]["token"])
        convex = api.connect(
            "convex",
            api_key=directory["convex"]["deployKey"],
            options={"deploymentUrl": directory["convex"]["url"]},
        )
    return World(
        stack=stack, token=token, hubspot=hubspot["id"], convex=convex["id"], sandbox=sandbox
    )


def query(path: Path, statement: str, *values: object) -> list[sqlite3.Row]:
    """Return the rows a SQLite file answers; the file is not changed."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=60)) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute(statement, values).fetchall()


def counts_of(job: Mapping[str, Any]) -> dict[str, int]:
    """Return a job's counts, those of `COUNTS`."""
    return {name: job["counts"][name] for name in COUNTS}


def descendants(pid: int) -> set[int]:
    """Return the ids of all processes below `pid`."""
    parents = _parents()
    found: set[int] = set()
    waiting = {pid}
    while waiting:
        waiting = {child for child, parent in parents.items() if parent in waiting} - found
        found |= waiting
    return found


def alive(pids: set[int]) -> set[int]:
    """Return those of `pids` that still run."""
    return pids & _parents().keys()


@contextmanager
def ended_with_us(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Give a process that is dead, and its pipes closed, when the block ends."""
    try:
        yield process
    finally:
        if process.poll() is None:
            below = descendants(process.pid)
            process.terminate()
            process.communicate(timeout=STEP_SECONDS)
            assert not alive(below), "the program left processes behind"
        for pipe in filter(None, (process.stdout, process.stderr)):
            pipe.close()


def _parents() -> dict[int, int]:
    """Return the parent of every process of this machine."""
    if not Path("/proc/self/stat").exists():
        listed = subprocess.run(
            ["ps", "-axo", "pid=,ppid="],  # noqa: S607  macOS; where it lies is the system's affair
            capture_output=True,
            text=True,
            check=True,
        )
        pairs = (line.split() for line in listed.stdout.splitlines())
        return {int(pid): int(parent) for pid, parent in pairs}
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            # the command in brackets may hold anything, blanks and brackets too
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    return parents
