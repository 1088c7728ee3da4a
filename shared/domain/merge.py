"""The three-way merge of one record, field by field, in LinkHub's own terms.

What both sides had when they last agreed tells who changed what since:

    nobody, or both to the same     nothing to do
    one side                        its value travels
    both, to different values       the policy decides, or a person does; other fields travel

Each side is compared with a base of its own. They differ where a conversion loses something, or a
side keeps a value in another form than it was given: that alone is no change. Pure: the two sides
are handed in, what is to be done comes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from shared.domain.conversions import is_empty, read_instant
from shared.domain.fields import Field, FieldType
from shared.domain.policies import ConflictPolicy
from shared.domain.wire import WireValue, wire_converter
from shared.errors import RecordError

WHOLE_RECORD = ""
"""Stands where a field's name would: the conflict is whether there is such a record at all."""


class Side(StrEnum):
    """Whose value it is."""

    EXTERNAL = "external"
    LINKHUB = "linkhub"


class Fate(StrEnum):
    """What becomes of the record as a whole.

    KEEP: both sides have it. DELETE_*: the other side's delete travels. CREATE_*: deleted here,
    it comes back from the other side's values. ASK: nothing moves until a person has chosen. GONE:
    neither side has it any more.
    """

    KEEP = "keep"
    DELETE_EXTERNAL = "delete_external"
    DELETE_LINKHUB = "delete_linkhub"
    CREATE_EXTERNAL = "create_external"
    CREATE_LINKHUB = "create_linkhub"
    ASK = "ask"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """One record on both sides: mapped fields by LinkHub's names, None where it is deleted.

    `external` is what the mapping makes of the provider's record. The bases are {} where the sides
    have never agreed on anything. Times of change are None where a side does not tell them.
    """

    external: Mapping[str, Any] | None
    linkhub: Mapping[str, Any] | None
    base: Mapping[str, Any] = field(default_factory=dict)
    external_base: Mapping[str, Any] = field(default_factory=dict)
    external_changed_at: datetime | None = None
    linkhub_changed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How to merge. `fields`: those a mapping fills. `exportable`: the names of those whose values
    can travel to the provider. `choices`: what a person chose for fields in conflict.
    """

    fields: Sequence[Field]
    exportable: frozenset[str]
    policy: ConflictPolicy
    choices: Mapping[str, Side] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldConflict:
    """A field both sides changed, which waits for a person; WHOLE_RECORD for delete against edit,
    where the values are the records' fields, None on the side that deleted it.
    """

    field: str
    external: Any
    linkhub: Any
    base: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """What is to be done. `to_linkhub` and `to_external` hold values by LinkHub's field names.

    `base` and `external_base` are true once LinkHub has `to_linkhub`. What goes to the provider is
    not in `base` yet, so that it is still to be done for whoever looks next; `agreed_after_export`
    tells what holds once that is done too.
    """

    fate: Fate = Fate.KEEP
    to_linkhub: Mapping[str, Any] = field(default_factory=dict)
    to_external: Mapping[str, Any] = field(default_factory=dict)
    conflicts: Sequence[FieldConflict] = ()
    base: Mapping[str, Any] = field(default_factory=dict)
    external_base: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_settled(self) -> bool:
        """Whether nothing has to be written anywhere and nothing waits for a person."""
        return self.fate in {Fate.KEEP, Fate.GONE} and not (
            self.to_linkhub or self.to_external or self.conflicts
        )


def merge(sides: Sides, terms: Terms) -> Merge:
    """Return what makes both sides agree again, as far as policy and choices allow."""
    external, linkhub = sides.external, sides.linkhub
    if external is None and linkhub is None:
        return Merge(fate=Fate.GONE, base=sides.base, external_base=sides.external_base)
    if linkhub is None:
        return _without_linkhub(external or {}, sides, terms)
    if external is None:
        return _without_external(linkhub, sides, terms)
    return _both(external, linkhub, sides, terms)


def agreed_after_export(
    merged: Merge, *, written: Mapping[str, Any], seen_as: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return base and external base once the provider has `written`, LinkHub's values by field.

    `seen_as`: what the mapping makes of them there.
    """
    seen = {name: seen_as.get(name) for name in written}
    return {**merged.base, **written}, {**merged.external_base, **seen}


def canonical(field_: Field, value: Any) -> WireValue:
    """Return a value in the one form in which equal values are equal; None for every empty one.

    Decimals have their field's scale, instants milliseconds. What the field could not hold stays.
    """
    if is_empty(value):
        return None
    try:
        if field_.type is FieldType.DATETIME:
            instant = read_instant(value, UTC).replace(tzinfo=None)
            return f"{instant.isoformat(timespec='milliseconds')}Z"
        return wire_converter(field_)(value)
    except RecordError:
        return value if isinstance(value, (str, int, bool)) else str(value)


def differs(
    fields: Iterable[Field], present: Mapping[str, Any], base: Mapping[str, Any]
) -> frozenset[str]:
    """Return the names of the fields whose value is another than that of the base."""
    return frozenset(
        each.name
        for each in fields
        if canonical(each, present.get(each.name)) != canonical(each, base.get(each.name))
    )


