"""Checking a whole mapping against the fields of both sides, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.domain.fields import Field, FieldType
from shared.domain.linkhub import ENTITIES
from shared.domain.mapping import DefaultTransform, FieldMapping
from shared.domain.providers import Stream
from shared.domain.transform_kinds import (
    Boolean,
    Constant,
    Day,
    Decimals,
    Instant,
    Number,
    Text,
    Transform,
    ValueMap,
    settle,
)
from shared.domain.transforms import parse_transform
from shared.domain.wire import wire_converter
from shared.errors import InvalidInputError, RecordError

_PLAIN_INPUTS: Mapping[FieldType, frozenset[FieldType]] = {
    FieldType.STRING: Text.inputs,
    FieldType.ENUMERATION: frozenset({FieldType.STRING, FieldType.ENUMERATION}),
    FieldType.INTEGER: Number.inputs,
    FieldType.DECIMAL: Number.inputs,
    FieldType.BOOLEAN: Boolean.inputs,
    FieldType.DATE: Day.inputs,
    FieldType.DATETIME: Instant.inputs,
}
"""By LinkHub type: the types whose values can become one, some of them perhaps not every value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingProblem:
    """What is wrong with one rule, or (`external_field` '') with a stream's rules together.

    `index` is the rule's place among those that were checked, None for rules together.
    """

    index: int | None = None
    stream: str
    external_field: str
    entity: str
    field: str
    message: str


def validate_mapping(
    mappings: Sequence[FieldMapping],
    *,
    streams: Sequence[Stream],
    default_transform: DefaultTransform = lambda _stream, _field: None,
) -> list[MappingProblem]:
    """Return everything wrong with these rules, in their order; nothing wrong is an empty list.

    `streams` are the provider's, with the fields it has now. What depends on a record's values (a
    text that is no number, an option a value map lacks) is left to the sync and its record errors.
    """
    known = {stream.name: {f.name: f for f in stream.fields} for stream in streams}
    problems: list[MappingProblem] = []
    entities: dict[str, str] = {}
    filled: set[tuple[str, str]] = set()
    for index, mapping in enumerate(mappings):
        messages = list(_rule_problems(mapping, known, default_transform))
        entity = entities.setdefault(mapping.stream, mapping.entity)
        if mapping.entity != entity:
            messages.append(f"A stream fills one entity, and this one already fills {entity}.")
        target = (mapping.stream, mapping.field)
        if target in filled and mapping.entity == entity:
            messages.append("Another rule already fills this field.")
        filled.add(target)
        problems += [_problem(index, mapping, message) for message in messages]
    for stream, entity in entities.items():
        problems += _missing_fields(stream, entity, filled)
    return problems


def _problem(index: int, mapping: FieldMapping, message: str) -> MappingProblem:
    return MappingProblem(
        index=index,
        stream=mapping.stream,
        external_field=mapping.external_field,
        entity=mapping.entity,
        field=mapping.field,
        message=message,
    )


def _missing_fields(
    stream: str, entity: str, filled: set[tuple[str, str]]
) -> Iterator[MappingProblem]:
    found = ENTITIES.get(entity)
    for field in found.fields if found else ():
        if field.required and (stream, field.name) not in filled:
            message = f"LinkHub requires {field.name}: map a field to it, or give it a constant."
            yield MappingProblem(
                stream=stream, external_field="", entity=entity, field=field.name, message=message
            )


def _rule_problems(
    mapping: FieldMapping,
    known: Mapping[str, Mapping[str, Field]],
    default_transform: DefaultTransform,
) -> Iterator[str]:
    """Yield what is wrong with one rule by itself."""
    data = mapping.transform
    if data is None:
        data = default_transform(mapping.stream, mapping.external_field)
    transform: Transform | None = None
    if data is not None:
        try:
            transform = parse_transform(data)
        except InvalidInputError as error:
            yield error.message
            return
    fields = known.get(mapping.stream)
    external = (fields or {}).get(mapping.external_field)
    if fields is None:
        yield f"The provider has no stream {mapping.stream!r}."
    elif external is None and not (isinstance(transform, Constant) and not mapping.external_field):
        yield f"The stream {mapping.stream!r} has no field {mapping.external_field!r}."
    entity = ENTITIES.get(mapping.entity)
    if entity is None:
        yield f"LinkHub has no entity {mapping.entity!r}; it has {', '.join(ENTITIES)}."
        return
    target = entity.find_field(mapping.field)
    if target is None:
        names = ", ".join(field.name for field in entity.fields)
        yield f"LinkHub's {entity.name} have no field {mapping.field!r}; they have {names}."
        return
    if target.read_only:
        yield f"LinkHub's field {target.name} is read-only."
    yield from _type_problems(external, transform, target)


def _type_problems(
    external: Field | None, transform: Transform | None, target: Field
) -> Iterator[str]:
    """Yield why values cannot travel from `external` through `transform` into `target`."""
    if external is not None and transform is not None and external.type not in transform.inputs:
        yield f"The transform cannot read a field of type {external.type}."
    if isinstance(transform, Constant):
        if transform.value is None and target.required:
            yield f"LinkHub requires {target.name}: the constant must not be empty."
        yield from _value_problems([transform.value], target)
    elif isinstance(transform, ValueMap):
        yield from _value_problems([*transform.values.values(), transform.default], target)
    elif transform is not None and transform.output is not None:
        if transform.output not in _PLAIN_INPUTS[target.type]:
            yield f"The transform yields {transform.output}; {target.name} is {target.type}."
        elif isinstance(transform, Decimals) and transform.scale > _scale(target):
            yield (
                f"The transform keeps {transform.scale} digits after the point; "
                f"{target.name} has room for {_scale(target)}."
            )
    elif external is not None:
        yield from _plain_problems(external, target)


def _plain_problems(external: Field, target: Field) -> Iterator[str]:
    if external.type not in _PLAIN_INPUTS[target.type]:
        yield f"A field of type {external.type} cannot fill {target.name}, which is {target.type}."
    elif external.type is target.type is FieldType.ENUMERATION:
        permitted = {option.value for option in target.options}
        strange = [option.value for option in external.options if option.value not in permitted]
        if strange:
            yield (
                f"{target.name} does not permit {', '.join(strange[:5])}"
                f"{' and others' if strange[5:] else ''}; give the rule a value map."
            )


def _value_problems(values: Iterable[Any], target: Field) -> Iterator[str]:
    convert = wire_converter(target)
    for value in values:
        try:
            settle(value, convert)
        except RecordError as error:
            yield f"A value does not fit {target.name}: {error.message}"


def _scale(target: Field) -> int:
    """Return how many digits after the point a field keeps; text keeps any number."""
    if target.type is FieldType.DECIMAL:
        return target.scale or 0
    return 0 if target.type is FieldType.INTEGER else 10**6
