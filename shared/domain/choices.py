"""What a person chose for a conflict, and whether that still is about what the person saw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from shared.domain.conflicts import Conflict, ConflictStatus
from shared.domain.fields import Field
from shared.domain.merge import WHOLE_RECORD, Side, canonical, differs

_CHOSEN = {
    ConflictStatus.SETTLED_EXTERNAL: Side.EXTERNAL,
    ConflictStatus.SETTLED_LINKHUB: Side.LINKHUB,
}


class Choices(NamedTuple):
    """`sides` by field. `carried_out` and `moot` are ids of conflicts: those a merge with these
    sides settles, and those whose losing side was edited since, so that they say nothing any more.
    """

    sides: dict[str, Side]
    carried_out: list[str]
    moot: list[str]


def choices_of(
    settled: Iterable[Conflict],
    *,
    fields: Sequence[Field],
    external: Mapping[str, Any] | None,
    linkhub: Mapping[str, Any] | None,
) -> Choices:
    """Return what the settled conflicts of one record say of both sides as they are now."""
    made = Choices({}, [], [])
    by_name = {each.name: each for each in fields}
    for conflict in settled:
        side = _CHOSEN.get(conflict.status)
        if side is None:
            continue
        external_loses = side is Side.LINKHUB
        loser = external if external_loses else linkhub
        seen = conflict.external_value if external_loses else conflict.linkhub_value
        if _is_as_seen(conflict.field, loser, seen, by_name):
            made.sides[conflict.field] = side
            made.carried_out.append(conflict.id)
        else:
            made.moot.append(conflict.id)
    return made


def _is_as_seen(
    name: str, present: Mapping[str, Any] | None, seen: Any, fields: Mapping[str, Field]
) -> bool:
    if name == WHOLE_RECORD:
        if present is None or seen is None:
            return present is None and seen is None
        return not differs(fields.values(), present, seen)
    if present is None or name not in fields:
        return False
    return canonical(fields[name], present.get(name)) == canonical(fields[name], seen)
