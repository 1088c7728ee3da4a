"""Where a read of records stands: what a checkpoint's `resume` holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from shared.errors import PermanentError


class Phase(StrEnum):
    """LIST or SEARCH (with TIES in between) read what lives, ARCHIVED what is gone."""

    LIST = "list"
    SEARCH = "search"
    TIES = "ties"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The next request of a read. All times are milliseconds since 1970.

    `since`: the watermark an incremental read started from, None for a full one. `started`:
    HubSpot's clock when the read began. `newest`: the latest change seen. `after`: the list's
    cursor. `at`: SEARCH goes on from this time of change, TIES reads all records of exactly it,
    those with ids above `last_id`. `seen`: ids already given for `at`. `count`: how many records
    the list gave so far, None once one came that could not be given.
    """

    phase: Phase
    since: int | None = None
    started: int | None = None
    newest: int | None = None
    after: str | None = None
    at: int = 0
    last_id: int = 0
    seen: tuple[str, ...] = ()
    count: int | None = 0

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON that `from_json` turns back into an equal value."""
        return {**asdict(self), "phase": self.phase.value, "seen": list(self.seen)}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Return the value `to_json` described; raise PermanentError for anything else."""
        try:
            return cls(**{**data, "phase": Phase(data["phase"]), "seen": tuple(data["seen"])})
        except (KeyError, TypeError, ValueError):
            raise PermanentError(
                "The checkpoint of the HubSpot read cannot be read. Start a full sync."
            ) from None
