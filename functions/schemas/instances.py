"""Instances and their connections."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, SecretStr
from pydantic.alias_generators import to_camel

from functions.schemas.base import Input, Name, Wire
from shared.domain.instances import Instance as DomainInstance


class InstanceInput(Input):
    """A new instance. `connectionKey` tells several of one provider apart, where it allows them."""

    provider: Annotated[str, Field(min_length=1, max_length=64)]
    name: Name = ""
    connection_key: Annotated[str, Field(max_length=64, pattern=r"^[0-9A-Za-z_-]*$")] = ""


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
        values = {name: getattr(instance, name) for name in cls.model_fields if name != "options"}
        options = {to_camel(name): value for name, value in instance.options.items()}
        return cls(**values, options=options)


OptionName = Annotated[str, Field(max_length=64)]
OptionValue = Annotated[str, Field(max_length=2000)]


class ConnectionInput(Input):
    """A key and the options the provider asks for, such as `deploymentUrl`.

    `replaceAccount` starts over with another account, before the instance was ever activated.
    """

    api_key: Annotated[SecretStr, Field(min_length=1, max_length=8000)]
    options: dict[OptionName, OptionValue] = Field(max_length=20, default_factory=dict)
    replace_account: bool = False


class Connection(Wire):
    """A connection that was just proven to work."""

    instance: Instance
    account: str
    label: str
