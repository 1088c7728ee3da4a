"""HubSpot's properties as fields, and its records as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.hubspot.associations import PREFIX
from adapters.hubspot.objects import ID, LINKHUB_ID, OBJECTS
from shared.domain.fields import Field, FieldType, Option

LABEL = ".label"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

_TYPES = {
    "string": FieldType.STRING,
    "number": FieldType.DECIMAL,
    "date": FieldType.DATE,
    "datetime": FieldType.DATETIME,
    "bool": FieldType.BOOLEAN,
    "enumeration": FieldType.ENUMERATION,
}
SEVERAL_VALUES = "checkbox"
"""The `fieldType` of an enumeration whose value is a list joined with semicolons."""
_OURS = frozenset({ID, LINKHUB_ID, *(kind.modified for kind in OBJECTS.values())})
"""Never written, whatever their description says."""


def to_field(data: Mapping[str, Any]) -> Field:
    """Return the field of one property; a type HubSpot adds later is text, as all its values are.

    An enumeration that may hold several values is text too: no single option equals its value.
    What HubSpot alone sets is read only, and so are the properties this adapter finds records by.
    """
    options = tuple(
        Option(value=str(item.get("value", "")), label=str(item.get("label") or ""))
        for item in data.get("options") or ()
        if isinstance(item, Mapping) and not item.get("hidden")
    )
    type_ = _TYPES.get(str(data.get("type")), FieldType.STRING)
    if type_ is FieldType.ENUMERATION and data.get("fieldType") == SEVERAL_VALUES:
        type_ = FieldType.STRING
    rules = data.get("modificationMetadata")
    name = str(data["name"])
    read_only = isinstance(rules, Mapping) and bool(rules.get("readOnlyValue"))
    read_only = read_only or name in _OURS
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


def label_fields(staged: Iterable[str], pipelines: Sequence[Any]) -> tuple[Field, ...]:
    """Return the fields that hold the words for what `pipeline` and `dealstage` have ids of."""
    found = []
    for name in staged:
        words = dict.fromkeys(labels_of(name, pipelines).values())
        found.append(
            Field(
                name=f"{name}{LABEL}",
                label=f"{name} (label)",
                type=FieldType.ENUMERATION if words else FieldType.STRING,
                read_only=True,
                options=tuple(Option(value=word, label=word) for word in words),
                description="What people see; read from the account's pipelines.",
            )
        )
    return tuple(found)


def labels_of(name: str, pipelines: Sequence[Any]) -> Mapping[str, str]:
    """Return the label of each pipeline's id or, for `dealstage`, of each stage's."""
    parts = [part for part in pipelines if isinstance(part, Mapping)]
    if name != "pipeline":
        parts = [stage for part in parts for stage in part.get("stages") or ()]
    return {str(part["id"]): str(part.get("label") or part["id"]) for part in parts}


def link_fields(linked: Iterable[str]) -> tuple[Field, ...]:
    """Return the fields that hold the ids of associated records."""
    return tuple(
        Field(
            name=f"{PREFIX}{name}",
            label=f"Associated {name}",
            type=FieldType.STRING,
            read_only=True,
            description=f"The ids of the associated {name}, with semicolons between them.",
        )
        for name in linked
    )


def with_options(fields: Iterable[Field], pipelines: Sequence[Any]) -> tuple[Field, ...]:
    """Give `dealstage` and `pipeline` options from the pipelines where they have none."""
    options: dict[str, tuple[Option, ...]] = {"dealstage": (), "pipeline": ()}
    for pipeline in pipelines:
        label = str(pipeline.get("label", ""))
        options["pipeline"] += (Option(value=str(pipeline["id"]), label=label),)
        options["dealstage"] += tuple(
            Option(value=str(stage["id"]), label=f"{stage.get('label', '')} ({label})")
            for stage in pipeline.get("stages") or ()
        )
    return tuple(
        replace(field, type=FieldType.ENUMERATION, options=options[field.name])
        if field.name in options and not field.options
        else field
        for field in fields
    )


def to_record(data: Mapping[str, Any], wanted: Iterable[str]) -> dict[str, str | None]:
    """Return the wanted properties of a record; HubSpot's "" and null both mean None."""
    properties = data.get("properties") or {}
    return {name: properties[name] or None for name in wanted if name in properties}


def modified_ms(data: Mapping[str, Any], modified: str) -> int | None:
    """Return when a record last changed, in milliseconds since 1970; None where it does not say.

    `modified` is the property that tells.
    """
    properties = data.get("properties") or {}
    return to_ms(properties.get(modified) or data.get("updatedAt"))


def to_ms(value: Any) -> int | None:
    """Return milliseconds since 1970 of an ISO-8601 text, None where it is none."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return (at - _EPOCH) // _MILLISECOND
