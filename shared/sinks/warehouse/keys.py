"""Keys that every database can hold and tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import eq, itemgetter
from typing import Any

from shared.domain.changes import Rows
from shared.sinks.warehouse.types import KEY, KEY_LENGTH
from shared.sinks.warehouse.values import is_encodable


def key_faults(keys: Sequence[str], records: Sequence[Mapping[str, Any]] | Rows) -> dict[int, str]:
    """Return what is wrong with each (key, record) that cannot be a row, by its position."""
    if isinstance(records, Rows) or _names_agree(keys, records):
        joined = "".join(keys)
        if (
            joined.isascii()
            and "\0" not in joined
            and " " not in joined
            and all(0 < length <= KEY_LENGTH for length in set(map(len, keys)))
        ):
            return {}
    every = records.records() if isinstance(records, Rows) else records
    pairs = zip(keys, every, strict=True)
    found = ((row, _fault(key, record)) for row, (key, record) in enumerate(pairs))
    return {row: fault for row, fault in found if fault}


def _names_agree(keys: Sequence[str], records: Sequence[Mapping[str, Any]]) -> bool:
    try:
        return all(map(eq, keys, map(itemgetter(KEY), records)))
    except KeyError:
        return all(record.get(KEY, key) == key for key, record in zip(keys, records, strict=True))


def _fault(key: str, record: Mapping[str, Any]) -> str:
    if record.get(KEY, key) != key:
        return "The record's _id is not its key."
    if not key:
        return "The _id is empty."
    if "\0" in key or not is_encodable(key):
        return "The _id holds a NUL or half a character, which no table can."
    if len(key.encode("utf-16-le")) > 2 * KEY_LENGTH:
        return f"The _id is longer than {KEY_LENGTH} characters."
    if key.endswith(" "):
        return "The _id ends with a space, which SQL Server ignores when it compares."
    return ""
