"""Compiling mappings and mapping records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from shared.domain.changes import RecordProblem
from shared.domain.mapping import EntityRecord, FieldMapping, RecordMapper
from shared.errors import PermanentError

DEFAULTS = {"dealstage": {"type": "value_map", "values": {"won": "FINISHED"}, "default": "ON_TIME"}}


def rule(
    external: str,
    field: str,
    transform: Mapping[str, Any] | None = None,
    entity: str = "initiatives",
) -> FieldMapping:
    return FieldMapping(
        stream="deals", external_field=external, entity=entity, field=field, transform=transform
    )


def mapper(*rules: FieldMapping) -> RecordMapper:
    rules = rules or (
        rule("dealname", "name"),
        rule("dealstage", "status"),
        rule("amount", "budget"),
        rule("closedate", "end_date"),
        rule("", "progress", {"type": "constant", "value": "50"}),
    )
    return RecordMapper.compile(rules, default_transform=lambda _s, field: DEFAULTS.get(field))


def test_a_record_becomes_its_wire_form() -> None:
    """Constants, defaults and plain conversions meet in one LinkHub record; a lacking field is
    empty.
    """
    record = {"dealname": "House", "dealstage": "won", "amount": "12.5", "other": "x"}
    assert mapper().map("deals", "1", record) == EntityRecord(
        entity="initiatives",
        stream="deals",
        key="1",
        fields={
            "name": "House",
            "status": "FINISHED",
            "budget": "12.50",
            "end_date": None,
            "progress": 50,
        },
    )


def test_a_rules_own_transform_wins_over_the_default() -> None:
    """The provider's default only stands in where a person said nothing."""
    own = {"type": "value_map", "values": {"won": "LATE"}}
    mapped = mapper(rule("dealname", "name"), rule("dealstage", "status", own)).map(
        "deals", "1", {"dealname": "House", "dealstage": "won"}
    )
    assert isinstance(mapped, EntityRecord)
    assert mapped.fields["status"] == "LATE"


def test_every_problem_of_a_record_is_told_at_once() -> None:
    """A person sees all that is wrong, each under LinkHub's field and with the external name."""
    problems = mapper().map(
        "deals", "1", {"dealname": " ", "amount": "1,5", "closedate": "soon", "dealstage": "won"}
    )
    assert isinstance(problems, list)
    assert [(p.stream, p.key, p.field, p.severity) for p in problems] == [
        ("deals", "1", "name", "error"),
        ("deals", "1", "budget", "error"),
        ("deals", "1", "end_date", "error"),
    ]
    assert problems[0].message == "dealname is empty, but LinkHub requires name."
    assert problems[1].message.startswith("amount: '1,5' is no number")


def test_a_mapping_that_yields_nothing_for_a_required_field_is_a_problem() -> None:
    """A value map may map to nothing; a required field may not take it."""
    to_nothing = {"type": "value_map", "values": {"won": None}}
    result = mapper(rule("dealstage", "status", to_nothing)).map("deals", "1", {"dealstage": "won"})
    assert isinstance(result, list)
    assert isinstance(result[0], RecordProblem)
    assert result[0].field == "status"


def test_a_records_own_data_is_left_alone() -> None:
    """Mapping one record changes neither it nor the next one."""
    compiled, record = mapper(), {"dealname": "House", "dealstage": "won"}
    first = compiled.map("deals", "1", record)
    assert isinstance(first, EntityRecord)
    first.fields["progress"] = 1
    second = compiled.map("deals", "2", record)
    assert isinstance(second, EntityRecord)
    assert second.fields["progress"] == 50
    assert record == {"dealname": "House", "dealstage": "won"}


def test_the_mapper_says_which_entity_a_stream_fills() -> None:
    """The sink and the log name it."""
    assert mapper().streams == {"deals": "initiatives"}


def test_a_stream_without_rules_fails_the_job() -> None:
    """No record of such a stream could ever be synced."""
    with pytest.raises(PermanentError, match="No field of the stream 'tickets' is mapped"):
        mapper().map("tickets", "1", {})


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ([rule("a", "colour")], "no such field"),
        ([rule("a", "name", entity="planets")], "no such field"),
        ([rule("a", "name"), rule("b", "unit", entity="indicators")], "already fills initiatives"),
        ([rule("a", "name", {"type": "roman"})], "'roman'"),
        ([rule("a", "progress", {"type": "constant", "value": 101})], "not between 0 and 100"),
        ([rule("a", "status", {"type": "value_map", "values": {"x": "DONE"}})], "'DONE'"),
    ],
)
def test_rules_that_cannot_run_are_refused_by_name(rules: list[FieldMapping], says: str) -> None:
    """A stored mapping that no longer holds fails the job with a message naming the rule."""
    with pytest.raises(PermanentError, match=says) as caught:
        mapper(*rules)
    assert rules[-1].field in caught.value.message
