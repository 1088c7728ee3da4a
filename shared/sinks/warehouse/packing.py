"""From records to the column values of one INSERT.

Works column by column, not value by value: the set of types in a column, one sum, one joined
string tell for a whole batch that its values fit. Only a column where they do not is walked
through. That is most of the loading speed.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from typing import Any, Protocol

from shared.domain.changes import RecordProblem
from shared.sinks.warehouse.drift import Limits, Shape, ShapeChange, fits, units
from shared.sinks.warehouse.types import COMPANION, EXACT_INTEGERS, KEY, KINDS, Column, ColumnType
from shared.sinks.warehouse.values import dump_exact, is_negative_zero

_INT64 = 2**63
_NEGATIVE_ZERO = array("d", [-0.0]).tobytes()
_KNOWN_TYPES = KINDS.keys() | {type(None)}

Record = Mapping[str, Any]


class Storage(Limits, Protocol):
    """What a database can hold."""

    def holds_text(self, text: str) -> bool:
        """Whether a text column gives `text` back as it is; true for a joined text, for each."""

    def holds_all_floats(self, numbers: array[float]) -> bool:
        """Whether it holds every one of them; False only means that somebody must look."""


@dataclass(slots=True, kw_only=True)
class Packed:
    """The rows of one batch: `values` has one sequence per column, in the order of `columns`.

    `keys` are the rows' primary keys; `extras` their companion values, None where no row has any;
    `added` the columns the table does not have yet; `widened` those it has, (old, new), that must
    hold more from now on.
    """

    keys: Sequence[str]
    columns: list[Column] = field(default_factory=list)
    values: list[Sequence[Any]] = field(default_factory=list)
    added: list[Column] = field(default_factory=list)
    widened: list[tuple[Column, Column]] = field(default_factory=list)
    extras: list[str | None] | None = None
    problems: list[RecordProblem] = field(default_factory=list)
    warned: int = 0
    rejected: int = 0


def pack(
    stream: str,
    keys: Sequence[str],
    records: Sequence[Record],
    *,
    shape: Shape,
    storage: Storage,
) -> Packed:
    """Return what to insert so that every value of `records` is held, in its column or beside it.

    A field nobody has seen becomes a column once it has a value, where the shape may change. A
    record with a value of a type no source may hand over is left out and named in `problems`.
    """
    change = ShapeChange(shape, storage)
    packed = Packed(keys=keys, added=change.added, widened=change.widened)
    inexact: dict[int, dict[str, Any]] = {}
    for name in dict.fromkeys(chain.from_iterable(records)):
        if name == KEY:
            continue
        values = _values_of(name, records)
        types = set(map(type, values))
        if not types <= _KNOWN_TYPES:
            return _without_unknown(stream, keys, records, shape=shape, storage=storage, name=name)
        types.discard(type(None))
        if not types:
            continue
        column = change.column_for(name, values, types)
        if column is None:
            _put_beside(name, values, inexact)
        else:
            packed.columns.append(column)
            packed.values.append(_stored(values, types, column, storage, inexact))
    if inexact:
        _set_aside(packed, stream, inexact)
    return packed


def _values_of(name: str, records: Sequence[Record]) -> list[Any]:
    try:
        return list(map(itemgetter(name), records))
    except KeyError:
        return [record.get(name) for record in records]


def _stored(
    values: list[Any],
    types: set[type],
    column: Column,
    storage: Storage,
    inexact: dict[int, dict[str, Any]],
) -> list[Any]:
    """Return what the column gets for each value."""
    if column.type is ColumnType.JSON:
        return [None if value is None else dump_exact(value) for value in values]
    if _all_fit(values, types, column, storage):
        return values
    return _fit_each(values, column, storage, inexact)


def _put_beside(name: str, values: Sequence[Any], inexact: dict[int, dict[str, Any]]) -> None:
    """Leave every value of a field without a column to the companion."""
    for row, value in enumerate(values):
        if value is not None:
            inexact.setdefault(row, {})[name] = value


def _all_fit(values: Sequence[Any], types: set[type], column: Column, storage: Storage) -> bool:
    """Whether every value can be stored in its column as it is; False when in doubt."""
    column_type = column.type
    if len(types) != 1 or KINDS[next(iter(types))] is not column_type:
        return False
    if column_type is ColumnType.TEXT:
        is_short = not column.length or fits(values, column.length)
        return is_short and storage.holds_text("".join(filter(None, values)))
    if column_type is ColumnType.INTEGER:
        numbers: list[int] = [0, *filter(None, values)]
        return min(numbers) >= -_INT64 and max(numbers) < _INT64
    if column_type is ColumnType.FLOAT:
        return storage.holds_all_floats(array("d", [v for v in values if v is not None]))
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


def _set_aside(packed: Packed, stream: str, inexact: dict[int, dict[str, Any]]) -> None:
    packed.extras = [None] * len(packed.keys)
    packed.warned = len(inexact)
    for row, beside in inexact.items():
        packed.extras[row] = dump_exact(beside)
        fields = ", ".join(beside)
        packed.problems.append(
            RecordProblem(
                stream=stream,
                key=packed.keys[row],
                field=next(iter(beside)),
                message=f"No column holds the exact value of {fields}: "
                f"{COMPANION} of this row has it as JSON.",
                severity="warning",
            )
        )


def _without_unknown(
    stream: str,
    keys: Sequence[str],
    records: Sequence[Record],
    *,
    shape: Shape,
    storage: Storage,
    name: str,
) -> Packed:
    """Pack the others; name the records where field `name` has a type nobody knows."""
    good, problems = [], []
    for row, record in enumerate(records):
        kind = type(record.get(name))
        if kind in _KNOWN_TYPES:
            good.append(row)
        else:
            message = f"A {kind.__name__} is not a value a warehouse can hold."
            problems.append(
                RecordProblem(stream=stream, key=keys[row], field=name, message=message)
            )
    packed = pack(
        stream,
        [keys[row] for row in good],
        [records[row] for row in good],
        shape=shape,
        storage=storage,
    )
    packed.problems += problems
    packed.rejected += len(problems)
    return packed


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
