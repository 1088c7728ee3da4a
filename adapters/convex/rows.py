"""Documents as rows of the fields their table has, parsed three times as fast as into dicts.

msgspec reads a line right into an object with a slot for each field it was told of, and refuses a
line with any other; those fields are learnt then. Whatever it refuses for another reason, or cannot
be told of, is left to a reader that goes line by line and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from types import NoneType
from typing import Annotated, Any, Final

import msgspec
import orjson

from adapters.convex.values import MARK, decode_document
from shared.domain.changes import Rows

MOST_FIELDS: Final = 300
"""Documents whose names are data rather than fields have more; each row would have room for all."""

_ALLOWED: Final[dict[type | None, Any]] = {
    str: str | None,
    bool: bool | None,
    int: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None,
}
"""No float: msgspec would take an integer for one, and round it."""
_REFUSED = (msgspec.DecodeError, ValueError, TypeError, RecursionError)


class Layout:
    """The fields of a table's rows, `_id` aside, and the parser of their lines.

    `is_whole`: a line with any other field is refused; else its other fields are passed over. So is
    a line with a value of another type than `types` says of its field, null aside.
    Raises ValueError for a name msgspec cannot be told.
    """

    def __init__(
        self, fields: Iterable[str], *, is_whole: bool, types: Mapping[str, type | None]
    ) -> None:
        self.fields = tuple(fields)
        self.types = tuple(types.get(field) for field in self.fields)
        self._slots = [f"f{number}" for number in range(len(self.fields))]
        row = msgspec.defstruct(
            "Row",
            [
                ("key", str, msgspec.field(name="_id")),
                *(
                    (slot, _ALLOWED.get(kind, Any), msgspec.field(name=field, default=None))
                    for slot, field, kind in zip(self._slots, self.fields, self.types, strict=True)
                ),
            ],
            forbid_unknown_fields=is_whole,
            gc=False,
        )
        self.parse = msgspec.json.Decoder(row).decode_lines

    def decode(self, records: Sequence[Any]) -> None:
        """Replace encoded values; raise ValueError for a broken one."""
        for record in records:
            values = ((slot, getattr(record, slot)) for slot in self._slots)
            nested = {slot: value for slot, value in values if value.__class__ is dict}
            decode_document(nested)
            for slot, value in nested.items():
                setattr(record, slot, value)

    def rows(self, stream: str, records: Sequence[Any]) -> Rows:
        """Return parsed lines, at least one, as rows."""
        keys, *values = zip(*map(msgspec.structs.astuple, records), strict=True)
        types = [kind if kind in _ALLOWED else None for kind in self.types]
        return Rows(stream=stream, keys=keys, fields=self.fields, values=values, types=types)


class RowReader:
    """Reads the lines of one table. `layout` is that of the lines read last."""

    def __init__(self, fields: Sequence[str]) -> None:
        """`fields` are the wanted ones; none: every one there is."""
        self._is_whole = not fields
        self.layout = Layout((), is_whole=self._is_whole, types={})
        self._has_given_up = False
        try:
            self.layout = self._learnt(fields)
        except ValueError:
            self._has_given_up = True

    def read(self, text: bytes, count: int) -> list[Any] | None:
        """Return the records of `count` whole lines, None where somebody must look at each."""
        if self._has_given_up:
            return None
        try:
            records = self._parse(text)
            if len(records) != count:
                return None
            if MARK in text:
                self.layout.decode(records)
        except _REFUSED:
            return None
        return records

    def _parse(self, text: bytes) -> list[Any]:
        try:
            return self.layout.parse(text)
        except msgspec.ValidationError:
            if not self._is_whole:
                raise
        documents = [orjson.loads(line) for line in text.split(b"\n") if line]
        if set(map(type, documents)) != {dict}:
            raise TypeError("a line is no document")
        self.layout = self._learnt(
            chain(self.layout.fields, chain.from_iterable(documents)), documents
        )
        return self.layout.parse(text)

    def _learnt(self, fields: Iterable[str], documents: Sequence[Mapping[str, Any]] = ()) -> Layout:
        """Return the layout with more fields, and the types both knew and found here."""
        names = [field for field in dict.fromkeys(fields) if field != "_id"]
        if len(names) > MOST_FIELDS:
            self._has_given_up = True
            raise ValueError("the names are data")
        types = {name: _type_of(document.get(name) for document in documents) for name in names}
        for name, kind in zip(self.layout.fields, self.layout.types, strict=True):
            types[name] = kind if types[name] in {kind, NoneType} else None
        return Layout(names, is_whole=self._is_whole, types=types)


def _type_of(values: Iterable[Any]) -> type | None:
    """Return the one type the values have that can be relied on, NoneType where there are none."""
    found = [value for value in values if value is not None]
    kinds = set(map(type, found))
    if len(kinds) > 1:
        return None
    kind = kinds.pop() if kinds else NoneType
    if kind is int and not -(2**63) <= min(found) <= max(found) < 2**63:
        return None
    return kind if kind is NoneType or kind in _ALLOWED else None
