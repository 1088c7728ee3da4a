"""Comparing a warehouse with the Convex deployment it was loaded from, value by value."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from shared.sinks.warehouse.values import load_exact
from tests.convex_kit import Server
from tests.warehouse_kit import Warehouse

Difference = tuple[str, str, str, str]
"""(table, id, in the warehouse, in Convex)"""


def differences(
    warehouse: Warehouse, server: Server, *, streams: Collection[str] = ()
) -> list[Difference]:
    """Return what is not equal, '' standing for what is not there; of these streams, if any."""
    found = []
    for stream in sorted(server.streams()):
        if streams and stream not in streams:
            continue
        here = _shown(warehouse.records(stream))
        there = _shown(_documents(server, stream))
        found += [
            (stream, key, here.get(key, ""), there.get(key, ""))
            for key in sorted(here.keys() | there.keys())
            if here.get(key) != there.get(key)
        ]
    return found


def _documents(server: Server, stream: str) -> dict[str, dict[str, Any]]:
    """Return a table's documents with every encoded value decoded, however deep."""
    read = (load_exact(line.decode()) for line in server.lines(stream))
    return {document["_id"]: document for document in read}


def _shown(records: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return records in a form where NaN equals itself and 0.0 is not -0.0.

    An integer that a float column holds exactly comes back from it as a float.
    """
    return {
        key: repr(sorted((n, _exact(v)) for n, v in record.items() if v is not None and n != "_id"))
        for key, record in records.items()
    }


def _exact(value: Any) -> str:
    is_number = type(value) is int and abs(value) <= 2**53
    return repr(float(value) if is_number else value)
