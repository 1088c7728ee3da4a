from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.fields import Field, FieldType
from shared.domain.linkhub import ENTITIES
from shared.domain.merge import (
    Fate,
    FieldConflict,
    Merge,
    Side,
    Sides,
    Terms,
    agreed_after_export,
    canonical,
    merge,
)
from shared.domain.policies import ConflictPolicy

INITIATIVES = {field.name: field for field in ENTITIES["initiatives"].fields}
FIELDS = [INITIATIVES[name] for name in ("name", "budget", "end_date")]
BASE = {"name": "Roof", "budget": "10.00", "end_date": None}
EARLIER = datetime(2026, 11, 20, 8, tzinfo=UTC)
LATER = EARLIER + timedelta(minutes=1)

Values = Mapping[str, Any]


def terms(policy: str = "external", **values: Any) -> Terms:
    defaults: dict[str, Any] = {
        "fields": FIELDS,
        "exportable": frozenset(INITIATIVES),
        "policy": ConflictPolicy(policy),
    }
    return Terms(**{**defaults, **values})


def merged(
    external: Values | None, linkhub: Values | None, terms_: Terms | None = None, **values: Any
) -> Merge:
    """Merge what differs from BASE on each side; None where a side has deleted it."""
    defaults: dict[str, Any] = {"base": BASE, "external_base": BASE}
    sides = Sides(
        external=None if external is None else {**BASE, **external},
        linkhub=None if linkhub is None else {**BASE, **linkhub},
        **{**defaults, **values},
    )
    return merge(sides, terms_ or terms())


def test_what_shows_its_base_is_left_alone() -> None:
    """An echo of the last sync asks for nothing on either side."""
    result = merged({}, {})
    assert result.is_settled
    assert (result.base, result.external_base) == (BASE, BASE)


def test_one_sides_change_travels() -> None:
    """Each side's change goes to the other one; different fields do not disturb each other."""
    result = merged({"budget": "12.00"}, {"name": "Roof II"})
    assert result.to_linkhub == {"budget": "12.00"}
    assert result.to_external == {"name": "Roof II"}
    assert not result.conflicts
    assert result.base == {**BASE, "budget": "12.00"}, "the export is still to be done"
    assert result.external_base == {**BASE, "budget": "12.00"}


def test_bases_move_with_an_export_once_it_is_done() -> None:
    """Then LinkHub's base is its value, and the provider's what the mapping reads back."""
    result = merged({}, {"name": "Roof II"})
    base, external_base = agreed_after_export(
        result, written={"name": "Roof II"}, seen_as={"name": "ROOF II"}
    )
    assert base["name"] == "Roof II"
    assert external_base["name"] == "ROOF II"


def test_the_same_change_on_both_sides_is_agreed() -> None:
    """Nothing travels, and both bases move, whatever the policy."""
    result = merged({"budget": "12"}, {"budget": "12.00"}, terms("ask"))
    assert result.is_settled
    assert result.base["budget"] == "12.00"
    assert result.external_base["budget"] == "12"


@pytest.mark.parametrize(
    ("policy", "external_at", "linkhub_at", "winner"),
    [
        ("external", EARLIER, LATER, Side.EXTERNAL),
        ("linkhub", LATER, EARLIER, Side.LINKHUB),
        ("newest", EARLIER, LATER, Side.LINKHUB),
        ("newest", LATER, EARLIER, Side.EXTERNAL),
        ("newest", LATER, LATER, Side.EXTERNAL),
        ("newest", None, LATER, Side.EXTERNAL),
        ("newest", EARLIER, None, Side.EXTERNAL),
        ("ask", EARLIER, LATER, None),
    ],
)
def test_a_policy_decides_who_wins(
    policy: str, external_at: datetime | None, linkhub_at: datetime | None, winner: Side | None
) -> None:
    """Where both changed a field to different values, exactly one of them travels, or none."""
    result = merged(
        {"name": "E"},
        {"name": "L", "budget": "11.00"},
        terms(policy),
        external_changed_at=external_at,
        linkhub_changed_at=linkhub_at,
    )
    assert result.to_linkhub == ({"name": "E"} if winner is Side.EXTERNAL else {})
    names = {"name": "L"} if winner is Side.LINKHUB else {}
    assert result.to_external == {"budget": "11.00", **names}, "other fields travel"
    conflict = FieldConflict(field="name", external="E", linkhub="L", base="Roof")
    assert list(result.conflicts) == ([conflict] if winner is None else [])


def test_a_field_in_conflict_keeps_its_bases() -> None:
    """Nobody's change is forgotten while a person is asked: the same conflict is found again."""
    result = merged({"name": "E"}, {"name": "L"}, terms("ask"))
    again = merged(
        {"name": "E"},
        {"name": "L"},
        terms("ask"),
        base=result.base,
        external_base=result.external_base,
    )
    assert again == result


@pytest.mark.parametrize("choice", list(Side))
def test_a_persons_choice_settles_a_conflict(choice: Side) -> None:
    """What a person chose wins over any policy, for that field only."""
    result = merged(
        {"name": "E", "budget": "1.00"},
        {"name": "L", "budget": "2.00"},
        terms("ask", choices={"name": choice}),
    )
    assert result.to_linkhub == ({"name": "E"} if choice is Side.EXTERNAL else {})
    assert result.to_external == ({"name": "L"} if choice is Side.LINKHUB else {})
    assert [conflict.field for conflict in result.conflicts] == ["budget"]


