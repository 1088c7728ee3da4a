"""The catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import select, true

from shared.domain.ids import new_id
from shared.domain.providers import CatalogueEntry, ConnectionOption, Direction, ProviderSpec
from shared.errors import NotFoundError
from shared.store.rows import from_row, to_row
from shared.store.session import SqlSession
from shared.store.tables import providers
from shared.store.upserts import upsert

_RENAMED = ("directions", "options")


class SqlProviderRepository:
    """Providers as the adapters declare them, and whether an admin lets them be used."""

    def __init__(self, session: SqlSession) -> None:
        self._session = session

    def upsert(self, spec: ProviderSpec, *, now: datetime) -> None:
        """Make the catalogue say what the adapter says; an admin's `is_active` stays."""
        row = to_row(spec, without=(*_RENAMED, "is_active")) | {
            "id": new_id(),
            "sync_directions": [direction.value for direction in spec.directions],
            "connection_options": [asdict(option) for option in spec.options],
            "is_active": True,
            "created_at": now,
            "updated_at": now,
        }
        kept = {"id", "slug", "is_active", "created_at"}
        update = tuple(name for name in row if name not in kept)
        upsert(self._session, providers, [row], key=("slug",), update=update)

    def list_active(self) -> Sequence[CatalogueEntry]:
        """Return the providers that may be used, by name."""
        statement = select(providers).where(providers.c.is_active == true())
        rows = self._session.all(statement.order_by(providers.c.name, providers.c.slug))
        return [_entry(row) for row in rows]

    def list_slugs(self) -> Sequence[str]:
        """Return the slugs of all providers, switched off or not."""
        statement = select(providers.c.slug).order_by(providers.c.slug)
        return [row["slug"] for row in self._session.all(statement)]

    def get(self, slug: str) -> CatalogueEntry:
        """Return a provider, switched off or not; NotFoundError for an unknown slug."""
        row = self._session.first(select(providers).where(providers.c.slug == slug))
        if row is None:
            raise NotFoundError(f"There is no provider {slug!r} in the catalogue.")
        return _entry(row)


def _entry(row: Mapping[Any, Any]) -> CatalogueEntry:
    return from_row(
        CatalogueEntry,
        row,
        categories=tuple(row["categories"]),
        oauth_scopes=tuple(row["oauth_scopes"]),
        directions=tuple(Direction(direction) for direction in row["sync_directions"]),
        options=tuple(
            ConnectionOption(**{**option, "choices": tuple(option["choices"])})
            for option in row["connection_options"]
        ),
    )
