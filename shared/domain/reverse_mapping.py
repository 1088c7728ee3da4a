"""The way back: what LinkHub's values are in the provider's terms.

Each rule of a mapping has an inverse, or is import-only. A plain conversion and the transforms
number, integer, decimal, date, datetime, boolean and string give a value back as it stands, in the
form of the external field's type; a value map gives back the first of its keys that maps to the
value. A constant, a field the provider lets nobody write, and a second rule that reads the same
external field are import-only.

In the provider's terms means: text, whole numbers as integers, other numbers as decimal text, true
or false, days as YYYY-MM-DD, instants as ISO 8601 with Z, None for empty. A day for an external
instant stays a day where the rule's zone is UTC: the adapter knows the hour its pages show. In
another zone it becomes noon there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from shared.domain.conversions import (
    format_instant,
    is_empty,
    quote,
    read_boolean,
    read_date,
    read_instant,
    read_number,
    read_text,
)
from shared.domain.field_mappings import FieldMapping
from shared.domain.fields import Field, FieldType
from shared.domain.linkhub import ENTITIES
from shared.domain.mapping import DefaultTransform
from shared.domain.merge import canonical
from shared.domain.providers import Stream
from shared.domain.transform_kinds import Constant, Day, Instant, Transform, ValueMap, settle
from shared.domain.transforms import parse_transform
from shared.domain.wire import WireValue, wire_converter
from shared.errors import RecordError

Reverse = Callable[[Any], Any]
"""Returns the external value of a LinkHub value; raises RecordError where there is none."""

_NOON = time(12)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOnly:
    """A rule whose LinkHub field never travels to the provider, and why."""

    stream: str
    external_field: str
    field: str
    reason: str


class Exported(NamedTuple):
    """A record in the provider's terms. `problems`: (LinkHub field, message) of each value without
    an inverse, which is left out.
    """

    record: dict[str, Any]
    written: dict[str, WireValue]
    seen_as: dict[str, WireValue]
    problems: list[tuple[str, str]]


class _Rule(NamedTuple):
    field: Field
    external_field: str
    reverse: Reverse
    forward: Callable[[Any], WireValue]


class ReverseMapper:
    """Turns LinkHub's values into a provider's, by rules compiled once. Safe to share."""

    def __init__(
        self, rules: Mapping[str, Mapping[str, _Rule]], import_only: Sequence[ImportOnly]
    ) -> None:
        self._rules = rules
        self.import_only = import_only

    @classmethod
    def compile(
        cls,
        mappings: Iterable[FieldMapping],
        *,
        streams: Sequence[Stream],
        default_transform: DefaultTransform = lambda _stream, _field: None,
    ) -> Self:
        """Return the mapper of rules that `RecordMapper` takes; `streams` tell their types."""
        known = {stream.name: {f.name: f for f in stream.fields} for stream in streams}
        rules: dict[str, dict[str, _Rule]] = {}
        import_only: list[ImportOnly] = []
        taken: set[tuple[str, str]] = set()
        for mapping in mappings:
            external = known.get(mapping.stream, {}).get(mapping.external_field)
            made = _compiled(mapping, external, default_transform)
            source = (mapping.stream, mapping.external_field)
            if isinstance(made, _Rule) and source in taken:
                made = f"another rule already writes {mapping.external_field}."
            if isinstance(made, str):
                import_only.append(
                    ImportOnly(
                        stream=mapping.stream,
                        external_field=mapping.external_field,
                        field=mapping.field,
                        reason=made,
                    )
                )
                continue
            taken.add(source)
            rules.setdefault(mapping.stream, {})[mapping.field] = made
        return cls(rules, import_only)

    def exportable(self, stream: str) -> frozenset[str]:
        """Return the LinkHub fields whose values can travel to this stream."""
        return frozenset(self._rules.get(stream, ()))

    def external_fields(self, stream: str) -> frozenset[str]:
        """Return the external fields an export writes."""
        return frozenset(rule.external_field for rule in self._rules.get(stream, {}).values())

    def export(self, stream: str, values: Mapping[str, Any]) -> Exported:
        """Return what LinkHub's `values` are at the provider; fields it cannot write are left out.

        `seen_as`: what the mapping will make of them when it reads them back.
        """
        made = Exported({}, {}, {}, [])
        rules = self._rules.get(stream, MappingProxyType({}))
        for name, value in values.items():
            rule = rules.get(name)
            if rule is None:
                continue
            try:
                external = None if is_empty(value) else rule.reverse(value)
                seen = rule.forward(external)
                if is_empty(value) and seen is not None:
                    external = rule.reverse(None)
                    seen = rule.forward(external)
            except RecordError as error:
                made.problems.append((name, f"{rule.external_field}: {error.message}"))
                continue
            made.record[rule.external_field] = external
            made.written[name] = value
            made.seen_as[name] = seen
        return made


def _compiled(
    mapping: FieldMapping, external: Field | None, default_transform: DefaultTransform
) -> _Rule | str:
    """Return a rule's inverse, or why it has none."""
    field = ENTITIES[mapping.entity].find_field(mapping.field)
    if field is None:
        return "LinkHub has no such field."
    data = mapping.transform
    if data is None:
        data = default_transform(mapping.stream, mapping.external_field)
    transform = None if data is None else parse_transform(data)
    if isinstance(transform, Constant):
        return "a constant says nothing of the record."
    if external is None:
        return "the provider has no such field."
    if external.read_only:
        return "the provider lets nobody write it."
    if external.type in {FieldType.JSON, FieldType.BINARY}:
        return f"a field of type {external.type} is only read."
    if isinstance(transform, ValueMap):
        reverse = _value_map(transform, field, external)
    else:
        reverse = _identity(external, _zone(transform))
    return _Rule(field, mapping.external_field, reverse, _forward(field, transform))


