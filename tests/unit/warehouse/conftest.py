from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.warehouse_kit import KINDS, NewWarehouse, Warehouse, new_warehouses


@pytest.fixture(params=KINDS)
def new_warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewWarehouse]:
    """Make an empty warehouse with each call."""
    with new_warehouses(request.param, tmp_path) as new:
        yield new


@pytest.fixture
def warehouse(new_warehouse: NewWarehouse) -> Warehouse:
    return new_warehouse()
