"""The snapshot exports of the emulated deployment: one at a time, each growing with every look."""

from __future__ import annotations

import time
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from local.sandbox.convex.archive import document_ids, read_columns, read_counts, write_lines
from local.sandbox.convex.sample import write_sample
from local.sandbox.convex.store import FIRST_TS, Store

_LIFETIME = 14 * 24 * 3600 * 1_000_000_000
"""Nanoseconds an export can be downloaded for."""
_KEPT = 4
"""Files of changed states that stay; an export whose file is gone has expired."""
_UNREADABLE = (OSError, ValueError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)


class Source:
    """What the deployment holds: a person's own export or the sample, written when first asked for,
    and from the first mutation or data sync on the documents in `store`.

    Exports serve the file itself, byte for byte, until something has changed.
    """

    def __init__(self, *, state_dir: Path, zip_file: Path | None) -> None:
        self.path = zip_file or state_dir / "convex" / "sample.zip"
        self._folder = state_dir / "convex"
        self._lock = Lock()
        self._counts: dict[str, int] | None = None
        self._store: Store | None = None
        self._written: dict[int, Path] = {}

    @property
    def is_ready(self) -> bool:
        """The file is there, whole."""
        return self.path.exists()

    def prepare(self) -> None:
        """Write the sample in the background where it is not there."""
        if not self.is_ready:
            Thread(target=self.file, name="convex-sample", daemon=True).start()

    def file(self) -> Path:
        """Return the file, written now where it was not there."""
        with self._lock:
            if not self.is_ready:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                part = self.path.with_suffix(".part")
                self._counts = write_sample(part)
                part.replace(self.path)
        return self.path

    def store(self) -> Store:
        """Return the documents, taken out of the file when first asked for.

        Raise what `zipfile` raises for a file that is no export.
        """
        path = self.file()
        with self._lock:
            if self._store is None:
                for old in self._folder.glob("export-*.zip"):
                    old.unlink()  # of a process before
                store = Store(self._folder / "documents.db")
                try:
                    store.load(path)
                except BaseException:
                    store.close()
                    raise
                self._store = store
        return self._store

    def close(self) -> None:
        """Release the documents' file; nothing may be asked for any more."""
        with self._lock:
            if self._store is not None:
                self._store.close()

    def export(self) -> Path:
        """Return the file an export of this moment is served from."""
        store = self._store
        if store is None or store.now == FIRST_TS:
            return self.path
        with self._lock, store.lock:
            if store.now not in self._written:
                path = self._folder / f"export-{store.now}.zip"
                components: dict[str, dict[str, Iterator[bytes]]] = {"": {}}
                for tablet in store.tablets():
                    tables = components.setdefault(tablet.component, {})
                    tables[tablet.name] = (line + b"\n" for line in store.lines(tablet.id))
                write_lines(path, components)
                for old in list(self._written)[:-_KEPT]:
                    self._written.pop(old).unlink()
                self._written[store.now] = path
            return self._written[store.now]

    def counts(self) -> dict[str, int]:
        """Return the documents of each stream; none for a file that cannot be read."""
        if self._store is not None:
            return {tablet.stream: self._store.count(tablet.id) for tablet in self._store.tablets()}
        path = self.file()
        if self._counts is None:
            try:
                self._counts = read_counts(path)
            except _UNREADABLE:
                self._counts = {}
        return self._counts

    def columns(self) -> dict[str, list[str]]:
        """Return the field names in the head of each stream; none for a file that is unreadable."""
        if self._store is not None:
            tablets = self._store.tablets()
            return {tablet.stream: self._store.columns(tablet.id) for tablet in tablets}
        try:
            return read_columns(self.file())
        except _UNREADABLE:
            return {}


@dataclass(slots=True, kw_only=True)
class Export:
    """One export. `looks` counts how often it was looked at, `pace` is the look that finds it
    done, in state `outcome`.
    """

    id: str
    start_ts: int = field(default_factory=time.time_ns)
    component: str | None
    pace: int
    outcome: str
    looks: int = 0
    complete_ts: int = 0
    file: Path

    def state(self, source: Source) -> str:
        """Return `requested`, `in_progress`, then the outcome."""
        if self.looks <= 1:
            return "requested"
        if self.looks < self.pace or not source.is_ready:
            return "in_progress"
        return self.outcome

    def to_json(self, source: Source) -> dict[str, Any]:
        """Return the row as `format: json` shows it: 64-bit integers as strings."""
        state = self.state(source)
        row: dict[str, Any] = {
            "_id": self.id,
            "_creationTime": self.start_ts / 1_000_000,
            "state": state,
            "component": self.component,
            "format": {"format": "zip", "include_storage": False},
            "requestor": "snapshotExport",
            "expiration_ts": str(self.start_ts + _LIFETIME),
        }
        if state != "requested":
            row["start_ts"] = str(self.start_ts)
        if state == "in_progress":
            row["progress_message"] = f"Backing up, step {self.looks - 1}"
        if state == "completed":
            self.complete_ts = self.complete_ts or time.time_ns()
            row["complete_ts"] = str(self.complete_ts)
            row["size"] = str(self.file.stat().st_size)
        return row


class Desk:
    """Takes requests for exports and tells how they come along."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._ids = document_ids(f"_exports/{time.time_ns()}")
        self._exports: list[Export] = []

    @property
    def is_busy(self) -> bool:
        """An export is under way."""
        if not self._exports:
            return False
        return self._exports[-1].state(self._source) in {"requested", "in_progress"}

    def request(self, *, component: str | None, pace: int = 3, outcome: str = "completed") -> None:
        """Start an export that is done when it is looked at for the `pace`th time."""
        self._source.prepare()
        self._exports.append(
            Export(
                id=next(self._ids),
                component=component,
                pace=pace,
                outcome=outcome,
                file=self._source.export(),
            )
        )

    def look(self) -> dict[str, Any] | None:
        """Return the latest export, one step further; None where there never was one."""
        if not self._exports:
            return None
        self._exports[-1].looks += 1
        return self._exports[-1].to_json(self._source)

    def find(self, reference: str) -> tuple[str, Path] | None:
        """Return state and file of the export with this id or start, None where there is none."""
        for export in self._exports:
            if reference in {export.id, str(export.start_ts)}:
                is_gone = export.file != self._source.path and not export.file.exists()
                return None if is_gone else (export.state(self._source), export.file)
        return None
