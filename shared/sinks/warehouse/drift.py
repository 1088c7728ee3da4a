"""How the columns of a table follow its data, and what is said of it.

Under EVOLVE a field nobody has seen becomes a column, a text column grows in steps, and integers
that fractions join become floats where no row there would be rounded. Under FREEZE the columns
stay. Whatever a column cannot hold goes to the companion column in either case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from shared.domain.changes import RecordProblem
from shared.domain.selections import DriftPolicy
from shared.sinks.warehouse import names
from shared.sinks.warehouse.room import Bounds, Room
from shared.sinks.warehouse.types import COMPANION, KEY, Column, ColumnType, infer

STEPS = (50, 100, 200, 400, 850, 2_000, 4_000)
"""Lengths of text columns. 850 is the longest SQL Server can index, 4,000 its longest at all."""


_MOST_NAMED: Final = 20
"""Of the fields one note of the log names."""


class Limits(Bounds, Protocol):
    """What a database says of the columns it can have."""

    bounds_text: bool
    """Whether a text column has a length; where not, every one takes any text."""

    def holds_float(self, number: float) -> bool:
        """Whether a float column gives `number` back bit by bit."""


@dataclass(slots=True, kw_only=True)
class Shape:
    """A table's columns, and how they may change while rows come.

    `former` are the columns of the generation this one is to replace, by field: a field keeps its
    name there and, as long as its first values fit, its type. `may_become` asks the table whether
    its rows allow a column's new type. `crowded_out` are the fields that have no column for want
    of room, as the log was told.
    """

    columns: Sequence[Column]
    policy: DriftPolicy = DriftPolicy.EVOLVE
    former: Mapping[str, Column] = field(default_factory=dict)
    may_become: Callable[[Column, Column], bool] = lambda _old, _new: True
    crowded_out: set[str] = field(default_factory=set)


class ShapeChange:
    """What one batch makes of a table's shape: columns to add, (old, new) ones to widen, and
    the fields there was no room for.
    """

    def __init__(self, shape: Shape, limits: Limits) -> None:
        self.added: list[Column] = []
        self.widened: list[tuple[Column, Column]] = []
        self.crowded_out: list[str] = []
        self._shape = shape
        self._limits = limits
        self._room = Room(limits, shape.columns)
        self._is_frozen = shape.policy is DriftPolicy.FREEZE
        self._known = {column.field: column for column in shape.columns}
        used = [*shape.columns, *shape.former.values()]
        self._taken = {KEY.lower(), COMPANION.lower(), *(column.name.lower() for column in used)}

    def column_for(
        self, name: str, values: Sequence[Any], types: AbstractSet[type]
    ) -> Column | None:
        """Return the column a field's values go to, None where it has none and gets none.

        `types` are those of the values, None aside and never empty, all of them in KINDS.
        """
        column = self._known.get(name)
        if self._is_frozen:
            return column
        if column is None:
            return self._add(name, values, types)
        wider = self._wider(column, values, types)
        if wider is column or not self._shape.may_become(column, wider):
            return column
        if self._room.change(column, wider):
            self._known[name] = wider
            self.widened.append((column, wider))
            return wider
        return column

    def _add(self, name: str, values: Sequence[Any], types: AbstractSet[type]) -> Column | None:
        if name in self._shape.crowded_out:
            return None
        column = replace(self._new(name, values, types), slot=len(self._known))
        if not self._room.add(column):
            self.crowded_out.append(name)
            return None
        self._known[name] = column
        self._taken.add(column.name.lower())
        self.added.append(column)
        return column

    def _new(self, name: str, values: Sequence[Any], types: AbstractSet[type]) -> Column:
        former = self._shape.former.get(name)
        if former is not None and _suits(former.type, types):
            former = replace(former, has_vanished=False)
            return self._wider(former, values, types)
        kind = infer(types)
        named = former.name if former else names.column_name(name, taken=self._taken)
        column = Column(field=name, name=named, type=kind)
        if kind is ColumnType.TEXT and self._limits.bounds_text:
            return replace(column, length=_step(_longest(values)), is_id=_are_ids(values))
        return column

    def _wider(self, column: Column, values: Sequence[Any], types: AbstractSet[type]) -> Column:
        """Return the column as these values want it; the same one where it is wide enough."""
        if column.type is ColumnType.INTEGER and float in types:
            holds = self._limits.holds_float
            if any(value.__class__ is float and holds(value) for value in values):
                return replace(column, type=ColumnType.FLOAT, had_integers=True)
        if column.length and str in types and not fits(values, column.length):
            return replace(column, length=_step(_longest(values)))
        return column


def units(text: str) -> int:
    """Return the text's length as SQL Server counts it, in UTF-16 code units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def fits(values: Sequence[Any], length: int) -> bool:
    """Whether every text among the values has at most `length` UTF-16 code units."""
    texts = [value for value in values if value.__class__ is str]
    longest = max(map(len, texts), default=0)
    return longest * 2 <= length or (longest <= length and _longest(texts) <= length)


