"""`python -m benchmarks.warehouse_sqlserver NAME ZIP SCHEMA`: one load into SQL Server.

The server is that of TEST_SQLSERVER_URL. `linkhub` goes by whatever route its trial chooses,
`linkhub-bulk` by bulk copy however slow its log-in is, `linkhub-openjson` without `mssql-python`.
`raw-bulk` hands a table's rows to one bulk copy, `raw-fast-executemany` to pyodbc; both are told
the types, check nothing and cannot resume. Prints one JSON object, as `warehouse_loads` does.
"""

from __future__ import annotations

import logging
import math
import sys
import zipfile
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import orjson

from benchmarks.destinations import connected, server_url
from benchmarks.warehouse_loads import BATCH, COLUMNS, NESTED, run_job, timed
from shared.sinks.warehouse import WarehouseSink
from shared.sinks.warehouse.access.address import load_driver
from shared.sinks.warehouse.engines import driver_text, open_engine
from shared.sinks.warehouse.mssql_bulk import plain_text
from shared.store.sqlserver import is_free_tds

if TYPE_CHECKING:
    from sqlalchemy import URL

_TYPES: Final = {"TEXT": "NVARCHAR(400)", "REAL": "FLOAT", "INTEGER": "BIGINT"}
_KEY: Final = "NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL"
_TEXT_LENGTH: Final = 400
_ROUTE_LOG: Final = "shared.sinks.warehouse.mssql_bulk"

Insert = Callable[[str, Iterator[tuple[Any, ...]]], None]


def load_by_linkhub(export: Path, schema: str, *, route: str = "") -> None:
    """Do what a job of production does; `route` "bulk" or "openjson" leaves it no choice.

    Raise RuntimeError where bulk copy was wanted and the trial or a copy refused it.
    """
    if route == "openjson":
        sys.modules["mssql_python"] = None  # type: ignore[assignment]  # as where it is not installed
    if route == "bulk":
        vars(import_module(_ROUTE_LOG))["SLOWEST_CALL"] = math.inf
    said: list[str] = []
    listener = logging.Handler(logging.INFO)
    listener.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger(_ROUTE_LOG)
    log.setLevel(logging.INFO)
    log.addHandler(listener)
    run_job(
        export,
        WarehouseSink(url=server_url(), schema=schema, instance_id="bench", run_id="run-1"),
    )
    print(*said, sep="\n", file=sys.stderr)
    if route == "bulk" and any("cannot be used" in text for text in said):
        raise RuntimeError(f"Bulk copy does not work here: {said[-1]}")


def load_by_bulk_copy(export: Path, schema: str) -> None:
    """Do what a person writes who knows the columns and trusts file and server."""
    import mssql_python

    _, engine = open_engine(server_url(), schema=schema)
    text = plain_text(driver_text(engine))
    with mssql_python.connect(text) as connection:

        def insert(table: str, rows: Iterator[tuple[Any, ...]]) -> None:
            connection.cursor().bulkcopy(
                table, rows, timeout=0, column_mappings=list(COLUMNS), keep_nulls=True
            )

        _load_tables(export, schema, insert, url=server_url())


def load_by_executemany(export: Path, schema: str) -> None:
    """Do the same with pyodbc, whose process FreeTDS would end."""
    url = server_url()
    driver = str(url.query.get("driver", ""))
    if not driver or is_free_tds(driver):
        raise RuntimeError("fast_executemany needs Microsoft's ODBC driver, named in the URL.")
    pyodbc, _ = load_driver()
    _, engine = open_engine(url, schema=schema)
    raw = pyodbc.connect(driver_text(engine))
    cursor = raw.cursor()
    cursor.fast_executemany = True
    # Without them other than Latin letters may become question marks.
    wide = (pyodbc.SQL_WVARCHAR, _TEXT_LENGTH, 0)
    sizes = [wide if kind == "TEXT" else None for kind in COLUMNS.values()]

    def insert(table: str, rows: Iterator[tuple[Any, ...]]) -> None:
        sql = f"INSERT INTO {table} VALUES ({', '.join('?' * len(COLUMNS))})"
        while batch := list(islice(rows, BATCH)):
            cursor.setinputsizes(sizes)
            cursor.executemany(sql, batch)
        raw.commit()

    _load_tables(export, schema, insert, url=url)
    raw.close()


def _load_tables(export: Path, schema: str, insert: Insert, *, url: URL) -> None:
    """Create each table of the export, let `insert` fill it, and make its ids unique."""
    with zipfile.ZipFile(export) as archive, connected(url) as connection:
        for entry in archive.namelist():
            name, _, file_name = entry.partition("/")
            if name.startswith("_") or file_name != "documents.jsonl":
                continue
            table = f"[{schema}].[{name}]"
            connection.exec_driver_sql(create_table(table))
            connection.commit()
            with archive.open(entry) as file:
                insert(table, parsed(file))
            connection.exec_driver_sql(f"CREATE UNIQUE INDEX [{name}_id] ON {table} ([_id])")
            connection.commit()


def create_table(table: str) -> str:
    """Return the statement that creates a table with the columns everybody is told of."""
    types = {name: _TYPES[kind] for name, kind in COLUMNS.items()}
    types |= dict.fromkeys(NESTED, "NVARCHAR(MAX)") | {"_id": _KEY}
    return f"CREATE TABLE {table} ({', '.join(f'[{n}] {kind}' for n, kind in types.items())})"


def parsed(file: IO[bytes]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a file of documents."""
    names = tuple(COLUMNS)
    nested = [names.index(name) for name in NESTED]
    loads, dumps = orjson.loads, orjson.dumps
    for line in file:
        get = loads(line).get
        row = [get(name) for name in names]
        for at in nested:
            if row[at] is not None:
                row[at] = dumps(row[at]).decode()
        yield tuple(row)


LOADS: Final[dict[str, Callable[[Path, str], None]]] = {
    "linkhub": load_by_linkhub,
    "linkhub-bulk": lambda export, schema: load_by_linkhub(export, schema, route="bulk"),
    "linkhub-openjson": lambda export, schema: load_by_linkhub(export, schema, route="openjson"),
    "raw-bulk": load_by_bulk_copy,
    "raw-fast-executemany": load_by_executemany,
}


def main() -> None:
    """Run one load and print what it took."""
    name, export, schema = sys.argv[1:]
    timed(name, lambda: LOADS[name](Path(export), schema))


if __name__ == "__main__":
    main()
