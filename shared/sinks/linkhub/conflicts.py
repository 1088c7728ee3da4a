"""Conflicts as both ways of a sync find them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from shared.domain.changes import RecordProblem
from shared.domain.conflicts import Conflict
from shared.domain.conversions import is_empty, read_instant
from shared.domain.ids import new_id
from shared.domain.instances import Instance
from shared.domain.links import RecordLink
from shared.domain.merge import FieldConflict
from shared.errors import RecordError

_MESSAGE = "It was changed on both sides: settle the conflict to say whose value stays."


def conflicts_of(
    instance: Instance, link: RecordLink, found: Iterable[FieldConflict], *, now: datetime
) -> list[Conflict]:
    """Return what waits for a person, as it is stored."""
    return [
        Conflict(
            id=new_id(),
            instance_id=instance.id,
            profile_id=instance.profile_id,
            provider=instance.provider,
            record_link_id=link.id,
            field=each.field,
            external_value=each.external,
            linkhub_value=each.linkhub,
            base_value=each.base,
            created_at=now,
            updated_at=now,
        )
        for each in found
    ]


def warnings_of(stream: str, key: str, found: Iterable[FieldConflict]) -> list[RecordProblem]:
    """Return what the log tells of them."""
    return [
        RecordProblem(
            stream=stream, key=key, field=each.field, message=_MESSAGE, severity="warning"
        )
        for each in found
    ]


def by_link(found: Iterable[Conflict]) -> Mapping[str, Sequence[Conflict]]:
    """Return conflicts by the link they are about."""
    groups: dict[str, list[Conflict]] = defaultdict(list)
    for conflict in found:
        groups[conflict.record_link_id].append(conflict)
    return groups


def read_time(value: Any) -> datetime | None:
    """Return when a side says it changed a record; None where it does not tell, or not clearly."""
    if is_empty(value):
        return None
    try:
        return read_instant(value, UTC)
    except RecordError:
        return None
