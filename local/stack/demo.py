"""`dev.py demo`: both main syncs end to end, through HTTP, the queue and the real functions."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.stack.client import ApiClient
from local.stack.stack import Stack, StackOptions

JOB_SECONDS = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoJob:
    """One finished sync and where its result stands."""

    provider: str
    sink: str
    job: dict[str, Any]
    place: str

    @property
    def is_success(self) -> bool:
        """Whether everything was synced."""
        return bool(self.job["status"] == "success")

    def to_json(self) -> dict[str, Any]:
        """Return the numbers, processed = success + warning + error."""
        counts = self.job["counts"] or {}
        names = ("processed", "success", "warning", "error", "unchanged")
        return {
            "provider": self.provider,
            "sink": self.sink,
            "status": self.job["status"],
            "mode": self.job["mode"],
            **{name: counts.get(name, 0) for name in names},
            "duration_ms": self.job["durationMs"] or 0,
            "error_message": self.job["errorMessage"],
            "look_at": self.place,
        }


def run_demo(
    options: StackOptions,
    *,
    as_json: bool,
    keep: bool,
    warehouse: Mapping[str, Any] | None = None,
) -> int:
    """Run the demo on a fresh state; return the exit status: 0 if all succeeded.

    The state's folder is removed unless `keep`. `warehouse` is the body that saves a warehouse for
    the tables; without one they go to a SQLite file.
    """
    state = options.state
    _say("Starting Azurite, the sandbox and the functions host …")
    try:
        with Stack(options) as stack:
            _say(f"The API answers at {stack.api}")
            jobs = sync_both(stack, warehouse)
    finally:
        if not keep:
            shutil.rmtree(state, ignore_errors=True)
    ok = all(job.is_success for job in jobs)
    if as_json:
        result: dict[str, Any] = {"ok": ok, "jobs": [job.to_json() for job in jobs]}
        if keep:
            result["state"] = str(state)
        print(json.dumps(result))
    else:
        print(_table(jobs))
        kept = f"State kept in {state}" if keep else "State removed; --keep leaves it."
        print(f"\n{kept}")
    return 0 if ok else 1


def sync_both(stack: Stack, warehouse: Mapping[str, Any] | None = None) -> list[DemoJob]:
    """Make a profile, walk the wizard for two instances, activate both and wait for their jobs.

    HubSpot is signed in at, consent page included; Convex is connected by its key.
    """
    directory = stack.directory
    with ApiClient(stack.api, stack.token()) as api:
        api.call("PUT", "me", {"name": "Ada's company", "timeZone": "Europe/Rome"})
        hubspot = api.sign_in("hubspot")
        destination, tables = "", str(stack.state / "warehouse.db")
        if warehouse is not None:
            destination = api.call("POST", "warehouses", warehouse)["id"]
            tables = "{host}:{port} {database}.{schema}".format_map(warehouse)
        convex = api.connect(
            "convex",
            api_key=directory["convex"]["deployKey"],
            options={"deploymentUrl": directory["convex"]["url"]},
            destination=destination,
        )
        started = [
            (
                "hubspot",
                "linkhub",
                api.start(hubspot["id"]),
                str(stack.state / "sandbox/linkhub.db"),
            ),
            ("convex", "warehouse", api.start(convex["id"]), tables),
        ]
        _say("Both syncs are queued; waiting for the queue-triggered functions …")
        return [
            DemoJob(
                provider=provider,
                sink=sink,
                job=api.wait(job["id"], seconds=JOB_SECONDS, meanwhile=stack.check),
                place=place,
            )
            for provider, sink, job, place in started
        ]


def _table(jobs: list[DemoJob]) -> str:
    columns = [
        *("provider", "sink", "status", "mode"),
        *("processed", "success", "warning", "error", "unchanged"),
        *("duration_ms", "look_at"),
    ]
    rows = [columns]
    for job in jobs:
        values = job.to_json()
        rows.append(
            [f"{values[c]:,}" if isinstance(values[c], int) else str(values[c]) for c in columns]
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
    lines = ["  ".join(cell.ljust(widths[i]) for i, cell in enumerate(row)) for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    lines += [f"{job.provider}: {job.job['errorMessage']}" for job in jobs if not job.is_success]
    return "\n".join(line.rstrip() for line in lines)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
