"""Instances and their connections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from functions.schemas.base import Wire, to_camel
from shared.domain.instances import Frequency, InstanceStatus, SetupStep
from shared.domain.instances import Instance as DomainInstance
from shared.domain.providers import Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance(Wire):
    """An instance, without anything secret."""

    id: str
    provider: str
    connection_key: str
    name: str
    setup_step: SetupStep
    status: InstanceStatus
    status_reason: str
    sync_direction: Direction
    destination: str
    frequency: Frequency
    frequency_details: Mapping[str, Any]
    time_zone: str
    policies: Mapping[str, Any]
    options: dict[str, str]
    config_version: int
    created_at: datetime
    updated_at: datetime

    @property
    def etag(self) -> str:
        """The version a later change of it may name with `If-Match`."""
        return f'"{self.config_version}"'

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

    @property
    def etag(self) -> str:
        """The instance's version."""
        return self.instance.etag


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn(Wire):
    """A sign-in that was begun: the provider's page the person's browser must be sent to."""

    authorize_url: str
