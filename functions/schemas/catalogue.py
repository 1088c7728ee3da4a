"""The provider catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from functions.schemas.base import Wire, to_camel
from shared.domain.providers import CatalogueEntry
from shared.domain.providers import ConnectionOption as DomainOption


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOption(Wire):
    """Something a person gives beside the credentials, under this name.

    `choices`: the values it can have, none for any.
    """

    name: str
    label: str
    required: bool
    is_url: bool
    default: str
    choices: Sequence[str]

    @classmethod
    def of(cls, option: DomainOption) -> Self:
        """Return the option by the name it has on the wire."""
        return cls.like(option, name=to_camel(option.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider(Wire):
    """An entry of the catalogue.

    `sink` linkhub: fields are mapped; warehouse: tables are chosen. `apiKeyLabel` is '' where no
    key works. `severalInstances`: a `connectionKey` tells them apart.
    """

    slug: str
    name: str
    description: str
    logo_url: str
    categories: Sequence[str]
    sync_directions: Sequence[str]
    sink: str
    auth_type: str
    api_key_label: str
    options: list[ConnectionOption]
    several_instances: bool
    docs_url: str

    @classmethod
    def of(cls, entry: CatalogueEntry) -> Self:
        """Return the entry as callers see it."""
        options = [ConnectionOption.of(option) for option in entry.options]
        return cls.like(entry, sync_directions=entry.directions, options=options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Providers(Wire):
    """The catalogue."""

    items: list[Provider]
