"""Which columns name a row, and what a record's key is made of."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from adapters.powerbi.dax import Key, KeyValue
from adapters.powerbi.schema import Table, may_be_key
from shared.domain.fields import FieldType
from shared.errors import PermanentError

_ENTRY = re.compile(
    r"""\s*(?:'((?:[^']|'')+)'|([^'\[\];]+?))\s*   # the table, quoted or not
        ((?:\[(?:[^\]]|\]\])+\]\s*)*)              # its columns
        (?:;|$)""",
    re.VERBOSE,
)
_COLUMN = re.compile(r"\[((?:[^\]]|\]\])+)\]")
_DIGEST = 16


def parse_key_columns(text: str) -> Mapping[str, tuple[str, ...]]:
    """Return by table the columns that name its rows: `Sales[Order ID]; 'My table'[a][b]`.

    Names are written as in DAX. A table alone is only a name to look for. Raise PermanentError for
    anything else.
    """
    found: dict[str, tuple[str, ...]] = {}
    place = 0
    while text[place:].strip(" \t\r\n;"):
        match = _ENTRY.match(text, place)
        if match is None:
            raise PermanentError(
                f"The option 'Key columns' cannot be read at {text[place : place + 60]!r}. Write "
                "Table[Column], several columns of one table as Table[First][Second], and a "
                "semicolon between tables."
            )
        quoted, bare, columns = match.groups()
        table = quoted.replace("''", "'") if quoted else bare
        names = (name.replace("]]", "]") for name in _COLUMN.findall(columns))
        found[table] = tuple(names)
        place = match.end()
    return found


def chosen_key(table: Table, wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the key columns a person named; raise PermanentError where they cannot be one."""
    for name in wanted:
        type_ = table.types.get(name)
        if type_ is None:
            raise PermanentError(
                f"The option 'Key columns' names {table.name}[{name}], which does not exist."
            )
        if not may_be_key(type_):
            raise PermanentError(
                f"{table.name}[{name}] holds {type_} values and cannot be part of a key: they do "
                "not survive the way through JSON exactly. Choose text, whole numbers or dates."
            )
    return tuple(wanted)


def usable_key(table: Table, unique: Sequence[str]) -> tuple[str, ...]:
    """Return the first of some unique columns that can be a key, () where none can."""
    types = table.types
    return next(((name,) for name in unique if name in types and may_be_key(types[name])), ())


def to_values(key: Sequence[Any], types: Sequence[FieldType]) -> Key | None:
    """Return a key as literals can be made of it; None where a value is not of its type."""
    values = [_value(raw, type_) for raw, type_ in zip(key, types, strict=True)]
    return None if None in values else [value for value in values if value is not None]


def to_text(key: Sequence[Any]) -> str:
    """Return the key of a record: the value itself where that is clear, else a JSON array.

    >>> to_text([4711]), to_text(["EWR", 7]), to_text([" "])
    ('4711', '["EWR",7]', '[" "]')
    """
    if len(key) == 1:
        text = str(key[0])
        if text.strip() == text and text and not text.startswith("["):
            return text
    return json.dumps(list(key), ensure_ascii=False, separators=(",", ":"))


def from_text(text: str, types: Sequence[FieldType]) -> Key | None:
    """Return the values `to_text` made a key of; None for what cannot be a key of these types."""
    raw: Any = [text]
    if text.startswith("["):
        try:
            raw = json.loads(text)
        except ValueError:
            return None
    elif types[0] is FieldType.INTEGER:
        raw = [int(text)] if re.fullmatch(r"-?[0-9]{1,19}", text) else [None]
    if not isinstance(raw, list) or len(raw) != len(types):
        return None
    values = to_values(raw, types)
    return values if values is not None and to_text(raw) == text else None


def content_key(values: Sequence[Any]) -> str:
    """Return a key for a row that has none: a hash of all that is in it."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=_DIGEST).hexdigest()


def _value(raw: Any, type_: FieldType) -> KeyValue | None:
    if type_ is FieldType.INTEGER:
        return raw if isinstance(raw, int) and not isinstance(raw, bool) else None
    if not isinstance(raw, str):
        return None
    if type_ is not FieldType.DATETIME:
        return raw
    try:
        return datetime.fromisoformat(raw)
    except ValueError:
        return None
