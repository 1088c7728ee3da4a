"""Which external record is which LinkHub entity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.errors import RecordError

MAX_EXTERNAL_ID = 450
"""UTF-16 units, as SQL Server counts them, so that a link's unique key stays small enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLink:
    """An external key, its LinkHub id, and the base snapshots both sides agreed on last.

    `base`: the mapped fields as LinkHub had them then. `external_base`: what the mapping made of
    the external record then; they differ where a conversion loses something. {} stands for `base`.
    `sent_hash` is the hash of what LinkHub was last sent; the same hash means nothing to send.
    """

    id: str
    instance_id: str
    stream: str
    external_id: str
    entity: str
    linkhub_id: str
    base: Mapping[str, Any] = field(default_factory=dict)
    external_base: Mapping[str, Any] = field(default_factory=dict)
    external_etag: str = ""
    sent_hash: str = ""
    deleted_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


def check_external_id(external_id: str) -> None:
    """Raise RecordError unless the store can keep this id apart from every other one.

    SQL Server ignores trailing spaces when it compares, so "a" and "a " would be one record.
    """
    if not external_id:
        raise RecordError("The record has no id.")
    if external_id.endswith(" "):
        raise RecordError(f"The record's id {external_id[:80]!r} ends with a space.")
    if "\0" in external_id:
        raise RecordError(f"The record's id {external_id[:80]!r} holds a NUL character.")
    try:
        units = (
            len(external_id) if external_id.isascii() else len(external_id.encode("utf-16-le")) // 2
        )
    except UnicodeEncodeError:
        message = f"The record's id {external_id[:80]!a} is not valid Unicode."
        raise RecordError(message) from None
    if units > MAX_EXTERNAL_ID:
        raise RecordError(
            f"The record's id {external_id[:80]!r}… is too long: {units} characters, "
            f"{MAX_EXTERNAL_ID} at most."
        )
