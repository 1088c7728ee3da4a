"""Conflicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from functions.schemas.base import Wire
from shared.domain.conflicts import ConflictStatus
from shared.services.conflicts import LinkedConflict

Value = str | int | bool | Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict(Wire):
    """One field of one record that both sides changed since they agreed last.

    `field` is empty where one side deleted the record that the other one changed: the values are
    then all of its mapped fields, null on the side that has deleted it.
    """

    id: str
    instance_id: str
    provider: str
    stream: str
    external_id: str
    entity: str
    linkhub_id: str
    field: str
    external_value: Value
    linkhub_value: Value
    base_value: Value
    status: ConflictStatus
    settled_by: str
    settled_at: datetime | None
    closed_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, found: LinkedConflict) -> Self:
        """Return the conflict with the record it is about."""
        link = found.link
        return cls.like(
            found.conflict,
            stream=link.stream,
            external_id=link.external_id,
            entity=link.entity,
            linkhub_id=link.linkhub_id,
        )
