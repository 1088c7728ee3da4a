"""How many columns a table gets: by number, and by what a row of them takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from shared.sinks.warehouse.types import Column


class Bounds(Protocol):
    """What a database says of the size of its rows."""

    max_columns: int
    """The most columns a table gets; the fields beyond stay in the companion column."""

    max_row: int
    """What the columns of a row may take together, as `takes` counts it."""

    def takes(self, column: Column) -> int:
        """Return what the column takes of a row at most, whatever its value is."""


class Room:
    """What a table with these columns has left for more of them."""

    def __init__(self, bounds: Bounds, columns: Iterable[Column]) -> None:
        taken = [bounds.takes(column) for column in columns]
        self._bounds = bounds
        self._columns = bounds.max_columns - len(taken)
        self._row = bounds.max_row - sum(taken)

    def add(self, column: Column) -> bool:
        """Take the column's room; return whether there was enough, else nothing is taken."""
        takes = self._bounds.takes(column)
        if self._columns < 1 or takes > self._row:
            return False
        self._columns -= 1
        self._row -= takes
        return True

    def change(self, old: Column, new: Column) -> bool:
        """Take what `new` needs beyond `old`; return whether there was enough of it."""
        more = self._bounds.takes(new) - self._bounds.takes(old)
        if more > 0 and more > self._row:
            return False
        self._row -= more
        return True
