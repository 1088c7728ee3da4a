from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from local.sandbox.convex.archive import write_export
from tests.convex_kit import documents

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
status = Path("/proc/self/status")
if status.exists():  # Linux hands a parent's ru_maxrss on to its children, but not its VmHWM
    peak = status.read_text().partition("VmHWM:")[2].split()[0]
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(rows, peak)
"""


def _read_in_a_process(path: Path) -> tuple[int, int]:
    """Read an export in a process of its own; return its changes and its own peak memory."""
    ended = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True
    )
    rows, peak = ended.stdout.split()
    return int(rows), int(peak)


def test_memory_does_not_grow_with_the_export(tmp_path: Path) -> None:
    """Reading ten times as many rows peaks at most 1.3 times as high."""
    peaks = []
    for name, count in (("small", 20_000), ("large", 200_000)):
        path = tmp_path / f"{name}.zip"
        write_export(path, {"cars": documents(count, text="x" * 200)})
        rows, peak = _read_in_a_process(path)
        assert rows == count + 1
        peaks.append(peak)
    assert peaks[1] <= 1.3 * peaks[0]
