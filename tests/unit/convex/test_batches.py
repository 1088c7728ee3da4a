"""What the engine makes of the adapter's pages: few of them, but never too large."""

from __future__ import annotations

from hashlib import shake_128
from pathlib import Path

from adapters.convex.pages import PAGE_BYTES, read_pages
from adapters.convex.snapshot import Snapshot
from local.sandbox.convex.archive import write_export
from shared.engine.prefetch import JOINED_BYTES, coalesce
from tests.convex_kit import Server, documents


def test_large_documents_stay_in_small_batches(tmp_path: Path) -> None:
    """Fifty documents of a megabyte are never held together, whatever the batch size."""
    blob = shake_128(b"").hexdigest(500_000)
    write_export(tmp_path / "export.zip", {"t": documents(50, blob=blob)})
    snapshot = Snapshot.open(tmp_path / "export.zip")
    pages = list(coalesce(read_pages(snapshot, resume={"export": "1"}, wanted={}), 5_000))
    snapshot.close()
    assert sum(len(page.changes) for page in pages) == 51
    assert max(page.size for page in pages) <= JOINED_BYTES + PAGE_BYTES
    assert max(len(page.changes) for page in pages) < 20


def test_small_tables_are_written_together(tmp_path: Path) -> None:
    """Many small tables make few batches."""
    write_export(tmp_path / "export.zip", {f"t{n}": documents(100) for n in range(60)})
    snapshot = Snapshot.open(tmp_path / "export.zip")
    pages = list(coalesce(read_pages(snapshot, resume={"export": "1"}, wanted={}), 5_000))
    snapshot.close()
    assert [len(page.changes) for page in pages] == [5_050, 1_010]


def test_waiting_is_seen_while_it_lasts(server: Server, work_dir: Path) -> None:
    """Notes of a source that waits reach the run one by one, so that it can stop in between."""
    server.fault("export_slow", polls=9)
    pages = coalesce(server.connect(work_dir).read("*", None), 5_000)
    assert next(pages).changes == ()
    assert len(server.waits) == 1
    pages.close()
