"""Fields that changed on both sides, and what a person made of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class ConflictStatus(StrEnum):
    """OPEN waits for a person. SETTLED_*: whose value a person chose; the next sync writes it.

    OBSOLETE: the sides came to agree, the record went away, or the instance imports only by now,
    before anybody chose.
    """

    OPEN = "open"
    SETTLED_EXTERNAL = "settled_external"
    SETTLED_LINKHUB = "settled_linkhub"
    OBSOLETE = "obsolete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """One field of a linked record that changed on both sides; it stays as it is until settled.

    `field` '' is the record's existence: one side deleted what the other one edited. Values are
    LinkHub's wire values, None for an empty field, and for `field` '' the record's mapped fields,
    None on the side that has deleted it. At most one is open per link and field, and its values are
    the present ones. `closed_at`: since when a settlement is carried out, or an obsolete one is.
    """

    id: str
    instance_id: str
    profile_id: str
    provider: str
    record_link_id: str
    field: str
    external_value: Any = None
    linkhub_value: Any = None
    base_value: Any = None
    status: ConflictStatus = ConflictStatus.OPEN
    settled_by: str = ""
    settled_at: datetime | None = None
    closed_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
