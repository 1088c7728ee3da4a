"""Mapping arbitrary external values: problems at worst, and the same ones each time."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.domain.changes import RecordProblem
from shared.domain.field_mappings import FieldMapping
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


@st.composite
def mappers(draw: st.DrawFn) -> RecordMapper:
    """Return a mapper that fills every field of an entity, each by a transform of any kind."""
    entity = draw(st.sampled_from(sorted(ENTITIES)))
    rules = [
        FieldMapping(
            stream="s",
            external_field=field.name,
            entity=entity,
            field=field.name,
            transform=draw(TRANSFORMS),
        )
        for field in ENTITIES[entity].fields
    ]
    try:
        return RecordMapper.compile(rules)
    except PermanentError:  # a constant or map whose values the field can never take
        assume(condition=False)
        raise


_NAMES = sorted({field.name for entity in ENTITIES.values() for field in entity.fields})


@settings(max_examples=300, deadline=None)
@given(mapper=mappers(), record=st.dictionaries(st.sampled_from(_NAMES), JSON))
def test_any_record_is_mapped_or_has_problems(mapper: RecordMapper, record: dict[str, Any]) -> None:
    """Nothing but problems comes of bad values, twice the same, and the record stays as it was."""
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
@given(mapper=mappers(), record=st.dictionaries(st.sampled_from(_NAMES), JSON))
def test_each_field_is_mapped_by_itself(mapper: RecordMapper, record: dict[str, Any]) -> None:
    """What is wrong with one field says nothing of the others: alone it is just as wrong."""
    found = mapper.map("s", "1", record)
    wrong = {one.field for one in found} if isinstance(found, list) else set()
    for name in wrong & set(record):
        alone = mapper.map("s", "1", {name: record[name]})
        assert isinstance(alone, list)
        assert name in {problem.field for problem in alone}
