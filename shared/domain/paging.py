"""Keyset paging: (created_at, id), newest first."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Self, TypeVar

from shared.errors import InvalidInputError

Item = TypeVar("Item")

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
_ID = re.compile(r"[0-9a-f-]{36}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyset:
    """The row a page ends with; the next page starts after it."""

    created_at: datetime
    id: str

    def encode(self) -> str:
        """Return the cursor a caller gets: URL-safe text that `decode` understands."""
        text = f"{self.created_at.isoformat()}|{self.id}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, cursor: str) -> Self:
        """Return the keyset of a cursor; raise InvalidInputError for one that is not ours."""
        try:
            text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
            at, _, row_id = text.partition("|")
            keyset = cls(created_at=datetime.fromisoformat(at), id=row_id)
        except ValueError:  # binascii.Error and UnicodeError are such
            keyset = None
        if keyset is None or not keyset.is_ours or keyset.encode() != cursor:
            raise InvalidInputError(
                "The cursor is not one of ours: pass `nextCursor` of the page before, unchanged."
            )
        return keyset

    @property
    def is_ours(self) -> bool:
        """Whether a row of ours could have this: a UTC time and an id."""
        is_utc = self.created_at.utcoffset() == timedelta(0)
        return is_utc and _ID.fullmatch(self.id) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(Generic[Item]):
    """One page of a list; `next_cursor` is None on the last."""

    items: Sequence[Item]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """What a list can be narrowed by; None means no limit. `since` is inclusive, `until` is not."""

    limit: int = DEFAULT_LIMIT
    after: Keyset | None = None
    since: datetime | None = None
    until: datetime | None = None
    status: str | None = None
    provider: str | None = None
