"""Takes a full load back: the generation before it is live again, and its checkpoint with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.domain.changes import RecordProblem
from shared.domain.checkpoints import SavedCheckpoint
from shared.errors import PermanentError
from shared.ports.sink import RestoreResult
from shared.sinks.warehouse import names
from shared.sinks.warehouse.ownership import Estate
from shared.sinks.warehouse.registry import OwnedTable, Role
from shared.sinks.warehouse.swap import load_of

if TYPE_CHECKING:
    from sqlalchemy import Connection


Restoration = Sequence[tuple[OwnedTable, OwnedTable | None]]
"""What is to be given back: each live table with the one before it, None for none."""


def find_restoration(connection: Connection, estate: Estate, *, job_id: str) -> Restoration:
    """Return what a job's load replaced; raise PermanentError where that cannot be given back."""
    every = estate.registry.list_all(connection)
    live = [
        owned
        for owned in every
        if owned.role is Role.LIVE and owned.job_id == job_id and owned.loaded_at is not None
    ]
    if not live or any(owned.undone_by for owned in live):
        raise PermanentError(
            f"Job {job_id} replaced no table that is live now, so there is nothing to take back: "
            "only the latest full load of a table can be undone. Changes of an incremental sync "
            "cannot; start a full sync instead."
        )
    previous = {owned.stream: owned for owned in every if owned.role is Role.PREVIOUS}
    there = estate.dialect.list_objects(connection)
    pairs = [(owned, previous.get(owned.stream)) for owned in live]
    lost = [
        owned.stream
        for owned, before in pairs
        if (owned.generation > 1 if before is None else before.table_name.lower() not in there)
    ]
    if lost:
        raise PermanentError(
            f"The generation before job {job_id} is not kept of {', '.join(map(repr, lost))}: "
            "nothing was taken back. Start a full sync instead."
        )
    return pairs


def checkpoints_of(restoration: Restoration) -> dict[str, SavedCheckpoint | None]:
    """Return where the next sync of each scope (its key) goes on from, None for from the start.

    All tables of a scope had the same place, noted when the last sync before the load ended; where
    they do not tell one, everything is read.
    """
    places: dict[str, set[str | None]] = {live.scope: set() for live, _ in restoration}
    for live, previous in restoration:
        if previous is not None:
            places[live.scope].add(previous.checkpoint)
    found = {
        scope: next(iter(texts)) if len(texts) == 1 else None for scope, texts in places.items()
    }
    return {
        scope: None if text is None else SavedCheckpoint.from_json(json.loads(text))
        for scope, text in found.items()
    }


def restore(
    connection: Connection, estate: Estate, restoration: Restoration, *, undo_job_id: str
) -> None:
    """Exchange the live tables for those before them, all of them or none.

    The load that is taken back stays as `<table>__prev`, for people to look at, until the next one
    is swapped in; so does a table that it had made.
    """
    for live, previous in restoration:
        _exchange(connection, estate, live, previous, undo_job_id=undo_job_id)


def restored_by(connection: Connection, estate: Estate, undo_job_id: str) -> RestoreResult | None:
    """Return what an undo has done already, None if it has done nothing."""
    touched = [o for o in estate.registry.list_all(connection) if o.undone_by == undo_job_id]
    live = {owned.stream: owned for owned in touched if owned.role is Role.LIVE}
    aside = [o for o in touched if o.role is Role.PREVIOUS and o.stream not in live]
    if not touched:
        return None
    return RestoreResult(
        loads=tuple(load_of(owned) for owned in live.values()),
        set_aside=tuple(owned.target_name for owned in aside),
        problems=tuple(
            RecordProblem(stream=owned.stream, key="", message=message, severity="info")
            for owned, message in (
                *((owned, _given_back(owned)) for owned in live.values()),
                *((owned, _set_aside(owned)) for owned in aside),
            )
        ),
    )


def _exchange(
    connection: Connection,
    estate: Estate,
    live: OwnedTable,
    previous: OwnedTable | None,
    *,
    undo_job_id: str,
) -> None:
    registry, dialect = estate.registry, estate.dialect
    name = live.table_name
    kept_name = names.previous_name(name)
    aside = names.staging_name(name, f"{estate.instance_id} undo")
    estate.require_ours(connection, live.stream, (name, kept_name, aside))
    estate.hide(connection, live)
    is_there = dialect.has_object(connection, name)
    if is_there:
        dialect.rename(connection, name, aside)
    if previous is not None:
        dialect.rename(connection, previous.table_name, name)
        registry.remove(connection, previous)
    registry.remove(connection, live)
    if is_there:
        dialect.rename(connection, aside, kept_name)
        live.undone_by = undo_job_id
        registry.retire(connection, live, name=kept_name)
    if previous is not None:
        previous.role, previous.table_name, previous.target_name = Role.LIVE, name, name
        previous.undone_by = undo_job_id
        estate.show(connection, previous)


def _given_back(owned: OwnedTable) -> str:
    return (
        f"Table {owned.table_name} is generation {owned.generation} again, of "
        f"{owned.row_count:,} rows. The next incremental sync brings what has changed since; what "
        f"was taken back is {names.previous_name(owned.table_name)} until the next full one."
    )


def _set_aside(owned: OwnedTable) -> str:
    return (
        f"Table {owned.target_name} was not there before that load: it is {owned.table_name} now, "
        "until the next full sync."
    )
