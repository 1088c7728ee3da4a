"""`dev.py demo` as a program: what it prints, how it ends, and what it leaves behind."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.sandbox.convex.sample import write_export
from tests.convex_kit import documents
from tests.e2e.kit import DEV, ROOT, alive, descendants, ended_with_us

DEMO_SECONDS = 900.0
LOOK_SECONDS = 0.1
COUNTS = {"processed", "success", "warning", "error", "unchanged", "duration_ms"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """A demo that has ended; `children` are all processes it ever started."""

    status: int
    stdout: str
    stderr: str
    children: set[int]

    def jobs(self) -> dict[str, dict[str, Any]]:
        """Return the jobs of its JSON object by provider."""
        return {job["provider"]: job for job in json.loads(self.stdout)["jobs"]}


def demo(*words: str) -> Demo:
    children: set[int] = set()
    process = subprocess.Popen(
        [*DEV, "demo", *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with ended_with_us(process):
        for _ in range(round(DEMO_SECONDS / LOOK_SECONDS)):
            try:
                stdout, stderr = process.communicate(timeout=LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                children |= descendants(process.pid)
            else:
                return Demo(
                    status=process.returncode, stdout=stdout, stderr=stderr, children=children
                )
        raise AssertionError(f"the demo did not end within {DEMO_SECONDS:.0f} s")


def test_json_is_all_it_prints_and_nothing_is_left(tmp_path: Path) -> None:
    """With a person's own ZIP: one JSON object, both jobs a success, no process, no file."""
    own, folder = tmp_path / "own.zip", tmp_path / "state"
    counts = write_export(
        own,
        {"cars": documents(1200, table="c"), "empty": []},
        components={"shop": {"bills": documents(7, table="b", note="Zürich")}},
    )

    done = demo("--json", "--state", str(folder), "--convex-zip", str(own))

    assert done.status == 0, done.stderr
    assert json.loads(done.stdout)["ok"] is True
    jobs = done.jobs()
    assert {(job["provider"], job["sink"], job["mode"]) for job in jobs.values()} == {
        ("hubspot", "linkhub", "full"),
        ("convex", "warehouse", "full"),
    }
    for job in jobs.values():
        assert job["status"] == "success"
        assert job.keys() >= COUNTS
        assert all(type(job[name]) is int for name in COUNTS)
        assert job["processed"] == job["success"] + job["warning"] + job["error"]
        assert job["duration_ms"] > 0
    assert jobs["hubspot"]["processed"] == 25_000
    assert jobs["convex"]["processed"] == sum(counts.values())
    assert len(done.children) >= 4, "the command's own process, Azurite, the sandbox and the host"
    assert alive(done.children) == set()
    assert list(folder.iterdir()) == []


def test_a_sync_that_fails_fails_the_demo(tmp_path: Path) -> None:
    """A malicious table name is refused by name, the rest goes on; `--keep` leaves the state."""
    hostile, folder = tmp_path / "hostile.zip", tmp_path / "state"
    name = "x]; DROP TABLE y--"
    write_export(hostile, {"y": documents(5), name: documents(5)})

    done = demo("--json", "--keep", "--state", str(folder), "--convex-zip", str(hostile))

    assert done.status == 1
    told = json.loads(done.stdout)
    assert told["ok"] is False
    jobs = done.jobs()
    assert jobs["hubspot"]["status"] == "success"
    assert jobs["convex"]["status"] == "failed"
    assert name in jobs["convex"]["error_message"]
    assert alive(done.children) == set()
    [kept] = folder.iterdir()
    assert told["state"] == str(kept)
    linkhub = kept / "sandbox" / "linkhub.db"
    assert jobs["hubspot"]["look_at"] == str(linkhub)
    with closing(sqlite3.connect(linkhub)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM initiatives").fetchone() == (25_000,)


def test_a_zip_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    """A wrong path is a wrong command line: nothing is started for it."""
    done = demo("--state", str(tmp_path), "--convex-zip", str(tmp_path / "none.zip"))
    assert done.status == 2
    assert "none.zip" in done.stderr
    assert list(tmp_path.iterdir()) == []
