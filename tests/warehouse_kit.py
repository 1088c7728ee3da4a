"""A warehouse to load in tests, and a way to read back what every row says."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, create_engine, make_url
from sqlalchemy.pool import NullPool

from shared.domain.changes import Change, Truncate, Upsert
from shared.domain.checkpoints import Checkpoint, Mode, SavedCheckpoint, Stage
from shared.domain.tallies import Tally
from shared.ports.sink import FinishResult, WriteResult
from shared.sinks.warehouse import mssql_ddl, sqlite
from shared.sinks.warehouse.sink import WarehouseSink
from shared.sinks.warehouse.values import load_exact
from shared.store.sqlserver import choose_driver, for_free_tds, is_free_tds
from tests.conftest import SQLSERVER_URL

SCOPE = "*"
KINDS = ["sqlite", pytest.param("sqlserver", marks=pytest.mark.sqlserver)]
"""What a warehouse test runs against."""


@dataclass(frozen=True, kw_only=True)
class Warehouse:
    """A database of a test's own: a SQLite file, or a schema of a SQL Server."""

    url: str
    schema: str = ""

    def sink(
        self, *, run_id: str = "run-1", instance_id: str = "instance-1", **options: Any
    ) -> WarehouseSink:
        return WarehouseSink(
            url=self.url, schema=self.schema, run_id=run_id, instance_id=instance_id, **options
        )

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        with _engine(self.url).connect() as connection:
            if self.url.startswith("mssql"):
                # A transaction that a failed test left open must not stop all others.
                connection.exec_driver_sql("SET LOCK_TIMEOUT 30000")
                connection.commit()
            yield connection

    def is_babelfish(self) -> bool:
        if not self.url.startswith("mssql"):
            return False
        with self.connection() as connection:
            found = connection.exec_driver_sql("SELECT CAST(SERVERPROPERTY('Babelfish') AS INT)")
            return bool(found.scalar())

    def quoted(self, table: str) -> str:
        if not self.url.startswith("mssql"):
            return sqlite.quote(table)
        return f"{mssql_ddl.quote(self.schema)}.{mssql_ddl.quote(table)}"

    def renaming(self, table: str, new: str) -> str:
        """Return the statement by which a person renames a table."""
        if self.url.startswith("mssql"):
            return f"EXEC sp_rename '{self.schema}.{table}', '{new}', 'OBJECT'"
        return f"ALTER TABLE {self.quoted(table)} RENAME TO {self.quoted(new)}"

    def execute(self, *statements: str) -> None:
        with self.connection() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
            connection.commit()

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return every row as the database has it, in the order of the first column."""
        with self.connection() as connection:
            sql = f"SELECT * FROM {self.quoted(table)} ORDER BY 1"  # noqa: S608  quoted
            result = connection.exec_driver_sql(sql)
            return [dict(row) for row in result.mappings()]

    def tables(self) -> set[str]:
        return self._names("table")

    def views(self) -> set[str]:
        return self._names("view")

    def _names(self, kind: str) -> set[str]:
        if self.url.startswith("mssql"):
            sql = f"SELECT name FROM sys.{kind}s WHERE schema_id = SCHEMA_ID('{self.schema}')"  # noqa: S608  ours
        else:
            sql = f"SELECT name FROM sqlite_master WHERE type = '{kind}'"  # noqa: S608  ours
        with self.connection() as connection:
            return {row[0] for row in connection.exec_driver_sql(sql)}

    def registered(self, *, role: str = "live") -> dict[str, dict[str, Any]]:
        """Return what the registry says of the tables in a role, by stream."""
        if "_linkhub_tables" not in self.tables():
            return {}
        rows = self.rows("_linkhub_tables")
        return {row["stream"]: row for row in rows if row["role"] == role}

    def types(self, stream: str) -> dict[str, str]:
        """Return the column type of each field of a stream's live table."""
        columns = json.loads(self.registered()[stream]["columns"])
        return {column["field"]: column["type"] for column in columns}

    def records(self, stream: str) -> dict[str, dict[str, Any]]:
        """Return every record of the live table as it was sent, by key, without its Nones.

        A value comes from the companion column where it is there, else from its own.
        """
        row = self.registered()[stream]
        columns = json.loads(row["columns"])
        return {values["_id"]: _record(values, columns) for values in self.rows(row["table_name"])}


