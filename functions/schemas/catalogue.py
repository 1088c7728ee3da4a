"""The provider catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from functions.schemas.base import Wire
from shared.domain.providers import CatalogueEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider(Wire):
    """An entry of the catalogue."""

    slug: str
    name: str
    description: str
    logo_url: str
    categories: Sequence[str]
    sync_directions: Sequence[str]
    auth_type: str
    api_key_label: str
    docs_url: str

    @classmethod
    def of(cls, entry: CatalogueEntry) -> Self:
        """Return the entry as callers see it."""
        return cls.like(entry, sync_directions=entry.directions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Providers(Wire):
    """The catalogue."""

    items: list[Provider]
