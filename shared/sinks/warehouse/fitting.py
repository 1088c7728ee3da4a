"""Which values a column holds as they are, told for all of a column at once.

The set of types in a column, one sum, one joined string tell for a whole batch that its values fit.
Only a column where they do not is walked through. That is most of the loading speed.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from shared.sinks.warehouse.drift import Limits, fits, units
from shared.sinks.warehouse.types import EXACT_INTEGERS, KINDS, Column, ColumnType
from shared.sinks.warehouse.values import dump_exact, is_negative_zero

_INT64 = 2**63
_NEGATIVE_ZERO = array("d", [-0.0]).tobytes()


class Storage(Limits, Protocol):
    """What a database can hold."""

    def holds_text(self, text: str) -> bool:
        """Whether a text column gives `text` back as it is; true for a joined text, for each."""

    def holds_all_floats(self, numbers: array[float]) -> bool:
        """Whether it holds every one of them; False only means that somebody must look."""


def stored(
    values: Sequence[Any],
    types: set[type],
    column: Column,
    storage: Storage,
    inexact: dict[int, dict[str, Any]],
    *,
    is_short: bool = False,
) -> Sequence[Any]:
    """Return what the column gets for each value; `types` are those of the values, None aside.

    `is_short`: they are integers of 64 bits, nobody need look.

    Whatever a value is beyond that goes to `inexact`: row to field to value.
    """
    if column.type is ColumnType.JSON:
        return [None if value is None else dump_exact(value) for value in values]
    if (is_short and column.type is ColumnType.INTEGER) or _all_fit(values, types, column, storage):
        return values
    return _fit_each(values, column, storage, inexact)


def _all_fit(values: Sequence[Any], types: set[type], column: Column, storage: Storage) -> bool:
    """Whether every value can be stored in its column as it is; False when in doubt."""
    column_type = column.type
    if len(types) != 1 or KINDS[next(iter(types))] is not column_type:
        return False
    if column_type is ColumnType.TEXT:
        is_short = not column.length or fits(values, column.length)
        return is_short and storage.holds_text("".join(filter(None, values)))
    if column_type is ColumnType.INTEGER:
        try:
            array("q", filter(None, values) if None in values else values)
        except OverflowError:
            return False
        return True
    if column_type is ColumnType.FLOAT:
        floats = [v for v in values if v is not None] if None in values else values
        return storage.holds_all_floats(array("d", floats))
    return True


def _fit_each(
    values: Iterable[Any],
    column: Column,
    storage: Storage,
    inexact: dict[int, dict[str, Any]],
) -> list[Any]:
    """Return what to store; put every value that is not exactly that into `inexact`."""
    stored = []
    for row, value in enumerate(values):
        kept, is_exact = (None, True) if value is None else _fit(value, column, storage)
        stored.append(kept)
        if not is_exact:
            inexact.setdefault(row, {})[column.field] = value
    return stored


def _fit(value: Any, column: Column, storage: Storage) -> tuple[Any, bool]:
    """Return what the column gets for a value, and whether that says it all."""
    column_type = column.type
    kind = KINDS[type(value)]
    if column_type is ColumnType.FLOAT:
        if kind is ColumnType.INTEGER and abs(value) <= EXACT_INTEGERS:
            return float(value), True
        if kind is ColumnType.FLOAT:
            if storage.holds_float(value):
                return value, True
            return (0.0 if is_negative_zero(value) else None), False
    elif kind is column_type:
        if kind is ColumnType.TEXT:
            is_short = not column.length or units(value) <= column.length
            return (value, True) if is_short and storage.holds_text(value) else (None, False)
        if kind is not ColumnType.INTEGER or -_INT64 <= value < _INT64:
            return value, True
    return None, False


def holds_negative_zero(numbers: array[float]) -> bool:
    """Whether there is a -0.0 among them: its bytes, where a number begins."""
    raw = numbers.tobytes()
    found = raw.find(_NEGATIVE_ZERO)
    while found % 8 and found >= 0:
        found = raw.find(_NEGATIVE_ZERO, found + 1)
    return found >= 0


def all_finite(numbers: array[float]) -> bool:
    """Whether somebody need not look for NaN and infinities: one of them would spoil the sum."""
    return math.isfinite(sum(numbers))
