"""Checkpoints that wait for rows on their way beside the transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.domain.checkpoints import SavedCheckpoint

LONGEST: Final = 30.0
"""Seconds for which checkpoints wait: what a crash repeats."""
MOST: Final = 200
"""How many wait, one a page: what one transaction of a server may hold."""


@dataclass(slots=True)
class Held:
    """The latest of the checkpoints that wait; `is_whole`: nothing was written after it."""

    scope: str
    saved: SavedCheckpoint
    since: float
    pages: int = 0
    is_whole: bool = True

    def take(self, saved: SavedCheckpoint) -> None:
        """Wait with a later one instead."""
        self.saved, self.is_whole, self.pages = saved, True, self.pages + 1

    def is_enough(self, now: float) -> bool:
        """Whether it is time to wait for the rows instead."""
        return self.pages > MOST or now - self.since > LONGEST
