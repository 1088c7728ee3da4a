"""The provider catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from functions.schemas.base import Wire
from shared.domain.providers import CatalogueEntry


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
        return cls(
            slug=entry.slug,
            name=entry.name,
            description=entry.description,
            logo_url=entry.logo_url,
            categories=entry.categories,
            sync_directions=entry.directions,
            auth_type=entry.auth_type,
            api_key_label=entry.api_key_label,
            docs_url=entry.docs_url,
        )


class Providers(Wire):
    """The catalogue."""

    items: list[Provider]
