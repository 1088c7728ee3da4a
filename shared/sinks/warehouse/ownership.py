"""Which name a stream's table gets, and the promise that nobody else's table is touched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.errors import PermanentError
from shared.sinks.warehouse import names
from shared.sinks.warehouse.dialect import Dialect
from shared.sinks.warehouse.registry import OwnedTable, Registry, Role

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """The part of a warehouse that one instance owns."""

    instance_id: str
    prefix: str
    dialect: Dialect
    registry: Registry

    def add_staging(
        self, connection: Connection, stream: str, *, scope: str, job_id: str, repeats: bool = False
    ) -> OwnedTable:
        """Register the table a full load of `stream` goes to; it is not created yet.

        Raises PermanentError when a name it needs is somebody else's.
        """
        live = self.registry.find(connection, stream, Role.LIVE)
        name = self._live_name(connection, stream)
        staging = names.staging_name(name, self.instance_id)
        self.require_ours(
            connection, names.bounded_key(stream), (name, names.previous_name(name), staging)
        )
        owned = OwnedTable(
            stream=names.bounded_key(stream),
            role=Role.STAGING,
            scope=names.bounded_key(scope),
            table_name=staging,
            target_name=name,
            generation=1 if live is None else live.generation + 1,
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
            generation=1,
            job_id=job_id,
        )
        self.registry.save(connection, owned)
        return owned

    def seal(self, connection: Connection, owned: OwnedTable) -> None:
        """Make the key of a table of ours unique; raise IntegrityError if it is not."""
        index = names.index_name(owned.target_name, self.instance_id, owned.generation)
        self.dialect.seal(connection, owned.table_name, index=index)

    def drop(self, connection: Connection, owned: OwnedTable) -> None:
        """Drop a table of ours and forget it."""
        self.dialect.drop(connection, owned.table_name)
        self.registry.remove(connection, owned)

    def require_ours(self, connection: Connection, key: str, wanted: Iterable[str]) -> None:
        """Raise PermanentError if a name is taken by anything but the stream of this key."""
        ours = (self.instance_id, key)
        for name in wanted:
            owners = self.registry.owners_of(connection, name)
            others = [owner[:2] for owner in owners if owner[:2] != ours]
            if others:
                instance_id, other = others[0]
                whose = (
                    f"stream {other!r} of this instance"
                    if instance_id == self.instance_id
                    else "another instance"
                )
                raise PermanentError(
                    f"Table {name!r} of the warehouse belongs to {whose}: make this instance with "
                    "a connection key of its own, which becomes the prefix of its tables."
                )
            is_made = any(made for _, _, made in owners)
            if not is_made and self.dialect.has_object(connection, name):
                raise PermanentError(
                    f"The warehouse already has {name!r}, which LinkHub did not make and will not "
                    f"touch: rename it, or give this instance a table prefix."
                )

    def _live_name(self, connection: Connection, stream: str) -> str:
        key = names.bounded_key(stream)
        others = [o for o in self.registry.list_all(connection) if o.stream != key]
        taken = {name.lower() for o in others for name in (o.table_name, o.target_name)}
        return names.table_name(stream, prefix=self.prefix, taken=taken)
