"""Evaluates the queries `syntax.py` reads over a dataset's tables, with DAX's own rules.

A blank equals 0, "" and FALSE under every comparison but `==`; text compares without regard to
case; numbers do not compare with text; TOPN gives all rows that tie with its last; a table
function keeps no order.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from local.sandbox.powerbi.models import Dataset, Row, Table
from local.sandbox.powerbi.syntax import Call, ColumnRef, DaxError, TableRef, parse

Scalar = Callable[[Row], Any]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_ROW_NUMBER = "RowNumber-2662979B-1795-4F74-8F37-6A1BA8059B61"
_NOUGHT = datetime(1899, 12, 30)  # noqa: DTZ001  DAX's day 0 has no zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table a query made: (table, column) names, '' for a column it named itself."""

    names: tuple[tuple[str, str], ...]
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a query gives; `evaluates` above 1: there were more tables, which are not given."""

    names: tuple[str, ...]
    rows: Sequence[Row]
    evaluates: int


def evaluate(text: str, dataset: Dataset) -> Result:
    """Return the first result of a query; raise DaxError for what this engine cannot do."""
    query = parse(text)
    engine = _Engine(dataset)
    relation = engine.table(query.table)
    rows = relation.rows
    if query.order:
        keys = [(engine.scalar(part, relation), down) for part, down in query.order]
        rows = _sorted(rows, keys)
    names = tuple(f"{table}[{column}]" for table, column in relation.names)
    return Result(names=names, rows=rows, evaluates=query.evaluates)


class _Engine:
    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def table(self, node: Any) -> Relation:
        if isinstance(node, TableRef):
            return _relation(self._find(node.name))
        if node.name.startswith("INFO."):
            if not self._dataset.describes_itself:
                raise DaxError(f"Failed to resolve name '{node.name}'.")
            return _INFO[node.name](self._dataset)
        functions: dict[str, Callable[..., Relation]] = {
            "SELECTCOLUMNS": self._select,
            "TOPN": self._top,
            "FILTER": self._filter,
            "ROW": self._row,
        }
        return functions[node.name](*node.args)

    def scalar(self, node: Any, relation: Relation) -> Scalar:
        """Return the function from a row of `relation` to the value of an expression."""
        if isinstance(node, ColumnRef):
            place = _place(node, relation)
            return lambda row: row[place]
        if not isinstance(node, Call):
            return lambda _: node
        if node.name == "COUNTROWS":
            count = len(self.table(node.args[0]).rows) or None  # of none it is a blank
            return lambda _: count
        if node.name in {"TRUE", "FALSE", "BLANK"}:
            constant = {"TRUE": True, "FALSE": False}.get(node.name)
            return lambda _: constant
        parts = [self.scalar(part, relation) for part in node.args]
        return _combined(node.name, parts)

    def _find(self, name: str) -> Table:
        table = self._dataset.find_table(name)
        if table is None:
            raise DaxError(f"Cannot find table '{name}'.")
        return table

    def _select(self, source: Any, *pairs: tuple[str, Any]) -> Relation:
        relation = self.table(source)
        parts = [self.scalar(node, relation) for _, node in pairs]
        places = [
            _place(node, relation) if isinstance(node, ColumnRef) else None for _, node in pairs
        ]
        if len(places) > 1 and None not in places:
            pick: Callable[[Row], Row] = operator.itemgetter(*(p for p in places if p is not None))
            rows = [pick(row) for row in relation.rows]
        else:
            rows = [tuple(part(row) for part in parts) for row in relation.rows]
        return Relation(names=tuple(("", name) for name, _ in pairs), rows=rows)

    def _top(self, count: Any, source: Any, order: Sequence[tuple[Any, bool]]) -> Relation:
        relation = self.table(source)
        if not isinstance(count, int):
            raise DaxError("The first argument of TOPN must be a whole number.")
        if not order:
            return Relation(names=relation.names, rows=relation.rows[:count])
        keys = [(self.scalar(part, relation), down) for part, down in order]
        rows = _sorted(relation.rows, keys)
        last = rows[count - 1] if 0 < count <= len(rows) else None
        end = count
        while last is not None and end < len(rows) and _ties(rows[end], last, keys):
            end += 1
        return Relation(names=relation.names, rows=rows[:end])

    def _filter(self, source: Any, condition: Any) -> Relation:
        relation = self.table(source)
        test = self.scalar(condition, relation)
        return Relation(names=relation.names, rows=[row for row in relation.rows if test(row)])

    def _row(self, *pairs: tuple[str, Any]) -> Relation:
        nothing = Relation(names=(), rows=())
        row = tuple(self.scalar(node, nothing)(()) for _, node in pairs)
        return Relation(names=tuple(("", name) for name, _ in pairs), rows=[row])


def _combined(name: str, parts: Sequence[Scalar]) -> Scalar:
    if name == "&&":
        return lambda row: all(part(row) for part in parts)
    if name == "||":
        return lambda row: any(part(row) for part in parts)
    if name == "NOT":
        return lambda row: not parts[0](row)
    if name == "ISBLANK":
        return lambda row: parts[0](row) is None
    left, right = parts
    if name == "==":
        return lambda row: _is_same(left(row), right(row))
    compare = _COMPARE[name]
    return lambda row: compare(*_alike(left(row), right(row)))


def _is_same(left: Any, right: Any) -> bool:
    if left is None or right is None:
        return left is right
    return bool(operator.eq(*_alike(left, right)))


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Return two values as DAX compares them; raise DaxError where it would not."""
    if left is None and right is None:
        return 0, 0
    if left is None:
        return _nought(right), _folded(right)
    if right is None:
        return _folded(left), _nought(left)
    if _kind(left) != _kind(right):
        raise DaxError(
            f"DAX comparison operations do not support comparing values of type {_kind(left)} with "
            f"values of type {_kind(right)}."
        )
    return _folded(left), _folded(right)