def _both(
    external: Mapping[str, Any], linkhub: Mapping[str, Any], sides: Sides, terms: Terms
) -> Merge:
    to_linkhub: dict[str, Any] = {}
    to_external: dict[str, Any] = {}
    conflicts: list[FieldConflict] = []
    base, external_base = dict(sides.base), dict(sides.external_base)
    by_external = differs(terms.fields, external, sides.external_base)
    by_linkhub = differs(terms.fields, linkhub, sides.base)
    apart = differs(terms.fields, external, linkhub)
    for each in terms.fields:
        name = each.name
        theirs, ours = external.get(name), linkhub.get(name)
        if name not in apart:
            base[name], external_base[name] = ours, theirs
        elif name in by_external and name in by_linkhub:
            winner = terms.choices.get(name) or _winner(sides, terms.policy)
            if winner is Side.EXTERNAL:
                to_linkhub[name] = base[name] = external_base[name] = theirs
            elif winner is Side.LINKHUB:
                # as if LinkHub had had their value too, and then got another: still to export,
                # whatever becomes of it until then
                base[name] = external_base[name] = theirs
                if name in terms.exportable:
                    to_external[name] = ours
            else:
                conflicts.append(
                    FieldConflict(
                        field=name, external=theirs, linkhub=ours, base=sides.base.get(name)
                    )
                )
        elif name in by_external:
            to_linkhub[name] = base[name] = external_base[name] = theirs
        elif name in by_linkhub and name in terms.exportable:
            to_external[name] = ours
    return Merge(
        to_linkhub=to_linkhub,
        to_external=to_external,
        conflicts=conflicts,
        base=base,
        external_base=external_base,
    )


def _without_linkhub(external: Mapping[str, Any], sides: Sides, terms: Terms) -> Merge:
    """Merge what LinkHub has deleted: an edit at the provider may save it."""
    kept = Merge(base=sides.base, external_base=sides.external_base)
    if not differs(terms.fields, external, sides.external_base):
        return _with_fate(kept, Fate.DELETE_EXTERNAL)
    winner = terms.choices.get(WHOLE_RECORD) or _survivor(Side.EXTERNAL, terms.policy)
    if winner is Side.LINKHUB:
        return _with_fate(kept, Fate.DELETE_EXTERNAL)
    if winner is None:
        return _asking(sides, kept)
    values = {each.name: external.get(each.name) for each in terms.fields}
    return Merge(
        fate=Fate.CREATE_LINKHUB, to_linkhub=values, base=values, external_base=dict(external)
    )


def _without_external(linkhub: Mapping[str, Any], sides: Sides, terms: Terms) -> Merge:
    """Merge what the provider has deleted: an edit in LinkHub may save it."""
    kept = Merge(base=sides.base, external_base=sides.external_base)
    if not differs(terms.fields, linkhub, sides.base):
        return _with_fate(kept, Fate.DELETE_LINKHUB)
    winner = terms.choices.get(WHOLE_RECORD) or _survivor(Side.LINKHUB, terms.policy)
    if winner is Side.EXTERNAL:
        return _with_fate(kept, Fate.DELETE_LINKHUB)
    if winner is None:
        return _asking(sides, kept)
    return Merge(
        fate=Fate.CREATE_EXTERNAL,
        to_external=exported(linkhub, terms),
        base=sides.base,
        external_base=sides.external_base,
    )


def exported(linkhub: Mapping[str, Any], terms: Terms) -> dict[str, Any]:
    """Return what a record new to the provider is made of: every exportable field with a value."""
    return {
        each.name: linkhub[each.name]
        for each in terms.fields
        if each.name in terms.exportable and not is_empty(linkhub.get(each.name))
    }


def _with_fate(merged: Merge, fate: Fate) -> Merge:
    return Merge(fate=fate, base=merged.base, external_base=merged.external_base)


def _asking(sides: Sides, kept: Merge) -> Merge:
    conflict = FieldConflict(
        field=WHOLE_RECORD, external=sides.external, linkhub=sides.linkhub, base=sides.base
    )
    return Merge(
        fate=Fate.ASK, conflicts=(conflict,), base=kept.base, external_base=kept.external_base
    )


def _winner(sides: Sides, policy: ConflictPolicy) -> Side | None:
    """Return whose value stays; None where a person must say."""
    if policy is ConflictPolicy.ASK:
        return None
    if policy is ConflictPolicy.LINKHUB:
        return Side.LINKHUB
    theirs, ours = sides.external_changed_at, sides.linkhub_changed_at
    if policy is ConflictPolicy.NEWEST and theirs and ours and ours > theirs:
        return Side.LINKHUB
    return Side.EXTERNAL


def _survivor(edited: Side, policy: ConflictPolicy) -> Side | None:
    """Return whose state stays where one side deleted what the other one edited."""
    if policy is ConflictPolicy.ASK:
        return None
    return edited if policy is ConflictPolicy.NEWEST else Side(policy.value)
