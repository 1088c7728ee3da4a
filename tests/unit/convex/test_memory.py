from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from local.sandbox.convex.archive import write_export
from tests.convex_kit import documents, serve

MEGABYTE = 1024
"""Peaks are in KiB."""

PEAK = """
status = Path("/proc/self/status")
if status.exists():  # Linux hands a parent's ru_maxrss on to its children, but not its VmHWM
    peak = status.read_text().partition("VmHWM:")[2].split()[0]
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(rows, peak)
"""

READ = """
import resource, sys
from pathlib import Path
from adapters.convex.pages import read_pages
from adapters.convex.snapshot import Snapshot

rows = 0
snapshot = Snapshot.open(Path(sys.argv[1]))
for page in read_pages(snapshot, resume={"export": "1"}, wanted={}):
    rows += len(page.changes)
snapshot.close()
"""

SYNC = """
import resource, sys
from pathlib import Path
from shared.engine.sync import run_sync
from shared.sinks.warehouse.sink import WarehouseSink
from tests.convex_kit import connect
from tests.factories import make_plan
from tests.fakes import FakeRunLog

url, folder = sys.argv[1], Path(sys.argv[2])
folder.mkdir()
sink = WarehouseSink(url=f"sqlite:///{folder}/warehouse.db", instance_id="i", run_id="r")
connection = connect(url, folder, source="sync")
outcome = run_sync(
    plan=make_plan(scopes=("*",)),
    source=connection,
    sink=sink,
    run_log=FakeRunLog(),
    budget_seconds=600,
)
connection.close()
sink.close()
rows = outcome.loads[0].row_count
"""


def _peak_of(script: str, *arguments: object, rows: int) -> int:
    """Return the peak memory in KiB of a process of its own that reads so many rows."""
    ended = subprocess.run(
        [sys.executable, "-c", script + PEAK, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    read, peak = map(int, ended.stdout.split())
    assert read == rows
    return peak


def test_memory_does_not_grow_with_the_export(tmp_path: Path) -> None:
    """Reading ten times as many rows peaks at most 1.3 times as high."""
    peaks = []
    for name, count in (("small", 20_000), ("large", 200_000)):
        path = tmp_path / f"{name}.zip"
        write_export(path, {"cars": documents(count, text="x" * 200)})
        peaks.append(_peak_of(READ, path, rows=count + 1))
    assert peaks[1] <= 1.3 * peaks[0]


def test_memory_does_not_grow_with_the_answers_of_a_data_sync(tmp_path: Path) -> None:
    """A sync into a warehouse by answers of 64 MiB peaks under 150 MB, and ten times as many rows
    peak at most 1.3 times as high.
    """
    peaks = []
    for name, count in (("small", 3_300), ("large", 33_000)):
        path = tmp_path / f"{name}.zip"
        write_export(path, {"cars": documents(count, text="x" * 4_000)})
        with serve(state_dir=tmp_path / name, zip_file=path) as server:
            server.settle(plan="pro")
            peaks.append(_peak_of(SYNC, server.url, tmp_path / f"{name}-work", rows=count))
            answers = len(server.answered("/data/sync"))
    assert answers == 3  # two of 64 MiB, and the last
    assert max(peaks) < 150 * MEGABYTE
    assert peaks[1] <= 1.3 * peaks[0]
