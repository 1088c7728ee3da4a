"""Which external record is which LinkHub entity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLink:
    """An external key, its LinkHub id, and the base snapshot both sides agreed on last.

    `sent_hash` is the hash of what LinkHub was last sent; the same hash means nothing to send.
    """

    id: str
    instance_id: str
    stream: str
    external_id: str
    entity: str
    linkhub_id: str
    base: Mapping[str, Any] = field(default_factory=dict)
    external_etag: str = ""
    sent_hash: str = ""
    deleted_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
