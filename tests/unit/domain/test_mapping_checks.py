"""Checking mappings against the fields of both sides."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from shared.domain.fields import Field, FieldType, Option
from shared.domain.mapping import FieldMapping
from shared.domain.mapping_checks import MappingProblem, validate_mapping
from shared.domain.providers import Stream

STAGES = (Option(value="won", label="Won"), Option(value="lost", label="Lost"))
DEALS = Stream(
    name="deals",
    label="Deals",
    fields=(
        Field(name="dealname", label="Name", type=FieldType.STRING),
        Field(name="stage", label="Stage", type=FieldType.ENUMERATION, options=STAGES),
        Field(name="amount", label="Amount", type=FieldType.FLOAT),
        Field(name="closed", label="Closed", type=FieldType.DATETIME),
        Field(name="won", label="Won", type=FieldType.BOOLEAN),
        Field(name="extra", label="Extra", type=FieldType.JSON),
        Field(name="photo", label="Photo", type=FieldType.BINARY),
    ),
)
STAGE_MAP = {"type": "value_map", "values": {"won": "FINISHED"}, "default": "ON_TIME"}


def rule(
    external: str,
    field: str,
    transform: Mapping[str, Any] | None = None,
    *,
    entity: str = "initiatives",
    stream: str = "deals",
) -> FieldMapping:
    return FieldMapping(
        stream=stream, external_field=external, entity=entity, field=field, transform=transform
    )


REQUIRED = (rule("dealname", "name"), rule("stage", "status", STAGE_MAP))


def check(*rules: FieldMapping) -> list[MappingProblem]:
    return validate_mapping(rules, streams=[DEALS])


@pytest.mark.parametrize(
    "extra",
    [
        rule("amount", "budget"),
        rule("amount", "progress", {"type": "integer", "rounding": "floor"}),
        rule("dealname", "budget", {"type": "decimal", "scale": 2}),
        rule("closed", "end_date", {"type": "date", "zone": "Europe/Rome"}),
        rule("closed", "description"),
        rule("won", "owner"),
        rule("won", "description", {"type": "boolean"}),
        rule("", "budget", {"type": "constant", "value": "12.50"}),
        rule("extra", "owner", {"type": "constant", "value": "us"}),
        rule("dealname", "start_date"),
    ],
)
def test_rules_that_fit_are_accepted(extra: FieldMapping) -> None:
    """What can travel may be mapped, even where single records may fail."""
    assert check(*REQUIRED, extra) == []


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        (rule("color", "owner"), "has no field 'color'"),
        (rule("", "owner", {"type": "string"}), "has no field ''"),
        (rule("dealname", "colour"), "have no field 'colour'; they have name"),
        (rule("dealname", "owner", {"type": "date", "zone": "Mars"}), "'Mars' is no IANA"),
        (rule("won", "end_date"), "type boolean cannot fill end_date, which is date"),
        (rule("won", "progress", {"type": "integer"}), "cannot read a field of type boolean"),
        (rule("extra", "description"), "type json cannot fill description"),
        (rule("photo", "description", {"type": "string"}), "cannot read a field of type binary"),
        (rule("amount", "owner", STAGE_MAP | {"values": {"a": "\0"}}), r"U\+0000"),
        (rule("closed", "budget", {"type": "date"}), "yields date; budget is decimal"),
        (rule("amount", "budget", {"type": "decimal", "scale": 3}), "room for 2"),
        (rule("amount", "progress", {"type": "constant", "value": 101}), "between 0 and 100"),
        (rule("amount", "end_date", {"type": "boolean"}), "yields boolean"),
        (rule("dealname", "name"), "Another rule already fills this field"),
        (rule("dealname", "unit", entity="indicators"), "already fills initiatives"),
    ],
)
def test_a_rule_that_cannot_work_is_named(extra: FieldMapping, says: str) -> None:
    """The problem stands at its rule and says what is wrong."""
    problems = check(*REQUIRED, extra)
    assert [(p.external_field, p.field) for p in problems] == [(extra.external_field, extra.field)]
    assert re.search(says, problems[0].message)


def test_an_enumeration_whose_options_do_not_fit_needs_a_value_map() -> None:
    """Otherwise every single record would fail."""
    problems = check(rule("dealname", "name"), rule("stage", "status"))
    assert [p.message for p in problems] == [
        "status does not permit won, lost; give the rule a value map."
    ]


def test_values_of_a_map_must_be_options() -> None:
    """A map's values and its default are both looked at."""
    bad = {"type": "value_map", "values": {"won": "DONE", "lost": "LATE"}, "default": "OPEN"}
    problems = check(rule("dealname", "name"), rule("stage", "status", bad))
    assert ["'DONE'" in problems[0].message, "'OPEN'" in problems[1].message] == [True, True]
    assert len(problems) == 2


def test_required_fields_without_a_rule_are_missing() -> None:
    """LinkHub would reject every record."""
    problems = check(rule("amount", "budget"))
    assert [(p.stream, p.external_field, p.field) for p in problems] == [
        ("deals", "", "name"),
        ("deals", "", "status"),
    ]


def test_a_required_field_may_not_be_constantly_empty() -> None:
    """A constant null fills nothing."""
    problems = check(
        rule("", "name", {"type": "constant", "value": None}), rule("stage", "status", STAGE_MAP)
    )
    assert [p.message for p in problems] == [
        "LinkHub requires name: the constant must not be empty."
    ]


def test_unknown_streams_and_entities_are_named() -> None:
    """Neither side is guessed."""
    problems = check(rule("dealname", "name", stream="tickets", entity="planets"))
    assert [p.message for p in problems] == [
        "The provider has no stream 'tickets'.",
        "LinkHub has no entity 'planets'; it has indicators, initiatives, values.",
    ]


def test_the_providers_default_transform_is_checked_too() -> None:
    """A rule without a transform is judged by what will really run."""
    rules = (rule("dealname", "name"), rule("stage", "status"))
    defaults = {"stage": STAGE_MAP}
    assert (
        validate_mapping(rules, streams=[DEALS], default_transform=lambda _s, f: defaults.get(f))
        == []
    )