def _nought(like: Any) -> Any:
    return {"Text": "", "DateTime": _NOUGHT}.get(_kind(like), 0)


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "Text"
    if isinstance(value, bool):
        return "True/False"
    return "DateTime" if isinstance(value, datetime) else "Number"


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def _sorted(rows: Sequence[Row], keys: Sequence[tuple[Scalar, bool]]) -> list[Row]:
    found = list(rows)
    for part, down in reversed(keys):
        found.sort(key=lambda row, part=part: _rank(part(row)), reverse=down)  # type: ignore[misc]
    return found


def _rank(value: Any) -> tuple[bool, Any]:
    return value is not None, 0 if value is None else _folded(value)


def _ties(row: Row, last: Row, keys: Sequence[tuple[Scalar, bool]]) -> bool:
    return all(_rank(part(row)) == _rank(part(last)) for part, _ in keys)


def _place(ref: ColumnRef, relation: Relation) -> int:
    table, name = ref.table.casefold(), ref.name.casefold()
    for place, (of, column) in enumerate(relation.names):
        if column.casefold() == name and (not table or of.casefold() == table):
            return place
    raise DaxError(
        f"Column '{ref.name}' in table '{ref.table}' cannot be found or may not be used."
    )


def _relation(table: Table) -> Relation:
    names = tuple((table.name, column.name) for column in table.columns)
    return Relation(names=names, rows=table.rows)


def _info(names: str, rows: list[Row]) -> Relation:
    return Relation(names=tuple(("", name) for name in names.split()), rows=rows)


def _info_tables(dataset: Dataset) -> Relation:
    mode = "Import" if dataset.mode == "Import" else "DirectQuery"
    rows: list[Row] = [
        (n, table.name, table.description or None, table.is_hidden, mode)
        for n, table in enumerate(dataset.tables, start=1)
    ]
    return _info("ID Name Description IsHidden StorageMode", rows)


def _info_columns(dataset: Dataset) -> Relation:
    """Each table has a column of row numbers, which is its key where no other one is."""
    rows: list[Row] = []
    for table in dataset.tables:
        has_key = any(column.is_key for column in table.columns)
        rows.append((_ROW_NUMBER, table.name, "Integer", "RowNumber", None, True, not has_key))
        rows += [
            (
                column.name,
                table.name,
                column.type,
                "Regular",
                column.description or None,
                column.is_unique or column.is_key,
                column.is_key,
            )
            for column in table.columns
        ]
    names = "ID Name Table DataType DataCategory Description IsUnique IsKey"
    return _info(names, [(n, *row) for n, row in enumerate(rows, start=1)])


def _info_relationships(dataset: Dataset) -> Relation:
    rows: list[Row] = [
        (n, *one.from_, "Many", *one.to, "One", True)
        for n, one in enumerate(dataset.relationships, start=1)
    ]
    names = "ID FromTable FromColumn FromCardinality ToTable ToColumn ToCardinality IsActive"
    return _info(names, rows)


_INFO = {
    "INFO.VIEW.TABLES": _info_tables,
    "INFO.VIEW.COLUMNS": _info_columns,
    "INFO.VIEW.RELATIONSHIPS": _info_relationships,
}
