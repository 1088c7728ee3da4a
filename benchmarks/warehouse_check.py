"""Compares a loaded table with its source, value by value."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_SHOWN: Final = 5
_NUMBERS: Final = {
    "integer": ("year", "month", "day", "dep_time", "flight", "distance"),
    "real": ("_creationTime", "dep_delay", "arr_delay", "air_time"),
}
_DECLARED: Final = {"integer": ("INT",), "real": ("REAL", "FLOA", "DOUB")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether the columns have types of their own, and the first values that are wrong."""

    is_typed: bool
    problems: Sequence[str]

    @property
    def is_correct(self) -> bool:
        """Whether all of it is as the source has it."""
        return not self.problems


def check_table(database: Path, source: Iterable[Mapping[str, Any]]) -> Verdict:
    """Compare `flights` with the documents it was made of, in their order."""
    with closing(sqlite3.connect(database)) as connection:
        types = {
            row[1]: str(row[2]).upper()
            for row in connection.execute("PRAGMA table_info(flights)").fetchall()
        }
        cursor = connection.execute("SELECT * FROM flights ORDER BY rowid")
        names = [column[0] for column in cursor.description]
        problems: list[str] = []
        for number, (row, document) in enumerate(itertools.zip_longest(cursor, source)):
            if row is None or document is None:
                problems.append(f"row {number}: {'missing' if row is None else 'too many'}")
                break
            problems += _differences(number, dict(zip(names, row, strict=True)), document)
            if len(problems) >= _SHOWN:
                break
    return Verdict(is_typed=_is_typed(types), problems=problems[:_SHOWN])


def _is_typed(types: Mapping[str, str]) -> bool:
    return all(
        any(word in types.get(name, "") for word in _DECLARED[kind])
        for kind, names in _NUMBERS.items()
        for name in names
    )


def _differences(number: int, row: Mapping[str, Any], document: Mapping[str, Any]) -> Iterable[str]:
    for name in row.keys() | document.keys():
        found, wanted = row.get(name), document.get(name)
        if isinstance(wanted, dict | list) and isinstance(found, str):
            found = json.loads(found)
        if found != wanted or found.__class__ is not wanted.__class__:
            yield f"row {number}, {name}: {found!r} instead of {wanted!r}"
