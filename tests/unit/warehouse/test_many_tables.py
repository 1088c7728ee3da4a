"""An application may have hundreds of tables: each costs the same, however many there are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from shared.sinks.warehouse import registry
from tests.warehouse_kit import NewWarehouse, load_full, numbered


def _looks(new_warehouse: NewWarehouse, tables: int, looked: Callable[[], int]) -> float:
    """Return how many entries of the books a full load over a full load reads, by its tables."""
    warehouse = new_warehouse()
    data = {f"t{number:03}": numbered(2) for number in range(tables)}
    with closing(warehouse.sink(run_id="first")) as sink:
        load_full(sink, data)
    before = looked()
    with closing(warehouse.sink(run_id="second")) as sink:
        load_full(sink, data, job_id="job-2")
    return (looked() - before) / tables


def test_each_table_costs_the_same_however_many_there_are(
    new_warehouse: NewWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load reads as many entries of its books for each of 24 tables as for each of 6."""
    read = 0
    entry = registry.read_entry

    def counted(row: Any) -> registry.OwnedTable:
        nonlocal read
        read += 1
        return entry(row)

    monkeypatch.setattr(registry, "read_entry", counted)
    few, many = (_looks(new_warehouse, tables, lambda: read) for tables in (6, 24))
    assert few > 1  # else nothing was counted
    assert many <= few


def test_a_name_that_differs_in_case_is_taken_whoever_came_first(
    new_warehouse: NewWarehouse,
) -> None:
    """`Orders` and `orders` keep their tables apart, in whatever order they come and come again."""
    for order in (["Orders", "orders"], ["orders", "Orders"]):
        warehouse = new_warehouse()
        for job in ("job-1", "job-2"):
            with closing(warehouse.sink(run_id=job)) as sink:
                load_full(sink, {name: numbered(1, of=name) for name in order}, job_id=job)
            order.reverse()
        names = {key: row["table_name"] for key, row in warehouse.registered().items()}
        assert names[order[0]] == order[0]
        assert names[order[1]].startswith(f"{order[1]}_")
        assert {r["of"] for name in order for r in warehouse.records(name).values()} == set(order)
