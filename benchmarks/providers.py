"""Reading HubSpot's deals: the product against a bare loop, dlt and Singer's meltano-tap-hubspot.

All read the same ten properties of the same deals from the HubSpot emulator, which runs without
limits, has rendered its pages before, and is warm.

- `linkhub` is the production adapter's full read: pages of changes with their checkpoints;
- `raw-requests` is a loop over `requests` that follows the paging, parses and stores nothing;
- `dlt-extract` is dlt's rest_api source, `pipeline.extract`; `tap-hubspot` writes Singer messages;
- `linkhub-end-to-end` is a job as production runs it, from its queue message to its closed log: it
  reads, maps, and writes every deal to LinkHub's emulator, all functions and the queue included;
- `dlt-duckdb` is dlt's whole pipeline, from the same source into a DuckDB file.

Then, with HubSpot's limit of 100 requests in 10 seconds switched on, the adapter reads for
`--windows` windows: `budget_used` is the share of what the limit allows, `refusals` its 429s.

Each contestant has a process of its own, `--runs` times in turn; imports are not counted. The
figures are medians, the ratios are those of rounds, medians too.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks.peers import find_peer, measure, say
from benchmarks.report import Report, Result
from local.stack.client import ApiClient
from local.stack.stack import Stack, StackOptions

HERE: Final = Path(__file__).resolve().parent
JOB_SECONDS: Final = 900
LIMIT: Final = 100
WINDOW_SECONDS: Final = 10
READERS: Final = ("linkhub", "raw-requests", "dlt-extract", "tap-hubspot")
WHOLE: Final = ("linkhub-end-to-end", "dlt-duckdb")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--deals", type=int, default=100_000, help="default 100,000")
    parser.add_argument("--runs", type=int, default=3, help="of each contestant (default 3)")
    parser.add_argument("--windows", type=int, default=5, help="of the limit; 0 leaves it out")


def run(options: argparse.Namespace) -> Report:
    """Return records per second of everybody, and what the limit's budget was used for."""
    peers = {"dlt": find_peer("dlt"), "tap-hubspot": find_peer("tap-hubspot")}
    rounds: list[dict[str, float]] = []
    with _stack(options.deals) as stack:
        bench = _Bench(stack, deals=options.deals, peers=peers)
        for _ in range(options.runs):
            rounds.append({})
            for name in (*READERS, *WHOLE):
                speed = bench.measure(name)
                if speed is not None:
                    rounds[-1][name] = speed
        limit = bench.keep_the_limit(options.windows) if options.windows else {}
    names = [name for name in (*READERS, *WHOLE) if name in rounds[0]]
    return Report(
        benchmark="providers",
        results=[
            Result(
                name=name,
                is_default=name == "linkhub",
                figures={"rows_per_second": round(_median(one[name] for one in rounds))},
                correct=bench.is_correct[name],
            )
            for name in names
        ],
        summary={"deals": options.deals, **_ratios(rounds), **limit},
    )


