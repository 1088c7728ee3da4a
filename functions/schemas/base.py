"""What every message over the wire shares: camelCase JSON, made from domain values by `of`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Generic, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from shared.domain.paging import Slice

Item = TypeVar("Item")
DomainItem = TypeVar("DomainItem")

_NAME_LENGTH = 200


def _fits(text: str) -> str:
    """Count as SQL Server does: what stands beyond the basic plane, such as an emoji, is two."""
    if len(text) + sum(character > "\uffff" for character in text) > _NAME_LENGTH:
        raise ValueError(f"at most {_NAME_LENGTH} characters, of which an emoji takes two")
    return text


Name = Annotated[str, Field(max_length=_NAME_LENGTH), AfterValidator(_fits)]


class Wire(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, defer_build=True, from_attributes=True
    )


class Input(Wire):
    """Base of every request body: unknown keys are refused, inputs never echoed."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True)


class Page(Wire, Generic[Item]):
    """A page of a list; `nextCursor` is null on the last."""

    items: list[Item]
    next_cursor: str | None

    @classmethod
    def of(cls, part: Slice[DomainItem], convert: Callable[[DomainItem], Item]) -> Self:
        """Return the page with every item converted."""
        return cls(items=[convert(item) for item in part.items], next_cursor=part.next_cursor)
