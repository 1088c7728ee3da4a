"""What every message over the wire shares: camelCase JSON, made from domain values by `of`.

Answers are dataclasses: what they hold is the product's own and needs no validation, and the first
answer of a fresh process must not wait for pydantic to load. Bodies are pydantic models, in
`inputs`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Generic, Self, TypeVar

from shared.domain.paging import Slice

Item = TypeVar("Item")
DomainItem = TypeVar("DomainItem")


@cache
def to_camel(name: str) -> str:
    """Return the name on the wire of what the domain calls `name`."""
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


_NAMES: dict[type[Any], tuple[str, ...]] = {}


def _names(answer: type[Any]) -> tuple[str, ...]:
    """Return the names of an answer's fields, looked up once: it is asked for every item."""
    names = _NAMES.get(answer)
    if names is None:
        names = _NAMES[answer] = tuple(field.name for field in fields(answer))
    return names


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """Base of every answer."""

    # Pydantic, which makes the JSON Schemas of the API document, reads the names on the wire here.
    __pydantic_config__: ClassVar[Any] = {"alias_generator": to_camel}

    @property
    def etag(self) -> str:
        """The version of the thing answered, for the `ETag` header; '' where it has none."""
        return ""

    @classmethod
    def like(cls, value: object, **more: Any) -> Self:
        """Return the answer with the attributes of `value` that have its fields' names.

        `more` are the fields that `value` has not, or has in another form.
        """
        names = [name for name in _names(cls) if name not in more]
        return cls(**{name: getattr(value, name) for name in names}, **more)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Wire, Generic[Item]):
    """A page of a list; `nextCursor` is null on the last."""

    items: list[Item]
    next_cursor: str | None

    @classmethod
    def of(cls, part: Slice[DomainItem], convert: Callable[[DomainItem], Item]) -> Self:
        """Return the page with every item converted."""
        return cls(items=[convert(item) for item in part.items], next_cursor=part.next_cursor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """An answer that is text already."""

    text: str
    media_type: str = "application/json"


def to_json(answer: Wire) -> str:
    """Return an answer as JSON: times in ISO 8601 (`Z` for UTC), enumerations by their value."""
    return json.dumps(answer, default=_plain, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, Wire):
        return {to_camel(name): getattr(value, name) for name in _names(type(value))}
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    raise TypeError(f"{type(value).__name__} has no form on the wire.")
