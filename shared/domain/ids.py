"""Identifiers made by the product."""

from __future__ import annotations

import secrets
import time
from uuid import UUID

_VERSION_7 = 0x7 << 76
_VARIANT_RFC = 0x2 << 62


def new_id() -> str:
    """Return a UUIDv7 (RFC 9562): 36 characters, sortable by the millisecond it was made."""
    milliseconds = time.time_ns() // 1_000_000
    random_a, random_b = secrets.randbits(12), secrets.randbits(62)
    value = milliseconds << 80 | _VERSION_7 | random_a << 64 | _VARIANT_RFC | random_b
    return str(UUID(int=value))
