"""Which name a stream's table gets, and the promise that nobody else's table is touched."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from shared.domain.checkpoints import SavedCheckpoint
from shared.domain.selections import DriftPolicy
from shared.errors import PermanentError
from shared.sinks.warehouse import names
from shared.sinks.warehouse.dialect import Dialect
from shared.sinks.warehouse.registry import OwnedTable, Owner, Registry, Role
from shared.sinks.warehouse.types import BASE_COLUMNS, TIME, Column

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """The part of a warehouse that one instance owns."""

    instance_id: str
    prefix: str
    dialect: Dialect
    registry: Registry
    drift: Mapping[str, DriftPolicy] = field(default_factory=dict)

    def policy(self, stream: str) -> DriftPolicy:
        """Return how the stream's table may change, EVOLVE where nobody chose."""
        return self.drift.get(stream, DriftPolicy.EVOLVE)

    def former(self, connection: Connection, stream: str) -> dict[str, Column]:
        """Return the columns of the stream's live table by field; none where there is no table."""
        live = self.registry.find(connection, stream, Role.LIVE)
        if live is None or not self.dialect.has_object(connection, live.table_name):
            return {}
        return {column.field: replace(column, has_vanished=False) for column in live.columns}

    def add_staging(
        self, connection: Connection, stream: str, *, scope: str, job_id: str, repeats: bool = False
    ) -> OwnedTable:
        """Register the table a full load of `stream` goes to; it is not created yet.

        Where columns stay as they are, it has those of the live table from the start. Raises
        PermanentError when a name it needs is somebody else's.
        """
        key = names.bounded_key(stream)
        former = self.former(connection, stream)
        keeps_columns = former and self.policy(stream) is DriftPolicy.FREEZE
        name = self._live_name(connection, stream)
        staging = names.staging_name(name, self.instance_id)
        self.require_ours(connection, key, (name, names.previous_name(name), staging))
        owned = OwnedTable(
            stream=key,
            role=Role.STAGING,
            scope=names.bounded_key(scope),
            table_name=staging,
            target_name=name,
            columns=list(former.values() if keeps_columns else BASE_COLUMNS),
            generation=self._next_generation(connection, key),
            repeats=repeats,
            job_id=job_id,
        )
        self.registry.save(connection, owned)
        return owned

    def add_live(
        self, connection: Connection, stream: str, *, scope: str, job_id: str
    ) -> OwnedTable:
        """Register a live table for a stream that had none; it is not created yet.

        Raises PermanentError when its name is somebody else's.
        """
        name = self._live_name(connection, stream)
        self.require_ours(connection, names.bounded_key(stream), (name,))
        owned = OwnedTable(
            stream=names.bounded_key(stream),
            role=Role.LIVE,
            scope=names.bounded_key(scope),
            table_name=name,
            target_name=name,
            generation=self._next_generation(connection, names.bounded_key(stream)),
            job_id=job_id,
        )
        self.registry.save(connection, owned)
        return owned

    def seal(self, connection: Connection, owned: OwnedTable) -> None:
        """Make the key of a table of ours unique; raise IntegrityError if it is not."""
        index = names.index_name(owned.target_name, self.instance_id, owned.generation)
        self.dialect.seal(connection, owned.table_name, index=index)

    def show(self, connection: Connection, owned: OwnedTable) -> None:
        """Make the view of a live table say what the table has now, and note its name.

        Where its name is taken it gets another one; where that is taken too there is no view.
        """
        self.hide(connection, owned)
        taken = {column.name.lower() for column in owned.columns}
        for name in names.view_names(owned.table_name):
            if not self.dialect.has_object(connection, name):
                self.dialect.create_view(
                    connection,
                    name,
                    owned.table_name,
                    owned.columns,
                    time_name=names.column_name(TIME, taken=taken),
                )
                owned.view_name = name
                break
        self.registry.save(connection, owned)

    def hide(self, connection: Connection, owned: OwnedTable) -> None:
        """Drop the view of a table, if it has one: some databases let it hold the table fast."""
        if owned.view_name:
            self.dialect.drop_view(connection, owned.view_name)
            owned.view_name = ""

    def mend_views(self, connection: Connection, *, scope: str) -> None:
        """Drop the views of tables that are gone, and make those again that are."""
        there = self.dialect.list_objects(connection)
        for owned in self.registry.list_role(connection, Role.LIVE, scope=scope):
            if owned.table_name.lower() not in there:
                if owned.view_name:
                    self.hide(connection, owned)
                    self.registry.save(connection, owned)
            elif owned.view_name.lower() not in there:
                self.show(connection, owned)

    def settle(self, connection: Connection, *, scope: str, saved: SavedCheckpoint) -> None:
        """Note with every live table of a scope how far it is, and mend what people see of it."""
        text = json.dumps(saved.to_json())
        self.registry.settle(connection, scope=scope, checkpoint=text)
        self.mend_views(connection, scope=scope)

    def drop(self, connection: Connection, owned: OwnedTable) -> None:
        """Drop a table of ours and its view, and forget it."""
        self.hide(connection, owned)
        self.dialect.drop(connection, owned.table_name)
        self.registry.remove(connection, owned)

    def require_ours(self, connection: Connection, key: str, wanted: Iterable[str]) -> None:
        """Raise PermanentError if a name is taken by anything but the stream of this key.

        Names of another's tables that somebody has dropped are free, and are forgotten.
        """
        ours = (self.instance_id, key)
        for name in wanted:
            owners = self.registry.owners_of(connection, name)
            others = [owner for owner in owners if owner[:2] != ours]
            taken = [owner for owner in others if not self._is_given_up(connection, owner)]
            if taken:
                whose = (
                    f"stream {taken[0].stream!r} of this instance"
                    if taken[0].instance_id == self.instance_id
                    else "another instance"
                )
                raise PermanentError(
                    f"Table {name!r} of the warehouse belongs to {whose}: make this instance with "
                    "a connection key of its own, which becomes the prefix of its tables, or drop "
                    "that table, its view and its previous generation if nobody needs them."
                )
            is_made = any(owner.table_name.lower() == name.lower() for owner in owners)
            if not is_made and self.dialect.has_object(connection, name):
                raise PermanentError(
                    f"The warehouse already has {name!r}, which LinkHub did not make and will not "
                    "touch: rename it, or make this instance with a connection key, which becomes "
                    "the prefix of its tables."
                )

    def _is_given_up(self, connection: Connection, owner: Owner) -> bool:
        """Whether somebody has dropped the table of this entry; then it is forgotten.

        One that is staged is not forgotten: it may be about to be made.
        """
        if self.dialect.has_object(connection, owner.table_name):
            return False
        if owner.role is not Role.STAGING:
            self.registry.forget(connection, owner)
        return True

    def _next_generation(self, connection: Connection, key: str) -> int:
        """Return a number no table of the stream has: one may have been set aside by an undo."""
        mine = self.registry.list_stream(connection, key)
        return 1 + max((owned.generation for owned in mine), default=0)

    def _live_name(self, connection: Connection, stream: str) -> str:
        others = _Others(connection, self.registry, names.bounded_key(stream))
        return names.table_name(stream, prefix=self.prefix, taken=others)


class _Others:
    """The names that streams other than that of the key have, looked up one by one: an instance may
    have hundreds of tables, and each asks for a name or two.
    """

    def __init__(self, connection: Connection, registry: Registry, key: str) -> None:
        self._connection = connection
        self._registry = registry
        self._key = key

    def __contains__(self, name: object) -> bool:
        return self._registry.is_used(self._connection, str(name), but_by=self._key)
