"""From records to the rows of one INSERT, a column at a time, and the hash of each row."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from typing import Any, cast

from shared.domain.changes import RecordProblem, Rows
from shared.sinks.warehouse.drift import Shape, ShapeChange, crowding
from shared.sinks.warehouse.fitting import Storage, stored
from shared.sinks.warehouse.hashing import hash_rows, without_fractions
from shared.sinks.warehouse.types import COMPANION, KEY, KINDS, Column
from shared.sinks.warehouse.values import dump_exact

_KNOWN_TYPES = KINDS.keys() | {type(None)}

Record = Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Packed:
    """The rows of one batch: `values` has one sequence per column, in the order of `columns`.

    `keys` are the rows' primary keys, `hashes` what `hashing` makes of the rows; `extras` their
    companion values, None where no row has any; `added` the columns the table does not have yet;
    `widened` those it has, (old, new), that must hold more from now on.
    """

    keys: Sequence[str]
    hashes: array[int] = field(default_factory=lambda: array("q"))
    columns: list[Column] = field(default_factory=list)
    values: list[Sequence[Any]] = field(default_factory=list)
    added: list[Column] = field(default_factory=list)
    widened: list[tuple[Column, Column]] = field(default_factory=list)
    extras: list[str | None] | None = None
    problems: list[RecordProblem] = field(default_factory=list)
    warned: int = 0
    rejected: int = 0

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Return the rows to insert: key, hash, values, and the companion where any row has one."""
        beside = [] if self.extras is None else [self.extras]
        return zip(self.keys, self.hashes, *self.values, *beside, strict=True)


def pack(
    stream: str,
    keys: Sequence[str],
    records: Sequence[Record] | Rows,
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
    for name, values, said in _by_field([column.field for column in shape.columns], records):
        types = _types(values, said)
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
            is_short = said is int
            kept = stored(values, types, column, storage, inexact, is_short=is_short)
            packed.values.append(kept)
    if inexact:
        _set_aside(packed, stream, inexact)
    if change.crowded_out:
        packed.problems.insert(0, crowding(stream, change.crowded_out))
        shape.crowded_out.update(change.crowded_out)
    packed.hashes = _hashes(packed)
    return packed


def _types(values: Sequence[Any], said: type | None) -> set[type]:
    """Return the types of the values; `said`: the only one there is beside None, if it is known."""
    if said is None:
        return set(map(type, values))
    is_there = bool(values) and (values[0] is not None or values.count(None) < len(values))
    return {said} if is_there else set()


def _by_field(
    known: Sequence[str], records: Sequence[Record] | Rows
) -> Iterator[tuple[str, Sequence[Any], type | None]]:
    """Yield each field with its value in every record, None where it is absent, and with the type
    that Rows say it has; `known` first, but for Rows, which have an order already.
    """
    if isinstance(records, Rows):
        yield from zip(records.fields, records.values, records.types, strict=True)
        return
    if not records:
        return
    given = cast("Sequence[dict[str, Any]]", records)
    if set(map(type, records)) != {dict}:
        given = [dict(record) for record in records]
    template: dict[str, Any] = dict.fromkeys([KEY, *known])
    if not set().union(*given) <= template.keys():
        template = dict.fromkeys(chain(template, chain.from_iterable(given)))
    rows = map(itemgetter(*template, KEY), map(template.__or__, given))
    fields = zip(template, zip(*rows, strict=True), strict=False)
    next(fields)  # the key
    for name, values in fields:
        yield name, values, None


def _hashes(packed: Packed) -> array[int]:
    """Return the hash of each row; columns where no row has a value count too."""
    nothing = [None] * len(packed.keys)
    filled = {
        column.slot: without_fractions(values) if column.had_integers else values
        for column, values in zip(packed.columns, packed.values, strict=True)
    }
    every = [filled.get(slot, nothing) for slot in range(max(filled, default=-1) + 1)]
    return hash_rows(zip(packed.keys, packed.extras or nothing, *every, strict=True))


def _put_beside(name: str, values: Sequence[Any], inexact: dict[int, dict[str, Any]]) -> None:
    """Leave every value of a field without a column to the companion."""
    for row, value in enumerate(values):
        if value is not None:
            inexact.setdefault(row, {})[name] = value


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
    records: Sequence[Record] | Rows,
    *,
    shape: Shape,
    storage: Storage,
    name: str,
) -> Packed:
    """Pack the others; name the records where field `name` has a type nobody knows."""
    if isinstance(records, Rows):
        records = list(records.records())
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
