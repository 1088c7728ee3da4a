"""The provider catalogue."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.providers import CatalogueEntry
from shared.errors import NotFoundError
from shared.services.deps import OpenUow


def list_providers(*, open_uow: OpenUow) -> Sequence[CatalogueEntry]:
    """Return the providers a customer can choose, by name."""
    with open_uow(read_only=True) as uow:
        return [entry for entry in uow.providers.list_active() if entry.is_public]


def get_provider(slug: str, *, open_uow: OpenUow) -> CatalogueEntry:
    """Return one of them; raise NotFoundError for any other slug."""
    with open_uow(read_only=True) as uow:
        entry = uow.providers.get(slug)
    if not entry.is_active or not entry.is_public:
        raise NotFoundError(f"There is no provider {slug!r}.")
    return entry
