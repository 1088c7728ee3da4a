"""What tables an export has, for deployments that list them for this key in no other way.

A key that may make backups but not view data is the least a snapshot needs, and gets no answer to
the calls of `catalogue.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Final

from adapters.convex.catalogue import SAMPLE, columns_of, stream_of
from adapters.convex.snapshot import Lines, Snapshot, Table, read_documents
from shared.domain.providers import Stream

MOST_BYTES: Final = 64 * 1024 * 1024
"""A table of more bytes of JSON is not counted: that would take as long as loading it."""


def tables_of(snapshot: Snapshot) -> Sequence[Stream]:
    """Return the tables of an export: columns of their first documents, rows of the smaller ones.

    Raises PermanentError where it cannot be read.
    """
    return tuple(_table(snapshot, table) for table in snapshot.tables)


def _table(snapshot: Snapshot, table: Table) -> Stream:
    component, _, name = table.stream.rpartition("/")
    with closing(snapshot.lines(table, after=0)) as lines:
        first = next(lines, None)
        columns: Sequence[str] = ()
        count: int | None = 0
        if first is not None:
            columns = columns_of(read_documents(first)[1][:SAMPLE])
            is_small = snapshot.size_of(table) <= MOST_BYTES
            count = first.length + _rest(lines) if is_small else None
    return stream_of((component, name), columns, count)


def _rest(lines: Iterator[Lines]) -> int:
    return sum(some.length for some in lines)
