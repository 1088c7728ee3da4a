"""A hash for every row, and sums of hashes, which Python and SQL come to alike.

What is hashed is the row as MessagePack: its key, its companion and what its columns hold, in their
order, without the length in front and the nulls at the end, so that a row keeps its hash when its
table gets another column. Where integers became floats, 5.0 counts as 5, so that it keeps its hash
then too. The hash is the 64 bits of XXH3, as a signed integer.

A checksum is the sum of hashes modulo 2**64, signed too: any order of rows gives the same one, a
row that is missing, doubled or another gives another one.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from operator import add, itemgetter
from typing import Any, NamedTuple

import msgspec
import xxhash

_RANGE = 2**64
_EXACT = 2**53
"""No integer beyond it has become a float, and MessagePack has no word for some of them."""
_encode = msgspec.msgpack.Encoder().encode
_NIL = b"\xc0"
_LONG = 16
"""From so many items on an array begins with its length in three bytes."""
_WITHOUT_LENGTH = itemgetter(slice(3, None))


class Total(NamedTuple):
    """How many rows, and the checksum of their hashes."""

    rows: int
    checksum: int


def hash_rows(rows: Iterable[tuple[Any, ...]]) -> array[int]:
    """Return the hash of each row: (key, companion, *values), None where there is no value.

    The rows are of one length. A boolean must be one, whatever number the database has for it.
    """
    left = iter(rows)
    first = next(left, None)
    if first is None:
        return array("q")
    every: Iterator[tuple[Any, ...]] = chain((first,), left)
    missing = (None,) * (_LONG - len(first))
    if missing:
        every = map(add, every, repeat(missing))
    texts = map(bytes.rstrip, map(_WITHOUT_LENGTH, map(_encode, every)), repeat(_NIL))
    found = array("Q", map(xxhash.xxh3_64_intdigest, texts))
    signed = array("q")
    signed.frombytes(found.tobytes())
    return signed


def without_fractions(values: Sequence[Any]) -> list[Any]:
    """Return a column's values, each float that is a whole number as an integer."""
    return [
        int(value)
        if value.__class__ is float and abs(value) <= _EXACT and value.is_integer()
        else value
        for value in values
    ]


def wrapped(number: int) -> int:
    """Return a sum of hashes as a checksum."""
    number %= _RANGE
    return number - _RANGE if number >= _RANGE // 2 else number
