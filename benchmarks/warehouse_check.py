"""Compares loaded tables with their source, value by value."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

_SHOWN: Final = 5
_NUMBERS: Final = {
    "integer": ("year", "month", "day", "dep_time", "flight", "distance"),
    "real": ("_creationTime", "dep_delay", "arr_delay", "air_time"),
}
_DECLARED: Final = {"integer": ("INT",), "real": ("REAL", "FLOA", "DOUB", "DEC", "NUMER", "INT")}
_OF_ORDER: Final = "_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether the columns have types of their own, and the first values that are wrong."""

    is_typed: bool
    problems: Sequence[str]

    @property
    def is_correct(self) -> bool:
        """Whether all of it is as the source has it."""
        return not self.problems


def check_sqlite(
    database: Path, table: str, source: Iterable[Mapping[str, Any]], *, exactly: bool
) -> Verdict:
    """Compare a table of a SQLite file with the documents it was made of; see `compare`.

    `exactly` means in the documents' order, too.
    """
    with closing(sqlite3.connect(database)) as connection:
        types = {row[1]: row[2] for row in connection.execute(f'PRAGMA table_info("{table}")')}
        order = "rowid" if exactly else _OF_ORDER
        cursor = connection.execute(f'SELECT * FROM "{table}" ORDER BY {order}')
        names = [column[0] for column in cursor.description]
        given: Iterator[Mapping[str, Any]] = iter(source)
        if not exactly:
            given = iter(sorted(given, key=lambda document: str(document[_OF_ORDER])))
        return compare(table, names, types, cursor, given, exactly=exactly)


def compare(
    table: str,
    names: Sequence[str],
    types: Mapping[str, str],
    rows: Iterable[Sequence[Any]],
    documents: Iterable[Mapping[str, Any]],
    *,
    exactly: bool,
) -> Verdict:
    """Compare rows with the documents they were made of, one after the other.

    `exactly`: types included, under the same names. Else 2 equals 2.0, a time may have been read as
    one, names may have been respelt and nested values spread over columns: what a person would
    call the same. `types`: what the database calls the columns' types.
    """
    differences = _exact_differences if exactly else _differences
    problems: list[str] = []
    for number, (row, document) in enumerate(itertools.zip_longest(rows, documents)):
        if row is None or document is None:
            problems.append(f"row {number}: {'missing' if row is None else 'too many'}")
            break
        found = dict(zip(names, row, strict=True))
        problems += (f"{table}, row {number}, {what}" for what in differences(found, document))
        if len(problems) >= _SHOWN:
            break
    plain = {_plain(name): str(kind).upper() for name, kind in types.items()}
    return Verdict(is_typed=_is_typed(plain), problems=problems[:_SHOWN])


def _is_typed(types: Mapping[str, str]) -> bool:
    return all(
        any(word in types.get(_plain(name), "") for word in _DECLARED[kind])
        for kind, names in _NUMBERS.items()
        for name in names
    )


def _exact_differences(row: Mapping[str, Any], document: Mapping[str, Any]) -> Iterable[str]:
    for name in (row.keys() | document.keys()) - {"_linkhub_hash"}:
        found, wanted = row.get(name), document.get(name)
        if isinstance(wanted, dict | list) and isinstance(found, str):
            found = json.loads(found)
        if found != wanted or found.__class__ is not wanted.__class__:
            yield f"{name}: {found!r} instead of {wanted!r}"


def _differences(row: Mapping[str, Any], document: Mapping[str, Any]) -> Iterable[str]:
    values = {_plain(name): value for name, value in row.items()}
    for name, wanted in _leaves(document, values):
        found = values.get(_plain(name))
        if not _same(found, wanted):
            yield f"{name}: {found!r} instead of {wanted!r}"


def _leaves(
    document: Mapping[str, Any], values: Mapping[str, Any], *, path: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yield what is to be found, a nested object by its parts where it has no column itself."""
    for name, value in document.items():
        if isinstance(value, dict) and _plain(path + name) not in values:
            yield from _leaves(value, values, path=f"{path}{name}__")
        else:
            yield path + name, value


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict | list):
        return isinstance(found, str) and bool(json.loads(found) == wanted)
    if isinstance(wanted, str) and isinstance(found, datetime):
        return _time(wanted) == found.replace(tzinfo=None)
    if isinstance(wanted, str) and isinstance(found, str) and found != wanted:
        return _time(found) is not None and _time(found) == _time(wanted)
    if isinstance(found, Decimal):
        return bool(float(found) == wanted)
    return bool(found == wanted)


def _time(text: str) -> datetime | None:
    """Return the time a text tells, without its zone: all of the source's are UTC."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
