from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.sinks.warehouse.types import ColumnType, infer
from shared.sinks.warehouse.values import dump_exact, load_exact
from tests.warehouse_kit import NewWarehouse, Warehouse, load_full

_TEXT = st.text(st.characters(), max_size=8)  # with NUL, controls and lone surrogates
_FIELDS = st.sampled_from(["a", "b", "A", "c d", "_linkhub_extra", 'q"]'])
_INT64 = st.integers(-(2**63), 2**63 - 1)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    _INT64,
    st.floats(),
    st.sampled_from([-0.0, 0.0, 5e-324, 1.5, 2**53, 2**53 + 1, -(2**53) - 1, 2**70]),
    _TEXT,
    st.binary(max_size=6),
)
_NESTED = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(_TEXT.filter(lambda name: not name.startswith("$")), inner, max_size=3),
    ),
    max_leaves=6,
)
_RECORDS = st.lists(st.dictionaries(_FIELDS, _NESTED, max_size=4), max_size=7)


def _comparable(value: Any) -> Any:
    """Return a value with its type, so that 1, 1.0, True, 0.0, -0.0 differ and NaN is NaN."""
    if isinstance(value, dict):
        return {name: _comparable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    if isinstance(value, float):
        return ("float", "nan" if math.isnan(value) else value.hex())
    return (type(value).__name__, value)


def _expected(record: dict[str, Any], types: dict[str, str]) -> Any:
    """Return what must come back: None is absence; a small integer in a float column is a float."""
    present = {name: value for name, value in record.items() if value is not None}
    for name, value in present.items():
        is_small = type(value) is int and abs(value) <= 2**53
        if is_small and types[name] == "float":
            present[name] = float(value)
    return _comparable(present)


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(records=_RECORDS, page_size=st.integers(1, 7))
def test_every_value_comes_back(
    new_warehouse: NewWarehouse, records: list[dict[str, Any]], page_size: int
) -> None:
    """Whatever the values and their order, column or companion holds each one exactly."""
    warehouse = new_warehouse()
    sent = [{"_id": f"k{number}", **record} for number, record in enumerate(records)]

    sink = warehouse.sink()
    written, _ = load_full(sink, {"things": sent}, page_size=page_size)
    sink.close()

    types = warehouse.types("things")
    found = {key: _comparable(record) for key, record in warehouse.records("things").items()}
    wanted = {record["_id"]: _expected(record, types) for record in sent}
    for record in wanted.values():
        record.pop("_id")
    assert found == wanted
    beside = sum(row["_linkhub_extra"] is not None for row in warehouse.rows("things"))
    assert sum(result.tally.warning for result in written) == beside
    problems = [problem for result in written for problem in result.problems]
    assert len(problems) == beside
    assert {problem.severity for problem in problems} <= {"warning"}


@given(value=_NESTED)
def test_exact_json_round_trips(value: Any) -> None:
    """`load_exact` undoes `dump_exact`, types included, and the text is storable anywhere."""
    text = dump_exact(value)
    assert _comparable(load_exact(text)) == _comparable(value)
    assert "\0" not in text
    text.encode()


@pytest.mark.parametrize(
    ("types", "wanted"),
    [
        ({str}, ColumnType.TEXT),
        ({int}, ColumnType.INTEGER),
        ({bool}, ColumnType.BOOLEAN),
        ({bytes}, ColumnType.BINARY),
        ({int, float}, ColumnType.FLOAT),
        ({int, bool}, ColumnType.JSON),
        ({str, float}, ColumnType.JSON),
        ({dict, list}, ColumnType.JSON),
        ({dict, str}, ColumnType.JSON),
    ],
)
def test_the_first_values_decide_the_type(types: set[type], wanted: ColumnType) -> None:
    """One kind is its own type, numbers mixed are floats, anything else mixed is JSON."""
    assert infer(types) is wanted


@pytest.mark.parametrize(
    ("first", "odd"),
    [
        (2**53 + 1, 1.0),
        (1, math.nan),
        (1, "one"),
        (1, 2**63),
        (1, True),
        (1.5, 2**53 + 1),
        (1.5, math.nan),
        (1.5, -0.0),
        ("text", 7),
        ("text", "half \ud800"),
        (True, 1),
        (b"x", "x"),
    ],
)
def test_what_a_column_cannot_hold_is_kept_beside_it(
    warehouse: Warehouse, first: Any, odd: Any
) -> None:
    """The row is written, counts as a warning that names the field, and loses nothing."""
    sink = warehouse.sink()
    records = [{"_id": "1", "v": first}, {"_id": "2", "v": odd}]

    written, _ = load_full(sink, {"things": records}, page_size=1)

    assert sum(result.tally.warning for result in written) == 1
    assert sum(result.tally.success for result in written) == 1
    (problem,) = [problem for result in written for problem in result.problems]
    assert (problem.stream, problem.key, problem.field) == ("things", "2", "v")
    assert (problem.severity, "_linkhub_extra" in problem.message) == ("warning", True)
    found = warehouse.records("things")
    assert _comparable(found["1"]["v"]) == _comparable(first)
    assert _comparable(found["2"]["v"]) == _comparable(odd)
    sink.close()


def test_minus_zero_is_zero_for_a_query(warehouse: Warehouse) -> None:
    """The column holds 0.0 where the exact value is -0.0, so that sums and filters find it."""
    sink = warehouse.sink()
    load_full(sink, {"things": [{"_id": "1", "v": -0.0}]})
    assert warehouse.rows("things")[0]["v"] == 0
    assert math.copysign(1, warehouse.records("things")["1"]["v"]) == -1
    sink.close()


def test_a_value_of_no_known_type_is_an_error_of_its_record(warehouse: Warehouse) -> None:
    """A record with, say, a set is left out and named; the others are written."""
    sink = warehouse.sink()
    records: list[dict[str, Any]] = [
        {"_id": "1", "v": 1},
        {"_id": "2", "v": {1, 2}},
        {"_id": "3", "v": 3},
    ]
    written, _ = load_full(sink, {"things": records})
    assert sum(result.tally.error for result in written) == 1
    assert [row["_id"] for row in warehouse.rows("things")] == ["1", "3"]
    sink.close()


def test_more_fields_than_a_table_can_have_go_to_the_companion(warehouse: Warehouse) -> None:
    """Beyond the most columns a table gets, fields are kept in the companion column."""
    sink = warehouse.sink()
    record = {"_id": "1", **{f"field{number}": number for number in range(1_000)}}
    load_full(sink, {"wide": [record]})
    assert len(warehouse.types("wide")) == 900
    assert warehouse.records("wide")["1"] == {f"field{n}": n for n in range(1_000)}
    sink.close()
