"""Declarative transforms: reading their JSON and what each does."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.fields import Field, FieldType
from shared.domain.transform_kinds import settle
from shared.domain.transforms import parse_transform
from shared.domain.wire import wire_converter
from shared.errors import InvalidInputError, RecordError


def run(transform: dict[str, Any], value: Any, kind: FieldType = FieldType.STRING) -> Any:
    """Return what a value becomes on its way into a field of that type."""
    field = Field(name="f", label="F", type=kind, scale=4 if kind is FieldType.DECIMAL else None)
    to_wire = wire_converter(field)
    parsed = parse_transform(transform)
    if settle(value, lambda _: True) is None:
        return parsed.of_empty(to_wire)
    return parsed.compile(to_wire)(value)


STAGES = {"type": "value_map", "values": {"won": "FINISHED", "1": "ONE", "true": "YES"}}


@pytest.mark.parametrize(
    ("transform", "kind", "value", "wire"),
    [
        (STAGES, FieldType.STRING, "won", "FINISHED"),
        (STAGES, FieldType.STRING, 1, "ONE"),
        (STAGES, FieldType.STRING, 1.0, "ONE"),
        (STAGES, FieldType.STRING, True, "YES"),
        ({**STAGES, "default": "LATE"}, FieldType.STRING, "new", "LATE"),
        ({**STAGES, "default": None}, FieldType.STRING, "new", None),
        ({"type": "number"}, FieldType.DECIMAL, "12.5", "12.5000"),
        ({"type": "integer"}, FieldType.INTEGER, "2.5", 2),
        ({"type": "integer", "rounding": "half_up"}, FieldType.INTEGER, "2.5", 3),
        ({"type": "decimal", "scale": 2}, FieldType.DECIMAL, "1.005", "1.0000"),
        ({"type": "decimal", "scale": 1}, FieldType.STRING, 0.25, "0.2"),
        ({"type": "date", "zone": "Europe/Rome"}, FieldType.DATE, 1769902200000, "2026-02-01"),
        ({"type": "date"}, FieldType.DATE, 1769902200000, "2026-01-31"),
        (
            {"type": "datetime", "zone": "Europe/Rome"},
            FieldType.DATETIME,
            "2026-01-31T12:00:00",
            "2026-01-31T11:00:00Z",
        ),
        ({"type": "boolean"}, FieldType.BOOLEAN, "Yes", True),
        ({"type": "boolean"}, FieldType.STRING, "Yes", "true"),
        ({"type": "string", "trim": True, "case": "upper"}, FieldType.STRING, " a b ", "A B"),
        (
            {"type": "string", "case": "title"},
            FieldType.STRING,
            "it's a RED  car",
            "It's A Red  Car",
        ),
        ({"type": "string"}, FieldType.STRING, 12, "12"),
        ({"type": "constant", "value": 7}, FieldType.INTEGER, "ignored", 7),
    ],
)
def test_each_transform_does_what_it_says(
    transform: dict[str, Any], kind: FieldType, value: Any, wire: Any
) -> None:
    """A transformed value reaches the field in the field's own form."""
    assert run(transform, value, kind) == wire


@pytest.mark.parametrize("empty", [None, "", "  \t"])
def test_an_empty_value_stays_empty(empty: Any) -> None:
    """No transform makes something of nothing, unless it was told to."""
    for transform in (STAGES, {"type": "integer"}, {"type": "date"}, {"type": "boolean"}):
        assert run(transform, empty) is None
    assert run({**STAGES, "default": "LATE"}, empty) == "LATE"
    assert run({"type": "value_map", "values": {"": "NEW"}, "default": "LATE"}, empty) == "NEW"
    assert run({"type": "constant", "value": "x"}, empty) == "x"


def test_an_unknown_value_without_default_is_a_record_error() -> None:
    """The record is at fault, and the message names the value."""
    with pytest.raises(RecordError, match="'lost' is not in the value map"):
        run(STAGES, "lost")


def test_rejecting_rounding_makes_the_record_fail() -> None:
    """`reject` is for those who want no digit lost."""
    with pytest.raises(RecordError, match=r"12\.5"):
        run({"type": "integer", "rounding": "reject"}, "12.5", FieldType.INTEGER)


@pytest.mark.parametrize(
    ("transform", "key", "says"),
    [
        ("number", "", "JSON object"),
        (["number"], "", "JSON object"),
        ({}, "type", "missing"),
        ({"type": "uppercase"}, "type", "'uppercase'; known types are value_map"),
        ({"type": ["number"]}, "type", "known types"),
        ({"type": "number", "scale": 2}, "scale", "no key of a number transform"),
        ({"type": "value_map"}, "values", "at least one entry"),
        ({"type": "value_map", "values": {}}, "values", "at least one entry"),
        ({"type": "value_map", "values": {"a": []}}, "values", "plain value"),
        ({"type": "value_map", "values": {"a": 1}, "default": {}}, "default", "plain value"),
        ({"type": "integer", "rounding": "up"}, "rounding", "none of half_even"),
        ({"type": "integer", "rounding": None}, "rounding", "none of half_even"),
        ({"type": "decimal"}, "scale", "0 to 37"),
        ({"type": "decimal", "scale": -1}, "scale", "0 to 37"),
        ({"type": "decimal", "scale": True}, "scale", "0 to 37"),
        ({"type": "decimal", "scale": 38}, "scale", "0 to 37"),
        ({"type": "date", "zone": "Europe/Roma"}, "zone", "IANA"),
        ({"type": "date", "zone": "../../etc/passwd"}, "zone", "IANA"),
        ({"type": "date", "zone": "Europe"}, "zone", "IANA"),
        ({"type": "datetime", "zone": ""}, "zone", "IANA"),
        ({"type": "datetime", "zone": 1}, "zone", "IANA"),
        ({"type": "string", "trim": "yes"}, "trim", "true or false"),
        ({"type": "string", "case": "camel"}, "case", "none of lower"),
        ({"type": "constant"}, "value", "needs a value"),
        ({"type": "constant", "value": {}}, "value", "needs a value"),
    ],
)
def test_a_wrong_transform_is_refused_by_key(transform: Any, key: str, says: str) -> None:
    """The error says which key is wrong and what would be right."""
    with pytest.raises(InvalidInputError, match=says) as caught:
        parse_transform(transform)
    assert key in [location for location, _ in caught.value.errors]


def test_every_mistake_is_named_at_once() -> None:
    """A person fixes a transform in one go."""
    with pytest.raises(InvalidInputError) as caught:
        parse_transform({"type": "decimal", "scale": "2", "rounding": "up", "zone": "UTC"})
    assert {location for location, _ in caught.value.errors} == {"scale", "rounding", "zone"}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["type", "values", "scale", "zone", "trim", "case", "value"])
                | st.text(max_size=4),
                inner | st.sampled_from(["value_map", "decimal", "date", "string", "constant"]),
            )
        ),
        max_leaves=6,
    )
)
def test_no_json_breaks_the_parser(data: Any) -> None:
    """Whatever a caller sends is a transform or an InvalidInputError."""
    with suppress(InvalidInputError):
        parse_transform(data)