@lru_cache(maxsize=8)
def _engine(url: str) -> Engine:
    """Return an engine that keeps no connection; a new one asks a server what it is first."""
    # FreeTDS cannot take input sizes.
    options = {"use_setinputsizes": False} if url.startswith("mssql") else {}
    return create_engine(url, poolclass=NullPool, **options)


def sqlserver_url(drivers: Sequence[str] | None = None) -> str:
    """Return the address of the server to test with, with the best driver where it names none."""
    url = make_url(os.environ[SQLSERVER_URL])
    if not {"driver", "dsn", "odbc_connect"} & url.query.keys():
        found = importlib.import_module("pyodbc").drivers() if drivers is None else drivers
        url = url.update_query_dict({"driver": choose_driver(found)})
    if is_free_tds(str(url.query.get("driver", ""))):
        url = for_free_tds(url)
    return url.render_as_string(hide_password=False)


NewWarehouse = Callable[[], Warehouse]


@contextmanager
def new_warehouses(kind: str, folder: Path) -> Iterator[NewWarehouse]:
    """Yield what makes an empty warehouse with each call: a file in `folder`, or a schema."""
    if kind == "sqlite":
        numbers = count()
        yield lambda: Warehouse(url=f"sqlite:///{folder / f'warehouse-{next(numbers)}.db'}")
        return
    made: list[Warehouse] = []

    def new_schema() -> Warehouse:
        warehouse = Warehouse(url=sqlserver_url(), schema=f"test_{uuid4().hex}")
        warehouse.execute(f"CREATE SCHEMA [{warehouse.schema}]")
        made.append(warehouse)
        return warehouse

    yield new_schema
    for warehouse in made:
        drops = [f"DROP VIEW {warehouse.quoted(name)}" for name in warehouse.views()]
        drops += [f"DROP TABLE {warehouse.quoted(name)}" for name in warehouse.tables()]
        warehouse.execute(*drops, f"DROP SCHEMA [{warehouse.schema}]")


def _record(values: Mapping[str, Any], columns: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    found = {
        column["field"]: _value(values[column["name"]], column["type"])
        for column in columns
        if values[column["name"]] is not None
    }
    return found | (load_exact(values["_linkhub_extra"]) if values["_linkhub_extra"] else {})


def _value(stored: Any, kind: str) -> Any:
    if kind == "json":
        return load_exact(stored)
    return bool(stored) if kind == "boolean" else stored


def saved_checkpoint(
    *,
    mode: Mode = Mode.FULL,
    stage: Stage = Stage.READING,
    job_id: str = "job-1",
    resume: Any = None,
    watermark: Any = None,
) -> SavedCheckpoint:
    return SavedCheckpoint(
        checkpoint=Checkpoint(resume=resume, watermark=watermark),
        fingerprint="f",
        mode=mode,
        stage=stage,
        job_id=job_id,
        tally=Tally(),
    )


def upserts(stream: str, records: Iterable[Mapping[str, Any]]) -> list[Change]:
    return [Upsert(stream, record["_id"], record) for record in records]


def numbered(count: int, *, start: int = 0, **fields: Any) -> list[dict[str, Any]]:
    return [
        {"_id": f"k{number:06}", "_creationTime": 1.5 + number, "number": number, **fields}
        for number in range(start, start + count)
    ]


def load_full(
    sink: WarehouseSink,
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    job_id: str = "job-1",
    page_size: int = 1_000,
    totals: Mapping[str, int] | None = None,
    watermark: Any = None,
) -> tuple[list[WriteResult], FinishResult]:
    """Do what the engine does for a full load of these tables, page by page."""
    saved = saved_checkpoint(job_id=job_id)
    sink.load(SCOPE)
    sink.begin(SCOPE, saved)
    written = []
    for stream, records in tables.items():
        written.append(sink.write(SCOPE, [Truncate(stream)]))
        for start in range(0, len(records), page_size):
            page = records[start : start + page_size]
            written.append(sink.write(SCOPE, upserts(stream, page)))
            sink.commit(SCOPE, replace(saved, checkpoint=Checkpoint(resume=[stream, start])))
    read = replace(saved, stage=Stage.READ, checkpoint=Checkpoint(watermark=watermark))
    sink.commit(SCOPE, read)
    counted = {stream: len(records) for stream, records in tables.items()}
    finished = sink.finish(
        SCOPE, replace(read, stage=Stage.FINISHED), counted if totals is None else totals
    )
    return written, finished
