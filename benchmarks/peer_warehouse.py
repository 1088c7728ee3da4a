"""`python peer_warehouse.py NAME FOLDER TARGET`: one load by another tool, in its own venv.

TARGET is a SQLite file; or a schema, where BENCH_DLT and BENCH_SLING say of which SQL Server.

Nothing of this project is imported: the venv has the peer and nothing else. FOLDER holds one
`<table>.jsonl` for each table, unpacked, which is a head start. Prints one JSON object: seconds of
the load, imports not included, and the peak in MB of whatever process does it.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = 5_000


def load_by_dlt(folder: Path, target: str) -> tuple[float, float]:
    """Hand dlt parsed pages, as its users do; nested values stay whole."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "CRITICAL"
    import dlt
    import orjson

    def pages(path: Path) -> Iterator[list[dict[str, Any]]]:
        page = []
        with path.open("rb") as file:
            for line in file:
                page.append(orjson.loads(line))
                if len(page) == PAGE:
                    yield page
                    page = []
        if page:
            yield page

    server = os.environ.get("BENCH_DLT")
    destination = (
        dlt.destinations.mssql(server)
        if server
        else dlt.destinations.sqlalchemy(f"sqlite:///{target}")
    )
    with tempfile.TemporaryDirectory() as home:
        started = time.perf_counter()
        pipeline = dlt.pipeline(
            "bench",
            destination=destination,
            dataset_name=target if server else "main",
            pipelines_dir=home,
        )
        pipeline.run(
            [
                dlt.resource(
                    pages(path),
                    name=path.stem,
                    max_table_nesting=0,
                    write_disposition="replace",
                )
                for path in sorted(folder.glob("*.jsonl"))
            ]
        ).raise_on_failed_jobs()
        seconds = time.perf_counter() - started
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def load_by_sling(folder: Path, target: str) -> tuple[float, float]:
    """Run its program once a table, flattened: without that all of a line is one text column."""
    purelib = Path(sysconfig.get_paths()["purelib"])
    program = next(purelib.glob("sling_linux_amd64/bin/sling-linux-amd64"))
    env = {**os.environ, "SLING_DISABLE_TELEMETRY": "true", "SLING_LOADED_AT_COLUMN": "false"}
    is_server = "BENCH_SLING" in env
    connection, schema = ("BENCH_SLING", target) if is_server else (f"sqlite://{target}", "main")
    started = time.perf_counter()
    for path in sorted(folder.glob("*.jsonl")):
        source = ["--src-stream", path.as_uri(), "--src-options", "{flatten: 0}"]
        place = ["--tgt-conn", connection, "--tgt-object", f"{schema}.{path.stem}"]
        subprocess.run(
            [program, "run", *source, *place, "--mode", "full-refresh"],
            env=env,
            stdout=sys.stderr,
            check=True,
        )
    seconds = time.perf_counter() - started
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


LOADS = {"dlt": load_by_dlt, "sling": load_by_sling}


def main() -> None:
    """Run one load on a copy of the tables' names and print what it took."""
    name, folder, target = sys.argv[1:]
    stdout, sys.stdout = sys.stdout, sys.stderr  # peers talk
    seconds, peak = LOADS[name](Path(folder), target)
    print(json.dumps({"seconds": seconds, "peak_mb": peak}), file=stdout)


if __name__ == "__main__":
    main()
