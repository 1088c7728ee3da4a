"""LinkHub's entities and what their fields hold: the far side of every mapping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from shared.domain.fields import Field, FieldType, Option

MAX_WHOLE_DIGITS = 15
"""Digits LinkHub takes before the point of a decimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A kind of thing LinkHub keeps; `name` is its part of a LinkHub URL."""

    name: str
    label: str
    fields: tuple[Field, ...]

    def find_field(self, name: str) -> Field | None:
        """Return the field of that name, None where the entity has none."""
        return next((field for field in self.fields if field.name == name), None)


def _options(**labels: str) -> tuple[Option, ...]:
    return tuple(Option(value=value, label=label) for value, label in labels.items())


_INDICATORS = Entity(
    name="indicators",
    label="Indicators",
    fields=(
        Field(name="name", label="Name", type=FieldType.STRING, required=True, max_length=255),
        Field(name="description", label="Description", type=FieldType.STRING, max_length=4000),
        Field(name="unit", label="Unit", type=FieldType.STRING, max_length=50),
        Field(name="target", label="Target", type=FieldType.DECIMAL, scale=4),
        Field(name="baseline", label="Baseline", type=FieldType.DECIMAL, scale=4),
        Field(
            name="direction",
            label="Direction",
            type=FieldType.ENUMERATION,
            options=_options(INCREASE="Increase", DECREASE="Decrease"),
            description="Which way the indicator should move.",
        ),
    ),
)

_INITIATIVES = Entity(
    name="initiatives",
    label="Initiatives",
    fields=(
        Field(name="name", label="Name", type=FieldType.STRING, required=True, max_length=255),
        Field(name="description", label="Description", type=FieldType.STRING, max_length=4000),
        Field(
            name="status",
            label="Status",
            type=FieldType.ENUMERATION,
            required=True,
            options=_options(
                ON_TIME="On time", AT_RISK="At risk", LATE="Late", FINISHED="Finished"
            ),
        ),
        Field(name="start_date", label="Start date", type=FieldType.DATE),
        Field(name="end_date", label="End date", type=FieldType.DATE),
        Field(
            name="progress",
            label="Progress",
            type=FieldType.INTEGER,
            minimum=0,
            maximum=100,
            description="How much is done, in percent.",
        ),
        Field(name="budget", label="Budget", type=FieldType.DECIMAL, scale=2),
        Field(name="owner", label="Owner", type=FieldType.STRING, max_length=255),
        Field(name="url", label="URL", type=FieldType.STRING, max_length=2048),
    ),
)

_VALUES = Entity(
    name="values",
    label="Values",
    fields=(
        Field(
            name="indicator",
            label="Indicator",
            type=FieldType.STRING,
            required=True,
            max_length=255,
            description="The indicator this value belongs to.",
        ),
        Field(name="date", label="Date", type=FieldType.DATE, required=True),
        Field(name="value", label="Value", type=FieldType.DECIMAL, required=True, scale=6),
        Field(name="note", label="Note", type=FieldType.STRING, max_length=1000),
    ),
)

ENTITIES: Mapping[str, Entity] = MappingProxyType(
    {entity.name: entity for entity in (_INDICATORS, _INITIATIVES, _VALUES)}
)
"""LinkHub's entities by name."""
