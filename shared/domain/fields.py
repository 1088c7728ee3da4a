"""Fields and their types, on the provider's side and on LinkHub's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FieldType(StrEnum):
    """What a field holds. BINARY and JSON exist only on the provider's side."""

    STRING = "string"
    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    ENUMERATION = "enumeration"
    JSON = "json"
    BINARY = "binary"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One permitted value of an enumeration."""

    value: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of a stream or of a LinkHub entity.

    `max_length` in characters (0: no limit); `scale` is the digits a decimal keeps after its point;
    `minimum` and `maximum` bound a number where the entity says so.
    """

    name: str
    label: str
    type: FieldType
    required: bool = False
    read_only: bool = False
    unique: bool = False
    options: tuple[Option, ...] = ()
    max_length: int = 0
    scale: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    description: str = ""
