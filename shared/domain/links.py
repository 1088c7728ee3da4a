"""Which external record is which LinkHub entity."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.errors import RecordError

MAX_EXTERNAL_ID = 450
"""UTF-16 units, as SQL Server counts them, so that a link's unique key stays small enough."""

MAX_LINKHUB_KEY = 255
"""Characters LinkHub takes in an external key."""

VALUES = "values"
"""The entity whose records are known by what they say: an indicator's value of a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLink:
    """An external key, its LinkHub id, and the base snapshots both sides agreed on last.

    `base`: the mapped fields as LinkHub had them then. `external_base`: what the mapping made of
    the external record then; they differ where a conversion loses something. {} stands for `base`.
    `sent_hash` is the hash of what LinkHub was last sent; the same hash means nothing to send.
    `linkhub_key` is the external key LinkHub knows the record by, '' for the plain one (see
    `key_at_linkhub`). `seen_job_id` is the job that began the full read which saw it last.
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
    linkhub_key: str = ""
    seen_job_id: str = ""
    deleted_at: datetime | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def key_at_linkhub(self) -> str:
        """What LinkHub knows the record by, beside the instance it came from."""
        return self.linkhub_key or plain_key(self.stream, self.external_id)


def plain_key(stream: str, external_id: str) -> str:
    """Return the external key of a record that is known by its own id."""
    return f"{stream}/{external_id}"


def natural_key(entity: str, fields: Mapping[str, Any]) -> str:
    """Return the external key a record has by what it says; '' where its id makes the key.

    A value is known by its day and indicator: LinkHub holds one for each, whichever external
    record brings it. An indicator too long for a key stands as its SHA-256.
    """
    if entity != VALUES:
        return ""
    indicator = str(fields.get("indicator") or "")
    key = f"{fields.get('date')}/{indicator}"
    if len(key) <= MAX_LINKHUB_KEY:
        return key
    return f"{fields.get('date')}/#{hashlib.sha256(indicator.encode()).hexdigest()}"


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
