"""Data syncs: `POST /api/v1/data/sync` page by page, and what is told of those under way.

As the back end does it (`crates/streaming_export`, `crates/table_iteration` of convex-backend): the
tables are walked one after the other by id, as they were at the sync's own time. When that time is
too far behind, and when the walk is at its end, the log is followed: what became of documents
already passed comes (again), the others come when the walk gets to them. Whole commits only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from local.sandbox.convex.cursors import CursorCodec, Position
from local.sandbox.convex.selections import Fields, Selection
from local.sandbox.convex.store import TICK, Revision, Store, Tablet

PAGE_ROWS = 16_384
PAGE_BYTES = 64 * 1024 * 1024
LIFETIME = 3 * 24 * 3600.0
"""Seconds after its last call for which a sync can be gone on with."""
MOST_LISTED = 100
FRESH = 5 * TICK
"""How far behind a walk may be; Convex allows itself 30 seconds."""


class SyncError(Exception):
    """A call is refused with 400, this code and this message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True, kw_only=True)
class Limits:
    """How much one page holds; whole commits may go beyond."""

    rows: int = PAGE_ROWS
    size: int = PAGE_BYTES


@dataclass(slots=True)
class _Page:
    limits: Limits
    tablets: dict[int, tuple[Tablet, Fields]]
    truncates: list[dict[str, str]] = field(default_factory=list)
    values: list[dict[str, Any]] = field(default_factory=list)
    size: int = 0

    @property
    def is_full(self) -> bool:
        return len(self.values) >= self.limits.rows or self.size >= self.limits.size

    def enter(self, tablet: int) -> None:
        table, _ = self.tablets[tablet]
        self.truncates.append({"component": table.component, "table": table.name})

    def add(self, revision: Revision) -> None:
        table, fields = self.tablets[revision.tablet]
        value: Any = {"_id": revision.id}
        if revision.line is not None:
            self.size += len(revision.line)
            value = orjson.Fragment(revision.line)
            if not fields.is_all:
                value = fields.keep(orjson.loads(revision.line))
        self.values.append(
            {
                "component": table.component,
                "table": table.name,
                "ts": revision.ts,
                "deleted": revision.line is None,
                "value": value,
            }
        )


