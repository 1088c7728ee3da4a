"""What a dataset holds: tables, columns with their types, and which columns are unique."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.powerbi import dax
from adapters.powerbi.api import PowerBiApi
from adapters.powerbi.failures import QueryError
from adapters.powerbi.streams import DatasetRef, stream_name
from shared.domain.fields import Field, FieldType
from shared.errors import PermanentError

_TYPES = {
    "text": FieldType.STRING,
    "string": FieldType.STRING,
    "integer": FieldType.INTEGER,
    "int64": FieldType.INTEGER,
    "whole number": FieldType.INTEGER,
    "number": FieldType.FLOAT,
    "double": FieldType.FLOAT,
    "real": FieldType.FLOAT,
    "decimal number": FieldType.FLOAT,
    "decimal": FieldType.DECIMAL,
    "currency": FieldType.DECIMAL,
    "fixed decimal number": FieldType.DECIMAL,
    "datetime": FieldType.DATETIME,
    "date": FieldType.DATETIME,
    "boolean": FieldType.BOOLEAN,
    "true/false": FieldType.BOOLEAN,
    "binary": FieldType.BINARY,
}
"""By `DataType` in small letters. The engine's own name and the one that Power BI Desktop shows are
both understood; only a *fixed* decimal number is exact, with four digits after the point.
"""
_SCALE = 4
_DATE_TABLE = re.compile(r"(LocalDateTable|DateTableTemplate)_[0-9a-f-]{36}")
"""Tables Power BI makes by itself for each date column ("auto date/time")."""
_ROW_NUMBER = "RowNumber"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?")
_KEY_TYPES = frozenset({FieldType.STRING, FieldType.INTEGER, FieldType.DATETIME})


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with its columns; `unique` are those of which each alone names a row."""

    name: str
    description: str = ""
    columns: tuple[Field, ...]
    unique: tuple[str, ...] = ()

    @property
    def types(self) -> Mapping[str, FieldType]:
        """The type of each column by its name."""
        return {column.name: column.type for column in self.columns}


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSchema:
    """The tables of a dataset by stream."""

    dataset: DatasetRef
    tables: Mapping[str, Table] = field(default_factory=dict)

    @classmethod
    def of(cls, dataset: DatasetRef, tables: Iterable[Table]) -> DatasetSchema:
        """Return the schema with the tables that have a column."""
        named = {stream_name(dataset, table.name): table for table in tables if table.columns}
        return cls(dataset=dataset, tables=named)

    def find(self, stream: str) -> Table:
        """Return the table a stream is; raise PermanentError where it is gone."""
        table = self.tables.get(stream)
        if table is None:
            raise PermanentError(
                f"The Power BI dataset of {stream!r} has no such table (any more), or it is hidden "
                "from the account. Remove it from the mapping, or restore it in Power BI."
            )
        return table


def may_be_key(type_: FieldType) -> bool:
    """Return whether values of a type survive JSON exactly, so that they can name rows."""
    return type_ in _KEY_TYPES


def read_schema(
    api: PowerBiApi, dataset: DatasetRef, *, candidates: Sequence[str] = ()
) -> DatasetSchema:
    """Return a dataset's visible tables.

    The model describes itself by INFO.VIEW.*. Where it does not, a push dataset tells its tables;
    of any other, each of the `candidates` is asked for one row, whose values tell the types, and
    tables that do not exist are passed over. Raise QueryError where all of that gives nothing.
    """
    try:
        tables = api.query(dataset, dax.TABLES)
        columns = api.query(dataset, dax.COLUMNS)
    except QueryError as refused:
        found = [_pushed(data) for data in api.pushed_tables(dataset)]
        found += [table for name in candidates if (table := _probe(api, dataset, name))]
        if not found:
            raise QueryError(
                f"{refused} The model does not describe itself to this account either: name its "
                "tables in the connection option 'Key columns', such as Sales[Order ID]."
            ) from None
        return DatasetSchema.of(dataset, found)
    by_table: dict[str, list[Mapping[str, Any]]] = {}
    for row in columns:
        if row.get("[category]") != _ROW_NUMBER:
            by_table.setdefault(str(row.get("[table]")), []).append(row)
    shown = [row for row in tables if not _is_true(row.get("[hidden]"))]
    return DatasetSchema.of(
        dataset,
        (
            _described(row, by_table.get(str(row["[name]"]), []))
            for row in shown
            if row.get("[name]") and not _DATE_TABLE.fullmatch(str(row["[name]"]))
        ),
    )


