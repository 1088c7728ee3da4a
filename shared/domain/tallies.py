"""Counting records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many records ended how. Every processed record is one of success, warning or error.

    `unchanged` and `deleted` are parts of `success`: nothing had to be sent, or a delete was.
    """

    success: int = 0
    warning: int = 0
    error: int = 0
    unchanged: int = 0
    deleted: int = 0

    @property
    def processed(self) -> int:
        """All records that were looked at."""
        return self.success + self.warning + self.error

    def __add__(self, other: Tally) -> Tally:
        """Return both counts together."""
        return Tally(
            success=self.success + other.success,
            warning=self.warning + other.warning,
            error=self.error + other.error,
            unchanged=self.unchanged + other.unchanged,
            deleted=self.deleted + other.deleted,
        )

    def to_json(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, int]) -> Self:
        """Return the value `to_json` described."""
        return cls(**data)