def words(column: Column) -> str:
    """Return what people call a column's type, the same for every database."""
    if column.type is ColumnType.TEXT:
        return f"text of at most {column.length:,} characters" if column.length else "text"
    return "JSON" if column.type is ColumnType.JSON else column.type.value


def notes(stream: str, before: Sequence[Column], after: Sequence[Column]) -> list[RecordProblem]:
    """Return what the log is told of a table whose columns were `before` and are `after`."""
    old = {column.field: column for column in before}
    return [
        RecordProblem(stream=stream, key="", field=now.field, message=message, severity=severity)
        for now in after
        for severity, message in _said(old.get(now.field), now)
    ]


def crowding(stream: str, fields: Sequence[str]) -> RecordProblem:
    """Return what the log is told of fields that got no column for want of room."""
    named = ", ".join(fields[:_MOST_NAMED])
    more = f" and {len(fields) - _MOST_NAMED:,} more" if len(fields) > _MOST_NAMED else ""
    return RecordProblem(
        stream=stream,
        key="",
        field=fields[0],
        message=f"The table has no room for more columns: {COMPANION} has the values of "
        f"{named}{more}, as JSON.",
        severity="warning",
    )


def _said(was: Column | None, now: Column) -> Iterator[tuple[str, str]]:
    if was is None:
        yield "info", f"Column {now.name} was added ({words(now)})."
    elif now.has_vanished and not was.has_vanished:
        gone = f"No record has a value for {now.field} any more"
        yield "info", f"{gone}: column {now.name} stays, NULL in each."
    elif (was.type, was.length) != (now.type, now.length):
        grew = was.type is now.type or (was.type, now.type) == _GROWTH
        change = f"Column {now.name} was {words(was)} and is {words(now)} now"
        yield ("info", f"{change}.") if grew else ("warning", f"{change}: look at what reads it.")


_GROWTH = (ColumnType.INTEGER, ColumnType.FLOAT)


def _suits(kind: ColumnType, types: AbstractSet[type]) -> bool:
    """Whether a column of this type holds values of these types, their size aside."""
    inferred = infer(types)
    return inferred is kind or (inferred in _GROWTH and kind in _GROWTH)


def _are_ids(values: Sequence[Any]) -> bool:
    return all(_ID.fullmatch(value) for value in values if value.__class__ is str)


_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{31,37}")
"""What a Convex id looks like: the base 32 of Crockford, in lower case (`crates/value/src/id_v6.rs`
of convex-backend). Other texts of this form, such as hexadecimal hashes, are as well off so.
"""


def _longest(values: Sequence[Any]) -> int:
    return max((units(value) for value in values if value.__class__ is str), default=0)


def _step(length: int) -> int:
    """Return the length of a column for texts this long: twice as much, in steps; 0 for any."""
    if length > STEPS[-1]:
        return 0
    return next((step for step in STEPS if step >= 2 * length), STEPS[-1])
