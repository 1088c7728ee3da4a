"""A load is broken off at every single statement it sends; what people query is never harmed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import pytest
from sqlalchemy import event

from shared.errors import SyncError
from shared.sinks.warehouse.sink import WarehouseSink
from shared.sinks.warehouse.swap import SwapRules
from tests.warehouse_kit import NewWarehouse, Warehouse, load_full, numbered

_RULES = SwapRules(is_approved=True)
_BEFORE = {"flights": numbered(6, note="x"), "planes": numbered(2)}
_AFTER = {"flights": [*numbered(3), *numbered(1, start=9, late=0.5)], "ships": numbered(1)}
_SENT = {"execute", "executemany", "commit"}


class _Fuse:
    """Lets a number of statements through; the next one fails, before the server has it or after.

    Afterwards nothing gets through any more, as if the process had died or the line were cut.
    """

    def __init__(self, statements: int, *, is_late: bool) -> None:
        self.left = statements
        self.is_blown = False
        self._is_late = is_late

    def sent(self, send: Callable[..., Any], *args: Any) -> Any:
        self.left -= 1
        if self.left >= 0 and not self.is_blown:
            return send(*args)
        if self._is_late and not self.is_blown:
            send(*args)
        self.is_blown = True
        raise self.error("the line is cut")

    error: type[Exception] = OSError


class _Wire:
    """Stands for a driver's connection or cursor and sends what it is told through the fuse."""

    def __init__(self, real: Any, fuse: _Fuse) -> None:
        self.__dict__.update(_real=real, _fuse=fuse)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if name == "cursor":
            return lambda *args: _Wire(found(*args), self._fuse)
        if name in _SENT:
            return lambda *args: self._fuse.sent(found, *args)
        return found

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._real, name, value)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._real)


def _wire(sink: WarehouseSink, fuse: _Fuse) -> None:
    """Put the fuse between a sink and its database."""
    engine = sink._engine
    fuse.error = engine.dialect.loaded_dbapi.OperationalError

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, _record: Any, args: Any, options: Any) -> Any:
        return _Wire(dialect.connect(*args, **options), fuse)


def _state(warehouse: Warehouse) -> dict[str, Any]:
    """Return all that people can see: tables and views, and what is in them."""
    names = sorted(warehouse.tables() | warehouse.views())
    shown = [name for name in names if not name.startswith(("_stg_", "_linkhub_"))]
    return {name: warehouse.rows(name) for name in shown}


def _load(sink: WarehouseSink) -> None:
    load_full(sink, _AFTER, job_id="job-2", page_size=2)


def _loaded(warehouse: Warehouse) -> dict[str, Any]:
    """Load the first generation; return what people see of it."""
    with closing(warehouse.sink(run_id="run-1")) as sink:
        load_full(sink, _BEFORE)
    return _state(warehouse)


def _swapped(warehouse: Warehouse) -> dict[str, Any]:
    with closing(warehouse.sink(run_id="whole", rules=_RULES)) as sink:
        _load(sink)
    return _state(warehouse)


def _undo(sink: WarehouseSink) -> None:
    sink.restore_generations("job-2", undo_job_id="undo")


def _undone(warehouse: Warehouse) -> dict[str, Any]:
    with closing(warehouse.sink(run_id="whole")) as sink:
        _undo(sink)
    return _state(warehouse)


def _break(
    warehouse: Warehouse, act: Callable[[WarehouseSink], None], fuse: _Fuse
) -> dict[str, Any]:
    """Do something until the fuse blows; return what people see then."""
    with closing(warehouse.sink(run_id=f"broken-{fuse.left}", rules=_RULES)) as sink:
        _wire(sink, fuse)
        with suppress(SyncError):
            act(sink)
    return _state(warehouse)


@pytest.mark.parametrize("is_late", [False, True])
def test_a_full_load_that_fails_anywhere_leaves_the_old_tables(
    new_warehouse: NewWarehouse, *, is_late: bool
) -> None:
    """At every statement: all of the old or all of the new; then the same job loads it whole.

    All of the new is seen only where the last commit was done and its answer lost.
    """
    warehouse, reference = new_warehouse(), new_warehouse()
    _loaded(reference)
    new = _swapped(reference)
    old = _loaded(warehouse)
    assert old != new
    seen, statements = old, 0
    while seen == old:
        fuse = _Fuse(statements, is_late=is_late)
        seen = _break(warehouse, _load, fuse)
        assert seen in (old, new), f"after {statements} statements"
        statements += 1
    assert statements > 30  # else the fuse sat beside the wire
    assert fuse.is_blown == is_late
    assert warehouse.registered(role="staging") == {}


@pytest.mark.parametrize("is_late", [False, True])
def test_an_undo_that_fails_anywhere_changes_nothing(
    new_warehouse: NewWarehouse, *, is_late: bool
) -> None:
    """At every statement: all as the load left it, or all as it was before it."""
    warehouse, reference = new_warehouse(), new_warehouse()
    for each in (warehouse, reference):
        _loaded(each)
        old = _swapped(each)
    new = _undone(reference)
    seen, statements = old, 0
    while seen == old:
        fuse = _Fuse(statements, is_late=is_late)
        seen = _break(warehouse, _undo, fuse)
        assert seen in (old, new), f"after {statements} statements"
        statements += 1
    assert statements > 15
    assert fuse.is_blown == is_late
    assert _undone(warehouse) == new
