from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.field_mappings import FieldMapping
from shared.domain.fields import Field, FieldType, Option
from shared.domain.mapping import EntityRecord, RecordMapper
from shared.domain.providers import Stream
from shared.domain.reverse_mapping import Exported, ReverseMapper

ROME = {"type": "date", "zone": "Europe/Rome"}
STAGES = {
    "type": "value_map",
    "values": {"open": "ON_TIME", "started": "ON_TIME", "won": "FINISHED"},
    "default": "AT_RISK",
}


def external(name: str, type_: FieldType = FieldType.STRING, **values: Any) -> Field:
    return Field(name=name, label=name, type=type_, **values)


def compiled(
    *rules: tuple[Field | str, str, Mapping[str, Any] | None], entity: str = "initiatives"
) -> ReverseMapper:
    fields = [each for each, _, _ in rules if isinstance(each, Field)]
    mappings = [
        FieldMapping(
            stream="deals",
            external_field=each.name if isinstance(each, Field) else each,
            entity=entity,
            field=field,
            transform=transform,
        )
        for each, field, transform in rules
    ]
    streams = [Stream(name="deals", label="Deals", fields=tuple(fields))]
    return ReverseMapper.compile(mappings, streams=streams)


def export(
    field: Field, to: str, value: Any, transform: Mapping[str, Any] | None = None
) -> Exported:
    return compiled((field, to, transform)).export("deals", {to: value})


@pytest.mark.parametrize(
    ("type_", "to", "value", "transform", "expected"),
    [
        (FieldType.STRING, "name", "Roof", None, "Roof"),
        (FieldType.STRING, "name", "Roof", {"type": "string", "case": "upper"}, "Roof"),
        (FieldType.INTEGER, "progress", 40, None, 40),
        (FieldType.STRING, "progress", 40, {"type": "integer"}, "40"),
        (FieldType.DECIMAL, "budget", "12.50", {"type": "decimal", "scale": 2}, "12.5"),
        (FieldType.FLOAT, "budget", "12.00", {"type": "number"}, 12),
        (FieldType.STRING, "budget", "12.50", None, "12.50"),
        (FieldType.DATE, "end_date", "2026-01-31", None, "2026-01-31"),
        (FieldType.DATETIME, "end_date", "2026-01-31", {"type": "date"}, "2026-01-31"),
        (
            FieldType.DATETIME,
            "end_date",
            "2026-01-31",
            {"type": "date", "zone": "UTC"},
            "2026-01-31",
        ),
        (FieldType.DATETIME, "end_date", "2026-01-31", ROME, "2026-01-31T11:00:00Z"),
        (FieldType.BOOLEAN, "owner", "true", {"type": "string"}, True),
        (FieldType.STRING, "status", "FINISHED", STAGES, "won"),
    ],
)
def test_a_value_goes_back_in_the_external_fields_terms(
    type_: FieldType, to: str, value: Any, transform: Mapping[str, Any] | None, expected: Any
) -> None:
    """Each transform has an inverse; reading its result back gives the value again."""
    made = export(external("x", type_), to, value, transform)
    assert made.record == {"x": expected}
    assert made.written == {to: value}
    assert not made.problems


def test_of_several_keys_the_first_stands_for_a_value() -> None:
    """Two stages that mean the same cannot be told apart on the way back."""
    assert export(external("x"), "status", "ON_TIME", STAGES).record == {"x": "open"}


@pytest.mark.parametrize("value", ["LATE", "AT_RISK", None])
def test_a_value_no_key_maps_to_has_no_inverse(value: str | None) -> None:
    """Neither what the map does not know, nor its default, nor an empty one names a key."""
    made = export(external("x"), "status", value, STAGES)
    assert made.record == made.written == {}
    ((field, message),) = made.problems
    assert field == "status"
    assert message.startswith("x: ")


def test_a_map_says_what_an_empty_value_is() -> None:
    """An entry for empty text is the inverse of what it maps to."""
    values = {"type": "value_map", "values": {"": "ON_TIME", "won": "FINISHED"}}
    assert export(external("x"), "status", "ON_TIME", values).record == {"x": None}
    to_empty = {"type": "value_map", "values": {"none": None, "ada": "Ada"}, "default": "?"}
    assert export(external("x"), "owner", None, to_empty).record == {"x": "none"}


