"""Which tables of a source go to a warehouse."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.checkpoints import Mode


class DriftPolicy(StrEnum):
    """What happens when a table's data takes a new shape: EVOLVE adds columns, FREEZE refuses."""

    EVOLVE = "evolve"
    FREEZE = "freeze"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSelection:
    """One chosen table; `component` is '' for the root of a Convex deployment.

    `mode` FULL: every sync reads it whole and replaces it; INCREMENTAL: a sync brings what changed,
    where its source can tell; None, before it is saved: as its source can.
    """

    component: str = ""
    table: str
    mode: Mode | None = None
    drift: DriftPolicy = DriftPolicy.EVOLVE

    @property
    def stream(self) -> str:
        """The stream the table is, as the source names it."""
        return f"{self.component}/{self.table}" if self.component else self.table
