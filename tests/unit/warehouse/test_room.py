"""How many columns a table gets where its rows must fit into a page, as on SQL Server."""

from __future__ import annotations

from typing import Any

import pytest

from shared.sinks.warehouse.drift import Shape, crowding
from shared.sinks.warehouse.mssql import MssqlDialect
from shared.sinks.warehouse.packing import Packed, pack
from shared.sinks.warehouse.sqlite import SqliteDialect
from shared.sinks.warehouse.types import BASE_COLUMNS
from tests.warehouse_kit import Warehouse, load_full

_PAGE = 8_060
_OURS = 4 + 2 + 2 + 2 + 14 + (256 + 2) + 8 + 26 + 4
"""Header, counts, version; key, hash, companion, number of the batch."""


def _pack(record: dict[str, Any], *, storage: Any = None, shape: Shape | None = None) -> Packed:
    shape = shape or Shape(columns=BASE_COLUMNS)
    return pack("things", ["k"], [record], shape=shape, storage=storage or MssqlDialect())


def _wide(value: Any, number: int = 850) -> dict[str, Any]:
    return {f"f{at}": value for at in range(number)}


@pytest.mark.parametrize("value", ["x" * 20, b"x" * 20, ["x" * 20]])
def test_a_row_of_texts_fits_into_a_page(value: Any) -> None:
    """With a pointer in every column, and its offset; what is left out is beside it, exactly."""
    packed = _pack(_wide(value))
    number = len(packed.added)
    worst = _OURS + number * (24 + 2) + 8 + (number + 8) // 8
    assert _PAGE - 200 < worst < _PAGE - 100
    assert packed.extras is not None
    assert packed.extras[0] is not None
    assert packed.extras[0].count('"f') == 850 - number
    assert packed.warned == 1


@pytest.mark.parametrize("value", [1, 1.5, True])
def test_numbers_are_smaller(value: Any) -> None:
    """They fill a table to its number of columns before they fill a row."""
    packed = _pack(_wide(value))
    assert (len(packed.added), packed.extras) == (850, None)


def test_what_has_no_room_is_told_once() -> None:
    """The first fields by name, the others as a number; and the shape stays as it is."""
    shape = Shape(columns=BASE_COLUMNS)
    first = _pack(_wide("x"), shape=shape)
    left = 850 - len(first.added)
    note, row = first.problems
    assert (note.key, note.severity, row.key) == ("", "warning", "k")
    assert note.field == f"f{len(first.added)}"
    assert f" and {left - 20} more" in note.message
    shape.columns = [*BASE_COLUMNS, *first.added]

    again = _pack(_wide("y"), shape=shape)

    assert [problem.key for problem in again.problems] == ["k"]
    assert (again.added, again.extras is None) == ([], False)
    assert crowding("things", ["a", "b"]).message.count("a, b,") == 1


def test_a_smaller_field_may_still_find_room() -> None:
    """A row full of texts has some bytes left."""
    columns = [*BASE_COLUMNS, *_pack(_wide("x")).added]
    packed = _pack({"text": "x", "flag": True}, shape=Shape(columns=columns))
    assert [column.field for column in packed.added] == ["flag"]


def test_a_number_that_changes_its_type_needs_room_too() -> None:
    """SQL Server keeps its former place: where there is none the fraction goes beside."""
    columns = [*BASE_COLUMNS, *_pack({"n": 1, **_wide("x")}).added]
    full = [*columns, *_pack(_wide(1), shape=Shape(columns=columns)).added]
    packed = _pack({"n": 0.5}, shape=Shape(columns=full))
    assert packed.widened == []
    assert packed.extras == ['{"n":0.5}']


def test_longer_texts_need_no_more_room() -> None:
    """A pointer is a pointer, whatever it points at."""
    columns = [*BASE_COLUMNS, *_pack(_wide("x")).added]
    packed = _pack({"f0": "x" * 5_000}, shape=Shape(columns=columns))
    assert [new.length for _, new in packed.widened] == [0]
    assert packed.extras is None


def test_sqlite_has_no_such_limit() -> None:
    """There a row goes on in as many pages as it needs."""
    assert len(_pack(_wide("x"), storage=SqliteDialect()).added) == 850


def test_vanished_columns_take_part(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are kept as long as there is room for them beside what comes now."""
    for dialect in (SqliteDialect, MssqlDialect):
        monkeypatch.setattr(dialect, "max_row", 10)
        monkeypatch.setattr(dialect, "takes", lambda _self, _column: 1)
    for number, name in enumerate(["a", "b"]):
        sink = warehouse.sink(run_id=name)
        record = {"_id": "k", **{f"{name}{at}": at for at in range(6)}}
        load_full(sink, {"things": [record]}, job_id=f"job-{number}")
        sink.close()
    fields = warehouse.types("things").keys()
    assert len(fields) == 10
    assert {f"b{at}" for at in range(6)} <= fields
