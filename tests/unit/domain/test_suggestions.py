"""Which field may fill which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from shared.domain.field_mappings import FieldMapping
from shared.domain.fields import Field, FieldType
from shared.domain.linkhub import ENTITIES
from shared.domain.mapping_checks import validate_mapping
from shared.domain.providers import Stream
from shared.domain.suggestions import Suggestion, suggest_mappings


def stream(*fields: Field | tuple[str, FieldType], name: str = "deals") -> Stream:
    made = (
        field if isinstance(field, Field) else Field(name=field[0], label=field[0], type=field[1])
        for field in fields
    )
    return Stream(name=name, label=name.title(), fields=tuple(made))


def suggested(source: Stream, entity: str = "initiatives", **options: Any) -> dict[str, Suggestion]:
    """Return the suggestions for one entity by LinkHub field."""
    found = suggest_mappings([source], **options)
    return {item.field: item for item in found if item.entity == entity}


@pytest.mark.parametrize(
    ("name", "type_", "field"),
    [
        ("name", FieldType.STRING, "name"),
        ("dealname", FieldType.STRING, "name"),
        ("DealName", FieldType.STRING, "name"),
        ("deal_title", FieldType.STRING, "name"),
        ("amount", FieldType.DECIMAL, "budget"),
        ("hs_deal_amount", FieldType.STRING, "budget"),
        ("dueDate", FieldType.DATETIME, "end_date"),
        ("createdate", FieldType.DATE, "start_date"),
        ("percentComplete", FieldType.INTEGER, "progress"),
        ("ownerId", FieldType.STRING, "owner"),
        ("webUrl", FieldType.STRING, "url"),
        ("stato", FieldType.STRING, "status"),
    ],
)
def test_names_that_mean_the_same_meet(name: str, type_: FieldType, field: str) -> None:
    """Case, separators, the stream's own noun and common synonyms do not keep sides apart."""
    assert suggested(stream((name, type_)))[field].external_field == name


def test_a_label_counts_where_the_name_says_nothing() -> None:
    """A custom property is found by what people call it."""
    custom = Field(name="p_1234", label="End date", type=FieldType.DATE)
    assert suggested(stream(custom))["end_date"].external_field == "p_1234"


def test_the_likest_field_wins_and_is_used_once() -> None:
    """An equal name beats a synonym; no external field fills two of one entity."""
    found = suggested(stream(("title", FieldType.STRING), ("name", FieldType.STRING)))
    assert found["name"].external_field == "name"
    externals = [item.external_field for item in found.values()]
    assert len(externals) == len(set(externals))


def test_types_that_cannot_travel_are_not_suggested() -> None:
    """A date does not fill a budget, nor JSON anything, however alike their names."""
    found = suggested(stream(("budget", FieldType.DATE), ("name", FieldType.JSON)))
    assert "budget" not in found
    assert "name" not in found


def test_a_providers_transform_bridges_types() -> None:
    """What the provider maps by default is suggested although the plain types differ."""
    odd = stream(("stage", FieldType.INTEGER))

    def default_transform(_stream: str, field: str) -> Mapping[str, Any] | None:
        return {"type": "value_map", "values": {"1": "LATE"}} if field == "stage" else None

    assert "status" not in suggested(odd)
    assert "status" in suggested(odd, default_transform=default_transform)


def test_every_suggestion_is_a_valid_rule() -> None:
    """Over fields of every type under every name of LinkHub, none would be refused when saved."""
    names = {field.name for entity in ENTITIES.values() for field in entity.fields}
    source = stream(*[(f"{name}_{t}", t) for name in sorted(names) for t in FieldType])
    found = suggest_mappings([source])
    assert len(found) > 10
    for item in found:
        rule = FieldMapping(
            stream=item.stream,
            external_field=item.external_field,
            entity=item.entity,
            field=item.field,
        )
        problems = validate_mapping([rule], streams=[source])
        assert [problem for problem in problems if problem.external_field] == []
        assert 1 <= item.score <= 100


@pytest.mark.parametrize("name", ["", "___", "🚀", "שם", "名前", "x" * 10_000, "a b\0c", "İ"])
def test_any_name_is_survived(name: str) -> None:
    """Fields may be called anything; the same streams always give the same suggestions."""
    source = stream((name, FieldType.STRING), ("dealname", FieldType.STRING), name=name or "s")
    assert suggest_mappings([source]) == suggest_mappings([source])
