"""What differs between databases: types, DDL, the bulk route and what a column can hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from shared.sinks.warehouse.packing import Storage
from shared.sinks.warehouse.types import Column

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


class Dialect(Storage, Protocol):
    """One database's way. Table names are plain ASCII; column names may be anything.

    Every statement runs in the transaction the connection has open. Errors are the driver's.
    """

    schema: str
    """The schema all our tables are in, '' for the login's own."""

    def prepare(self, engine: Engine) -> None:
        """Make every new connection of the engine ready for our use."""

    def check(self, connection: Connection) -> None:
        """Raise PermanentError when the schema does not exist."""

    def has_object(self, connection: Connection, name: str) -> bool:
        """Whether a table, a view or anything else has this name, by the catalogue's own rules."""

    def create(self, connection: Connection, table: str, columns: Sequence[Column]) -> None:
        """Create a table: the key, these columns, and the companion last."""

    def add(self, connection: Connection, table: str, columns: Sequence[Column]) -> None:
        """Add columns that are NULL in every row."""

    def seal(self, connection: Connection, table: str, *, index: str) -> None:
        """Make the key unique where `create` did not; raise IntegrityError if it is not."""

    def insert(
        self,
        connection: Connection,
        table: str,
        columns: Sequence[Column],
        rows: Iterable[tuple[Any, ...]],
        *,
        with_companion: bool,
    ) -> None:
        """Insert rows of (key, *columns) and, `with_companion`, the companion's value."""

    def delete(self, connection: Connection, table: str, keys: Sequence[str]) -> int:
        """Delete the rows of these keys, if they are there; return how many were."""

    def count(self, connection: Connection, table: str) -> int:
        """Return how many rows there are."""

    def first_repeated_key(self, connection: Connection, table: str) -> str | None:
        """Return a key that stands in several rows, None if every one is unique."""

    def drop(self, connection: Connection, table: str) -> None:
        """Drop a table if it is there."""

    def rename(self, connection: Connection, table: str, new: str) -> None:
        """Rename a table; views that name it keep their text."""
