"""The store's tables on the SQL Server to test with: built by the migrations, once a process."""

from __future__ import annotations

import os

from sqlalchemy import inspect
from sqlalchemy.schema import DropConstraint

from shared.store import migrations
from shared.store.database import Database
from shared.store.tables import metadata
from tests.conftest import SQLSERVER_URL

_built: set[str] = set()


def open_store(*, foreign_keys: bool = False) -> Database:
    """Return the store on the server, every table of it empty.

    With `foreign_keys` those are there on Babelfish too, which then takes no row that has one.
    """
    database = Database(os.environ[SQLSERVER_URL])
    if foreign_keys or os.environ[SQLSERVER_URL] not in _built:
        drop_store(database)
        migrations.upgrade(database)
    else:
        empty_store(database)
    if not foreign_keys and os.environ[SQLSERVER_URL] not in _built:
        if is_babelfish(database):
            drop_foreign_keys(database)
        _built.add(os.environ[SQLSERVER_URL])
    return database


def empty_store(database: Database) -> None:
    names = (table.name for table in reversed(metadata.sorted_tables))
    with database.engine.begin() as connection:
        connection.exec_driver_sql("; ".join(f"DELETE FROM {name}" for name in names))  # noqa: S608  ours


def drop_store(database: Database) -> None:
    """Leave none of our tables there, whatever an earlier version of them was."""
    _built.discard(os.environ[SQLSERVER_URL])
    with database.engine.begin() as connection:
        found = set(inspect(connection).get_table_names())
        for name in ["alembic_version", *(t.name for t in reversed(metadata.sorted_tables))]:
            if name in found:
                connection.exec_driver_sql(f"DROP TABLE {name}")


def is_babelfish(database: Database) -> bool:
    with database.engine.connect() as connection:
        sql = "SELECT CAST(SERVERPROPERTY('Babelfish') AS INT)"
        return connection.exec_driver_sql(sql).scalar() == 1


def drop_foreign_keys(database: Database) -> None:
    """Make the store usable on Babelfish.

    It compares the two sides of a foreign key under the server's collation only, and refuses
    every row where the columns have one of their own, as ours do.
    """
    with database.engine.begin() as connection:
        for table in metadata.sorted_tables:
            for key in table.foreign_key_constraints:
                connection.execute(DropConstraint(key))
