"""Tables, columns and views in T-SQL, as text; understood by SQL Server, Azure SQL and Babelfish.

ALTER COLUMN never says NULL: left out it means the same on SQL Server (ANSI defaults are always on
for it), and Babelfish has no word for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.sinks.warehouse.types import (
    COMPANION,
    CREATED,
    EXACT_INTEGERS,
    HASH,
    KEY,
    KEY_LENGTH,
    Column,
    ColumnType,
)

COLLATION: Final = "Latin1_General_100_BIN2"
TYPES: Final = {
    ColumnType.TEXT: "NVARCHAR(MAX)",
    ColumnType.INTEGER: "BIGINT",
    ColumnType.FLOAT: "FLOAT(53)",
    ColumnType.BOOLEAN: "BIT",
    ColumnType.BINARY: "VARBINARY(MAX)",
    ColumnType.JSON: "NVARCHAR(MAX)",
}
"""The widest type of each kind: what rows are read as on their way into a table."""
ROW_FOR_COLUMNS: Final = 8 * 7_600
"""The bits of a row's 8,060 bytes that columns of fields share. The rest is for the row's header
and version (24 bytes), the key with its offset (258), our own columns (40), and a person's.
"""
_VARIABLE = 8 * (24 + 2)
"""Of a text or of bytes all but a pointer of 24 bytes can leave the row; it has an offset too."""
RENAME: Final = "EXEC sp_rename @objname = ?, @newname = ?, @objtype = N'OBJECT'"

_DAY = 86_400_000
_FIRST, _LAST = -62_135_596_800_000, 253_402_300_799_999
"""The years 1 to 9999, which DATETIME2 has, in milliseconds since 1970."""


def quote(name: str) -> str:
    """Return an identifier that means `name` and nothing else.

    One with a bracket is put in quotes, which every ODBC session takes for an identifier's:
    Babelfish does not know a bracket that is doubled.
    """
    if "]" in name:
        return '"' + name.replace('"', '""') + '"'
    return f"[{name}]"


def sql_type(column: Column) -> str:
    """Return the type a column has in its table; one of ids can be joined with keys."""
    name = f"NVARCHAR({column.length})" if column.length else TYPES[column.type]
    return f"{name} COLLATE {COLLATION}" if column.is_id else name


def row_bits(column: Column) -> int:
    """Return how many bits a column takes of its row at most, one for NULL among them. A number
    that changed its type leaves its former place behind.
    """
    if column.type is ColumnType.BOOLEAN:
        return 1 + 1
    if column.type in {ColumnType.INTEGER, ColumnType.FLOAT}:
        return 1 + 64 * (1 + column.had_integers)
    return 1 + _VARIABLE


def definitions(columns: Sequence[Column]) -> str:
    """Return what follows CREATE or ADD."""
    return ", ".join(f"{quote(column.name)} {sql_type(column)} NULL" for column in columns)


def create_table(table: str, columns: Sequence[Column]) -> str:
    """Return the statement that creates a (quoted) table."""
    key = f"{quote(KEY)} NVARCHAR({KEY_LENGTH}) COLLATE {COLLATION} NOT NULL PRIMARY KEY"
    companion = f"{quote(COMPANION)} NVARCHAR(MAX) NULL"
    hashed = f"{quote(HASH)} BIGINT NOT NULL"
    parts = [key, hashed, *([definitions(columns)] if columns else []), companion]
    return f"CREATE TABLE {table} ({', '.join(parts)})"


def alter_column(table: str, column: Column) -> str:
    """Return the statement that gives a column of a (quoted) table its new type."""
    return f"ALTER TABLE {table} ALTER COLUMN {quote(column.name)} {sql_type(column)}"


def create_view(view: str, table: str, columns: Sequence[Column], *, time_name: str) -> str:
    """Return the statement that creates a (quoted) view: key, columns, and the time in between."""
    shown = [quote(KEY)]
    for column in columns:
        shown.append(quote(column.name))
        if column.field == CREATED:
            shown.append(f"{_time(quote(column.name))} AS {quote(time_name)}")
    return f"CREATE VIEW {view} AS SELECT {', '.join(shown)} FROM {table}"  # noqa: S608  quoted


def find_inexact(table: str, column: Column) -> str:
    """Return the query that finds an integer no float is equal to."""
    name = quote(column.name)
    return (
        f"SELECT TOP 1 1 FROM {table} "  # noqa: S608  quoted
        f"WHERE {name} > {EXACT_INTEGERS} OR {name} < -{EXACT_INTEGERS}"
    )


INDEX_OF_COLUMN: Final = (
    "SELECT TOP 1 1 FROM sys.index_columns AS i JOIN sys.columns AS c "
    "ON c.object_id = i.object_id AND c.column_id = i.column_id "
    "WHERE i.object_id = OBJECT_ID(?) AND c.name = ?"
)
"""Finds an index a person put on a column of a (quoted) table: its type cannot change then."""


def object_query(schema: str, *, kind: str = "objects") -> str:
    """Return the query that finds an object by schema (where there is one) and name.

    `kind` is a catalogue view: `objects` for anything, `views` for views.
    """
    return f"SELECT 1 FROM sys.{kind} WHERE schema_id = {_schema_id(schema)} AND name = ?"  # noqa: S608  constants


def names_query(schema: str) -> str:
    """Return the query that lists the tables and views of a schema."""
    return (
        f"SELECT name FROM sys.objects WHERE schema_id = {_schema_id(schema)} "  # noqa: S608  constants
        "AND type IN ('U', 'V')"
    )


def _schema_id(schema: str) -> str:
    return "SCHEMA_ID(?)" if schema else "SCHEMA_ID()"


def _time(milliseconds: str) -> str:
    """Return the expression for a time, NULL for what is none. DATEADD takes no more than an INT,
    hence days and the rest apart.
    """
    whole = f"CAST(FLOOR({milliseconds}) AS BIGINT)"
    day = (
        f"DATEADD(DAY, CAST({whole} / {_DAY} AS INT), CAST('1970-01-01T00:00:00' AS DATETIME2(3)))"
    )
    time = f"DATEADD(MILLISECOND, CAST({whole} % {_DAY} AS INT), {day})"
    return f"CASE WHEN {milliseconds} BETWEEN {_FIRST} AND {_LAST} THEN {time} END"
