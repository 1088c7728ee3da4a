"""From an opened export to pages, each with the place to go on from."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import partial
from itertools import repeat
from typing import Any

from adapters.convex.rows import Layout, RowReader
from adapters.convex.snapshot import Snapshot, Table, read_documents
from shared.domain.changes import Change, Page, RecordProblem, Truncate, Upsert, joined
from shared.domain.checkpoints import Checkpoint

PAGE_ROWS = 5_000
PAGE_BYTES = 8 * 1024 * 1024
"""Bytes of JSON in a page; one document that is larger is a page of its own."""

Selection = Mapping[str, Sequence[str]]

_upsert = partial(tuple.__new__, Upsert)
"""Makes an Upsert of its three parts, in half the time that its own way of naming them takes."""


def read_pages(
    snapshot: Snapshot, *, resume: Mapping[str, Any], wanted: Selection
) -> Iterator[Page]:
    """Yield every wanted table as a Truncate and its documents, then a page with the totals.

    `resume` is `{"export": id}` to start, and in each page's checkpoint also `entry` and `line`
    (how many lines of that ZIP entry have been given out) and `totals` of the tables before it;
    reading goes on right there. `wanted` is empty for all tables; a table it names without fields
    is wanted whole. A table it names that the export lacks is a problem in the last page.
    """
    tables = [t for t in snapshot.tables if not wanted or t.stream in wanted]
    totals = dict(resume.get("totals", {}))
    after = None
    places = {table.entry: at for at, table in enumerate(tables)}
    first = places.get(resume.get("entry", ""))
    if first is None:
        totals = {}
    else:
        tables, after = tables[first:], int(resume["line"])
    for table in tables:
        state = {"export": resume["export"], "entry": table.entry, "totals": dict(totals)}
        fields = wanted.get(table.stream) or ()
        totals[table.stream] = yield from _read_table(snapshot, table, after, state, fields)
        after = None
    missing = set(wanted) - {table.stream for table in snapshot.tables}
    yield Page(
        changes=(),
        checkpoint=Checkpoint(),
        totals=totals,
        problems=[missing_table(stream) for stream in sorted(missing)],
    )


def _read_table(
    snapshot: Snapshot,
    table: Table,
    after: int | None,
    state: Mapping[str, Any],
    fields: Sequence[str],
) -> Generator[Page, None, int]:
    """Yield a table's pages; return how many documents it has. `after` None: from its Truncate."""
    page = _Draft(table.stream, begins=after is None)
    line = after or 0
    reader = RowReader(fields)
    for lines in snapshot.lines(table, after=line):
        if page.size and page.size + len(lines.text) > PAGE_BYTES:
            yield page.end({**state, "line": line})
        page.size += len(lines.text)
        records = reader.read(lines.text, lines.length)
        layout = reader.layout if records is not None else None
        if records is None:
            records = _upserts(table.stream, *read_documents(lines), fields)
        while records:
            some = records[: page.room]
            page.add(layout, some)
            line += len(some)
            del records[: len(some)]
            if not page.room:
                yield page.end({**state, "line": line})
    if page.has_changes:
        yield page.end({**state, "line": line})
    return line


def _upserts(
    stream: str, keys: list[str], documents: list[dict[str, Any]], fields: Sequence[str]
) -> list[Upsert]:
    if fields:
        keep = dict.fromkeys(("_id", *fields))
        documents = [{name: d[name] for name in keep if name in d} for d in documents]
    return [*map(_upsert, zip(repeat(stream), keys, documents, strict=False))]


class _Draft:
    """A page of one table that is being filled; `end` returns it and begins the next one."""

    def __init__(self, stream: str, *, begins: bool) -> None:
        self._stream = stream
        self._begin([Truncate(stream)] if begins else [])

    def _begin(self, changes: list[Change]) -> None:
        self._parts: list[tuple[Layout | None, list[Any]]] = [(None, changes)]
        self.room = PAGE_ROWS - len(changes)
        self.size = 0

    @property
    def has_changes(self) -> bool:
        return self.room < PAGE_ROWS

    def add(self, layout: Layout | None, records: list[Any]) -> None:
        """Add parsed records, or changes where there is no layout; at most `room` of them."""
        last, held = self._parts[-1]
        if last is layout:
            held += records
        else:
            self._parts.append((layout, records))
        self.room -= len(records)

    def end(self, resume: Mapping[str, Any]) -> Page:
        parts = [
            layout.rows(self._stream, held) if layout else held
            for layout, held in self._parts
            if held
        ]
        page = Page(
            changes=joined(parts),
            checkpoint=Checkpoint(resume=dict(resume)),
            size=self.size,
            is_at_hand=True,
        )
        self._begin([])
        return page


def missing_table(stream: str) -> RecordProblem:
    """Return the problem of a wanted table that the deployment does not have."""
    return RecordProblem(
        stream=stream,
        key="",
        message="This table was chosen, but the deployment has no such table any more: choose the "
        "tables again.",
    )
