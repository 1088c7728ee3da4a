"""Where the contestants of the warehouse benchmark load to: SQLite files, or a server's schemas."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote, urlencode

from benchmarks.warehouse_check import Verdict, check_sqlite, compare

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

SERVER_URL: Final = "TEST_SQLSERVER_URL"
MICROSOFT: Final = "ODBC Driver"


class Destination(Protocol):
    """A database for each contestant."""

    ours: Sequence[str]
    """The product, as production has it, first; then its variants and the hand-written loops."""
    module: str
    """What runs them: `python -m MODULE NAME ZIP TARGET`."""

    def clear(self, contestant: str) -> str:
        """Return an empty target of the contestant's own."""

    def environment(self) -> Mapping[str, str]:
        """Return what peers are told of the server, off their command lines."""

    def verdict(
        self, contestant: str, table: str, source: Iterable[Mapping[str, Any]], *, exactly: bool
    ) -> Verdict:
        """Compare a table of the contestant's with the documents it was made of."""


class SqliteFiles:
    """A file each."""

    ours: Sequence[str] = ("linkhub", "raw-loop")
    module: str = "benchmarks.warehouse_loads"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def clear(self, contestant: str) -> str:
        """Remove the file and what SQLite keeps beside it."""
        database = self._file(contestant)
        for path in database.parent.glob(f"{database.name}*"):
            path.unlink()
        return str(database)

    def environment(self) -> Mapping[str, str]:
        """Return nothing."""
        return {}

    def verdict(
        self, contestant: str, table: str, source: Iterable[Mapping[str, Any]], *, exactly: bool
    ) -> Verdict:
        """Read the file."""
        return check_sqlite(self._file(contestant), table, source, exactly=exactly)

    def _file(self, contestant: str) -> Path:
        return self._folder / f"{contestant}.db"


class SqlServer:
    """A schema each, `bench_NAME`, in the database of a SQLAlchemy URL."""

    ours: Sequence[str] = (
        "linkhub",
        "linkhub-bulk",
        "linkhub-openjson",
        "raw-bulk",
        "raw-fast-executemany",
    )
    module: str = "benchmarks.warehouse_sqlserver"

    def __init__(self, url: URL) -> None:
        self._url = url

    def clear(self, contestant: str) -> str:
        """Drop what is in the contestant's schema, or make it."""
        schema = schema_of(contestant)
        with connected(self._url) as connection:
            for name in (schema, f"{schema}_staging"):  # the second one is dlt's own
                for kind in ("VIEW", "TABLE"):
                    for found in _objects(connection, name, kind):
                        connection.exec_driver_sql(f"DROP {kind} [{name}].[{found}]")
            if connection.exec_driver_sql("SELECT SCHEMA_ID(?)", (schema,)).scalar() is None:
                connection.exec_driver_sql(f"CREATE SCHEMA [{schema}]")
            connection.commit()
        return schema

    def environment(self) -> Mapping[str, str]:
        """Return the address in the words of each peer."""
        return {"BENCH_DLT": dlt_url(self._url), "BENCH_SLING": sling_url(self._url)}

    def verdict(
        self, contestant: str, table: str, source: Iterable[Mapping[str, Any]], *, exactly: bool
    ) -> Verdict:
        """Read the table in the order of its keys."""
        schema = schema_of(contestant)
        with connected(self._url) as connection:
            columns = connection.exec_driver_sql(
                "SELECT COLUMN_NAME, DATA_TYPE FROM INFORMATION_SCHEMA.COLUMNS "
                "WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?",
                (schema, table),
            )
            types = {str(row[0]): str(row[1]) for row in columns}
            rows = connection.exec_driver_sql(
                f"SELECT * FROM [{schema}].[{table}] ORDER BY [_id] COLLATE Latin1_General_100_BIN2"
            )
            given = iter(sorted(source, key=lambda document: str(document["_id"])))
            return compare(table, [*rows.keys()], types, rows, given, exactly=exactly)


def find_destination(folder: Path, *, wanted: str | None) -> Destination:
    """Return the server of TEST_SQLSERVER_URL where it is set and SQLite is not `wanted`."""
    if wanted == "sqlite" or (wanted is None and not os.environ.get(SERVER_URL)):
        return SqliteFiles(folder)
    if not os.environ.get(SERVER_URL):
        raise SystemExit(f"Set {SERVER_URL} to the SQL Server to load into.")
    return SqlServer(server_url())


def server_url() -> URL:
    """Return the address in TEST_SQLSERVER_URL, with the best driver where it names none."""
    from sqlalchemy import make_url

    from shared.sinks.warehouse.access.address import load_driver

    url = make_url(os.environ[SERVER_URL])
    if {"driver", "dsn", "odbc_connect"} & url.query.keys():
        return url
    _, driver = load_driver()
    return url.update_query_dict({"driver": driver})


@contextmanager
def connected(url: URL) -> Iterator[Connection]:
    """Give a connection; FreeTDS takes no input sizes."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    options = {"use_setinputsizes": False, "fast_executemany": False}
    engine = create_engine(url, poolclass=NullPool, **options)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def schema_of(contestant: str) -> str:
    """Return the schema that is the contestant's."""
    return "bench_" + contestant.replace("-", "_")


def dlt_url(url: URL) -> str:
    """Return the address as dlt's `mssql` destination takes it: Microsoft's driver only."""
    words = {"TrustServerCertificate": _trusts(url), "Encrypt": "yes"}
    driver = str(url.query.get("driver", ""))
    if driver.startswith(MICROSOFT):
        words["driver"] = driver
    return f"mssql://{_reached(url)}/{quote(url.database or '')}?{urlencode(words)}"


def sling_url(url: URL) -> str:
    """Return the address as Sling takes it, whose driver is go-mssqldb."""
    trusts = "true" if _trusts(url) == "yes" else "false"
    words = {"database": url.database or "", "encrypt": "true", "TrustServerCertificate": trusts}
    return f"sqlserver://{_reached(url)}?{urlencode(words)}"


def _reached(url: URL) -> str:
    login = f"{quote(url.username or '', safe='')}:{quote(str(url.password or ''), safe='')}"
    return f"{login}@{url.host}:{url.port or 1433}"


def _trusts(url: URL) -> str:
    """Say yes where the URL does, or names FreeTDS, which checks no certificate."""
    given = {name.lower(): str(value) for name, value in url.query.items()}
    is_microsoft = given.get("driver", "").startswith(MICROSOFT)
    return given.get("trustservercertificate", "no" if is_microsoft else "yes").lower()


def _objects(connection: Connection, schema: str, kind: str) -> list[str]:
    sql = f"SELECT name FROM sys.{kind.lower()}s WHERE schema_id = SCHEMA_ID(?)"
    return [row[0] for row in connection.exec_driver_sql(sql, (schema,))]
