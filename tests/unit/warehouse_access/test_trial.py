"""The trial of permissions against a real server; its words are tested with the hops."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
import sqlglot
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from shared.sinks.warehouse.access.trial import RefusedError, _steps, try_out
from tests.warehouse_kit import sqlserver_url


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = create_engine(sqlserver_url(), poolclass=NullPool, use_setinputsizes=False)
    yield made
    made.dispose()


def test_every_step_is_one_statement() -> None:
    """T-SQL that parses, in the schema it was given and nowhere else."""
    steps = list(_steps("a]b", "mark"))
    assert len(steps) == 10
    for _, sql, *_ in steps:
        assert len(sqlglot.parse(sql, read="tsql")) == 1
        assert "[a]]b]." in sql or sql.startswith("EXEC sp_rename")


@pytest.mark.sqlserver
def test_an_owner_passes_and_nothing_stays(engine: Engine) -> None:
    """Tables, views and rows of the trial are rolled back."""
    schema = f"trial_{secrets.token_hex(4)}"
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
        connection.commit()
        try:
            try_out(connection.connection.driver_connection, schema)
            sql = "SELECT COUNT(*) FROM sys.objects WHERE name LIKE '%_linkhub_tr%'"
            assert connection.exec_driver_sql(sql).scalar() == 0
            connection.rollback()
        finally:
            connection.exec_driver_sql(f"DROP SCHEMA {schema}")
            connection.commit()


@pytest.mark.sqlserver
def test_a_schema_that_is_not_there_is_refused(engine: Engine) -> None:
    """At the first step, with an error number."""
    with engine.connect() as connection:
        with pytest.raises(RefusedError) as caught:
            try_out(connection.connection.driver_connection, f"none_{secrets.token_hex(4)}")
        connection.invalidate()
    assert caught.value.step == "create tables"
    assert caught.value.numbers
