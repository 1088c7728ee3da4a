"""The documents of the emulated deployment with all their revisions, in a SQLite file.

Every commit has a timestamp, as in Convex: documents can be read as they were at any of them, and
the log gives what came after one.
"""

from __future__ import annotations

import sqlite3
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

import orjson

from local.sandbox.convex.archive import document_ids, export_lines

FIRST_TS = 1_800_000_000_000_000_000
"""Nanoseconds: when the deployment got the documents of its export."""
TICK = 1_000_000
"""Nanoseconds between two commits; nothing here depends on a clock."""

_SCHEMA = """
CREATE TABLE tablets (
    id INTEGER PRIMARY KEY, component TEXT NOT NULL, name TEXT NOT NULL, dropped INTEGER
);
CREATE TABLE revisions (
    tablet INTEGER NOT NULL, id TEXT NOT NULL, ts INTEGER NOT NULL, line BLOB,
    PRIMARY KEY (tablet, id, ts)
) WITHOUT ROWID;
CREATE INDEX log ON revisions (ts);
"""
_AT_CONNECT = ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF")
_LIVE = "SELECT id, MAX(ts) AS ts, line FROM revisions WHERE tablet = ? AND id > ? AND ts <= ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tablet:
    """One table as it was made; an import makes a new tablet of the same name."""

    id: int
    component: str
    name: str

    @property
    def stream(self) -> str:
        """The table's name after its component's path."""
        return f"{self.component}/{self.name}" if self.component else self.name


class Revision(NamedTuple):
    """A document as one commit left it; `line` is its JSON, None where it was deleted."""

    tablet: int
    id: str
    ts: int
    line: bytes | None


class Store:
    """Safe for several threads. It begins anew with every process: cursors of before are void."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self.lock = RLock()
        """Held for reads that belong together; every method takes it by itself."""
        self.now = FIRST_TS
        """The timestamp of the last commit."""
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        for pragma in _AT_CONNECT:
            self._db.execute(pragma)
        self._db.executescript(_SCHEMA)
        self._ids: dict[str, Iterator[str]] = {}

    def load(self, export: Path) -> None:
        """Take the documents of an export file in, as one commit; raise what `zipfile` raises."""
        with self.lock, zipfile.ZipFile(export) as archive:
            self._db.execute("BEGIN")
            for stream, lines in export_lines(archive):
                component, _, name = stream.rpartition("/")
                tablet = self.create(component, name)
                self._db.executemany(
                    "INSERT INTO revisions VALUES (?, ?, ?, ?)",
                    (
                        (tablet.id, orjson.loads(line)["_id"], FIRST_TS, line.rstrip(b"\n"))
                        for line in lines
                    ),
                )
            self._db.execute("COMMIT")

    def close(self) -> None:
        """Release the file."""
        with self.lock:
            self._db.close()

    # What is there

    def tablets(self) -> list[Tablet]:
        """Return the tables that exist, oldest first."""
        sql = "SELECT id, component, name FROM tablets WHERE dropped IS NULL ORDER BY id"
        rows = self._all(sql)
        return [Tablet(id=row[0], component=row[1], name=row[2]) for row in rows]

    def find(self, component: str, name: str) -> Tablet | None:
        """Return the table of this name, None where there is none."""
        found = (t for t in self.tablets() if (t.component, t.name) == (component, name))
        return next(found, None)

    def walk(self, tablet: int, *, after: str, at: int, limit: int) -> list[Revision]:
        """Return the next documents by id as they were at a timestamp, at most `limit`."""
        sql = (
            f"SELECT id, ts, line FROM ({_LIVE} GROUP BY id ORDER BY id) "  # noqa: S608 - constants
            "WHERE line IS NOT NULL LIMIT ?"
        )
        rows = self._all(sql, tablet, after, at, limit)
        return [Revision(tablet, *row) for row in rows]

    def log(self, *, after: int, limit: int) -> list[Revision]:
        """Return the revisions after a timestamp in order, whole commits, `limit` or a bit more."""
        sql = "SELECT tablet, id, ts, line FROM revisions WHERE ts > ? ORDER BY ts, tablet, id"
        with self.lock:
            found: list[Revision] = []
            for row in self._db.execute(sql, (after,)):
                revision = Revision(*row)
                if len(found) >= limit and revision.ts != found[-1].ts:
                    break
                found.append(revision)
        return found

    def lines(self, tablet: int) -> Iterator[bytes]:
        """Yield every document's JSON as it is now, in order of its id."""
        at, after = self.now, ""
        while found := self.walk(tablet, after=after, at=at, limit=5_000):
            yield from (revision.line for revision in found if revision.line is not None)
            after = found[-1].id

    def count(self, tablet: int) -> int:
        """Return how many documents a table has now."""
        sql = f"SELECT COUNT(*) FROM ({_LIVE} GROUP BY id) WHERE line IS NOT NULL"  # noqa: S608 - constants
        return int(self._all(sql, tablet, "", self.now)[0][0])

    def get(self, tablet: int, key: str) -> dict[str, Any] | None:
        """Return a document as it is now, None where there is none."""
        sql = "SELECT line FROM revisions WHERE tablet = ? AND id = ? ORDER BY ts DESC LIMIT 1"
        rows = self._all(sql, tablet, key)
        return orjson.loads(rows[0][0]) if rows and rows[0][0] is not None else None

    def columns(self, tablet: int, *, sample: int = 1_000) -> list[str]:
        """Return the field names in a table's first documents."""
        names: dict[str, None] = {}
        for revision in self.walk(tablet, after="", at=self.now, limit=sample):
            names.update(dict.fromkeys(orjson.loads(revision.line or b"{}")))
        return list(names)

    # What changes it: within one commit the last write of a document stands

    def create(self, component: str, name: str) -> Tablet:
        """Make a table, in place of the one of this name if there is one."""
        with self.lock:
            self.drop(component, name)
            sql = "INSERT INTO tablets (component, name) VALUES (?, ?) RETURNING id"
            ((number,),) = self._all(sql, component, name)
        return Tablet(id=number, component=component, name=name)

    def drop(self, component: str, name: str) -> None:
        """Remove a table if it is there; its documents are in no log."""
        sql = "UPDATE tablets SET dropped = ? WHERE component = ? AND name = ? AND dropped IS NULL"
        self._all(sql, self.now, component, name)

    def commit(self, writes: Iterable[tuple[int, str, dict[str, Any] | None]]) -> int:
        """Write (tablet, id, document or None) in one commit; return its timestamp."""
        with self.lock:
            self.now += TICK
            rows = [
                (tablet, key, self.now, None if document is None else orjson.dumps(document))
                for tablet, key, document in writes
            ]
            self._db.execute("BEGIN")
            self._db.executemany("INSERT OR REPLACE INTO revisions VALUES (?, ?, ?, ?)", rows)
            self._db.execute("COMMIT")
        return self.now

    def new_id(self, stream: str) -> str:
        """Return an id no document had, the same one in every run."""
        if stream not in self._ids:
            self._ids[stream] = document_ids(f"_new/{stream}")
        return next(self._ids[stream])

    def _all(self, sql: str, *values: Any) -> Sequence[tuple[Any, ...]]:
        with self.lock:
            return self._db.execute(sql, values).fetchall()
