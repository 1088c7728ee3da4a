"""HubSpot's properties as fields, and its records as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from shared.domain.fields import Field, FieldType, Option

MODIFIED = "hs_lastmodifieddate"

_TYPES = {
    "string": FieldType.STRING,
    "number": FieldType.DECIMAL,
    "date": FieldType.DATE,
    "datetime": FieldType.DATETIME,
    "bool": FieldType.BOOLEAN,
    "enumeration": FieldType.ENUMERATION,
}
_SEVERAL_VALUES = "checkbox"
"""The `fieldType` of an enumeration whose value is a list joined with semicolons."""


def to_field(data: Mapping[str, Any]) -> Field:
    """Return the field of one property; a type HubSpot adds later is text, as all its values are.

    An enumeration that may hold several values is text too: no single option equals its value.
    """
    options = tuple(
        Option(value=str(item.get("value", "")), label=str(item.get("label") or ""))
        for item in data.get("options") or ()
        if isinstance(item, Mapping) and not item.get("hidden")
    )
    type_ = _TYPES.get(str(data.get("type")), FieldType.STRING)
    if type_ is FieldType.ENUMERATION and data.get("fieldType") == _SEVERAL_VALUES:
        type_ = FieldType.STRING
    rules = data.get("modificationMetadata")
    read_only = isinstance(rules, Mapping) and bool(rules.get("readOnlyValue"))
    name = str(data["name"])
    return Field(
        name=name,
        label=str(data.get("label") or name),
        type=type_,
        read_only=read_only or bool(data.get("calculated")),
        unique=bool(data.get("hasUniqueValue")),
        options=options if type_ is FieldType.ENUMERATION else (),
        description=str(data.get("description") or ""),
    )


def to_fields(properties: Iterable[Any]) -> tuple[Field, ...]:
    """Return the fields of a properties answer; archived properties hold nothing any more."""
    return tuple(
        to_field(data)
        for data in properties
        if isinstance(data, Mapping) and data.get("name") and not data.get("archived")
    )


def to_record(data: Mapping[str, Any], wanted: Iterable[str]) -> dict[str, str | None]:
    """Return the wanted properties of a deal; HubSpot's "" and null both mean None."""
    properties = data.get("properties") or {}
    return {name: properties[name] or None for name in wanted if name in properties}


def modified_ms(data: Mapping[str, Any]) -> int | None:
    """Return when a deal last changed, in milliseconds since 1970; None where it does not say."""
    properties = data.get("properties") or {}
    return to_ms(properties.get(MODIFIED) or data.get("updatedAt"))


def to_ms(value: Any) -> int | None:
    """Return milliseconds since 1970 of an ISO-8601 text, None where it is none."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    whole = int(at.replace(microsecond=0).timestamp())
    return whole * 1000 + at.microsecond // 1000
