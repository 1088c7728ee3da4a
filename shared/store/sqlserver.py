"""SQL Server and Azure SQL by pyodbc."""

from __future__ import annotations

import importlib
import re
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import URL, BindParameter, Engine, UpdateBase, create_engine, event, null
from sqlalchemy.sql.visitors import replacement_traverse

from shared.errors import PermanentError

_ACCESS_TOKEN: Final = 1256
"""SQL_COPT_SS_ACCESS_TOKEN of msodbcsql.h."""

_RECYCLE_SECONDS: Final = 25 * 60
"""Azure SQL ends connections that idled for 30 minutes; a token lives about an hour."""

_LOCK_SECONDS: Final = 30
"""As long as SQLite waits for its lock; a wait that ends so is error 1222, which is transient."""

_KEPT: Final = 16
"""Connections that stay open: one for each of the worker's threads. To open one takes many times as
long as a statement, and it would be closed again right after."""

_MORE: Final = 16
"""And one for the heartbeat of each run, as long as it needs it."""

_SIGN_IN_PARTS: Final = re.compile(
    r"(?i)(?:^|;)\s*(?:UID|PWD|User ID|Password|Authentication|Trusted_Connection)"
    r"\s*=\s*(?:\{(?:[^}]|\}\})*\}|[^;]*)"
)
_MICROSOFT: Final = re.compile(r"ODBC Driver (\d+) for SQL Server")


def sqlserver_engine(
    url: URL, *, access_token: Callable[[], str] | None = None, driver_module: Any = None
) -> Engine:
    """Return an engine over pyodbc, the driver chosen now where the URL names none.

    With `access_token` each new connection signs in with a fresh token and without a password.
    Raise PermanentError where there is no driver, or for FreeTDS with fast_executemany, which
    crashes the process.
    """
    odbc: Any = driver_module or _pyodbc()
    # SQLAlchemy keeps the connections; pyodbc's own pool would hand out dead ones.
    odbc.pooling = False
    url, fast = _without_fast(url)
    named = _named_driver(url)
    if not named:
        named = choose_driver(odbc.drivers())
        url = url.update_query_dict({"driver": named})
    free_tds = is_free_tds(named)
    if free_tds and fast:
        raise PermanentError(
            "FreeTDS with fast_executemany crashes the process: take fast_executemany out of "
            "DATABASE_URL, or install Microsoft's ODBC Driver 18 for SQL Server."
        )
    engine = create_engine(
        for_free_tds(url) if free_tds else url,
        module=odbc,
        pool_pre_ping=True,
        pool_recycle=_RECYCLE_SECONDS,
        pool_size=_KEPT,
        max_overflow=_MORE,
        use_insertmanyvalues=False,
        use_setinputsizes=not free_tds,
        fast_executemany=fast,
        hide_parameters=True,
    )
    # Without row counts the driver says -1: Alembic must not take that for a lost revision.
    engine.dialect.supports_sane_rowcount = False
    event.listen(engine, "connect", _prepare)
    say_null_in_words(engine)
    if access_token is not None:
        _sign_in_with(engine, access_token)
    return engine


def choose_driver(installed: Sequence[str]) -> str:
    """Return the best ODBC driver there is: Microsoft's newest, else FreeTDS."""
    microsoft = [(int(m[1]), name) for name in installed if (m := _MICROSOFT.fullmatch(name))]
    if microsoft:
        return max(microsoft)[1]
    for name in installed:
        if is_free_tds(name):
            return name
    raise PermanentError(
        "There is no ODBC driver for SQL Server on this machine. Install Microsoft's "
        f"msodbcsql18 (found: {', '.join(installed) or 'none'})."
    )


def is_free_tds(driver: str) -> bool:
    """Return whether a driver's name or file is FreeTDS's."""
    return "freetds" in driver.lower() or "tdsodbc" in driver.lower()


def for_free_tds(url: URL) -> URL:
    """Return the URL with what FreeTDS must be told: the port apart from the server's name, and
    TDS 7.4 and UTF-8 where it does not say otherwise.
    """
    told = {"TDS_Version": "7.4", "ClientCharset": "UTF-8"} | dict(url.query)
    if url.port is not None:
        told.setdefault("port", str(url.port))
    return url.update_query_dict(told)


def say_null_in_words(engine: Engine) -> None:
    """Make every single statement of the engine that writes say NULL where it has None to bind.

    Such a parameter has no type: pyodbc would ask the server for it before every execution, and
    where that fails, Babelfish rolls the whole transaction back without a word.
    """

    def replace(element: Any, **_options: Any) -> Any:
        is_none = isinstance(element, BindParameter) and element.value is None
        return null() if is_none and not element.required else None

    def before_execute(
        _connection: Any, statement: Any, many: Any, values: Any, _options: Any
    ) -> tuple[Any, Any, Any]:
        if isinstance(statement, UpdateBase) and not many and not values:
            statement = replacement_traverse(statement, {}, replace)
        return statement, many, values

    event.listen(engine, "before_execute", before_execute, retval=True)


def token_attribute(token: str) -> bytes:
    """Return an access token as the driver wants it: its length in bytes, then UTF-16."""
    raw = token.encode("utf-16-le")
    return struct.pack(f"<I{len(raw)}s", len(raw), raw)


def without_sign_in(connection_string: str) -> str:
    """Return an ODBC connection string without user, password or way to sign in."""
    return _SIGN_IN_PARTS.sub("", connection_string).lstrip(";")


def _sign_in_with(engine: Engine, access_token: Callable[[], str]) -> None:
    def do_connect(_dialect: Any, _record: Any, cargs: list[Any], cparams: dict[str, Any]) -> None:
        cargs[0] = without_sign_in(cargs[0])
        cparams["attrs_before"] = {_ACCESS_TOKEN: token_attribute(access_token())}

    event.listen(engine, "do_connect", do_connect)


def _prepare(connection: Any, _record: Any) -> None:
    # pyodbc shows only the first result of a batch: row counts would hide a later error. Without a
    # lock time-out, a forgotten transaction would hold up a run and its heartbeat for ever.
    cursor = connection.cursor()
    for statement in ("SET NOCOUNT ON", f"SET LOCK_TIMEOUT {_LOCK_SECONDS * 1000}"):
        cursor.execute(statement)
    cursor.close()


def _without_fast(url: URL) -> tuple[URL, bool]:
    fast = str(url.query.get("fast_executemany", "")).lower() in {"1", "true", "yes"}
    return url.difference_update_query(["fast_executemany"]), fast


def _named_driver(url: URL) -> str:
    if "odbc_connect" in url.query:
        found = re.search(r"(?i)DRIVER\s*=\s*\{?([^;}]+)", str(url.query["odbc_connect"]))
        return found[1] if found else "a DSN"
    return str(url.query.get("driver", url.query.get("dsn", "")))


def _pyodbc() -> Any:
    try:
        return importlib.import_module("pyodbc")
    except ImportError as error:
        raise PermanentError(
            f"pyodbc cannot be loaded ({error}). Install unixODBC and an ODBC driver."
        ) from None
