"""What a caller may narrow a list by."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from shared.errors import InvalidInputError

Member = TypeVar("Member", bound=StrEnum)


def member_of(members: type[Member], value: str | None) -> Member | None:
    """Return the member a filter names; InvalidInputError listing them for another text."""
    if value is None:
        return None
    try:
        return members(value)
    except ValueError:
        known = ", ".join(member.value for member in members)
        raise InvalidInputError(f"There is no status {value[:40]!r}: use one of {known}.") from None