def test_an_emptied_field_is_emptied_there() -> None:
    """None travels like any other value."""
    made = export(external("x", FieldType.DATETIME), "end_date", None, ROME)
    assert made.record == {"x": None}
    assert made.seen_as == {"end_date": None}


def test_what_a_conversion_loses_is_known_before_it_is_read_back() -> None:
    """The external base is what the mapping will see, not what LinkHub has."""
    made = export(external("x"), "name", "Roof", {"type": "string", "case": "upper"})
    assert made.seen_as == {"name": "ROOF"}


CHOICE = external("x", FieldType.ENUMERATION, options=(Option(value="a", label="A"),))


@pytest.mark.parametrize(
    ("field", "to", "value"),
    [
        (external("x", FieldType.INTEGER), "budget", "12.50"),
        (external("x", FieldType.INTEGER), "name", "twelve"),
        (CHOICE, "name", "b"),
    ],
)
def test_a_value_the_external_field_cannot_hold_is_a_problem(
    field: Field, to: str, value: Any
) -> None:
    """It is left out and told; nothing is cut to make it fit."""
    made = export(field, to, value)
    assert made.record == {}
    assert [name for name, _ in made.problems] == [to]


def test_rules_without_an_inverse_say_why() -> None:
    """Constants, read-only and unknown fields, and a second rule of one field are import-only."""
    mapper = compiled(
        (external("id", read_only=True), "url", None),
        (external("n"), "name", None),
        (external("n2"), "description", None),
        ("n", "owner", None),
        ("lost", "start_date", None),
        ("", "status", {"type": "constant", "value": "ON_TIME"}),
        (external("doc", FieldType.JSON), "budget", None),
    )
    assert mapper.exportable("deals") == {"name", "description"}
    assert mapper.external_fields("deals") == {"n", "n2"}
    assert {rule.field: rule.reason for rule in mapper.import_only} == {
        "url": "the provider lets nobody write it.",
        "owner": "another rule already writes n.",
        "start_date": "the provider has no such field.",
        "status": "a constant says nothing of the record.",
        "budget": "a field of type json is only read.",
    }
    made = mapper.export("deals", {"name": "Roof", "status": "LATE", "url": "u"})
    assert made.record == {"n": "Roof"}
    assert not made.problems


def test_a_stream_without_rules_exports_nothing() -> None:
    """It is no error: another stream may fill the same entity."""
    assert compiled((external("n"), "name", None)).export("plans", {"name": "x"}).record == {}


RULES = (
    (external("title"), "name", None),
    (external("stage"), "status", {**STAGES, "default": "ON_TIME"}),
    (external("percent", FieldType.INTEGER), "progress", None),
    (external("amount", FieldType.DECIMAL), "budget", {"type": "decimal", "scale": 2}),
    (external("due", FieldType.DATETIME), "end_date", ROME),
    (external("who"), "owner", {"type": "string", "trim": True, "case": "title"}),
)
records = st.fixed_dictionaries(
    {
        "title": st.text("abc ", min_size=1, max_size=5).filter(str.strip),
        "stage": st.sampled_from(["open", "started", "won", "strange", None]),
        "percent": st.integers(0, 100) | st.none(),
        "amount": st.decimals(-1000, 1000, places=3) | st.none(),
        "due": st.integers(10**12, 4 * 10**12) | st.none(),
        "who": st.text("aB ", max_size=4),
    }
)


@settings(max_examples=300, deadline=None)
@given(records)
def test_there_and_back_again_is_stable(record: Mapping[str, Any]) -> None:
    """What goes back reads as the very value it came from, or is a problem: never another value."""
    mapper = RecordMapper.compile(
        FieldMapping(
            stream="deals",
            external_field=field.name,
            entity="initiatives",
            field=to,
            transform=transform,
        )
        for field, to, transform in RULES
    )
    mapped = mapper.map("deals", "1", record)
    assert isinstance(mapped, EntityRecord)
    made = compiled(*RULES).export("deals", mapped.fields)
    again = mapper.map("deals", "1", {**record, **made.record})
    assert isinstance(again, EntityRecord)
    for name in made.written:
        assert made.seen_as[name] == again.fields[name]
        assert mapped.fields[name] == again.fields[name]
    assert {name for name, _ in made.problems} <= {"status"}
