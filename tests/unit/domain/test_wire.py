"""What LinkHub's fields take."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.fields import Field, FieldType
from shared.domain.linkhub import ENTITIES
from shared.domain.wire import wire_converter
from shared.errors import RecordError

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = [field for entity in ENTITIES.values() for field in entity.fields] + [
    Field(name="flag", label="", type=FieldType.BOOLEAN),
    Field(name="at", label="", type=FieldType.DATETIME),
]


def field(name: str) -> Field:
    found = ENTITIES["initiatives"].find_field(name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "value", "wire"),
    [
        ("name", "Büro 🏢\tblock\n", "Büro 🏢\tblock\n"),
        ("name", 12.0, "12"),
        ("status", "LATE", "LATE"),
        ("start_date", "2026-01-31T23:30:00Z", "2026-01-31"),
        ("start_date", date(2026, 1, 31), "2026-01-31"),
        ("progress", "50.0", 50),
        ("progress", 7, 7),
        ("budget", "12.5", "12.50"),
        ("budget", 10**15 - 1, "999999999999999.00"),
        ("budget", Decimal("-0.00"), "0.00"),
    ],
)
def test_a_fitting_value_becomes_its_wire_form(name: str, value: Any, wire: Any) -> None:
    """Each type has one form in LinkHub's JSON."""
    result = wire_converter(field(name))(value)
    assert result == wire
    assert type(result) is type(wire)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("name", "x" * 256, "256 characters long; at most 255 fit"),
        ("name", "a\0b", r"U\+0000 at position 2"),
        ("name", "a\x0bb", r"U\+000B"),
        ("name", "a\ud800", r"U\+D800"),
        ("status", "late", "'late' is none of ON_TIME, AT_RISK, LATE, FINISHED"),
        ("progress", 101, "not between 0 and 100"),
        ("progress", 12.5, "whole numbers"),
        ("progress", True, "is no number"),
        ("budget", "12.505", "only 2 digits after the point"),
        ("budget", 10**15, "15 digits fit before the point"),
        ("budget", "1,5", "is no number"),
    ],
)
def test_an_unfitting_value_is_refused_with_its_reason(name: str, value: Any, says: str) -> None:
    """Nothing is cut, rounded or replaced to make it fit."""
    with pytest.raises(RecordError, match=says):
        wire_converter(field(name))(value)


def test_an_unbounded_integer_keeps_to_what_json_readers_keep() -> None:
    """2^53 - 1 passes, 2^53 does not: a reader may hold numbers as doubles."""
    convert = wire_converter(Field(name="n", label="", type=FieldType.INTEGER))
    assert convert(2**53 - 1) == 2**53 - 1
    with pytest.raises(RecordError, match="not between"):
        convert(2**53)


def test_truth_values_and_instants_have_a_form_too() -> None:
    """No entity uses them yet, but the types are part of LinkHub's language."""
    assert wire_converter(Field(name="b", label="", type=FieldType.BOOLEAN))("yes") is True
    instant = datetime(2026, 1, 31, 12, 30, tzinfo=UTC)
    at = wire_converter(Field(name="at", label="", type=FieldType.DATETIME))
    assert at(instant) == "2026-01-31T12:30:00Z"


@given(target=st.sampled_from(FIELDS), value=JSON_VALUES.filter(lambda value: value is not None))
def test_any_json_value_fits_or_is_a_record_error(target: Field, value: Any) -> None:
    """No value a source can send breaks a converter, and what passes travels as strict UTF-8 JSON
    and converts to itself.
    """
    convert = wire_converter(target)
    try:
        wire = convert(value)
    except RecordError:
        return
    sent = json.dumps(wire, allow_nan=False, ensure_ascii=False).encode()
    assert convert(json.loads(sent)) == wire


@given(
    st.decimals(min_value=-(10**14), max_value=10**14, allow_nan=False, places=2),
    st.sampled_from([str, Decimal]),
)
def test_an_amount_keeps_its_value_and_has_two_digits(amount: Decimal, form: Any) -> None:
    """Whatever form an amount came in, the wire has the same number with exactly its scale."""
    wire = wire_converter(field("budget"))(form(amount))
    assert isinstance(wire, str)
    assert Decimal(wire) == amount
    assert len(wire.partition(".")[2]) == 2
