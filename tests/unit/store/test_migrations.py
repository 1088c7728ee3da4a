from __future__ import annotations

import re
import threading
from pathlib import Path

import sqlglot
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import mssql
from sqlalchemy.schema import CreateIndex, CreateTable

from shared.store import migrations
from shared.store.database import Database
from shared.store.tables import metadata
from tests.store_kit import make_database

_SCHEMA = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'alembic_version'"


def migrated(url: str = "sqlite://") -> Database:
    database = Database(url)
    migrations.upgrade(database)
    return database


def schema_of(database: Database) -> dict[str, str]:
    with database.engine.connect() as connection:
        rows = connection.exec_driver_sql(_SCHEMA).all()
    return {name: normal(sql) for name, sql in rows}


def normal(sql: str) -> str:
    """Return a statement without what may differ: blanks, and the order of its constraints."""
    flat = re.sub(r"\s+", " ", sql).strip(" ;")
    head, _, constraints = flat.partition(", CONSTRAINT ")
    parts = re.split(r", CONSTRAINT ", constraints.rstrip(" )"))
    return head + " | " + " | ".join(sorted(part.rstrip(" )") for part in parts))


def test_migrations_build_exactly_the_tables() -> None:
    """On SQLite the migrated schema is the metadata's, filters of indexes included."""
    made, built = migrated(), make_database()
    assert schema_of(made) == schema_of(built)
    with made.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    made.dispose()
    built.dispose()


def test_migrations_build_exactly_the_tables_on_sql_server() -> None:
    """The offline script has the metadata's own statements, and T-SQL parses."""
    script = migrations.sql_server_script()
    dialect = mssql.dialect()  # type: ignore[no-untyped-call]
    expected = set()
    for table in metadata.sorted_tables:
        expected.add(normal(str(CreateTable(table).compile(dialect=dialect))))
        expected |= {normal(str(CreateIndex(i).compile(dialect=dialect))) for i in table.indexes}
    batches = [part for part in re.split(r"^GO$", script, flags=re.MULTILINE) if part.strip()]
    statements = [
        re.sub(r"^--.*$", "", statement, flags=re.MULTILINE)
        for batch in batches
        for statement in batch.split(";\n")
    ]
    found = {normal(s) for s in statements if "CREATE" in s and "alembic_version" not in s}
    assert found == expected
    for statement in statements:
        if statement.strip():
            assert sqlglot.parse_one(statement, read="tsql")


def test_a_second_migration_changes_nothing(tmp_path: Path) -> None:
    """An up-to-date database stays as it is, its rows included."""
    database = Database(f"sqlite:///{tmp_path / 'app.db'}")
    assert migrations.current(database) is None
    assert migrations.upgrade(database) == migrations.head()
    assert migrations.upgrade(database) == migrations.current(database) == migrations.head()
    database.dispose()


def test_foreign_keys_are_on_after_a_migration() -> None:
    """They are off while tables are rebuilt, on the migrating connection only."""
    database = migrated()
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    database.dispose()


def test_two_migrations_at_once_end_well(tmp_path: Path) -> None:
    """Two workers that start together do not trip over each other."""
    url = f"sqlite:///{tmp_path / 'app.db'}"
    ended: list[str] = []

    def migrate() -> None:
        database = Database(url)
        ended.append(migrations.upgrade(database))
        database.dispose()

    threads = [threading.Thread(target=migrate) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended == [migrations.head()] * 2
