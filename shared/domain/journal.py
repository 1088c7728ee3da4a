"""What a job did to LinkHub, written down before it did it, so that it can be taken back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

NOTHING = ""
"""The hash of a record that is not there."""


class JournalAction(StrEnum):
    """CREATE, UPDATE and DELETE were about to be done to one record of LinkHub, CREATE_MANY to
    records nobody knew of.

    SCOPE: the job took a scope, whose checkpoint was as the before-image says. ROLLBACK: the job
    has failed, as the before-image says, and what it wrote is being taken back.
    """

    CREATE = "create"
    CREATE_MANY = "create_many"
    UPDATE = "update"
    DELETE = "delete"
    SCOPE = "scope"
    ROLLBACK = "rollback"


WRITES = (
    JournalAction.CREATE,
    JournalAction.CREATE_MANY,
    JournalAction.UPDATE,
    JournalAction.DELETE,
)


class JournalOutcome(StrEnum):
    """Whether an entry was taken back: not yet, UNDONE, or LEFT because of what came after it."""

    STANDING = "standing"
    UNDONE = "undone"
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One entry of a job's journal; `sequence` counts from 0, later entries came later.

    Of a write: `stream` and `external_id` name the external record, `entity`, `linkhub_id` ('' if
    it had none yet) and `linkhub_key` LinkHub's. `before_image` holds what was there: `fields` of
    LinkHub's record and the `link`, each None where there was none; None stands for neither.
    `after_hash` is the hash (see `content_hash`) of LinkHub's record as the write left it.
    CREATE_MANY: `external_id` and `linkhub_key` are '', and `before_image` holds the `names` of the
    fields that were sent and `records`: of each the external id, the hash of what was sent (see
    `sent_hash` of a link) and the key at LinkHub. Of a scope: `stream` is its name and
    `external_id` its direction.
    """

    id: str
    job_id: str
    sequence: int
    action: JournalAction
    stream: str = ""
    external_id: str = ""
    entity: str = ""
    linkhub_id: str = ""
    linkhub_key: str = ""
    before_image: Mapping[str, Any] | None = None
    after_hash: str = NOTHING
    outcome: JournalOutcome = JournalOutcome.STANDING
    created_at: datetime
    updated_at: datetime


def content_hash(fields: Mapping[str, Any] | None) -> str:
    """Return the hash of a LinkHub record's fields, empty ones left out; NOTHING for no record."""
    if fields is None:
        return NOTHING
    filled = {name: value for name, value in fields.items() if value is not None}
    text = _encode(filled)
    return hashlib.sha256(text.encode()).hexdigest()


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode
