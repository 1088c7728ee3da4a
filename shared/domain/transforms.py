"""Declarative transforms: what becomes of an external value before LinkHub's field takes it.

A transform is a JSON object a person can read and a wizard can build:

    {"type": "value_map", "values": {"closedwon": "FINISHED"}, "default": "ON_TIME"}
    {"type": "number"}
    {"type": "integer", "rounding": "half_even"}
    {"type": "decimal", "scale": 2, "rounding": "half_even"}
    {"type": "date", "zone": "Europe/Rome"}
    {"type": "datetime", "zone": "Europe/Rome"}
    {"type": "boolean"}
    {"type": "string", "trim": true, "case": "lower"}
    {"type": "constant", "value": "ON_TIME"}

Roundings are half_even (the default), half_up, floor, ceiling, truncate and reject. Zones are IANA
names, UTC by default. An empty value (None, or white space only) stays empty, except where a value
map has an entry for "" or a default, and for a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo
from enum import Enum
from typing import Any

from shared.domain.conversions import MAX_DIGITS, Rounding, quote
from shared.domain.transform_kinds import (
    CASES,
    Boolean,
    Constant,
    Day,
    Decimals,
    Instant,
    Integer,
    Number,
    Text,
    Transform,
    ValueMap,
)
from shared.domain.zones import find_zone
from shared.errors import InvalidInputError


class _Absent(Enum):
    """Marks a key that is not there, where None is a value of its own."""

    ABSENT = "absent"


def parse_transform(data: Any) -> Transform:
    """Return the transform a JSON object describes.

    Raise InvalidInputError whose `errors` name each key at fault: an unknown type or key, a missing
    or ill-typed value, a zone the tz database does not have, a scale out of range.
    """
    if not isinstance(data, Mapping):
        raise _invalid([("", "A transform is a JSON object with a type.")])
    kind = data.get("type")
    parse = _PARSERS.get(kind) if isinstance(kind, str) else None
    if parse is None:
        known = ", ".join(_PARSERS)
        shown = "missing" if kind is None else quote(kind)
        raise _invalid([("type", f"The type is {shown}; known types are {known}.")])
    keys = _Keys(data)
    transform = parse(keys)
    errors = keys.finish()
    if errors or transform is None:
        raise _invalid(errors)
    return transform


def _invalid(errors: list[tuple[str, str]]) -> InvalidInputError:
    wrong = " ".join(message for _, message in errors)
    return InvalidInputError(f"The transform cannot be used: {wrong}", errors=errors)


class _Keys:
    """The keys of one JSON object: taken one by one, with what is wrong collected."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._left = {key: value for key, value in data.items() if key != "type"}
        self._kind = data["type"]
        self._errors: list[tuple[str, str]] = []

    def take(self, key: str) -> Any:
        """Return a key's value, `_Absent.ABSENT` where it is not there."""
        return self._left.pop(key, _Absent.ABSENT)

    def refuse(self, key: str, message: str) -> None:
        """Note that a key is at fault."""
        self._errors.append((key, message))

    def finish(self) -> list[tuple[str, str]]:
        """Return what is wrong, keys nobody took included."""
        unknown = [
            (str(key), f"{quote(key)} is no key of a {self._kind} transform.") for key in self._left
        ]
        return self._errors + unknown

    def rounding(self) -> Rounding:
        """Take the optional rounding."""
        value = self.take("rounding")
        if value is _Absent.ABSENT:
            return Rounding.HALF_EVEN
        if isinstance(value, str) and value in set(Rounding):
            return Rounding(value)
        self.refuse("rounding", f"The rounding {quote(value)} is none of {', '.join(Rounding)}.")
        return Rounding.REJECT

    def zone(self) -> tzinfo:
        """Take the optional zone."""
        value = self.take("zone")
        if value is _Absent.ABSENT:
            return UTC
        zone = find_zone(value) if isinstance(value, str) else None
        if zone is not None:
            return zone
        self.refuse("zone", f"{quote(value)} is no IANA time zone such as Europe/Rome.")
        return UTC


def _value_map(keys: _Keys) -> Transform | None:
    values, default = keys.take("values"), keys.take("default")
    if not isinstance(values, Mapping) or not values:
        keys.refuse("values", "The values must be an object with at least one entry.")
        return None
    for name, value in values.items():
        if not isinstance(name, str) or not _is_scalar(value):
            keys.refuse("values", f"The entry {quote(name)} must map text to a plain value.")
    if default is _Absent.ABSENT:
        return ValueMap(values=dict(values))
    if not _is_scalar(default):
        keys.refuse("default", "The default must be a plain value.")
    return ValueMap(values=dict(values), default=default, has_default=True)


def _decimals(keys: _Keys) -> Transform | None:
    scale, rounding = keys.take("scale"), keys.rounding()
    if not isinstance(scale, int) or isinstance(scale, bool) or not 0 <= scale < MAX_DIGITS:
        keys.refuse("scale", f"The scale must be a whole number from 0 to {MAX_DIGITS - 1}.")
        return None
    return Decimals(scale=scale, rounding=rounding)


def _text(keys: _Keys) -> Transform | None:
    trim, case = keys.take("trim"), keys.take("case")
    if trim is _Absent.ABSENT:
        trim = False
    if not isinstance(trim, bool):
        keys.refuse("trim", "trim must be true or false.")
        return None
    if case is _Absent.ABSENT:
        return Text(trim=trim)
    if not isinstance(case, str) or case not in CASES:
        keys.refuse("case", f"The case {quote(case)} is none of {', '.join(CASES)}.")
        return None
    return Text(trim=trim, case=case)


def _constant(keys: _Keys) -> Transform | None:
    value = keys.take("value")
    if value is _Absent.ABSENT or not _is_scalar(value):
        keys.refuse("value", "A constant needs a value that is text, a number, true/false or null.")
        return None
    return Constant(value=value)


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float, bool))


_PARSERS: dict[str, Callable[[_Keys], Transform | None]] = {
    "value_map": _value_map,
    "number": lambda _keys: Number(),
    "integer": lambda keys: Integer(rounding=keys.rounding()),
    "decimal": _decimals,
    "date": lambda keys: Day(zone=keys.zone()),
    "datetime": lambda keys: Instant(zone=keys.zone()),
    "boolean": lambda _keys: Boolean(),
    "string": _text,
    "constant": _constant,
}
