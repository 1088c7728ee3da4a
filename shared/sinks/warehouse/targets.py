"""What a run knows of one table it writes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import sample

from shared.sinks.warehouse.drift import Shape
from shared.sinks.warehouse.hashing import Total, wrapped
from shared.sinks.warehouse.registry import OwnedTable, Role

_KEPT_A_BATCH = 8
_KEPT = 64
"""How many keys of a table are kept, to read their rows back."""


@dataclass(slots=True)
class Target:
    """Where a stream's changes go now.

    `is_saved`: the registry knows all of it. `is_shown`: if it is live, its view does too.
    `written`: a few keys of rows that were written. `batch`: the number of the last batch, 0 where
    rows have none; `brought`: the rows of batches in this run; `is_fed`: they go by a feed now.
    `counted`: rows, checksum, rejected records and batch as the last checkpoint has them.
    """

    owned: OwnedTable
    shape: Shape
    exists: bool
    is_saved: bool = True
    is_shown: bool = True
    written: list[str] = field(default_factory=list)
    batch: int = 0
    brought: int = 0
    is_fed: bool = False
    counted: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def is_live(self) -> bool:
        """People see this table already."""
        return self.exists and self.owned.role is Role.LIVE

    @property
    def replaces(self) -> bool:
        """A record takes the place of the one with its key; else it must be the first."""
        return self.owned.role is Role.LIVE or self.owned.repeats

    def count(self, sign: int, rows: Total) -> None:
        """Note that rows have come (1) or gone (-1)."""
        owned = self.owned
        owned.row_count += sign * rows.rows
        owned.checksum = wrapped(owned.checksum + sign * rows.checksum)
        self.is_saved = False

    def remember(self, keys: Sequence[str]) -> None:
        """Keep some of the keys that were written, to read their rows back in the end."""
        kept = self.written
        kept += sample(keys, min(len(keys), _KEPT_A_BATCH))
        if len(kept) > _KEPT:
            kept[:] = sample(kept, _KEPT)
