"""Convex values that JSON cannot say by itself.

Convex writes them as an object with one key (`crates/value/src/export.rs` of convex-backend):
`{"$bytes": "<base64>"}`, `{"$float": "<base64 of 8 bytes, little endian>"}` for NaN, the infinities
and (in some formats) -0.0, and `{"$integer": "<base64 of 8 bytes, little endian>"}` in formats
whose plain numbers are floats. Plain integers and floats need no help: 123 and 123.0 stay apart.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from typing import Any

MARK = b'"$'
"""Bytes that every document holding an encoded value has in its JSON."""


def decode_document(document: dict[str, Any]) -> None:
    """Replace the document's encoded values by int, float or bytes, in place.

    Only the document's own fields: what lies deeper keeps its encoding, because nested values
    are stored as JSON and JSON is what they must stay. An unknown `$` object stays as it is.
    Raises ValueError naming the field whose encoding is broken.
    """
    for name, value in document.items():
        if value.__class__ is dict and len(value) == 1:
            ((mark, payload),) = value.items()
            decode = _DECODERS.get(mark)
            if decode is not None:
                try:
                    document[name] = decode(payload)
                except (ValueError, TypeError, struct.error):
                    raise ValueError(f"field {name!a} has a broken {mark} value") from None


def _bytes(payload: str) -> bytes:
    return base64.b64decode(payload, validate=True)


def _float(payload: str) -> float:
    number: float = struct.unpack("<d", _bytes(payload))[0]
    return number


def _integer(payload: str) -> int:
    number: int = struct.unpack("<q", _bytes(payload))[0]
    return number


_DECODERS: dict[str, Callable[[str], Any]] = {
    "$bytes": _bytes,
    "$float": _float,
    "$integer": _integer,
}
