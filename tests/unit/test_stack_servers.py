"""SQL Servers named on the command line of `dev.py`."""

from __future__ import annotations

from argparse import ArgumentTypeError

import pytest

from local.stack.servers import sql_server_url, warehouse_of

URL = "mssql+pyodbc://loader:p%40ss%20%7D@sql.test:14333/reports"


def test_a_url_becomes_the_body_that_saves_a_warehouse() -> None:
    """What is escaped in the URL is plain in the body; the query names schema and trust."""
    body = warehouse_of(f"{URL}?schema=convex&TrustServerCertificate=yes&driver=FreeTDS")
    assert body == {
        "name": "Warehouse",
        "host": "sql.test",
        "port": 14333,
        "database": "reports",
        "schema": "convex",
        "login": "loader",
        "password": "p@ss }",
        "trustServerCertificate": True,
    }


def test_what_a_url_leaves_out_is_as_usual() -> None:
    """The usual port and schema, and a certificate that is checked."""
    body = warehouse_of("mssql+pyodbc://loader:secret@sql.test/reports")
    assert (body["port"], body["schema"], body["trustServerCertificate"]) == (
        1433,
        "linkhub",
        False,
    )


def test_the_apps_database_is_taken_as_it_is() -> None:
    """SQLAlchemy reads the URL; one without a login may sign in by the driver's own means."""
    for url in (f"{URL}?driver=x", "mssql+pyodbc://sql.test/app"):
        assert sql_server_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "app.db",
        "sqlite:///app.db",
        "mssql+pyodbc://loader:secret@sql.test",
        "mssql+pyodbc:///reports",
        "mssql+pyodbc://loader:secret@sql.test:many/reports",
        "mssql+pyodbc://loader:secret@[sql.test/reports",
    ],
)
def test_any_other_text_is_refused(url: str) -> None:
    """The form is told, and not a word of what was given: it may hold a password."""
    with pytest.raises(ArgumentTypeError, match=r"it must look like mssql\+pyodbc://") as refused:
        sql_server_url(url)
    assert "secret" not in str(refused.value)


def test_a_warehouse_needs_a_login() -> None:
    """A warehouse is reached with SQL authentication only."""
    with pytest.raises(ArgumentTypeError, match="a login and its password are missing"):
        warehouse_of("mssql+pyodbc://sql.test/reports")
