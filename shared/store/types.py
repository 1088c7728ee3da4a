"""Column types that mean the same on SQLite and on SQL Server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import DateTime, String, TypeDecorator, Unicode, UnicodeText
from sqlalchemy.dialects import mssql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from shared.errors import InvalidInputError

Member = TypeVar("Member", bound=StrEnum)

BINARY_COLLATION: Final = "Latin1_General_100_BIN2"
"""Compares by code unit, as SQLite does: neither case nor accents nor kana are folded."""


def utf16_length(text: str) -> int:
    """Return the length SQL Server sees: characters beyond the basic plane count twice."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime, cut to milliseconds; a naive one is refused.

    DATETIME2(3) on SQL Server, text of a fixed width on SQLite, so that both sort by time.
    """

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type the database itself knows."""
        if dialect.name == "mssql":
            return dialect.type_descriptor(mssql.DATETIME2(precision=3))  # type: ignore[no-untyped-call]
        return dialect.type_descriptor(String(24))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Return what the driver binds: a naive UTC datetime, or text on SQLite."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone: the store takes aware datetimes only.")
        naive = value.astimezone(UTC).replace(tzinfo=None)
        if dialect.name == "mssql":
            return naive.replace(microsecond=naive.microsecond // 1000 * 1000)
        return f"{naive.isoformat(timespec='milliseconds')}Z"

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return an aware UTC datetime."""
        del dialect
        if value is None:
            return None
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        return value.replace(tzinfo=UTC)  # type: ignore[no-any-return]


class Key(TypeDecorator[str]):
    """An id or another ASCII name the product made, as VARCHAR under a binary collation.

    Bound as VARCHAR too: an NVARCHAR parameter would make SQL Server convert the column and scan.
    """

    impl = String
    cache_ok = True

    def __init__(self, length: int = 36) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type the database itself knows."""
        if dialect.name == "mssql":
            return dialect.type_descriptor(mssql.VARCHAR(self.length, collation=BINARY_COLLATION))
        return dialect.type_descriptor(String(self.length))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Refuse on both databases what a VARCHAR could not hold."""
        del dialect
        if value is not None and (not value.isascii() or len(value) > self.length):
            raise InvalidInputError(
                f"{value[:80]!a} cannot be a key of ours: ASCII, {self.length} characters at most."
            )
        return value


class Name(TypeDecorator[str]):
    """Text of other systems that is compared exactly: external ids, streams, table names."""

    impl = Unicode
    cache_ok = True

    def __init__(self, length: int = 128) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type the database itself knows."""
        if dialect.name == "mssql":
            return dialect.type_descriptor(mssql.NVARCHAR(self.length, collation=BINARY_COLLATION))
        return dialect.type_descriptor(Unicode(self.length))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Refuse on both databases what SQL Server could not hold or tell apart."""
        del dialect
        if value is None:
            return None
        if utf16_length(value) > self.length:
            raise InvalidInputError(
                f"{value[:80]!r}… is too long: {self.length} characters at most."
            )
        if value.endswith(" "):
            raise InvalidInputError(f"{value[:80]!r} ends with a space: remove it.")
        return value


class Label(TypeDecorator[str]):
    """Text for people, cut to its length: a long message must not lose the row that carries it."""

    impl = Unicode
    cache_ok = True

    def __init__(self, length: int = 200) -> None:
        super().__init__(length)
        self.length = length

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Cut what is too long and mark the cut."""
        del dialect
        if value is None:
            return value
        value = _without_surrogates(value)
        if utf16_length(value) <= self.length:
            return value
        kept = value.encode("utf-16-le")[: 2 * (self.length - 1)]
        return kept.decode("utf-16-le", "ignore") + "…"


class LongText(TypeDecorator[str]):
    """Text of any length, never compared: NVARCHAR(MAX) on SQL Server."""

    impl = UnicodeText
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type the database itself knows."""
        if dialect.name == "mssql":
            return dialect.type_descriptor(mssql.NVARCHAR(None))
        return dialect.type_descriptor(UnicodeText())

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace what no database can encode."""
        del dialect
        return None if value is None else _without_surrogates(value)


class Json(TypeDecorator[Any]):
    """A JSON value as text. The standard library's parser: it alone keeps integers of any size."""

    impl = UnicodeText
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type the database itself knows."""
        if dialect.name == "mssql":
            return dialect.type_descriptor(mssql.NVARCHAR(None))
        return dialect.type_descriptor(UnicodeText())

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Return compact JSON; NaN and infinities are refused, None is SQL's NULL."""
        del dialect
        return None if value is None else dump_json(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Return the value `process_bind_param` got, lists for tuples."""
        del dialect
        return None if value is None else json.loads(value)


class EnumText(TypeDecorator[Member], Generic[Member]):
    """A member of a string enumeration, as VARCHAR: a new member needs no migration."""

    impl = String
    cache_ok = True

    def __init__(self, members: type[Member], length: int = 32) -> None:
        super().__init__(length)
        self.members = members
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type the database itself knows."""
        if dialect.name == "mssql":
            return dialect.type_descriptor(mssql.VARCHAR(self.length, collation=BINARY_COLLATION))
        return dialect.type_descriptor(String(self.length))

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Return the member's text; ValueError for one that does not exist."""
        del dialect
        return None if value is None else self.members(value).value

    def process_result_value(self, value: Any, dialect: Dialect) -> Member | None:
        """Return the member."""
        del dialect
        return None if value is None else self.members(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON.")


_COMPACT: Final[Any] = {"allow_nan": False, "separators": (",", ":"), "default": _plain}
_readable = json.JSONEncoder(ensure_ascii=False, **_COMPACT)
_escaped = json.JSONEncoder(ensure_ascii=True, **_COMPACT)


def dump_json(value: Any) -> str:
    """Return compact JSON that every database can hold: a lone surrogate stays escaped."""
    text = _readable.encode(value)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return _escaped.encode(value)
    return text


def _without_surrogates(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
