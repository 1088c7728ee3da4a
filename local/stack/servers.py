"""SQL Servers that a person names on the command line."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

SCHEME: Final = "mssql+pyodbc"
_FORM: Final = f"{SCHEME}://login:password@host:1433/database"
_USUAL_PORT: Final = 1433


def sql_server_url(text: str) -> str:
    """Return the URL of a database on a SQL Server as it is; ArgumentTypeError for any other."""
    try:
        url = urlsplit(text)
        is_whole = url.scheme == SCHEME and url.hostname and url.path.strip("/") and url.port != 0
    except ValueError:
        is_whole = None
    if not is_whole:
        raise ArgumentTypeError(f"it must look like {_FORM}")
    return text


def warehouse_of(text: str) -> dict[str, Any]:
    """Return the body that saves such a database as a warehouse over the API.

    Of the URL's query, `schema` and `TrustServerCertificate` count.
    """
    url = urlsplit(sql_server_url(text))
    if not url.username or not url.password:
        raise ArgumentTypeError(f"a login and its password are missing: {_FORM}")
    query = {name.lower(): values[-1] for name, values in parse_qs(url.query).items()}
    return {
        "name": "Warehouse",
        "host": url.hostname,
        "port": url.port or _USUAL_PORT,
        "database": unquote(url.path.strip("/")),
        "schema": query.get("schema", "linkhub"),
        "login": unquote(url.username),
        "password": unquote(url.password),
        "trustServerCertificate": query.get("trustservercertificate", "no").lower() == "yes",
    }
