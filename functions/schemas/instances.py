"""Instances and their connections."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from functions.schemas.base import Wire, to_camel
from shared.domain.instances import Instance as DomainInstance


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance(Wire):
    """An instance, without anything secret."""

    id: str
    provider: str
    connection_key: str
    name: str
    setup_step: str
    status: str
    status_reason: str
    sync_direction: str
    destination: str
    frequency: str
    time_zone: str
    options: dict[str, str]
    config_version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, instance: DomainInstance) -> Self:
        """Return the instance as its owner sees it; option names in camelCase like all names."""
        options = {to_camel(name): value for name, value in instance.options.items()}
        return cls.like(instance, options=options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection(Wire):
    """A connection that was just proven to work."""

    instance: Instance
    account: str
    label: str
