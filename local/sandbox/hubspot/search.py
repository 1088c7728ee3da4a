"""HubSpot's search language: filter groups, operators, sorting, and their limits."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.sandbox.hubspot.book import DealBook
from local.sandbox.hubspot.deals import Deal, to_ms
from local.sandbox.hubspot.errors import invalid
from local.sandbox.hubspot.schema import PROPERTIES

MAX_BODY = 3_000
MAX_LIMIT = 200
MAX_RESULTS = 10_000
_MAX_GROUPS = 5
_MAX_FILTERS = 6
_MAX_FILTERS_IN_ALL = 18
_MODIFIED = "hs_lastmodifieddate"

_Predicate = Callable[[Deal], bool]
_ORDERED: Mapping[str, Callable[[Any, Any], bool]] = {
    "EQ": lambda a, b: a == b,
    "LT": lambda a, b: a < b,
    "LTE": lambda a, b: a <= b,
    "GT": lambda a, b: a > b,
    "GTE": lambda a, b: a >= b,
}
_OPERATORS = {
    *_ORDERED,
    *("NEQ", "BETWEEN", "IN", "NOT_IN", "HAS_PROPERTY", "NOT_HAS_PROPERTY"),
    *("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filter:
    """One filter; a range on hs_lastmodifieddate is served by the index as [low, high]."""

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

    def run(self, book: DealBook, *, newest_ms: float = math.inf) -> list[Deal]:
        """Return every deal that matches, in order; none changed after `newest_ms`.

        Without a sort the order is that of creation. Deals equal in the sort stand in id order.
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
            found = [d for d in found if self.text in d.properties.get("dealname", "").casefold()]
        return self._sorted(found)

    def _sorted(self, found: list[Deal]) -> list[Deal]:
        if self.sort == _MODIFIED and not self.descending:
            return found  # the index has this order
        found.sort(key=lambda deal: deal.id)
        if self.sort:
            value_of = _reader(self.sort)
            filled = [d for d in found if value_of(d) is not None]
            empty = [d for d in found if value_of(d) is None]
            filled.sort(key=value_of, reverse=self.descending)
            return filled + empty
        return found


def parse_search(body: Mapping[str, Any]) -> Search:
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
    sort, descending = _parse_sorts(body.get("sorts") or [])
    return Search(
        groups=tuple(tuple(map(_parse_filter, g.get("filters") or [])) for g in groups),
        sort=sort,
        descending=descending,
        text=str(body.get("query") or "").casefold(),
    )


def _parse_sorts(sorts: Any) -> tuple[str, bool]:
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
    _require_property(name)
    return name, descending


def _require_property(name: str) -> None:
    if name not in PROPERTIES:
        raise invalid(f"Property '{name}' does not exist.")


def _parse_filter(spec: Any) -> _Filter:
    if not isinstance(spec, dict):
        raise invalid("A filter must be an object.")
    name, operator = str(spec.get("propertyName", "")), spec.get("operator")
    _require_property(name)
    if operator not in _OPERATORS:
        raise invalid(f"Unknown operator '{operator}': {sorted(_OPERATORS)}.")
    value_of = _reader(name)
    if operator in {"HAS_PROPERTY", "NOT_HAS_PROPERTY"}:
        wanted = operator == "HAS_PROPERTY"
        return _Filter(matches=lambda deal: (value_of(deal) is not None) == wanted)
    if operator in {"IN", "NOT_IN"}:
        values = spec.get("values")
        if not isinstance(values, list) or not values:
            raise invalid(f"{operator} needs a list of values.")
        chosen = {_operand(name, value) for value in values}
        wanted = operator == "IN"
        return _Filter(matches=lambda deal: (value_of(deal) in chosen) == wanted)
    if operator in {"CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"}:
        pattern = _token_pattern(_text(spec, "value"))
        wanted = operator == "CONTAINS_TOKEN"
        return _Filter(
            matches=lambda deal: bool(pattern.search(deal.properties.get(name, ""))) == wanted
        )
    operand = _operand(name, _text(spec, "value"))
    if operator == "NEQ":
        return _Filter(matches=lambda deal: value_of(deal) != operand)
    if operator == "BETWEEN":
        top = _operand(name, _text(spec, "highValue"))
        return _Filter(
            matches=lambda deal: (v := value_of(deal)) is not None and operand <= v <= top,
            **(_bounds(operand, top) if name == _MODIFIED else {}),
        )
    compare = _ORDERED[operator]
    bounds = {}
    if name == _MODIFIED:
        bounds = {
            "EQ": _bounds(operand, operand),
            "GTE": _bounds(operand, math.inf),
            "GT": _bounds(operand + 1, math.inf),
            "LTE": _bounds(-math.inf, operand),
            "LT": _bounds(-math.inf, operand - 1),
        }[operator]
    return _Filter(
        matches=lambda deal: (v := value_of(deal)) is not None and compare(v, operand), **bounds
    )


def _bounds(low: float, high: float) -> dict[str, Any]:
    return {"low": low, "high": high, "is_range": True}


def _text(spec: Mapping[str, Any], key: str) -> str:
    value = spec.get(key)
    if value is None or isinstance(value, list | dict):
        raise invalid(f"Operator {spec['operator']} needs a {key}.")
    return str(value)


def _operand(name: str, value: Any) -> Any:
    """Return a filter's value as `_reader` returns a deal's; raise the 400 of a wrong type."""
    text = str(value)
    kind = PROPERTIES[name].type
    try:
        if kind == "number":
            return float(text)
        if kind in {"datetime", "date"}:
            return to_ms(text)
    except ValueError:
        raise invalid(f"'{text}' is not a valid {kind} for property '{name}'.") from None
    return text.casefold()


def _reader(name: str) -> Callable[[Deal], Any]:
    """Return what reads a deal's property as a value that can be compared, None where empty."""
    if name == _MODIFIED:
        return lambda deal: deal.modified_ms
    if name == "hs_object_id":
        return lambda deal: deal.id
    kind = PROPERTIES[name].type
    convert: Callable[[str], Any] = str.casefold
    if kind == "number":
        convert = float
    elif kind in {"datetime", "date"}:
        convert = to_ms

    def read(deal: Deal) -> Any:
        value = deal.properties.get(name)
        return None if value is None else convert(value)

    return read


def _token_pattern(value: str) -> re.Pattern[str]:
    """Return a pattern that finds the words of `value`; `*` stands for any letters."""
    words: Sequence[str] = value.split() or [""]
    parts = (r"\w*".join(map(re.escape, word.split("*"))) for word in words)
    return re.compile(r"(?<!\w)" + r"\W+".join(parts) + r"(?!\w)", re.IGNORECASE)
