"""Rules from external fields to LinkHub fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMapping:
    """One rule: `external_field` of `stream` fills `field` of LinkHub's `entity`.

    `transform` is declarative JSON (see `transforms.py`), None for the provider's default or the
    plain conversion by type.
    """

    stream: str
    external_field: str
    entity: str
    field: str
    transform: Mapping[str, Any] | None = None
