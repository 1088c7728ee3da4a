"""The provider catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.domain.providers import CatalogueEntry
from shared.errors import InvalidInputError, NotFoundError
from shared.services.deps import OpenUow

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork


def list_providers(*, open_uow: OpenUow) -> Sequence[CatalogueEntry]:
    """Return the providers a customer can choose, by name."""
    with open_uow(read_only=True) as uow:
        return [entry for entry in uow.providers.list_active() if entry.is_public]


def get_provider(slug: str, *, open_uow: OpenUow) -> CatalogueEntry:
    """Return one of them; raise NotFoundError for any other slug."""
    with open_uow(read_only=True) as uow:
        entry = find_choice(uow, slug)
    if entry is None:
        raise NotFoundError(f"There is no provider {slug[:64]!r}.")
    return entry


def find_choice(uow: UnitOfWork, slug: str) -> CatalogueEntry | None:
    """Return a provider that a customer can choose, None for any other text."""
    try:
        entry = uow.providers.get(slug)
    except (NotFoundError, InvalidInputError):  # the latter for what no slug looks like
        return None
    return entry if entry.is_active and entry.is_public else None
