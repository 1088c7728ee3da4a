"""Looking at the way to a warehouse, without a trace."""

from __future__ import annotations

from typing import Protocol

from shared.domain.warehouses import WarehouseCheck, WarehouseTarget


class WarehouseProbe(Protocol):
    """Tries every hop to a warehouse; used while a person waits, so each is bounded in time."""

    def __call__(self, target: WarehouseTarget) -> WarehouseCheck:
        """Return what each hop is like; nothing is left in the warehouse and nothing is raised."""
