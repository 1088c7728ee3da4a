"""Properties: how an object type's fields are described, and how accounts add their own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

SET_UP_AT = "2024-01-08T09:00:00Z"
"""When the account was set up; what was added later says when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A property; `options` are (value, label) pairs. `external`: its options stand elsewhere."""

    name: str
    label: str
    type: str = "string"
    field_type: str = "text"
    group: str = ""
    options: tuple[tuple[str, str], ...] = ()
    calculated: bool = False
    read_only: bool = False
    unique: bool = False
    custom: bool = False
    external: bool = False
    description: str = ""
    created_at: str = SET_UP_AT
    updated_at: str = SET_UP_AT
    archived: bool = False

    @property
    def is_writable(self) -> bool:
        """An API client may set it."""
        return not (self.calculated or self.read_only)

    def to_json(self) -> dict[str, Any]:
        """Return the wire form."""
        return {
            "updatedAt": self.updated_at,
            "createdAt": self.created_at,
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "fieldType": self.field_type,
            "description": self.description,
            "groupName": self.group,
            "options": [
                {"label": label, "value": value, "displayOrder": order, "hidden": False}
                for order, (value, label) in enumerate(self.options)
            ],
            "displayOrder": -1,
            "calculated": self.calculated,
            "externalOptions": self.external,
            "archived": self.archived,
            "hasUniqueValue": self.unique,
            "hidden": False,
            "hubspotDefined": not self.custom,
            "modificationMetadata": {
                "archivable": self.custom,
                "readOnlyDefinition": not self.custom,
                "readOnlyValue": not self.is_writable,
            },
            "formField": self.is_writable,
            "dataSensitivity": "non_sensitive",
        }


class PropertyBook:
    """The properties of one object type, in the order they were made; archived ones apart."""

    def __init__(self, items: Iterable[Property]) -> None:
        self._live = {item.name: item for item in items}
        self._archived: dict[str, Property] = {}
        self.unique = tuple(name for name, item in self._live.items() if item.unique)
        """The names of those whose values no two live records share."""

    def find(self, name: str, *, archived: bool = False) -> Property | None:
        """Return the property of that name, None where there is none."""
        return (self._archived if archived else self._live).get(name)

    def all(self, *, archived: bool = False) -> list[Property]:
        """Return all properties, or all archived ones."""
        return list((self._archived if archived else self._live).values())

    def put(self, item: Property) -> None:
        """Add a property, or change the one of its name; an archived one of it is forgotten."""
        self._archived.pop(item.name, None)
        self._live[item.name] = item
        self.unique = tuple(name for name, each in self._live.items() if each.unique)

    def archive(self, name: str, *, now: str) -> None:
        """Take a property away; its values stay and are not shown."""
        self._archived[name] = replace(self._live.pop(name), archived=True, updated_at=now)
        self.unique = tuple(name for name, each in self._live.items() if each.unique)


def labels(*values: str) -> tuple[tuple[str, str], ...]:
    """Return options whose labels are made of their values."""
    return tuple((value, value.replace("_", " ").capitalize()) for value in values)


def text(name: str, label: str, field_type: str = "text", **flags: Any) -> Property:
    """Return a text."""
    return Property(name=name, label=label, field_type=field_type, **flags)


def number(name: str, label: str, **flags: Any) -> Property:
    """Return a number."""
    computed = flags.get("calculated", False)
    field_type = "calculation_equation" if computed else "number"
    return Property(name=name, label=label, type="number", field_type=field_type, **flags)


def date(name: str, label: str, kind: str = "datetime", **flags: Any) -> Property:
    """Return a point in time, or a day where `kind` is `date`."""
    return Property(name=name, label=label, type=kind, field_type="date", **flags)


def choice(
    name: str,
    label: str,
    options: tuple[tuple[str, str], ...],
    field_type: str = "select",
    **flags: Any,
) -> Property:
    """Return a choice; with the field type `checkbox` it holds several values."""
    return Property(
        name=name, label=label, type="enumeration", field_type=field_type, options=options, **flags
    )


def flag(name: str, label: str, **flags: Any) -> Property:
    """Return a yes or no."""
    options = (("true", "True"), ("false", "False"))
    return Property(
        name=name, label=label, type="bool", field_type="booleancheckbox", options=options, **flags
    )


def owner(label: str) -> Property:
    """Return the property that names a record's owner."""
    return Property(
        name="hubspot_owner_id",
        label=label,
        type="enumeration",
        field_type="select",
        external=True,
        description="The owner's `id`, not the `userId`.",
    )
