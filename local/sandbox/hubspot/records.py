"""A record of any object type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Record:
    """One record. `properties` holds what was given and is not empty; times are milliseconds.

    What HubSpot computes (`hs_object_id`, the times, a deal's probability, …) is not stored: an
    object type's `derived` makes it of the rest.
    """

    id: int
    properties: dict[str, str]
    created_ms: int
    modified_ms: int
    archived_ms: int | None = None


Reader = Callable[[Record], str | None]
"""Reads one property of a record, None where it is empty."""
