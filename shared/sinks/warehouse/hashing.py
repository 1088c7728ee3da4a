"""A hash for every row, and sums of hashes, which Python and SQL come to alike.

What is hashed is the row as JSON: an array of its key, its companion and what its columns hold, in
their order. Nulls at the end are left out and 5.0 is written as 5, so that a row keeps its hash
when its table gets another column, or a column a wider type. The hash is the 64 bits of XXH3, as a
signed integer.

A checksum is the sum of hashes modulo 2**64, signed too: any order of rows gives the same one, a
row that is missing, doubled or another gives another one.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import islice, repeat
from typing import Any, NamedTuple

import orjson
import xxhash

_RANGE = 2**64
_LINES = orjson.OPT_APPEND_NEWLINE
_AT_ONCE = 250


class Total(NamedTuple):
    """How many rows, and the checksum of their hashes."""

    rows: int
    checksum: int


def hash_rows(rows: Iterable[Sequence[Any]]) -> array[int]:
    """Return the hash of each row: (key, companion, *values), None where there is no value.

    A boolean must be one, whatever number the database has for it.
    """
    found = array("Q")
    left = iter(rows)
    while some := list(islice(left, _AT_ONCE)):  # one text for many rows, so that C does the loops
        lines = b"".join(map(orjson.dumps, some, repeat(bytes.hex), repeat(_LINES)))
        lines = lines.replace(b".0,", b",").replace(b".0]", b"]")
        texts = map(bytes.rstrip, lines.split(b"\n"), repeat(b"nul,]"))
        found.extend(map(xxhash.xxh3_64_intdigest, islice(texts, len(some))))
    signed = array("q")
    signed.frombytes(found.tobytes())
    return signed


def wrapped(number: int) -> int:
    """Return a sum of hashes as a checksum."""
    number %= _RANGE
    return number - _RANGE if number >= _RANGE // 2 else number