def test_linkhubs_win_at_import_is_left_to_the_export() -> None:
    """The external change is noted as seen, so that only LinkHub's stands out next time."""
    result = merged({"name": "E"}, {"name": "L"}, terms("linkhub"))
    again = merged(
        {"name": "E"}, {"name": "L"}, base=result.base, external_base=result.external_base
    )
    assert again.to_external == {"name": "L"}
    assert not again.to_linkhub


def test_a_lossy_conversion_is_no_change() -> None:
    """Sides that differ as they did when they agreed are left alone."""
    sides = Sides(
        external={**BASE, "name": "roof"},
        linkhub={**BASE, "name": "Roof"},
        base={**BASE, "name": "Roof"},
        external_base={**BASE, "name": "roof"},
    )
    assert merge(sides, terms()).is_settled


def test_an_import_only_field_never_travels_out() -> None:
    """LinkHub's edit of it stays there, and a later external change meets the policy."""
    import_only = terms(exportable=frozenset({"budget"}))
    result = merged({}, {"name": "L"}, import_only)
    assert result.is_settled
    assert result.base["name"] == "Roof"
    assert merged({"name": "E"}, {"name": "L"}, import_only).to_linkhub == {"name": "E"}
    linkhub_wins = terms("linkhub", exportable=frozenset())
    assert merged({"name": "E"}, {"name": "L"}, linkhub_wins).is_settled


def test_sides_that_never_agreed_fill_each_others_gaps() -> None:
    """Without a base an empty field takes the other side's value; two values meet the policy."""
    sides = Sides(
        external={"name": "E", "budget": None, "end_date": "2026-01-31"},
        linkhub={"name": "L", "budget": "5.00"},
    )
    result = merge(sides, terms())
    assert result.to_linkhub == {"name": "E", "end_date": "2026-01-31"}
    assert result.to_external == {"budget": "5.00"}


@pytest.mark.parametrize("policy", list(ConflictPolicy))
def test_a_delete_travels_where_nobody_edited(policy: ConflictPolicy) -> None:
    """Policies are for edits: an untouched record follows its delete."""
    assert merged(None, {}, terms(policy)).fate is Fate.DELETE_LINKHUB
    assert merged({}, None, terms(policy)).fate is Fate.DELETE_EXTERNAL
    assert merged(None, None, terms(policy)).fate is Fate.GONE


@pytest.mark.parametrize(
    ("policy", "external_gone", "linkhub_gone"),
    [
        ("external", Fate.DELETE_LINKHUB, Fate.CREATE_LINKHUB),
        ("linkhub", Fate.CREATE_EXTERNAL, Fate.DELETE_EXTERNAL),
        ("newest", Fate.CREATE_EXTERNAL, Fate.CREATE_LINKHUB),
        ("ask", Fate.ASK, Fate.ASK),
    ],
)
def test_a_delete_against_an_edit(policy: str, external_gone: Fate, linkhub_gone: Fate) -> None:
    """The policy says whose state stays; the newest is always the edit."""
    assert merged(None, {"name": "L"}, terms(policy)).fate is external_gone
    assert merged({"name": "E"}, None, terms(policy)).fate is linkhub_gone


def test_a_record_that_comes_back_has_the_survivors_values() -> None:
    """Every mapped field returns to LinkHub, every exportable one with a value to the provider."""
    back = merged({"name": "E"}, None)
    assert back.to_linkhub == back.base == {**BASE, "name": "E"}
    out = merged(None, {"name": "L"}, terms("linkhub", exportable=frozenset({"name", "end_date"})))
    assert out.to_external == {"name": "L"}


def test_delete_against_edit_can_be_settled_by_a_person() -> None:
    """The conflict is of the whole record, and a choice decides it."""
    asked = merged(None, {"name": "L"}, terms("ask"))
    (conflict,) = asked.conflicts
    assert (conflict.field, conflict.external) == ("", None)
    assert conflict.linkhub["name"] == "L"
    kept = terms("ask", choices={"": Side.LINKHUB})
    assert merged(None, {"name": "L"}, kept).fate is Fate.CREATE_EXTERNAL
    given_up = terms("ask", choices={"": Side.EXTERNAL})
    assert merged(None, {"name": "L"}, given_up).fate is Fate.DELETE_LINKHUB
    assert merged({"name": "E"}, None, given_up).fate is Fate.CREATE_LINKHUB
    assert merged({"name": "E"}, None, kept).fate is Fate.DELETE_EXTERNAL


@pytest.mark.parametrize(
    ("type_", "one", "other"),
    [
        (FieldType.DECIMAL, "12.5", "12.50"),
        (FieldType.DECIMAL, "-0", "0.00"),
        (FieldType.DATETIME, "2026-11-20T17:00:00Z", "2026-11-20T17:00:00.000Z"),
        (FieldType.STRING, "", None),
        (FieldType.STRING, "  ", None),
        (FieldType.INTEGER, 40, "40"),
    ],
)
def test_equal_values_in_other_forms_are_equal(type_: FieldType, one: Any, other: Any) -> None:
    """How a side writes a value does not count."""
    field = Field(name="f", label="F", type=type_, scale=2)
    assert canonical(field, one) == canonical(field, other)


def test_a_value_its_field_cannot_hold_is_compared_as_it_stands() -> None:
    """Odd values neither raise nor equal another one."""
    field = INITIATIVES["budget"]
    assert canonical(field, "much") == "much"
    assert canonical(field, 1.005) != canonical(field, "1.00")
    assert canonical(field, {"a": 1}) == "{'a': 1}"
