"""The migrations on the server itself: what Alembic asks of it, and what then is there."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import inspect

from shared.store import migrations
from shared.store.database import Database
from shared.store.tables import metadata
from tests.conftest import SQLSERVER_URL
from tests.sqlserver_kit import drop_store

pytestmark = pytest.mark.sqlserver


@pytest.fixture
def bare() -> Iterator[Database]:
    """Yield a database without any table of ours."""
    made = Database(os.environ[SQLSERVER_URL])
    drop_store(made)
    yield made
    drop_store(made)
    made.dispose()


def test_every_revision_is_applied(bare: Database) -> None:
    """Every table, column and index of the metadata is there; once more changes nothing."""
    assert migrations.current(bare) is None
    assert migrations.upgrade(bare) == migrations.head()
    assert migrations.upgrade(bare) == migrations.current(bare) == migrations.head()
    found = inspect(bare.engine)
    assert set(metadata.tables) <= set(found.get_table_names())
    for table in metadata.sorted_tables:
        columns = {column["name"]: column["nullable"] for column in found.get_columns(table.name)}
        assert columns == {column.name: column.nullable for column in table.columns}
        # Babelfish gives them names of its own.
        indexes = {
            (*index["column_names"], index["unique"]) for index in found.get_indexes(table.name)
        }
        wanted = {(*index.columns.keys(), bool(index.unique)) for index in table.indexes}
        assert wanted <= indexes


def test_two_at_once_end_well(bare: Database) -> None:
    """Two workers that start together do not trip over each other."""
    ended: list[str] = []

    def migrate() -> None:
        database = Database(os.environ[SQLSERVER_URL])
        ended.append(migrations.upgrade(database))
        database.dispose()

    threads = [threading.Thread(target=migrate) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended == [migrations.head()] * 2
