"""The people records belong to."""

from __future__ import annotations

from typing import Any

from local.sandbox.hubspot.properties import SET_UP_AT
from local.sandbox.hubspot.words import PEOPLE

FIRST_OWNER_ID = 41_200_001
_ARCHIVED = 3


def _owner(position: int, first: str, last: str) -> dict[str, Any]:
    is_archived = position >= len(PEOPLE) - _ARCHIVED
    return {
        "id": str(FIRST_OWNER_ID + position),
        "email": f"user{position + 1}@sandbox.example",
        "type": "PERSON",
        "firstName": first,
        "lastName": last,
        "userId": None if is_archived else 7_000_001 + position,
        "userIdIncludingInactive": 7_000_001 + position,
        "createdAt": SET_UP_AT,
        "updatedAt": SET_UP_AT,
        "archived": is_archived,
    }


OWNERS = {
    owner["id"]: owner
    for owner in (_owner(position, *names) for position, names in enumerate(PEOPLE))
}
"""Every owner by id, in id order; the last three are archived and still own records."""
