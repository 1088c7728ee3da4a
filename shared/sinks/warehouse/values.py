"""Values as exact JSON: what nested columns and the companion column hold.

The encoding is Convex's own (`crates/value/src/export.rs` of convex-backend): 123 is an integer
and 123.0 a float, bytes are `{"$bytes": "<base64>"}`, and a float JSON has no word for is
`{"$float": "<base64 of its 8 bytes, little endian>"}`.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from typing import Any

import orjson


def _encode_bytes(value: Any) -> dict[str, str]:
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    raise TypeError(f"{type(value).__name__} is not a value a warehouse can hold.")


_READABLE = json.JSONEncoder(
    ensure_ascii=False,
    allow_nan=False,
    check_circular=False,
    separators=(",", ":"),
    default=_encode_bytes,
)
_ESCAPED = json.JSONEncoder(
    allow_nan=False, check_circular=False, separators=(",", ":"), default=_encode_bytes
)

_ONLY_JSON = (
    orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)


def dump_exact(value: Any) -> str:
    """Return JSON text that `load_exact` turns back into an equal value of the same types.

    The text holds no NUL and no lone surrogate, so every database can store it.
    """
    try:
        quick = orjson.dumps(value, _encode_bytes, _ONLY_JSON)
    except TypeError:  # large integers, lone surrogates, great depth
        return _dump_slowly(value)
    # orjson writes null for what JSON has no word for
    return _dump_slowly(value) if b"null" in quick else quick.decode()


def _dump_slowly(value: Any) -> str:
    try:
        text = _READABLE.encode(value)
    except ValueError:
        value = _without_odd_floats(value)
        text = _READABLE.encode(value)
    return text if is_encodable(text) else _ESCAPED.encode(value)


def load_exact(text: str) -> Any:
    """Return the value `dump_exact` was given."""
    return json.loads(text, object_hook=_decode_object)


def is_encodable(text: str) -> bool:
    """Whether the text has a UTF-8 form: no surrogate stands alone."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_negative_zero(number: float) -> bool:
    """Tell -0.0 from 0.0, which compare equal."""
    return number == 0 and math.copysign(1.0, number) < 0


def _without_odd_floats(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": base64.b64encode(struct.pack("<d", value)).decode()}
    if isinstance(value, dict):
        return {name: _without_odd_floats(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_odd_floats(item) for item in value]
    return value


def _decode_object(found: dict[str, Any]) -> Any:
    if len(found) == 1:
        ((mark, payload),) = found.items()
        if mark == "$bytes":
            return base64.b64decode(payload)
        if mark == "$float":
            return struct.unpack("<d", base64.b64decode(payload))[0]
    return found
