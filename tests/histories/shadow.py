"""What must come of what people did: written from docs/both-ways.md, not from the product.

It keeps for each thing what both sides had when they last agreed, looks at both sides before the
jobs, and tells how they must look after them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.domain.policies import ConflictPolicy
from tests.histories.people import Values

FIELDS = ("name", "description", "status", "budget", "end_date", "progress")
IMPORT_ONLY = "progress"
WITHOUT_INVERSE = "AT_RISK"
WHOLE = ""
EXTERNAL, LINKHUB = "external", "linkhub"


@dataclass(frozen=True, slots=True)
class Look:
    """A thing on one side: its values, None where it is deleted, and when it was changed last."""

    values: Values | None
    at: datetime


@dataclass(slots=True)
class Thing:
    """A thing on both sides, or what it must be. `asked`: the fields that wait for a person.

    The bases are what each side had when they agreed, None where there is no link between them;
    `is_unsure` where they hang on the moment of a job in which somebody edited it.
    """

    external: Values | None
    linkhub: Values | None
    asked: set[str] = field(default_factory=set)
    external_base: Values | None = None
    base: Values | None = None
    is_unsure: bool = False


def normal(name: str, value: Any) -> Any:
    """Return what a value of LinkHub's is after it was at the application and came back."""
    return " ".join(value.split()) if name == "name" else value


def travels(name: str, value: Any) -> bool:
    """Whether the application can take it."""
    return name != IMPORT_ONLY and not (name == "status" and value == WITHOUT_INVERSE)


def outcome(
    external: Look | None,
    linkhub: Look | None,
    before: Thing | None,
    *,
    policy: ConflictPolicy,
    choices: Mapping[str, str],
) -> Thing:
    """Return how a thing must be once the jobs are done."""
    theirs = None if external is None else external.values
    ours = None if linkhub is None else linkhub.values
    base = {} if before is None or before.base is None else before.base
    external_base = {} if before is None or before.external_base is None else before.external_base
    is_linked = before is not None and before.base is not None
    if theirs is not None and ours is not None:
        assert external is not None
        assert linkhub is not None
        newer = LINKHUB if linkhub.at > external.at else EXTERNAL
        winner = {
            ConflictPolicy.EXTERNAL: EXTERNAL,
            ConflictPolicy.LINKHUB: LINKHUB,
            ConflictPolicy.NEWEST: newer,
        }.get(policy)
        made = Thing({}, {}, external_base=dict(external_base), base=dict(base))
        made.external, made.linkhub = dict(theirs), dict(ours)
        for name in FIELDS:
            _merge_field(made, name, choices.get(name) or winner)
        return made
    if theirs is None and ours is None:
        return Thing(None, None)
    if not is_linked:
        return imported(theirs) if ours is None else created(ours)
    deleted, edited = (EXTERNAL, LINKHUB) if theirs is None else (LINKHUB, EXTERNAL)
    present = ours if theirs is None else theirs
    assert present is not None
    known = base if theirs is None else external_base
    winner = choices.get(WHOLE)
    if all(present.get(name) == known.get(name) for name in FIELDS):
        winner = deleted
    elif winner is None and policy is ConflictPolicy.ASK:
        return Thing(theirs, ours, {WHOLE}, external_base, base)
    elif winner is None:
        winner = edited if policy is ConflictPolicy.NEWEST else policy.value
    if winner == deleted:
        return Thing(None, None)
    return imported(theirs) if ours is None else created(ours)


def imported(theirs: Values | None) -> Thing:
    """Return a thing that is new to LinkHub."""
    assert theirs is not None
    return Thing(dict(theirs), dict(theirs), set(), dict(theirs), dict(theirs))


def created(ours: Values) -> Thing:
    """Return a thing that is new to the application."""
    made = {
        name: normal(name, value)
        for name, value in ours.items()
        if name in FIELDS and travels(name, value)
    }
    theirs = {"status": "ON_TIME", **made}
    kept = {**ours, **made}
    return Thing(theirs, kept, set(), dict(theirs), dict(kept))


def _merge_field(made: Thing, name: str, winner: str | None) -> None:
    theirs, ours, external_base, base = made.external, made.linkhub, made.external_base, made.base
    assert theirs is not None
    assert ours is not None
    assert external_base is not None
    assert base is not None
    their, our = theirs.get(name), ours.get(name)
    is_theirs, is_ours = their != external_base.get(name), our != base.get(name)
    if their != our and not is_theirs and not is_ours:
        return
    if their != our and is_theirs and is_ours and winner is None:
        made.asked.add(name)
        return
    if their != our and is_ours and (not is_theirs or winner == LINKHUB):
        if is_theirs:
            _set(external_base, name, their)
            _set(base, name, their)
        if not travels(name, our):
            return
        their = our = normal(name, our)
    elif their != our:
        our = their
    for side in (theirs, ours, external_base, base):
        _set(side, name, their)


def _set(values: Values, name: str, value: Any) -> None:
    values.pop(name, None)
    if value is not None:
        values[name] = value
