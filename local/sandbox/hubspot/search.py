"""HubSpot's search language: filter groups, operators, sorting, and their limits."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.sandbox.hubspot.book import Book
from local.sandbox.hubspot.errors import invalid
from local.sandbox.hubspot.records import Record
from local.sandbox.hubspot.times import to_ms

MAX_BODY = 3_000
MAX_LIMIT = 200
MAX_RESULTS = 10_000
_MAX_GROUPS = 5
_MAX_FILTERS = 6
_MAX_FILTERS_IN_ALL = 18
_LINKED = "associations."
"""Before the name of an object type it makes a property of the ids a record belongs to."""

Linked = Callable[[str], Callable[[int], Sequence[int]]]
"""Returns, for an object type's name, what finds the ids a record belongs to."""
_Predicate = Callable[[Record], bool]
_ORDERED: Mapping[str, Callable[[Any, Any], bool]] = {
    "EQ": lambda a, b: a == b,
    "LT": lambda a, b: a < b,
    "LTE": lambda a, b: a <= b,
    "GT": lambda a, b: a > b,
    "GTE": lambda a, b: a >= b,
}
_UNORDERED = {
    *("NEQ", "IN", "NOT_IN", "HAS_PROPERTY", "NOT_HAS_PROPERTY"),
    *("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"),
}
_OPERATORS = {*_ORDERED, *_UNORDERED, "BETWEEN"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filter:
    """One filter; a range of the time of change is served by the index as [low, high]."""

    matches: _Predicate
    low: float = -math.inf
    high: float = math.inf
    is_range: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search that has been read and found valid."""

    groups: tuple[tuple[_Filter, ...], ...]
    sort: str
    descending: bool
    text: str

    def run(self, book: Book, *, newest_ms: float = math.inf) -> list[Record]:
        """Return every record that matches, in order; none changed after `newest_ms`.

        Without a sort the order is that of creation. Those equal in the sort stand in id order.
        """
        if len(self.groups) == 1:
            group = self.groups[0]
            low = max((f.low for f in group), default=-math.inf)
            high = min((f.high for f in group), default=math.inf)
            found = book.modified_between(low, min(high, newest_ms))
            rest = [f.matches for f in group if not f.is_range]
            if rest:
                found = [d for d in found if all(matches(d) for matches in rest)]
        else:
            found = book.modified_between(-math.inf, newest_ms)
            if self.groups:
                found = [d for d in found if any(all(f.matches(d) for f in g) for g in self.groups)]
        if self.text:
            names = book.kind.searched
            found = [
                r
                for r in found
                if any(self.text in r.properties.get(name, "").casefold() for name in names)
            ]
        return self._sorted(book, found)

    def _sorted(self, book: Book, found: list[Record]) -> list[Record]:
        if self.sort == book.kind.modified and not self.descending:
            return found  # the index has this order
        found.sort(key=lambda record: record.id)
        if self.sort:
            value_of = _reader(book, self.sort)
            filled = [d for d in found if value_of(d) is not None]
            empty = [d for d in found if value_of(d) is None]
            filled.sort(key=value_of, reverse=self.descending)
            return filled + empty
        return found


def _no_links(name: str) -> Callable[[int], Sequence[int]]:
    raise invalid(f"There are no associations with {name} here.")


def parse_search(body: Mapping[str, Any], book: Book, *, linked: Linked = _no_links) -> Search:
    """Return the search `body` asks for; raise the 400 HubSpot would answer."""
    groups = body.get("filterGroups") or []
    if not isinstance(groups, list) or not all(isinstance(g, dict) for g in groups):
        raise invalid("filterGroups must be a list of objects.")
    sizes = [len(group.get("filters") or []) for group in groups]
    if len(groups) > _MAX_GROUPS:
        raise invalid(f"There can be at most {_MAX_GROUPS} filterGroups.")
    if max(sizes, default=0) > _MAX_FILTERS:
        raise invalid(f"There can be at most {_MAX_FILTERS} filters in a filterGroup.")
    if sum(sizes) > _MAX_FILTERS_IN_ALL:
        raise invalid(f"There can be at most {_MAX_FILTERS_IN_ALL} filters in all.")
    sort, descending = _parse_sorts(book, body.get("sorts") or [])
    return Search(
        groups=tuple(
            tuple(_parse_filter(book, spec, linked) for spec in g.get("filters") or [])
            for g in groups
        ),
        sort=sort,
        descending=descending,
        text=str(body.get("query") or "").casefold(),
    )


def _parse_sorts(book: Book, sorts: Any) -> tuple[str, bool]:
    if not isinstance(sorts, list) or len(sorts) > 1:
        raise invalid("sorts must be a list of at most one sort.")
    if not sorts:
        return "", False
    first = sorts[0]
    if isinstance(first, str):
        name, descending = first.lstrip("-"), first.startswith("-")
    elif isinstance(first, dict):
        name = str(first.get("propertyName", ""))
        descending = first.get("direction", "ASCENDING") == "DESCENDING"
    else:
        raise invalid("A sort is a property name or {propertyName, direction}.")
    _type_of(book, name)
    return name, descending


def _type_of(book: Book, name: str) -> str:
    item = book.properties.find(name)
    if item is None:
        raise invalid(f"Property '{name}' does not exist.")
    return item.type


def _parse_filter(book: Book, spec: Any, linked: Linked) -> _Filter:
    if not isinstance(spec, dict):
        raise invalid("A filter must be an object.")
    name, operator = str(spec.get("propertyName", "")), spec.get("operator")
    if name.startswith(_LINKED):
        return _parse_linked(spec, linked(name.removeprefix(_LINKED)))
    _type_of(book, name)
    if operator not in _OPERATORS:
        raise invalid(f"Unknown operator '{operator}': {sorted(_OPERATORS)}.")
    if operator in _UNORDERED:
        return _Filter(matches=_parse_unordered(book, spec, name))
    operand = _operand(book, name, _text(spec, "value"))
    low, high = operand, operand
    if operator == "BETWEEN":
        high = _operand(book, name, _text(spec, "highValue"))
        compare: Callable[[Any, Any], bool] = lambda v, _: low <= v <= high  # noqa: E731
    else:
        compare = _ORDERED[operator]
    value_of = _reader(book, name)
    bounds = _bounds(operator, low, high) if name == book.kind.modified else {}
    return _Filter(
        matches=lambda r: (v := value_of(r)) is not None and compare(v, operand), **bounds
    )


def _parse_unordered(book: Book, spec: Mapping[str, Any], name: str) -> _Predicate:
    """Return the predicate of an operator that does not compare by order."""
    operator, value_of = spec["operator"], _reader(book, name)
    wanted = not operator.startswith("N")
    if operator in {"HAS_PROPERTY", "NOT_HAS_PROPERTY"}:
        return lambda r: (value_of(r) is not None) == wanted
    if operator in {"IN", "NOT_IN"}:
        values = spec.get("values")
        if not isinstance(values, list) or not values:
            raise invalid(f"{operator} needs a list of values.")
        chosen = {_operand(book, name, value) for value in values}
        return lambda r: (value_of(r) in chosen) == wanted
    if operator in {"CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"}:
        pattern = _token_pattern(_text(spec, "value"))
        return lambda r: bool(pattern.search(r.properties.get(name, ""))) == wanted
    operand = _operand(book, name, _text(spec, "value"))
    return lambda r: value_of(r) != operand


def _parse_linked(spec: Mapping[str, Any], ids_of: Callable[[int], Sequence[int]]) -> _Filter:
    """Return the filter of `associations.<type>`: records that belong to one of the ids."""
    operator = spec.get("operator")
    if operator in {"HAS_PROPERTY", "NOT_HAS_PROPERTY"}:
        return _Filter(matches=lambda r: bool(ids_of(r.id)) == (operator == "HAS_PROPERTY"))
    if operator not in {"EQ", "IN"}:
        raise invalid(f"Operator '{operator}' does not work on associations.")
    values = spec.get("values") if operator == "IN" else [_text(spec, "value")]
    if not isinstance(values, list) or not values:
        raise invalid(f"{operator} needs a list of values.")
    wanted = {int(text) for text in map(str, values) if text.isdecimal()}
    return _Filter(matches=lambda r: not wanted.isdisjoint(ids_of(r.id)))


def _bounds(operator: str, low: float, high: float) -> dict[str, Any]:
    """Return the range of the time of change the index serves an operator with."""
    below, above = {
        "EQ": (low, high),
        "BETWEEN": (low, high),
        "GTE": (low, math.inf),
        "GT": (low + 1, math.inf),
        "LTE": (-math.inf, high),
        "LT": (-math.inf, high - 1),
    }[operator]
    return {"low": below, "high": above, "is_range": True}


def _text(spec: Mapping[str, Any], key: str) -> str:
    value = spec.get(key)
    if value is None or isinstance(value, list | dict):
        raise invalid(f"Operator {spec['operator']} needs a {key}.")
    return str(value)


def _operand(book: Book, name: str, value: Any) -> Any:
    """Return a filter's value as `_reader` returns a record's; raise the 400 of a wrong type."""
    text = str(value)
    kind = _type_of(book, name)
    try:
        if kind == "number":
            return float(text)
        if kind in {"datetime", "date"}:
            return to_ms(text)
    except ValueError:
        raise invalid(f"'{text}' is not a valid {kind} for property '{name}'.") from None
    return text.casefold()


def _reader(book: Book, name: str) -> Callable[[Record], Any]:
    """Return what reads a property as a value that can be compared, None where it is empty."""
    if name == book.kind.modified:
        return lambda record: record.modified_ms
    if name == "hs_object_id":
        return lambda record: record.id
    kind = _type_of(book, name)
    convert: Callable[[str], Any] = str.casefold
    if kind == "number":
        convert = float
    elif kind in {"datetime", "date"}:
        convert = to_ms
    read = book.kind.reader(name)

    def value_of(record: Record) -> Any:
        value = read(record)
        return None if value is None else convert(value)

    return value_of


def _token_pattern(value: str) -> re.Pattern[str]:
    """Return a pattern that finds the words of `value`; `*` stands for any letters."""
    words: Sequence[str] = value.split() or [""]
    parts = (r"\w*".join(map(re.escape, word.split("*"))) for word in words)
    return re.compile(r"(?<!\w)" + r"\W+".join(parts) + r"(?!\w)", re.IGNORECASE)
