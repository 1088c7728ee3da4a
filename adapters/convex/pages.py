"""From an opened export to pages, each with the place to go on from."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import partial
from itertools import repeat
from typing import Any

from adapters.convex.snapshot import Snapshot, Table
from shared.domain.changes import Change, Page, RecordProblem, Truncate, Upsert
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
    line = after or 0
    changes: list[Change] = [Truncate(table.stream)] if after is None else []
    stream = table.stream
    keep = dict.fromkeys(("_id", *fields)) if fields else None
    held = 0

    def page() -> Page:
        resume = {**state, "line": line}
        return Page(changes=changes, checkpoint=Checkpoint(resume=resume), size=held)

    for keys, documents, size in snapshot.documents(table, after=line):
        if held and held + size > PAGE_BYTES:
            yield page()
            changes, held = [], 0
        for at in range(0, len(documents), PAGE_ROWS):
            some = documents[at : at + PAGE_ROWS]
            if len(changes) + len(some) > PAGE_ROWS:
                yield page()
                changes, held = [], 0
            if keep is not None:
                some = [{name: d[name] for name in keep if name in d} for d in some]
            changes += map(_upsert, zip(repeat(stream), keys[at : at + PAGE_ROWS], some))
            line += len(some)
        held += size
    if changes:
        yield page()
    return line


def missing_table(stream: str) -> RecordProblem:
    """Return the problem of a wanted table that the deployment does not have."""
    return RecordProblem(
        stream=stream,
        key="",
        message="This table was chosen, but the deployment has no such table any more: choose the "
        "tables again.",
    )