def read_unique(api: PowerBiApi, dataset: DatasetRef, table: str) -> Sequence[str]:
    """Return the columns on the "one" side of a relationship: an import model keeps them unique.

    None where the model does not tell its relationships.
    """
    try:
        rows = api.query(dataset, dax.RELATIONSHIPS)
    except QueryError:
        return ()
    sides = [(row, end) for row in rows for end in ("to", "from")]
    return [
        str(row[f"[{end}Column]"])
        for row, end in sides
        if row.get(f"[{end}Table]") == table
        and row.get(f"[{end}Column]")
        and str(row.get(f"[{end}Side]")).casefold() == "one"
    ]


def to_type(name: Any) -> FieldType:
    """Return the type of a `DataType`; one that is not known is text, which holds anything."""
    return _TYPES.get(str(name).strip().casefold(), FieldType.STRING)


def _described(row: Mapping[str, Any], columns: Sequence[Mapping[str, Any]]) -> Table:
    unique = sorted(
        (column for column in columns if _is_true(column.get("[key]")) or _is_unique(column)),
        key=lambda column: not _is_true(column.get("[key]")),
    )
    return Table(
        name=str(row["[name]"]),
        description=str(row.get("[description]") or ""),
        columns=tuple(
            made
            for column in columns
            if column.get("[name]")
            and (made := _column(column)).type is not FieldType.BINARY  # no query can give these
        ),
        unique=tuple(str(column["[name]"]) for column in unique if column.get("[name]")),
    )


def _column(data: Mapping[str, Any]) -> Field:
    type_ = to_type(data.get("[type]"))
    name = str(data["[name]"])
    return Field(
        name=name,
        label=name,
        type=type_,
        read_only=True,
        unique=_is_unique(data),
        scale=_SCALE if type_ is FieldType.DECIMAL else None,
        description=str(data.get("[description]") or ""),
    )


def _is_unique(data: Mapping[str, Any]) -> bool:
    return _is_true(data.get("[key]")) or _is_true(data.get("[unique]"))


def _is_true(value: Any) -> bool:
    return value is True or str(value).casefold() == "true"


def _pushed(data: Mapping[str, Any]) -> Table:
    columns = data.get("columns")
    described = [
        {"[name]": column["name"], "[type]": column.get("dataType")}
        for column in (columns if isinstance(columns, list) else ())
        if isinstance(column, Mapping) and column.get("name")
    ]
    return _described({"[name]": data.get("name", "")}, described)


def _probe(api: PowerBiApi, dataset: DatasetRef, name: str) -> Table | None:
    try:
        rows = api.query(dataset, dax.probe(name))
    except QueryError:
        return None
    return Table(
        name=name,
        columns=tuple(
            Field(name=column, label=column, type=_type_of(value), read_only=True)
            for full, value in (rows[0].items() if rows else ())
            if (column := _bare(full, name))
        ),
    )


def _bare(full: str, table: str) -> str:
    """Return the column of `Table[Column]`."""
    return full.removeprefix(table).removeprefix("[").removesuffix("]")


def _type_of(value: Any) -> FieldType:
    if isinstance(value, bool):
        return FieldType.BOOLEAN
    if isinstance(value, int):
        return FieldType.INTEGER
    if isinstance(value, float):
        return FieldType.FLOAT
    is_moment = isinstance(value, str) and _MOMENT.fullmatch(value)
    return FieldType.DATETIME if is_moment else FieldType.STRING