class Syncs:
    """The data syncs of one deployment. `clock` gives seconds since 1970."""

    def __init__(self, *, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        self.limits = Limits()
        self._codec = CursorCodec(secret)
        self._clock = clock
        self._progress: dict[str, _Progress] = {}
        self._started = 0

    def page(self, store: Store, *, cursor: str | None, selection: Any) -> dict[str, Any]:
        """Return the next page; raise SyncError where the call is refused."""
        try:
            wanted = Selection(selection)
        except ValueError as error:
            raise SyncError("InvalidDataSyncSelection", f"{error}.") from None
        with store.lock:
            position = self._position(cursor, store)
            page = _Page(self.limits, _selected(store, wanted))
            position = replace(
                position,
                synced=tuple(number for number in position.synced if number in page.tablets),
                current=position.current if position.current in page.tablets else 0,
            )
            waiting = [n for n in page.tablets if n not in {*position.synced, position.current}]
            is_walking = bool(waiting or position.current)
            is_behind = store.now - position.ts > FRESH and not position.followed
            if is_behind or not is_walking:
                position = _follow_log(store, position, page, is_walking=is_walking)
            else:
                position = _walk(store, position, page, waiting)
            status = _status(store, position, page)
            self._progress[position.sync_id] = _Progress(
                position=position,
                tablets=[tablet for tablet, _ in page.tablets.values()],
                status=status,
                called_at=self._clock(),
            )
        return {
            "status": status,
            "truncates": page.truncates,
            "values": page.values,
            "syncId": position.sync_id,
            "pagination": {"hasMore": True, "nextCursor": self._codec.encode(position)},
        }

    def expire(self) -> int:
        """Forget every sync under way; return how many there were."""
        count = len(self._progress)
        self._progress.clear()
        return count

    def active(self, store: Store, *, limit: int = 50, cursor: str = "") -> dict[str, Any]:
        """Return the progress of syncs that were called of late, the latest first."""
        start = int(cursor) if cursor.isdigit() else 0
        fresh = [entry for entry in self._progress.values() if self._is_alive(entry)]
        fresh.sort(key=lambda entry: (-entry.called_at, entry.position.sync_id))
        end = start + max(1, min(limit, MOST_LISTED))
        has_more = end < len(fresh)
        next_cursor = str(end) if has_more else None
        return {
            "syncs": [entry.to_json(store) for entry in fresh[start:end]],
            "pagination": {"hasMore": has_more, "nextCursor": next_cursor},
        }

    def _position(self, cursor: str | None, store: Store) -> Position:
        if cursor is None:
            self._started += 1
            return Position(sync_id=f"sync-{self._started:06}", ts=store.now)
        try:
            position = self._codec.decode(cursor)
        except (ValueError, KeyError, TypeError):
            raise SyncError("InvalidDataSyncCursor", "The data sync cursor is invalid.") from None
        entry = self._progress.get(position.sync_id)
        if entry is None or not self._is_alive(entry):
            raise SyncError(
                "DataSyncCursorExpired",
                "The data sync cursor has expired: start the sync again without a cursor.",
            )
        return position

    def _is_alive(self, entry: _Progress) -> bool:
        return self._clock() - entry.called_at <= LIFETIME


@dataclass(slots=True, kw_only=True)
class _Progress:
    """Where a sync was after its last call."""

    position: Position
    tablets: Sequence[Tablet]
    status: dict[str, Any]
    called_at: float

    def to_json(self, store: Store) -> dict[str, Any]:
        position = self.position
        told: dict[str, Any] = {
            "type": self.status["type"],
            "totalTables": len(self.tablets),
            "numDocumentsSynced": position.docs,
        }
        if "snapshotTs" in self.status:
            told["syncedTs"] = self.status["snapshotTs"]
        else:
            table = next((t for t in self.tablets if t.id == position.current), None)
            told |= {
                "numTablesSynced": len(position.synced),
                "currentComponent": table.component if table else "",
                "currentTable": table.name if table else "",
                "numDocumentsInCurrentTable": position.in_table,
                "totalDocumentsInCurrentTable": store.count(table.id) if table else 0,
                "totalDocuments": sum(store.count(tablet.id) for tablet in self.tablets),
            }
        called_at = int(self.called_at * 1000)
        return {"syncId": position.sync_id, "lastUpdated": called_at, "status": told}


def _selected(store: Store, wanted: Selection) -> dict[int, tuple[Tablet, Fields]]:
    pairs = ((tablet, wanted.fields(tablet)) for tablet in store.tablets())
    return {tablet.id: (tablet, fields) for tablet, fields in pairs if fields is not None}


def _status(store: Store, position: Position, page: _Page) -> dict[str, Any]:
    if len(position.synced) < len(page.tablets):
        return {"type": "snapshotting"}
    kind = "upToDate" if position.ts == store.now else "stale"
    return {"type": kind, "snapshotTs": position.ts}


def _follow_log(store: Store, position: Position, page: _Page, *, is_walking: bool) -> Position:
    """Add what became of documents already passed, up to the page's end or the log's."""
    revisions: Sequence[Revision] = store.log(after=position.ts, limit=2 * page.limits.rows)
    at = position.ts
    for number, revision in enumerate(revisions):
        if revision.ts != at and page.is_full:
            break
        at = revision.ts
        if revision.tablet in page.tablets and position.has(revision.tablet, revision.id):
            page.add(revision)
        if number == len(revisions) - 1 and len(revisions) < 2 * page.limits.rows:
            at = store.now
    ts = at if revisions else store.now
    return position.moved(ts=ts, sent=len(page.values), walking=is_walking)


def _walk(store: Store, position: Position, page: _Page, waiting: list[int]) -> Position:
    """Add documents by id as they are at the position's time, table after table."""
    sent = 0
    while not page.is_full and (position.current or waiting):
        if not position.current:
            page.enter(waiting[0])
            position = replace(position, current=waiting.pop(0), after="", in_table=0)
        room = page.limits.rows - len(page.values)
        step = min(room, 512)
        found = store.walk(position.current, after=position.after, at=position.ts, limit=step)
        for revision in found:
            page.add(revision)
        sent += len(found)
        position = replace(position, in_table=position.in_table + len(found))
        if len(found) < step:
            done = (*position.synced, position.current)
            position = replace(position, synced=done, current=0, after="", in_table=0)
        else:
            position = replace(position, after=found[-1].id)
    return replace(position, docs=position.docs + sent, followed=False)
