"""Mapping arbitrary external values: problems at worst, and the same ones each time."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.domain.changes import RecordProblem
from shared.domain.field_mappings import FieldMapping
from shared.domain.fields import Field, FieldType
from shared.domain.linkhub import ENTITIES
from shared.domain.mapping import EntityRecord, RecordMapper
from shared.errors import PermanentError

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(10**30), max_value=10**30),
    st.floats(),
    st.text(),
    st.text(st.characters(codec=None, categories=["Cs", "Cc", "Nd", "Zs"]), max_size=6),
    st.from_regex(r"-?\d{1,25}([.,]\d{1,12})?([eE][+-]?\d{1,4})?", fullmatch=True),
    st.from_regex(
        r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?", fullmatch=True
    ),
    st.sampled_from(["", " ", "true", "NO", "ON_TIME", "99999999999999999999", "0001-01-01"]),
)
JSON = st.recursive(
    _SCALARS,
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=3), one, max_size=3),
    max_leaves=6,
)
_ROUNDING = st.sampled_from(["half_even", "half_up", "floor", "ceiling", "truncate", "reject"])
_ZONE = st.sampled_from(["UTC", "Europe/Rome", "America/New_York"])
TRANSFORMS: st.SearchStrategy[dict[str, Any] | None] = st.one_of(
    st.none(),
    st.just({"type": "number"}),
    st.just({"type": "boolean"}),
    st.builds(lambda mode: {"type": "integer", "rounding": mode}, _ROUNDING),
    st.builds(
        lambda mode, scale: {"type": "decimal", "rounding": mode, "scale": scale},
        _ROUNDING,
        st.integers(0, 6),
    ),
    st.builds(lambda zone: {"type": "date", "zone": zone}, _ZONE),
    st.builds(lambda zone: {"type": "datetime", "zone": zone}, _ZONE),
    st.builds(
        lambda trim, case: {"type": "string", "trim": trim, "case": case},
        st.booleans(),
        st.sampled_from(["lower", "upper"]),
    ),
    st.builds(
        lambda values: {"type": "value_map", "values": values, "default": "ON_TIME"},
        st.dictionaries(st.text(max_size=4), st.sampled_from(["FINISHED", "LATE"]), max_size=3),
    ),
)


def plausible(field: Field) -> st.SearchStrategy[Any]:
    """Return values the field takes as they come from a provider."""
    if field.type is FieldType.ENUMERATION:
        return st.sampled_from([option.value for option in field.options])
    return {
        FieldType.STRING: st.text("abc äß", min_size=1, max_size=9).filter(str.strip),
        FieldType.DECIMAL: st.one_of(st.integers(-9999, 9999), st.just("12.50")),
        FieldType.INTEGER: st.integers(0, 100),
        FieldType.DATE: st.dates().map(lambda day: day.isoformat()),
    }[field.type]


@st.composite
def cases(draw: st.DrawFn, *, transforms: bool = True) -> tuple[RecordMapper, dict[str, Any]]:
    """Return a mapper that fills every field of an entity, and a record for it.

    Without transforms every value is a plausible one, else some rules have a transform of any kind
    and some values are anything at all.
    """
    entity = ENTITIES[draw(st.sampled_from(sorted(ENTITIES)))]
    wild = transforms and draw(st.booleans())
    rules, record = [], {}
    for field in entity.fields:
        rules.append(
            FieldMapping(
                stream="s",
                external_field=field.name,
                entity=entity.name,
                field=field.name,
                transform=draw(TRANSFORMS) if wild and draw(st.booleans()) else None,
            )
        )
        values = JSON if transforms and draw(st.integers(0, 3)) == 0 else plausible(field)
        record[field.name] = draw(values)
    try:
        return RecordMapper.compile(rules), record
    except PermanentError:  # a map whose values the field can never take
        assume(condition=False)
        raise


@settings(max_examples=300, deadline=None)
@given(case=cases())
def test_any_record_is_mapped_or_has_problems(case: tuple[RecordMapper, dict[str, Any]]) -> None:
    """Nothing but problems comes of bad values, twice the same, and the record stays as it was."""
    mapper, record = case
    before = repr(record)
    first, second = mapper.map("s", "1", record), mapper.map("s", "1", record)
    assert repr(first) == repr(second)
    assert repr(record) == before
    if isinstance(first, EntityRecord):
        assert set(first.fields) == {field.name for field in ENTITIES[first.entity].fields}
        json.dumps(first.fields, ensure_ascii=False, allow_nan=False).encode()
        return
    assert first
    for problem in first:
        assert isinstance(problem, RecordProblem)
        assert (problem.stream, problem.key, problem.severity) == ("s", "1", "error")
        assert problem.message.encode()
        assert problem.field


@settings(max_examples=100, deadline=None)
@given(case=cases(transforms=False))
def test_plausible_records_are_mapped(case: tuple[RecordMapper, dict[str, Any]]) -> None:
    """Values as the fields take them become a record that can be sent."""
    mapper, record = case
    found = mapper.map("s", "1", record)
    assert isinstance(found, EntityRecord)
    assert set(found.fields) == set(record)
    assert json.loads(json.dumps(found.fields, allow_nan=False)) == found.fields


@settings(max_examples=100, deadline=None)
@given(case=cases())
def test_each_field_is_mapped_by_itself(case: tuple[RecordMapper, dict[str, Any]]) -> None:
    """What is wrong with one field says nothing of the others: alone it is just as wrong."""
    mapper, record = case
    found = mapper.map("s", "1", record)
    wrong = {one.field for one in found} if isinstance(found, list) else set()
    for name in wrong & set(record):
        alone = mapper.map("s", "1", {name: record[name]})
        assert isinstance(alone, list)
        assert name in {problem.field for problem in alone}
