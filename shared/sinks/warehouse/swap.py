"""Checks a full load and makes its tables the live ones, in the caller's one transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from shared.domain.checkpoints import SavedCheckpoint
from shared.ports.sink import TableLoad
from shared.sinks.warehouse import names
from shared.sinks.warehouse.errors import BrokenLoadError, is_integrity_error
from shared.sinks.warehouse.ownership import Estate
from shared.sinks.warehouse.registry import OwnedTable, Role
from shared.sinks.warehouse.writer import repeated

if TYPE_CHECKING:
    from sqlalchemy import Connection


def swap_in(
    connection: Connection,
    estate: Estate,
    *,
    scope: str,
    saved: SavedCheckpoint,
    totals: Mapping[str, int],
    keep_previous: bool,
) -> list[TableLoad]:
    """Replace every live table of which the scope has a staged one, and say which.

    The old generation stays as `<table>__prev`; the one before it is dropped. Tables of streams
    that were not loaded stay. Raises BrokenLoadError when rows are missing, surplus or doubled,
    PermanentError when a name has become somebody else's.
    """
    staged = estate.registry.list_role(connection, Role.STAGING, scope=scope)
    expected = {names.bounded_key(stream): count for stream, count in totals.items()}
    missing = {s: n for s, n in expected.items() if n}.keys() - {o.stream for o in staged}
    if missing:
        stream = min(missing)
        raise _miscounted(stream, 0, expected[stream])
    for owned in staged:
        _check(connection, estate, owned, expected.get(owned.stream))
    return [
        _replace(connection, estate, owned, saved=saved, keep_previous=keep_previous)
        for owned in staged
    ]


def loads_of(
    connection: Connection, estate: Estate, *, scope: str, job_id: str
) -> Sequence[TableLoad]:
    """Return what a job has swapped in already."""
    live = estate.registry.list_role(connection, Role.LIVE, scope=scope)
    return [_load(o) for o in live if o.job_id == job_id and o.loaded_at is not None]


def _check(connection: Connection, estate: Estate, owned: OwnedTable, counted: int | None) -> None:
    """Prove the keys unique and the rows as many as the source counted, or as were written."""
    dialect = estate.dialect
    try:
        if not owned.repeats:  # else it was sealed when it was made
            estate.seal(connection, owned)
    except Exception as error:
        if not is_integrity_error(error):
            raise
        key = dialect.first_repeated_key(connection, owned.table_name)
        raise repeated(owned.stream, f"{key!r}") from None
    rows = dialect.count(connection, owned.table_name)
    wanted = owned.row_count if counted is None else counted - owned.rejected
    if rows != wanted:
        raise _miscounted(owned.stream, rows, wanted)
    owned.row_count = rows


def _replace(
    connection: Connection,
    estate: Estate,
    owned: OwnedTable,
    *,
    saved: SavedCheckpoint,
    keep_previous: bool,
) -> TableLoad:
    registry, dialect = estate.registry, estate.dialect
    old = {o.role: o for o in registry.list_all(connection) if o.stream == owned.stream}
    previous, live = old.get(Role.PREVIOUS), old.get(Role.LIVE)
    kept_name = names.previous_name(owned.target_name)
    if previous is not None:
        estate.drop(connection, previous)
    estate.require_ours(connection, owned.stream, (owned.target_name, kept_name))
    if live is not None and keep_previous and dialect.has_object(connection, live.table_name):
        dialect.rename(connection, live.table_name, kept_name)
        registry.retire(connection, live, name=kept_name)
    elif live is not None:
        estate.drop(connection, live)
    dialect.rename(connection, owned.table_name, owned.target_name)
    registry.promote(connection, owned, job_id=saved.job_id, checkpoint=json.dumps(saved.to_json()))
    return TableLoad(
        table=owned.target_name, generation=owned.generation, row_count=owned.row_count
    )


def _load(owned: OwnedTable) -> TableLoad:
    return TableLoad(table=owned.table_name, generation=owned.generation, row_count=owned.row_count)


def _miscounted(stream: str, rows: int, wanted: int) -> BrokenLoadError:
    return BrokenLoadError(
        f"Stream {stream!r} came with {rows:,} rows where {wanted:,} were due: the read was not "
        "complete. The table in the warehouse stays as it was; sync again."
    )
