"""How rows and keys reach SQL Server inside our own transaction.

As JSON text that OPENJSON takes apart: one parameter for thousands of rows, the same with
Microsoft's driver and with FreeTDS. Where it is not there (compatibility levels below 130), or
gives back other texts than it was sent (Babelfish leaves JSON's escapes in them, has no CONVERT of
hexadecimal digits in some versions, and takes no more than 98 columns), every value is a parameter.
Which one is tried with two rows, not guessed from versions.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from shared.errors import TransientError
from shared.sinks.warehouse import mssql_ddl as ddl
from shared.sinks.warehouse.errors import translated
from shared.sinks.warehouse.mssql_ddl import quote
from shared.sinks.warehouse.types import COMPANION, HASH, KEY, KEY_LENGTH, Column, ColumnType

if TYPE_CHECKING:
    from sqlalchemy import Connection

_log = logging.getLogger(__name__)

ROWS_A_CALL: Final = 5_000
BYTES_A_CALL: Final = 4 * 1024 * 1024
"""A call ends with whichever limit is reached first; one large row makes a call of its own."""
MOST_PARAMETERS: Final = 2_000
"""Of one statement; SQL Server takes 2,100, and uses some itself."""
MOST_VALUES: Final = 1_000
"""Rows of one INSERT … VALUES."""
_JSON_TEXT = "CAST(? AS NVARCHAR(MAX))"

Call = tuple[str, tuple[Any, ...]]
"""A statement, or the end of one, and its parameters."""


class RowRoute(Protocol):
    """A way for rows to travel. `table` is a quoted name."""

    speed: int
    """About how many rows of usual width go in a second."""

    def insertions(
        self,
        table: str,
        columns: Sequence[Column],
        rows: Iterable[tuple[Any, ...]],
        *,
        with_companion: bool,
    ) -> Iterator[Call]:
        """Yield the statements that insert the rows: key, hash, values, companion if any."""

    def of_keys(self, keys: Sequence[str]) -> Iterator[Call]:
        """Yield WHERE clauses that find the rows of these keys between them."""


class JsonRows:
    """OPENJSON."""

    speed = 20_000

    def insertions(
        self,
        table: str,
        columns: Sequence[Column],
        rows: Iterable[tuple[Any, ...]],
        *,
        with_companion: bool,
    ) -> Iterator[Call]:
        """Yield calls of bounded rows and bytes."""
        names = _names(columns, with_companion=with_companion)
        sql = f"INSERT INTO {table} ({names}) {taken_apart(columns, with_companion=with_companion)}"
        for text in json_calls(rows, _types(columns)):
            yield sql, (text,)

    def of_keys(self, keys: Sequence[str]) -> Iterator[Call]:
        """Yield one clause for thousands of keys."""
        for text in json_calls(((key,) for key in keys), [ColumnType.TEXT]):
            yield _WITH_KEYS, (text,)


class ParameterRows:
    """A parameter for every value. NULL is said in words: a parameter of it would have no type."""

    speed = 500

    def insertions(
        self,
        table: str,
        columns: Sequence[Column],
        rows: Iterable[tuple[Any, ...]],
        *,
        with_companion: bool,
    ) -> Iterator[Call]:
        """Yield statements of as many rows as their parameters allow."""
        names = _names(columns, with_companion=with_companion)
        start = f"INSERT INTO {table} ({names}) VALUES "  # noqa: S608  quoted
        marks = [f"CAST(? AS {ddl.TYPES[kind]})" for kind in _types(columns)]
        parts: list[str] = []
        values: list[Any] = []
        for row in rows:
            given = [value for value in row if value is not None]
            is_full = len(parts) >= MOST_VALUES or len(values) + len(given) > MOST_PARAMETERS
            if parts and is_full:
                yield start + ", ".join(parts), tuple(values)
                parts, values = [], []
            told = zip(row, marks, strict=False)
            parts.append(f"({', '.join('NULL' if v is None else mark for v, mark in told)})")
            values += given
        if parts:
            yield start + ", ".join(parts), tuple(values)

    def of_keys(self, keys: Sequence[str]) -> Iterator[Call]:
        """Yield a clause for as many keys as there may be parameters."""
        for first in range(0, len(keys), MOST_PARAMETERS):
            some = tuple(keys[first : first + MOST_PARAMETERS])
            yield f"WHERE {quote(KEY)} IN ({', '.join(['?'] * len(some))})", some


def choose(connection: Connection) -> RowRoute:
    """Return JsonRows where two rows come through as they are, ParameterRows elsewhere.

    Nothing is written. Where the server refuses the attempt, the connection is good for nothing:
    it has rolled back without the driver's knowledge. Raise what the driver raises where the server
    cannot answer now.
    """
    sql = taken_apart(_TRIED, with_companion=True)
    sent = [("a", 1, *(None for _ in _TRIED), None), ("b", -(2**63), *_VALUES, _TEXT)]
    try:
        (text,) = json_calls(sent, _types(_TRIED))
        found = {tuple(row) for row in connection.exec_driver_sql(sql, (text,))}
    except Exception as error:
        if getattr(error, "orig", None) is None or isinstance(translated(error), TransientError):
            raise
        found = set()
    if found == set(sent):
        return JsonRows()
    _log.info("Rows go one parameter a value: this server takes JSON apart in a way of its own.")
    return ParameterRows()


def taken_apart(columns: Sequence[Column], *, with_companion: bool) -> str:
    """Return the query of the rows of one JSON text: `[{"c0": key, "c1": hash, …}, …]`."""
    taken = ["[c0]", "[c1]"]
    read = [f"[c0] NVARCHAR({KEY_LENGTH}) '$.c0'", "[c1] BIGINT '$.c1'"]
    for position, column in enumerate(columns, start=2):
        alias = f"c{position}"
        is_binary = column.type is ColumnType.BINARY
        # Hexadecimal digits, because OPENJSON leaves base64 alone in some versions only.
        taken.append(f"CONVERT(VARBINARY(MAX), [{alias}], 2)" if is_binary else f"[{alias}]")
        sql_type = "NVARCHAR(MAX)" if is_binary else ddl.TYPES[column.type]
        read.append(f"[{alias}] {sql_type} '$.{alias}'")
    if with_companion:
        alias = f"c{len(columns) + 2}"
        taken.append(f"[{alias}]")
        read.append(f"[{alias}] NVARCHAR(MAX) '$.{alias}'")
    return f"SELECT {', '.join(taken)} FROM OPENJSON({_JSON_TEXT}) WITH ({', '.join(read)})"  # noqa: S608  constants


def json_calls(rows: Iterable[tuple[Any, ...]], types: Sequence[ColumnType]) -> Iterator[str]:
    """Yield JSON arrays of the rows, each within the limits of one call; NULLs are left out."""
    import orjson

    aliases = [f"c{position}" for position in range(len(types))]
    hexed = [position for position, kind in enumerate(types) if kind is ColumnType.BINARY]
    bits = [position for position, kind in enumerate(types) if kind is ColumnType.BOOLEAN]
    parts: list[bytes] = []
    size = 0
    for row in rows:
        values = list(row)
        for position in hexed:
            values[position] = None if row[position] is None else row[position].hex()
        for position in bits:
            values[position] = None if row[position] is None else int(row[position])
        named = zip(aliases, values, strict=False)
        part = orjson.dumps({alias: value for alias, value in named if value is not None})
        if parts and (len(parts) >= ROWS_A_CALL or size + len(part) > BYTES_A_CALL):
            yield _array(parts)
            parts, size = [], 0
        parts.append(part)
        size += len(part)
    if parts:
        yield _array(parts)


def _array(parts: list[bytes]) -> str:
    return (b"[" + b",".join(parts) + b"]").decode()


def _names(columns: Sequence[Column], *, with_companion: bool) -> str:
    beside = [COMPANION] if with_companion else []
    return ", ".join(map(quote, [KEY, HASH, *(column.name for column in columns), *beside]))


def _types(columns: Sequence[Column]) -> list[ColumnType]:
    first = [ColumnType.TEXT, ColumnType.INTEGER]
    return [*first, *(column.type for column in columns), ColumnType.JSON]


_WITH_KEYS = (
    f"WHERE {quote(KEY)} IN (SELECT [c0] COLLATE {ddl.COLLATION} "  # noqa: S608  constants
    f"FROM OPENJSON({_JSON_TEXT}) WITH ([c0] NVARCHAR({KEY_LENGTH}) '$.c0'))"
)
_TEXT = '"quoted" back\\slash line\n\r\ttab \x01 \x7f </a> ü€😀 ends with "'
_TRIED = [
    Column(field=kind.value, name=f"{kind.value}{number}", type=kind)
    for number in range(17)
    for kind in ColumnType
]
"""More columns than some servers take."""
_TRIAL: Final[dict[ColumnType, Any]] = {
    ColumnType.TEXT: _TEXT,
    ColumnType.INTEGER: 2**63 - 1,
    ColumnType.FLOAT: 0.1,
    ColumnType.BOOLEAN: True,
    ColumnType.BINARY: b"\x00\xff",
    ColumnType.JSON: '{"a":["\\n",1.0]}',
}
_VALUES = [_TRIAL[column.type] for column in _TRIED]
