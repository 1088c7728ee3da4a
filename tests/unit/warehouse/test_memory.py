from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

from shared.domain.changes import Change, Truncate
from shared.domain.checkpoints import Stage
from tests.warehouse_kit import SCOPE, Warehouse, numbered, saved_checkpoint, upserts


def _pages(count: int, *, size: int = 500) -> Iterator[list[Change]]:
    for number in range(count):
        yield upserts("flights", numbered(size, start=number * size, text="x" * 200))


def _peak(folder: Path, pages: int) -> int:
    """Return the lower of two peaks: what else this process does meanwhile only adds."""
    return min(_peak_of_a_load(folder / f"{pages}-{turn}.db", pages) for turn in range(2))


def _peak_of_a_load(file: Path, pages: int) -> int:
    warehouse = Warehouse(url=f"sqlite:///{file}")
    sink = warehouse.sink()
    tracemalloc.start()
    sink.begin(SCOPE, saved_checkpoint())
    sink.write(SCOPE, [Truncate("flights")])
    for page in _pages(pages):
        sink.write(SCOPE, page)
        sink.commit(SCOPE, saved_checkpoint(resume=1))
    sink.finish(SCOPE, saved_checkpoint(stage=Stage.READ), {"flights": pages * 500})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    sink.close()
    return peak


def test_ten_times_the_rows_need_no_more_memory(tmp_path: Path) -> None:
    """What a load keeps in memory is a page, however many pages there are."""
    _peak(tmp_path, 1)  # the first load pays for imports
    small, large = _peak(tmp_path, 3), _peak(tmp_path, 30)
    assert large < small * 1.3
