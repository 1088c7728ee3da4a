"""Whether a mapping can be exported is said before anything runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.domain.field_mappings import FieldMapping
from shared.domain.fields import Field, FieldType
from shared.domain.providers import Direction, Stream
from shared.errors import InvalidInputError
from shared.ports.provider import ProviderDefinition
from shared.services.mappings import import_only_rules, require_exportable
from tests.fakes import FakeSource
from tests.store_kit import make_spec

BOTH = (Direction.IMPORT, Direction.EXPORT, Direction.BIDIRECTIONAL)
STATUS = {"type": "constant", "value": "ON_TIME"}


def definition(**values: Any) -> ProviderDefinition:
    spec = make_spec(directions=BOTH, **values)
    return ProviderDefinition(spec=spec, connect=lambda _request: FakeSource(0))


def stream(**title: Any) -> Stream:
    fields = (
        Field(name="id", label="Id", type=FieldType.STRING, read_only=True, required=True),
        Field(name="title", label="Title", type=FieldType.STRING, **title),
        Field(name="notes", label="Notes", type=FieldType.STRING),
    )
    return Stream(name="tasks", label="Tasks", fields=fields)


def rule(external: str, field: str, **values: Any) -> FieldMapping:
    return FieldMapping(
        stream="tasks", external_field=external, entity="initiatives", field=field, **values
    )


RULES = [rule("title", "name"), rule("id", "url"), rule("", "status", transform=STATUS)]


def test_import_only_rules_are_told_with_their_reason() -> None:
    """A wizard can show them beside each rule; of an import only provider there is none."""
    found = import_only_rules(RULES, streams=[stream()], definition=definition())
    assert [(each.field, each.reason) for each in found] == [
        ("url", "the provider lets nobody write it."),
        ("status", "a constant says nothing of the record."),
    ]
    made = definition()
    imports = replace(made, spec=replace(made.spec, directions=(Direction.IMPORT,)))
    assert not import_only_rules(RULES, streams=[stream()], definition=imports)


@pytest.mark.parametrize("direction", BOTH)
def test_some_rules_may_be_import_only(direction: Direction) -> None:
    """One that can be exported is enough."""
    require_exportable(
        RULES, direction=direction, streams=[stream(required=True)], definition=definition()
    )


def test_a_mapping_of_import_only_rules_cannot_be_exported() -> None:
    """Each rule is named with its reason; to import them is fine."""
    rules = RULES[1:]
    with pytest.raises(InvalidInputError) as raised:
        require_exportable(
            rules, direction=Direction.EXPORT, streams=[stream()], definition=definition()
        )
    assert raised.value.errors == [
        ("mappings.0", "url is import-only: the provider lets nobody write it."),
        ("mappings.1", "status is import-only: a constant says nothing of the record."),
    ]
    require_exportable(
        rules, direction=Direction.IMPORT, streams=[stream()], definition=definition()
    )


def test_new_records_need_what_the_provider_requires() -> None:
    """A required field nobody fills would have every new record rejected."""
    rules = [rule("notes", "name"), rule("", "status", transform=STATUS)]
    with pytest.raises(InvalidInputError, match="New tasks in Fake need title"):
        require_exportable(
            rules,
            direction=Direction.BIDIRECTIONAL,
            streams=[stream(required=True)],
            definition=definition(),
        )
