"""`python -m benchmarks.warehouse_loads linkhub|raw-loop ZIP DATABASE`: one load in this process.

Prints one JSON object: seconds of the load, those its threads computed, and the peak in MB.
"""

from __future__ import annotations

import json
import resource
import sqlite3
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import orjson

from adapters.convex.pages import read_pages
from adapters.convex.snapshot import Snapshot
from shared.domain.changes import Change, Page, RecordProblem
from shared.domain.checkpoints import Checkpoint, Mode
from shared.domain.tallies import Tally
from shared.engine.opening import SyncPlan
from shared.engine.sync import Ending, run_sync
from shared.ports.provider import CheckResult, PushResult
from shared.ports.sink import Sink
from shared.sinks.warehouse import WarehouseSink

COLUMNS: Final = {
    "_id": "TEXT",
    "_creationTime": "REAL",
    **dict.fromkeys(("year", "month", "day", "dep_time", "sched_dep_time"), "INTEGER"),
    "dep_delay": "REAL",
    **dict.fromkeys(("arr_time", "sched_arr_time"), "INTEGER"),
    "arr_delay": "REAL",
    "carrier": "TEXT",
    "flight": "INTEGER",
    **dict.fromkeys(("tailnum", "origin", "dest"), "TEXT"),
    "air_time": "REAL",
    **dict.fromkeys(("distance", "hour", "minute"), "INTEGER"),
    **dict.fromkeys(("time_hour", "meta", "tags", "remark"), "TEXT"),
}
"""What the hand-written loop must be told, and the product finds out."""
NESTED: Final = ("meta", "tags")
BATCH: Final = 5_000


class LocalExport:
    """An export on disk as an opened connection: the adapter's reader without the download."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, scope: str, checkpoint: Checkpoint | None) -> Iterator[Page]:
        """Yield the export's pages, as the adapter does once the file is there."""
        del scope
        resume = (checkpoint.resume if checkpoint else None) or {"export": "local"}
        snapshot = Snapshot.open(self._path)
        try:
            yield from read_pages(snapshot, resume=resume, wanted={})
        finally:
            snapshot.close()

    def check(self) -> CheckResult:
        """Name the file."""
        return CheckResult(account="local", label=self._path.name)

    def discover(self) -> Sequence[Any]:
        """Return nothing: a job does not ask."""
        return ()

    def get(self, stream: str, keys: Sequence[str]) -> Sequence[Change]:
        """Return nothing: an export comes whole."""
        del stream, keys
        return ()

    def push(self, stream: str, changes: Sequence[Change]) -> Iterator[PushResult]:
        """Send nothing."""
        del stream, changes
        return iter(())

    def close(self) -> None:
        """Keep the file."""


class NullRunLog:
    """A run log that keeps nothing: the job's rows are in another database anyway."""

    def opened(self, mode: Mode) -> None:
        """Ignore the mode."""

    def record(self, tally: Tally, problems: Sequence[RecordProblem]) -> bool:
        """Ignore the counts; nobody asks to cancel."""
        del tally, problems
        return False

    def heartbeat(self) -> bool:
        """Need no lease."""
        return False


def run_job(export: Path, sink: Sink) -> None:
    """Do what a job of production does, but for its download and its log; close the sink."""
    try:
        outcome = run_sync(
            plan=SyncPlan(
                job_id="job-1",
                mode=Mode.FULL,
                incremental=False,
                fingerprint="bench",
                scopes=("*",),
                record_error_limit=0,
            ),
            source=LocalExport(export),
            sink=sink,
            run_log=NullRunLog(),
            budget_seconds=3600,
        )
    finally:
        sink.close()
    if outcome.ending is not Ending.COMPLETED or not all(one.is_equal for one in outcome.checks):
        raise RuntimeError(f"The load ended as {outcome.ending}, or its tables differ.")


def load_by_linkhub(export: Path, database: Path) -> None:
    """Load into a SQLite file."""
    url = f"sqlite:///{database}"
    run_job(export, WarehouseSink(url=url, instance_id="bench", run_id="run-1"))


def load_by_hand(export: Path, database: Path) -> None:
    """Do what a person writes who knows the columns and trusts the file."""
    names = tuple(COLUMNS)
    nested = [names.index(name) for name in NESTED]
    loads, dumps = orjson.loads, orjson.dumps
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    declared = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())
    with zipfile.ZipFile(export) as archive:
        for entry in archive.namelist():
            table, _, file_name = entry.partition("/")
            if table.startswith("_") or file_name != "documents.jsonl":
                continue
            connection.execute(f"CREATE TABLE {table} ({declared})")
            insert = f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))})"
            with archive.open(entry) as file:
                batch: list[list[Any]] = []
                for line in file:
                    get = loads(line).get
                    row = [get(name) for name in names]
                    for at in nested:
                        if row[at] is not None:
                            row[at] = dumps(row[at]).decode()
                    batch.append(row)
                    if len(batch) == BATCH:
                        connection.executemany(insert, batch)
                        batch.clear()
                connection.executemany(insert, batch)
            connection.execute(f'CREATE UNIQUE INDEX {table}_id ON {table} ("_id")')
            connection.commit()
    connection.close()


LOADS: Final[dict[str, Callable[[Path, Path], None]]] = {
    "linkhub": load_by_linkhub,
    "raw-loop": load_by_hand,
}


def main() -> None:
    """Run one load and print what it took."""
    name, export, database = sys.argv[1:]
    timed(name, lambda: LOADS[name](Path(export), Path(database)))


def timed(name: str, load: Callable[[], None]) -> None:
    """Run a load of the contestant `name` and print what it took."""
    if name.startswith("linkhub"):
        import_module("function_app")  # the process as production has it, its memory included
    started = time.perf_counter()
    worked = time.process_time()
    load()
    seconds = time.perf_counter() - started
    cpu = time.process_time() - worked
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "peak_mb": peak_bytes() / 1e6}))


def peak_bytes() -> int:
    """Return the most memory this process has had; Linux hands a parent's `ru_maxrss` on."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text(encoding="ascii").partition("VmHWM:")[2].split()[0]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main()
