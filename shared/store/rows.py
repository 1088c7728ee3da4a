"""Between rows and the domain's dataclasses whose fields have the columns' names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, Table

Item = TypeVar("Item")


def names_of(item: Any) -> Sequence[str]:
    """Return the names of a dataclass's fields (`dataclasses.fields` is slow for every row)."""
    return tuple(item.__dataclass_fields__)


def to_row(item: Any, *, without: Sequence[str] = ()) -> dict[str, Any]:
    """Return a dataclass's values by field name."""
    return {name: getattr(item, name) for name in names_of(item) if name not in without}


def from_row(item: type[Item], row: Mapping[Any, Any], **more: Any) -> Item:
    """Return a dataclass made of a row, `more` for the fields that are no columns."""
    values = {name: row[name] for name in names_of(item) if name not in more}
    return item(**values, **more)


def columns_of(table: Table, item: type[Any], *, without: Sequence[str] = ()) -> list[Column[Any]]:
    """Return the columns a dataclass is made of."""
    return [table.c[name] for name in names_of(item) if name not in without]