def _ratios(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Return how the product compares, as far as its peers were there."""
    readers = [name for name in ("dlt-extract", "tap-hubspot") if name in rounds[0]]
    found = {"reading_by_raw_loop": _median(r["linkhub"] / r["raw-requests"] for r in rounds)}
    if readers:
        found["reading_by_faster_peer"] = _median(
            one["linkhub"] / max(one[name] for name in readers) for one in rounds
        )
    if "dlt-duckdb" in rounds[0]:
        found["end_to_end_by_dlt"] = _median(
            one["linkhub-end-to-end"] / one["dlt-duckdb"] for one in rounds
        )
    return {name: round(value, 2) for name, value in found.items()}


def _median(values: Iterator[float]) -> float:
    return statistics.median(values)


class _Bench:
    """One running stack, and the contestants that read from it."""

    def __init__(self, stack: Stack, *, deals: int, peers: dict[str, Path | None]) -> None:
        self._stack = stack
        self._deals = deals
        self._peers = peers
        hubspot = stack.directory["hubspot"]
        self._environment = {"HUBSPOT_URL": hubspot["url"], "HUBSPOT_TOKEN": hubspot["token"]}
        self.is_correct: dict[str, bool] = {}
        self._limit(burst=0)
        self._read("raw-requests")  # the emulator renders its pages

    def measure(self, name: str) -> float | None:
        """Return a contestant's records per second, None where it is not to be had here."""
        found = self._end_to_end() if name == "linkhub-end-to-end" else self._read(name)
        if found is None:
            return None
        speed = float(found["records"] / found["seconds"])
        say(f"{name}: {found['records']:,} records in {found['seconds']:.1f} s, {speed:,.0f}/s")
        self.is_correct[name] = found["records"] == self._deals
        return speed

    def keep_the_limit(self, windows: int) -> dict[str, float]:
        """Read under the limit for that many windows; return what was used and refused."""
        say(f"Reading for {windows} windows of {LIMIT} requests in {WINDOW_SECONDS} s …")
        seconds = windows * WINDOW_SECONDS
        self._limit(burst=LIMIT)
        self._control("DELETE", "/_requests")
        found = measure(
            [sys.executable, "-m", "benchmarks.providers_reads", "linkhub", str(seconds)],
            environment=self._environment,
        )
        self._limit(burst=0)
        rows = self._control("GET", "/_requests").json()["hubspot"]["requests"]
        answers = {row["status"]: 0 for row in rows}
        for row in rows:
            answers[row["status"]] += row["count"]
        allowed = LIMIT * found["seconds"] / WINDOW_SECONDS
        used = round(answers.get(200, 0) / allowed, 3)
        return {"budget_used": used, "refusals": answers.get(429, 0)}

    def _read(self, name: str) -> dict[str, Any] | None:
        if name in {"linkhub", "raw-requests"}:
            command: list[str | Path] = [sys.executable, "-m", "benchmarks.providers_reads", name]
            return measure(command, environment=self._environment)
        home = self._peers["tap-hubspot" if name == "tap-hubspot" else "dlt"]
        if home is None:
            return None
        script = "peer_tap_hubspot.py" if name == "tap-hubspot" else "peer_dlt_hubspot.py"
        with tempfile.TemporaryDirectory() as folder:
            # dlt looks for its projects and keeps its state in these
            places = {"HOME": folder, "DLT_DATA_DIR": folder, "RUNTIME__DLTHUB_TELEMETRY": "false"}
            return measure(
                [home / "python", HERE / script, name, folder],
                environment={**self._environment, **places},
            )

    def _end_to_end(self) -> dict[str, Any]:
        with ApiClient(self._stack.api, self._stack.token()) as api:
            api.call("PUT", "me", {"name": "Benchmark", "timeZone": "UTC"})
            instance = api.sign_in("hubspot")
            started = api.start(instance["id"])
            job = api.wait(started["id"], seconds=JOB_SECONDS, meanwhile=self._stack.check)
            counts = job["counts"]
            api.call("DELETE", f"instances/{instance['id']}")
        return {"records": counts["success"], "seconds": job["durationMs"] / 1000}

    def _limit(self, *, burst: int) -> None:
        url = f"{self._stack.directory['hubspot']['url']}/_limits"
        httpx.put(url, json={"burst": burst}, timeout=30).raise_for_status()

    def _control(self, method: str, path: str) -> httpx.Response:
        answer = httpx.request(method, self._stack.sandbox + path, timeout=30)
        return answer.raise_for_status()


@contextmanager
def _stack(deals: int) -> Iterator[Stack]:
    say(f"Starting the stack with {deals:,} deals …")
    with (
        tempfile.TemporaryDirectory() as folder,
        Stack(StackOptions(state=Path(os.path.realpath(folder)), deals=deals)) as stack,
    ):
        yield stack
