from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest

from tests.warehouse_kit import Warehouse

_SERVER = os.environ.get("TEST_SQLSERVER_URL", "")


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("sqlserver", marks=pytest.mark.sqlserver),
    ]
)
def new_warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewWarehouse]:
    """Make an empty warehouse with each call."""
    if request.param == "sqlite":
        numbers = count()
        yield lambda: Warehouse(url=f"sqlite:///{tmp_path / f'warehouse-{next(numbers)}.db'}")
        return
    made: list[Warehouse] = []

    def new_schema() -> Warehouse:
        warehouse = Warehouse(url=_SERVER, schema=f"test_{uuid4().hex}")
        warehouse.execute(f"CREATE SCHEMA [{warehouse.schema}]")
        made.append(warehouse)
        return warehouse

    yield new_schema
    for warehouse in made:
        drops = [f"DROP TABLE {warehouse.quoted(name)}" for name in warehouse.tables()]
        warehouse.execute(*drops, f"DROP SCHEMA [{warehouse.schema}]")


NewWarehouse = Callable[[], Warehouse]


@pytest.fixture
def warehouse(new_warehouse: NewWarehouse) -> Warehouse:
    return new_warehouse()
