"""Rows about single records, put where the routes find them."""

from __future__ import annotations

from typing import Any

from functions.bootstrap import App
from shared.domain.ids import new_id
from tests.store_kit import make_conflict, make_link


def add_conflict(app: App, instance_id: str, **values: Any) -> str:
    """Return the id of a new open conflict of a record of its own."""
    with app.open_uow() as uow:
        instance = uow.instances.get(instance_id, profile_id=None)
        link = make_link(instance_id, new_id())
        uow.links.save_many([link])
        conflict = make_conflict(instance, link.id, **values)
        uow.conflicts.record([conflict], now=conflict.updated_at)
        uow.commit()
    return conflict.id