def _forward(field: Field, transform: Transform | None) -> Callable[[Any], WireValue]:
    """Return the rule itself, as `RecordMapper` applies it."""
    to_wire = wire_converter(field)
    if transform is None:
        return lambda value: settle(value, to_wire)
    convert, of_empty = transform.compile(to_wire), transform.of_empty(to_wire)
    return lambda value: of_empty if is_empty(value) else convert(value)


def _zone(transform: Transform | None) -> tzinfo:
    return transform.zone if isinstance(transform, (Day, Instant)) else UTC


def _value_map(transform: ValueMap, field: Field, external: Field) -> Reverse:
    to_wire = wire_converter(field)
    keys: dict[WireValue, str] = {}
    for key, value in transform.values.items():
        keys.setdefault(canonical(field, settle(value, to_wire)), key)
    in_its_terms = _typed(external, UTC)

    def reverse(value: Any) -> Any:
        key = keys.get(canonical(field, value))
        if key is None:
            shown = "An empty value" if is_empty(value) else quote(value)
            raise RecordError(f"{shown} stands for none of the values in the rule's value map.")
        return None if is_empty(key) else in_its_terms(key)

    return reverse


def _identity(external: Field, zone: tzinfo) -> Reverse:
    in_its_terms = _typed(external, zone)
    permitted: frozenset[str] = frozenset()
    if external.type is FieldType.ENUMERATION:
        permitted = frozenset(option.value for option in external.options)

    def reverse(value: Any) -> Any:
        if is_empty(value):
            raise RecordError("It cannot be emptied there.")
        made = in_its_terms(value)
        if permitted and made not in permitted:
            raise RecordError(f"{quote(value)} is none of {', '.join(sorted(permitted)[:20])}.")
        return made

    return reverse


def _typed(external: Field, zone: tzinfo) -> Reverse:
    """Return what gives a value the form of the external field's type."""
    match external.type:
        case FieldType.INTEGER | FieldType.DECIMAL | FieldType.FLOAT:
            return lambda value: _number(value, whole=external.type is FieldType.INTEGER)
        case FieldType.BOOLEAN:
            return read_boolean
        case FieldType.DATE:
            return lambda value: read_date(value, zone).isoformat()
        case FieldType.DATETIME:
            return lambda value: _moment(value, zone)
        case _:
            return read_text


def _number(value: Any, *, whole: bool) -> int | str:
    number = read_number(value)
    if number == number.to_integral_value():
        return int(number)
    if whole:
        raise RecordError(f"{quote(value)} is no whole number.")
    return read_text(number)


def _moment(value: Any, zone: tzinfo) -> str:
    """Return an instant; a plain day stays one in UTC, elsewhere it becomes its noon."""
    text = read_text(value)
    if len(text) != len("2026-01-31"):
        return format_instant(read_instant(value, zone))
    day = read_date(text, UTC)
    if str(zone) == "UTC":
        return day.isoformat()
    noon = datetime.combine(day, _NOON, tzinfo=zone)
    return format_instant(noon.astimezone(UTC))
