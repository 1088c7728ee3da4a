"""The kinds of transform, each a small frozen value that compiles to a function."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, ClassVar

from shared.domain.conversions import (
    Rounding,
    is_empty,
    quote,
    read_boolean,
    read_date,
    read_instant,
    read_number,
    read_text,
    round_number,
)
from shared.domain.fields import FieldType
from shared.domain.wire import Convert, WireValue
from shared.errors import RecordError

_SCALARS = frozenset(
    {
        FieldType.STRING,
        FieldType.INTEGER,
        FieldType.DECIMAL,
        FieldType.FLOAT,
        FieldType.BOOLEAN,
        FieldType.DATE,
        FieldType.DATETIME,
        FieldType.ENUMERATION,
    }
)
_NUMERIC = frozenset({FieldType.INTEGER, FieldType.DECIMAL, FieldType.FLOAT})
_WORDED = frozenset({FieldType.STRING, FieldType.ENUMERATION})
_MOMENTS = frozenset({FieldType.DATE, FieldType.DATETIME})


class Transform(ABC):
    """A checked transform. `inputs`: the external types it can make something of. `output`: the
    type it yields, None where the values themselves must be looked at.
    """

    __slots__ = ()

    inputs: ClassVar[frozenset[FieldType]]
    output: ClassVar[FieldType | None]

    @abstractmethod
    def compile(self, to_wire: Convert) -> Convert:
        """Return the function from an external value that is not empty to LinkHub's wire value;
        `to_wire` is the converter of the field to fill. It raises RecordError for a value at fault.
        """

    def of_empty(self, to_wire: Convert) -> WireValue:
        """Return what an empty external value becomes: by itself, an empty one."""
        del to_wire
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueMap(Transform):
    """Looks a value up by its text. `default` stands for every other value, empty ones included;
    without one (`has_default` false) an unknown value is a RecordError and an empty one stays so.
    """

    values: Mapping[str, Any]
    default: Any = None
    has_default: bool = False
    inputs: ClassVar = _SCALARS
    output: ClassVar = None

    def compile(self, to_wire: Convert) -> Convert:
        """Return the look-up; raise RecordError here where a value of the map does not fit."""
        wired = {text: settle(value, to_wire) for text, value in self.values.items()}
        default, has_default = settle(self.default, to_wire), self.has_default

        def convert(value: Any) -> WireValue:
            text = value if isinstance(value, str) else read_text(value)
            if text in wired:
                return wired[text]
            if has_default:
                return default
            raise RecordError(f"{quote(text)} is not in the value map, which has no default.")

        return convert

    def of_empty(self, to_wire: Convert) -> WireValue:
        """Return the entry for "", else the default."""
        return settle(self.values.get("", self.default), to_wire)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Transform):
    """Reads a number exactly as it was sent."""

    inputs: ClassVar = _NUMERIC | _WORDED
    output: ClassVar = FieldType.FLOAT

    def compile(self, to_wire: Convert) -> Convert:
        """Return the reader for one field."""
        return lambda value: to_wire(read_number(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer(Transform):
    """Reads a number and rounds it to a whole one."""

    rounding: Rounding = Rounding.HALF_EVEN
    inputs: ClassVar = _NUMERIC | _WORDED
    output: ClassVar = FieldType.INTEGER

    def compile(self, to_wire: Convert) -> Convert:
        """Return the reader for one field."""
        rounding = self.rounding
        return lambda value: to_wire(int(round_number(read_number(value), 0, rounding)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decimals(Transform):
    """Reads a number and rounds it to `scale` digits after the point."""

    scale: int
    rounding: Rounding = Rounding.HALF_EVEN
    inputs: ClassVar = _NUMERIC | _WORDED
    output: ClassVar = FieldType.DECIMAL

    def compile(self, to_wire: Convert) -> Convert:
        """Return the reader for one field."""
        scale, rounding = self.scale, self.rounding
        return lambda value: to_wire(round_number(read_number(value), scale, rounding))


@dataclass(frozen=True, slots=True, kw_only=True)
class Day(Transform):
    """Reads a day; an instant becomes the day it falls on in `zone`, a plain day stays."""

    zone: tzinfo
    inputs: ClassVar = _MOMENTS | _NUMERIC | _WORDED
    output: ClassVar = FieldType.DATE

    def compile(self, to_wire: Convert) -> Convert:
        """Return the reader for one field."""
        zone = self.zone
        return lambda value: to_wire(read_date(value, zone))


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant(Transform):
    """Reads an instant; what names no zone is local to `zone` (see `read_instant` for the hours
    daylight saving skips or repeats).
    """

    zone: tzinfo
    inputs: ClassVar = _MOMENTS | _NUMERIC | _WORDED
    output: ClassVar = FieldType.DATETIME

    def compile(self, to_wire: Convert) -> Convert:
        """Return the reader for one field."""
        zone = self.zone
        return lambda value: to_wire(read_instant(value, zone))


@dataclass(frozen=True, slots=True, kw_only=True)
class Boolean(Transform):
    """Reads a truth value: true/t/yes/y/on/1 or false/f/no/n/off/0, in any case."""

    inputs: ClassVar = _NUMERIC | _WORDED | {FieldType.BOOLEAN}
    output: ClassVar = FieldType.BOOLEAN

    def compile(self, to_wire: Convert) -> Convert:
        """Return the reader for one field."""
        return lambda value: to_wire(read_boolean(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Transform):
    """Makes text of a value, trims white space off its ends and changes its case where asked."""

    trim: bool = False
    case: str = ""
    inputs: ClassVar = _SCALARS
    output: ClassVar = FieldType.STRING

    def compile(self, to_wire: Convert) -> Convert:
        """Return the function for one field."""
        trim, recase = self.trim, CASES.get(self.case)

        def convert(value: Any) -> WireValue:
            text = read_text(value)
            if trim:
                text = text.strip()
            return to_wire(recase(text) if recase else text)

        return convert


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant(Transform):
    """Is always the same value, whatever the record says."""

    value: Any
    inputs: ClassVar = frozenset(FieldType)
    output: ClassVar = None

    def compile(self, to_wire: Convert) -> Convert:
        """Return the constant function; raise RecordError here where the value does not fit."""
        wired = self.of_empty(to_wire)
        return lambda _ignored: wired

    def of_empty(self, to_wire: Convert) -> WireValue:
        """Return the constant."""
        return settle(self.value, to_wire)


def _title(text: str) -> str:
    """Return each word with a capital first letter; str.title would make "It'S" of "it's"."""
    return re.sub(r"\S+", lambda word: word[0].capitalize(), text)


CASES: Mapping[str, Callable[[str], str]] = {
    "lower": str.lower,
    "upper": str.upper,
    "title": _title,
}
"""What the `case` of a string transform may be."""


def settle(value: Any, to_wire: Convert) -> WireValue:
    """Return the wire value of a value that may be empty."""
    return None if is_empty(value) else to_wire(value)
