"""Column types, and which one a field's first values ask for."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

KEY: Final = "_id"
"""The primary key of every table: the record's key at its source."""
CREATED: Final = "_creationTime"
"""When Convex created the document: milliseconds since the epoch, a float."""
TIME: Final = "_creationTimeUtc"
"""What a view calls the same as a time."""
HASH: Final = "_linkhub_hash"
"""A hash of the row, a signed integer of 64 bits: see `hashing`."""
COMPANION: Final = "_linkhub_extra"
"""JSON object of the values their columns cannot hold: field to exact value."""
BATCH: Final = "_linkhub_batch"
"""The number of the batch a staged row came with; gone once its table is live."""
KEY_LENGTH: Final = 128
"""The longest key, in UTF-16 code units as SQL Server counts them."""
EXACT_INTEGERS: Final = 2**53
"""Up to here, either side of zero, a double holds every integer."""


class ColumnType(StrEnum):
    """What a column holds; a dialect knows its own word for each."""

    TEXT = "text"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    BINARY = "binary"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: the source's `field` it holds, and the `name` it has in the table.

    `length` is the longest text it takes, in UTF-16 code units; 0 for any, and for what is no text.
    `has_vanished`: the last full load had no value for it, so it is NULL in every row. `slot`: its
    place in what a row's hash is of, counted from 0 and never another one in this table.
    `had_integers`: it is of floats now and was of integers. `is_id`: its first texts were ids of
    documents, and it is compared as keys are.
    """

    field: str
    name: str
    type: ColumnType
    length: int = 0
    has_vanished: bool = False
    slot: int = 0
    had_integers: bool = False
    is_id: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return what the registry keeps."""
        found = {"field": self.field, "name": self.name, "type": self.type.value}
        beyond = {
            "length": self.length,
            "hasVanished": self.has_vanished,
            "slot": self.slot,
            "hadIntegers": self.had_integers,
            "isId": self.is_id,
        }
        return {**found, **{name: value for name, value in beyond.items() if value}}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Return the value `to_json` described."""
        return cls(
            field=data["field"],
            name=data["name"],
            type=ColumnType(data["type"]),
            length=data.get("length", 0),
            has_vanished=data.get("hasVanished", False),
            slot=data.get("slot", 0),
            had_integers=data.get("hadIntegers", False),
            is_id=data.get("isId", False),
        )


BASE_COLUMNS: Final = (Column(field=CREATED, name=CREATED, type=ColumnType.FLOAT),)
"""What every table has beside its key and its companion, even an empty one."""

BATCH_COLUMN: Final = Column(field="", name=BATCH, type=ColumnType.INTEGER)

KINDS: Final[dict[type, ColumnType]] = {
    str: ColumnType.TEXT,
    int: ColumnType.INTEGER,
    float: ColumnType.FLOAT,
    bool: ColumnType.BOOLEAN,
    bytes: ColumnType.BINARY,
    dict: ColumnType.JSON,
    list: ColumnType.JSON,
}
"""The types a source may hand over, None aside."""


def infer(types: AbstractSet[type]) -> ColumnType:
    """Return the column type for values of these Python types, all of them in KINDS.

    Integers among floats make a FLOAT; any other mixture is JSON, which holds everything.
    """
    kinds = {KINDS[kind] for kind in types}
    if len(kinds) == 1:
        return kinds.pop()
    if kinds == {ColumnType.INTEGER, ColumnType.FLOAT}:
        return ColumnType.FLOAT
    return ColumnType.JSON
