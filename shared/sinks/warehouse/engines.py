"""Opens the database a warehouse is in."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from shared.errors import PermanentError
from shared.sinks.warehouse.dialect import Dialect
from shared.sinks.warehouse.mssql import MssqlDialect
from shared.sinks.warehouse.sqlite import SqliteDialect


def driver_text(engine: Engine) -> str:
    """Return what the driver is told where only a URL is known."""
    arguments, _ = engine.dialect.create_connect_args(engine.url)
    return str(arguments[0])


def open_engine(url: str | URL, *, schema: str) -> tuple[Dialect, Any]:
    """Return the dialect and an engine without a pool; the URL is in no error."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise PermanentError("The warehouse's address is not a database URL.") from None
    backend = parsed.get_backend_name()
    dialect: Dialect
    if backend == "sqlite":
        dialect = SqliteDialect()
        options: dict[str, Any] = {"connect_args": {"timeout": 60}}
    elif backend == "mssql":
        dialect = MssqlDialect(schema=schema)
        # FreeTDS cannot take input sizes, and its process dies of fast_executemany: neither is
        # needed, every statement here has one row of parameters.
        options = {
            "use_setinputsizes": False,
            "fast_executemany": False,
            "use_insertmanyvalues": False,
        }
    else:
        raise PermanentError(f"A warehouse is SQL Server or SQLite, not {backend}.")
    try:
        engine = create_engine(parsed, poolclass=NullPool, hide_parameters=True, **options)
    except (ImportError, ArgumentError) as error:
        raise PermanentError(f"This machine has no driver for a {backend} URL: {error}.") from None
    dialect.prepare(engine)
    return dialect, engine
