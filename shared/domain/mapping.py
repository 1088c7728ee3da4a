"""The mapper that the rules from external fields to LinkHub fields compile to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Self

from shared.domain.changes import RecordProblem
from shared.domain.field_mappings import FieldMapping
from shared.domain.fields import Field
from shared.domain.linkhub import ENTITIES
from shared.domain.transform_kinds import Constant
from shared.domain.transforms import parse_transform
from shared.domain.wire import Convert, WireValue, wire_converter
from shared.errors import InvalidInputError, PermanentError, RecordError

__all__ = ["DefaultTransform", "EntityRecord", "FieldMapping", "RecordMapper"]

DefaultTransform = Callable[[str, str], Mapping[str, Any] | None]


class EntityRecord(NamedTuple):
    """One record as LinkHub takes it: wire values by field name (see `wire.py`)."""

    entity: str
    stream: str
    key: str
    fields: dict[str, WireValue]


class _Rule(NamedTuple):
    """`of_empty` is what an empty external value becomes; `convert` gets all others."""

    field: str
    external_field: str
    convert: Convert
    of_empty: WireValue
    required: bool


class _Plan(NamedTuple):
    """A stream's rules, compiled; `constants` are already wire values."""

    entity: str
    constants: dict[str, WireValue]
    rules: tuple[_Rule, ...]


class RecordMapper:
    """Turns external records into LinkHub's, by rules compiled once. Safe to share."""

    def __init__(self, plans: Mapping[str, _Plan]) -> None:
        self._plans = dict(plans)

    @classmethod
    def compile(
        cls,
        mappings: Iterable[FieldMapping],
        *,
        default_transform: DefaultTransform = lambda _stream, _field: None,
    ) -> Self:
        """Return the mapper of these rules; a stream's rules all fill one entity.

        A rule's own transform wins over the provider's default, which wins over the plain
        conversion by LinkHub's type. Raise PermanentError for rules that `validate_mapping` would
        refuse and that cannot be run.
        """
        plans: dict[str, _Plan] = {}
        for mapping in mappings:
            plan = plans.setdefault(mapping.stream, _Plan(mapping.entity, {}, ()))
            plans[mapping.stream] = _extended(plan, mapping, default_transform)
        return cls(plans)

    @property
    def streams(self) -> Mapping[str, str]:
        """The entity each mapped stream fills."""
        return {stream: plan.entity for stream, plan in self._plans.items()}

    def fields_of(self, stream: str) -> tuple[Field, ...]:
        """Return the LinkHub fields this stream's rules fill, in the order the entity has them."""
        plan = self._plans[stream]
        filled = {*plan.constants, *(rule.field for rule in plan.rules)}
        return tuple(each for each in ENTITIES[plan.entity].fields if each.name in filled)

    def map(
        self, stream: str, key: str, record: Mapping[str, Any]
    ) -> EntityRecord | list[RecordProblem]:
        """Return the LinkHub record, or everything that keeps this one from being made.

        A field the record lacks counts as empty. Problems name LinkHub's field, their message the
        external one. Raise PermanentError for a stream without rules.
        """
        try:
            plan = self._plans[stream]
        except KeyError:
            raise PermanentError(
                f"No field of the stream {stream!r} is mapped; add mappings or stop syncing it."
            ) from None
        fields = plan.constants.copy()
        problems: list[RecordProblem] = []
        get = record.get
        for field, external_field, convert, of_empty, required in plan.rules:
            raw = get(external_field)
            try:
                # is_empty(raw), written out: this line runs for every field of every record
                if raw is None or (isinstance(raw, str) and (not raw or raw.isspace())):
                    value = of_empty
                else:
                    value = convert(raw)
            except RecordError as error:
                problems.append(_problem(stream, key, field, f"{external_field}: {error}"))
                continue
            if value is None and required:
                message = f"{external_field} is empty, but LinkHub requires {field}."
                problems.append(_problem(stream, key, field, message))
            fields[field] = value
        return problems or EntityRecord(plan.entity, stream, key, fields)


def _problem(stream: str, key: str, field: str, message: str) -> RecordProblem:
    return RecordProblem(stream=stream, key=key, field=field, message=message)


def _extended(plan: _Plan, mapping: FieldMapping, default_transform: DefaultTransform) -> _Plan:
    """Return the plan with one more rule."""
    entity = ENTITIES.get(mapping.entity)
    field = entity.find_field(mapping.field) if entity else None
    if field is None:
        raise _unusable(mapping, "LinkHub has no such field.")
    if mapping.entity != plan.entity:
        raise _unusable(mapping, f"the stream already fills {plan.entity}.")
    convert, of_empty = wire_converter(field), None
    data = mapping.transform
    if data is None:
        data = default_transform(mapping.stream, mapping.external_field)
    if data is not None:
        try:
            transform = parse_transform(data)
            of_empty = transform.of_empty(convert)
            convert = transform.compile(convert)
        except (InvalidInputError, RecordError) as error:
            raise _unusable(mapping, error.message) from None
        if isinstance(transform, Constant):
            return plan._replace(constants={**plan.constants, field.name: of_empty})
    rule = _Rule(field.name, mapping.external_field, convert, of_empty, field.required)
    return plan._replace(rules=(*plan.rules, rule))


def _unusable(mapping: FieldMapping, reason: str) -> PermanentError:
    return PermanentError(
        f"The mapping of {mapping.stream}.{mapping.external_field} to "
        f"{mapping.entity}.{mapping.field} cannot be used: {reason}"
    )
