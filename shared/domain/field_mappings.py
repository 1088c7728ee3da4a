"""Rules from external fields to LinkHub fields, as data.

Apart from the mapper they compile to (`mapping.py`), so that the catalogue loads none of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMapping:
    """One rule: `external_field` of `stream` fills `field` of LinkHub's `entity`.

    `transform` is declarative JSON (see `transforms.py`), None for the provider's default or the
    plain conversion by type. A constant may leave `external_field` ''.
    """

    stream: str
    external_field: str
    entity: str
    field: str
    transform: Mapping[str, Any] | None = None
