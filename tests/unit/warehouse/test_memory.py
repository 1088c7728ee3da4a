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


def _peak(warehouse: Warehouse, pages: int) -> int:
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
    _peak(Warehouse(url=f"sqlite:///{tmp_path / 'warm.db'}"), 1)
    small = _peak(Warehouse(url=f"sqlite:///{tmp_path / 'small.db'}"), 3)
    large = _peak(Warehouse(url=f"sqlite:///{tmp_path / 'large.db'}"), 30)
    assert large < small * 1.3
