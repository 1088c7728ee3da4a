"""What the ODBC driver is told, made from fields of which none can say more than itself."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from shared.domain.warehouses import WarehouseTarget
from shared.errors import PermanentError
from shared.store.sqlserver import choose_driver, is_free_tds

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

APPLICATION: Final = "LinkHub Integrator"


def load_driver(module: Any = None) -> tuple[Any, str]:
    """Return pyodbc, or `module` in its place, and the best ODBC driver's name.

    Raise PermanentError where this machine lacks one of them.
    """
    if module is None:
        try:
            module = importlib.import_module("pyodbc")
        except ImportError as error:
            raise PermanentError(f"pyodbc cannot be loaded: {error}.") from None
    # The driver manager's own pool would hand a session with one profile's leftovers to the next.
    module.pooling = False
    return module, choose_driver(module.drivers())


def connection_string(target: WarehouseTarget, *, driver: str) -> str:
    """Return the ODBC connection string: encrypted, by SQL authentication and nothing else.

    Every value of a person's stands in braces, a closing one in it doubled (Microsoft, "DSN and
    Connection String Keywords and Attributes"), so it cannot begin a keyword of its own. Raise
    PermanentError for what a driver cannot be told safely: FreeTDS neither knows doubled braces
    nor checks certificates by itself.
    """
    free_tds = is_free_tds(driver)
    values = (target.host, target.database, target.login, target.password)
    if any("\0" in value for value in values) or not target.login:
        raise PermanentError("Host, database, login and password hold no NUL; a login is needed.")
    if free_tds and any("}" in value for value in values):
        raise PermanentError("FreeTDS takes no closing brace: use Microsoft's ODBC Driver 18.")
    if free_tds and not target.trust_server_certificate:
        raise PermanentError(
            "FreeTDS does not check certificates: install Microsoft's ODBC Driver 18."
        )
    trusted = "yes" if target.trust_server_certificate else "no"
    reached = (
        {
            "Server": _braced(target.host),
            "Port": str(target.port),
            "TDS_Version": "7.4",
            "ClientCharset": "UTF-8",
            "Encryption": "require",
        }
        if free_tds
        else {
            "Server": _braced(f"tcp:{target.host},{target.port}"),
            "Encrypt": "yes",
            "TrustServerCertificate": trusted,
        }
    )
    parts = {
        "Driver": _braced(driver),
        **reached,
        "Database": _braced(target.database),
        "UID": _braced(target.login),
        "PWD": _braced(target.password),
        "APP": _braced(APPLICATION),
    }
    return ";".join(f"{keyword}={value}" for keyword, value in parts.items())


def engine_url(target: WarehouseTarget, *, driver: str) -> URL:
    """Return the target as a SQLAlchemy URL, whose `repr` hides the password.

    It says which database this is; what the driver is told is `connection_string`.
    """
    from sqlalchemy import URL

    return URL.create(
        "mssql+pyodbc",
        username=target.login,
        password=target.password,
        host=target.host,
        port=target.port,
        database=target.database,
        query={"driver": driver},
    )


def tell_at_connect(engine: Engine, connection_string: Callable[[], str]) -> None:
    """Make every new connection of the engine one of what is told then; what it raises goes on."""
    from sqlalchemy import event

    def connect(_dialect: Any, _record: Any, arguments: list[Any], _options: Any) -> None:
        arguments[0] = connection_string()

    event.listen(engine, "do_connect", connect)


def _braced(value: str) -> str:
    return "{" + value.replace("}", "}}") + "}"
