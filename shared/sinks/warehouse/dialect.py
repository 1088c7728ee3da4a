"""What differs between databases: types, DDL, the bulk route and what a column can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from shared.sinks.warehouse.feeds import Part, Send
from shared.sinks.warehouse.fitting import Storage
from shared.sinks.warehouse.hashing import Total
from shared.sinks.warehouse.types import Column

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


class SideRoute(Protocol):
    """How staging tables are filled by connections of their own.

    A table's rows then have the number of their batch in BATCH_COLUMN, until `seal` takes it away.
    """

    fewest_rows: int
    """Below which no table is worth it."""

    def is_worth(
        self, connection: Connection, table: str, columns: Sequence[Column], *, rows: int
    ) -> bool:
        """Whether a table that gets at least so many rows, `fewest_rows` or more, is worth a
        connection.

        The first such one is what a bulk route is tried out with; it is committed, and stays as it
        was.
        """

    def insert(
        self, connection: Connection, table: str, columns: Sequence[Column], rows: Part
    ) -> None:
        """Insert rows of (key, hash, *columns, companion) in the transaction all the same."""

    def sender(self, table: str, columns: Sequence[Column]) -> Send:
        """Return what stores rows of (key, hash, *columns, companion) in a committed staging table,
        part by part or all in the end. It raises BulkRefusedError if the bulk route fails, which is
        not taken again.
        """

    def drop_batches(self, connection: Connection, table: str, *, after: int) -> None:
        """Delete the staged rows of later batches: no checkpoint counts them."""


class Dialect(Storage, Protocol):
    """One database's way. Table names are plain ASCII; column names may be anything.

    Every statement runs in the transaction the connection has open. Errors are the driver's.
    """

    schema: str
    """The schema all our tables are in, '' for the login's own."""

    @property
    def aside(self) -> SideRoute | None:
        """How staging tables can be filled beside the transaction; None: nothing is won by it."""

    def prepare(self, engine: Engine) -> None:
        """Make every new connection of the engine ready for our use."""

    def check(self, connection: Connection) -> None:
        """Raise PermanentError when the schema does not exist."""

    def has_object(self, connection: Connection, name: str) -> bool:
        """Whether a table, a view or anything else has this name, by the catalogue's own rules."""

    def has_view(self, connection: Connection, name: str) -> bool:
        """Whether a view has this name."""

    def list_objects(self, connection: Connection) -> set[str]:
        """Return the names of all tables and views of the schema, in lower case."""

    def offer_bulk(self, text: Callable[[], str]) -> None:
        """Say how a connection of its own is opened, for a bulk route that needs one."""

    def create(self, connection: Connection, table: str, columns: Sequence[Column]) -> None:
        """Create a table: the key, the hash, these columns, and the companion last."""

    def add(self, connection: Connection, table: str, columns: Sequence[Column]) -> None:
        """Add columns that are NULL in every row."""

    def may_become(self, connection: Connection, table: str, old: Column, new: Column) -> bool:
        """Whether `widen` can give the column its new type and no row of the table is rounded."""

    def widen(self, connection: Connection, table: str, columns: Sequence[Column]) -> None:
        """Give columns that are there their new, wider types; no view of ours names the table."""

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
        """Insert rows of (key, hash, *columns) and, `with_companion`, the companion's value."""

    def delete(self, connection: Connection, table: str, keys: Sequence[str]) -> Total:
        """Delete the rows of these keys, if they are there; return what they were."""

    def create_view(
        self,
        connection: Connection,
        view: str,
        table: str,
        columns: Sequence[Column],
        *,
        time_name: str,
    ) -> None:
        """Create a view of the key and these columns; after `_creationTime` comes `time_name`, the
        same as a time.
        """

    def drop_view(self, connection: Connection, view: str) -> None:
        """Drop a view if it is there; anything else of this name stays."""

    def total(self, connection: Connection, table: str) -> Total:
        """Return how many rows there are, and what SQL makes of their hashes."""

    def read_back(
        self, connection: Connection, table: str, columns: Sequence[Column], keys: Sequence[str]
    ) -> list[Sequence[Any]]:
        """Return the rows of these keys, as far as they are there, as the driver has their values:
        (key, hash, companion, *columns).
        """

    def keys_from(self, connection: Connection, table: str, start: str, limit: int) -> list[str]:
        """Return the first `limit` keys that do not sort before `start`."""

    def first_repeated_key(self, connection: Connection, table: str) -> str | None:
        """Return a key that stands in several rows, None if every one is unique."""

    def drop(self, connection: Connection, table: str) -> None:
        """Drop a table if it is there."""

    def rename(self, connection: Connection, table: str, new: str) -> None:
        """Rename a table; views that name it keep their text."""
