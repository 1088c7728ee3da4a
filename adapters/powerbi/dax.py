"""The DAX queries the adapter sends, and nothing else builds any.

Names and values only ever stand inside quotes with their quotes doubled ("DAX syntax",
learn.microsoft.com/dax/dax-syntax-reference); values are written by their type. Columns are
renamed to `c0`, `c1`, …: answers then name them the same whatever a model calls them, and are
smaller. In DAX a blank equals 0, "" and FALSE() under `=` and `>`: hence ISBLANK and `==`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

KeyValue = str | int | datetime
"""A value of a key column, as a literal can hold it without loss."""

Key = Sequence[KeyValue]

TABLES = (
    "EVALUATE SELECTCOLUMNS(INFO.VIEW.TABLES(), "
    '"name", [Name], "hidden", [IsHidden], "description", [Description])'
)
COLUMNS = (
    "EVALUATE SELECTCOLUMNS(INFO.VIEW.COLUMNS(), "
    '"table", [Table], "name", [Name], "type", [DataType], "category", [DataCategory], '
    '"key", [IsKey], "unique", [IsUnique], "description", [Description])'
)
RELATIONSHIPS = (
    "EVALUATE SELECTCOLUMNS(INFO.VIEW.RELATIONSHIPS(), "
    '"fromTable", [FromTable], "fromColumn", [FromColumn], "fromSide", [FromCardinality], '
    '"toTable", [ToTable], "toColumn", [ToColumn], "toSide", [ToCardinality])'
)


def probe(table: str) -> str:
    """Return a query for any one row, with its columns under their own names."""
    return f"EVALUATE TOPN(1, {_table(table)})"


def count(table: str, key: Sequence[str]) -> str:
    """Return a query for one row: all rows of the table as `rows`, those with a key as `keyed`."""
    keyed = f"FILTER({_table(table)}, {_has_key(table, key)})" if key else _table(table)
    return f'EVALUATE ROW("rows", COUNTROWS({_table(table)}), "keyed", COUNTROWS({keyed}))'


def page(
    table: str, columns: Sequence[str], *, key: Sequence[str], after: Key | None, rows: int
) -> str:
    """Return a query for the next `rows` rows by key, in its order; `after` None: the first ones.

    `columns` must begin with those of the key. More rows come back where several share the last
    key; that is how TOPN treats ties.
    """
    where = _has_key(table, key)
    if after is not None:
        where = f"{where} && ({_is_after(table, key, after)})"
    order = ", ".join(f"{_column(table, name)}, ASC" for name in key)
    top = f"TOPN({rows}, FILTER({_table(table)}, {where}), {order})"
    sort = ", ".join(f"[c{number}] ASC" for number in range(len(key)))
    return f"EVALUATE {_selected(top, table, columns)} ORDER BY {sort}"


def whole(table: str, columns: Sequence[str]) -> str:
    """Return a query for every row, in no order."""
    return f"EVALUATE {_selected(_table(table), table, columns)}"


def find(table: str, columns: Sequence[str], *, key: Sequence[str], values: Iterable[Key]) -> str:
    """Return a query for the rows that have one of these keys."""
    wanted = " || ".join(f"({_is_key(table, key, value)})" for value in values)
    where = f"{_has_key(table, key)} && ({wanted})"
    return f"EVALUATE {_selected(f'FILTER({_table(table)}, {where})', table, columns)}"


def _selected(rows: str, table: str, columns: Sequence[str]) -> str:
    named = (f'"c{number}", {_column(table, name)}' for number, name in enumerate(columns))
    return f"SELECTCOLUMNS({rows}, {', '.join(named)})"


def _has_key(table: str, key: Sequence[str]) -> str:
    return " && ".join(f"NOT(ISBLANK({_column(table, name)}))" for name in key)


def _is_key(table: str, key: Sequence[str], values: Key) -> str:
    pairs = zip(key, values, strict=True)
    return " && ".join(f"{_column(table, name)} == {_literal(value)}" for name, value in pairs)


def _is_after(table: str, key: Sequence[str], values: Key) -> str:
    """Return the condition for keys that follow `values`, the first column counting most."""
    steps = []
    for place, (name, value) in enumerate(zip(key, values, strict=True)):
        step = f"{_column(table, name)} > {_literal(value)}"
        if place:
            step = f"{_is_key(table, key[:place], values[:place])} && {step}"
        steps.append(f"({step})")
    return " || ".join(steps)


def _table(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _column(table: str, name: str) -> str:
    return f"{_table(table)}[{name.replace(']', ']]')}]"


def _literal(value: KeyValue) -> str:
    if isinstance(value, datetime):
        return f'dt"{value.replace(tzinfo=None).isoformat(timespec="milliseconds")}"'
    if isinstance(value, int):
        return str(int(value))
    return '"' + value.replace('"', '""') + '"'
