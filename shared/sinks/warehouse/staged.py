"""Rows on their way into staging tables where each has the number of its batch.

A checkpoint counts batches: what came after the last one that counts is deleted before more of it
comes. So rows need not wait for a checkpoint, nor for each other: small tables are filled in the
transaction, larger ones by feeds beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import TYPE_CHECKING

from shared.sinks.warehouse.dialect import SideRoute
from shared.sinks.warehouse.errors import BrokenLoadError, is_integrity_error, translated
from shared.sinks.warehouse.feeds import Feeds, Part, Send
from shared.sinks.warehouse.ownership import Estate
from shared.sinks.warehouse.packing import Packed
from shared.sinks.warehouse.registry import Role
from shared.sinks.warehouse.targets import Target
from shared.sinks.warehouse.types import BATCH_COLUMN, Column

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class _First:
    """A table's first page that is to go by a feed, kept until its second one shows whether the
    columns stay: a feed has those it began with, and beginning is what it costs.
    """

    stream: str
    target: Target
    packed: Packed
    batch: int


class StagedRows:
    """Fills the staging tables of one scope. `commit` ends the transaction without a checkpoint and
    begins the next one.
    """

    def __init__(self, estate: Estate, *, commit: Callable[[Connection], None]) -> None:
        self._estate = estate
        self._route = estate.dialect.aside
        self._commit = commit
        self._feeds = Feeds()
        self._first: _First | None = None

    @property
    def is_busy(self) -> bool:
        """Whether rows are on their way beside the transaction, or about to be."""
        return self._feeds.is_busy or self._first is not None

    def put(self, connection: Connection, target: Target, packed: Packed, *, stream: str) -> None:
        """Insert the rows as one batch, or send them on their way.

        Raise BrokenLoadError for a key that is there already, if it is known by now; so do later
        calls.
        """
        target.batch += 1
        target.brought += len(packed.keys)
        table, route = target.owned.table_name, self._route
        if route is None:
            raise RuntimeError("Rows of this database have no batches.")
        if not self._is_fed(connection, target, route):
            columns = [*target.owned.columns, BATCH_COLUMN]
            route.insert(connection, table, columns, [*_with_batch(packed, target, target.batch)])
            return
        page = _First(stream=stream, target=target, packed=packed, batch=target.batch)
        self._send_first(connection)
        if self._feeds.has(table):
            self._send(connection, route, page)
        else:
            self._first = page

    def drain(self, connection: Connection, target: Target | None = None) -> None:
        """Wait until everything is stored, of one table or of all."""
        if target is None or (self._first is not None and self._first.target is target):
            self._send_first(connection)
        self._feeds.drain(None if target is None else target.owned.table_name)

    def make_way(
        self, connection: Connection, target: Target, widened: Sequence[tuple[Column, Column]]
    ) -> None:
        """Let nothing be on its way to a table that is about to be altered.

        A first page that is kept yet gets what columns are added, and longer ones.
        """
        if any(new.type is not old.type for old, new in widened):
            self.drain(connection, target)
        self._feeds.drain(target.owned.table_name)

    def abandon(self) -> None:
        """Stop what is on its way: nobody will count it."""
        self._first = None
        self._feeds.abandon()

    def _send_first(self, connection: Connection) -> None:
        page, self._first = self._first, None
        if page is not None and self._route is not None:
            self._send(connection, self._route, page)

    def _send(self, connection: Connection, route: SideRoute, page: _First) -> None:
        table = page.target.owned.table_name
        if not self._feeds.has(table):
            # The driver logs in and looks at the table holding Python's lock: were our own
            # transaction in its way, nobody could end it.
            self._commit(connection)
            send = route.sender(table, [*page.target.owned.columns, BATCH_COLUMN])
            self._feeds.begin(table, lambda parts: _explained(send, parts, page.stream))
        self._feeds.put(table, [*_with_batch(page.packed, page.target, page.batch)])

    def resume(self, connection: Connection, target: Target) -> None:
        """Take away what came to a staged table and no checkpoint counts.

        A live one is told of by its last batch still, but its rows have no numbers any more.
        """
        owned = target.owned
        if owned.role is Role.STAGING and owned.batch and self._route is not None:
            target.batch = owned.batch
            self._route.drop_batches(connection, owned.table_name, after=owned.batch)

    def note_shape(self, connection: Connection, target: Target) -> None:
        """Write down what the table looks like, and of its rows only those that count."""
        rows, checksum, rejected, batch = target.counted
        counted = replace(
            target.owned, row_count=rows, checksum=checksum, rejected=rejected, batch=batch or 1
        )
        self._estate.registry.save(connection, counted)

    def _is_fed(self, connection: Connection, target: Target, route: SideRoute) -> bool:
        """Decide anew until it is: a table is not known to be large before it is."""
        if not target.is_fed and target.brought >= route.fewest_rows:
            self._commit(connection)  # a trial would wait for the locks of our transaction
            owned, rows = target.owned, target.brought
            columns = [*owned.columns, BATCH_COLUMN]
            target.is_fed = route.is_worth(connection, owned.table_name, columns, rows=rows)
        return target.is_fed


def _with_batch(packed: Packed, target: Target, number: int) -> Iterator[tuple[object, ...]]:
    """Yield (key, hash, *columns, batch, companion), each column of the table among them."""
    nothing = [None] * len(packed.keys)
    given = {
        column.name: values for column, values in zip(packed.columns, packed.values, strict=True)
    }
    every = [given.get(column.name, nothing) for column in target.owned.columns]
    batch = repeat(number, len(packed.keys))
    return zip(packed.keys, packed.hashes, *every, batch, packed.extras or nothing, strict=True)


def _explained(send: Send, parts: Iterator[Part], stream: str) -> None:
    try:
        send(parts)
    except Exception as error:
        if is_integrity_error(error):
            raise repeated(stream, translated(error).message) from None
        raise


def repeated(stream: str, what: str) -> BrokenLoadError:
    """Return the error for a full read in which a key came twice."""
    return BrokenLoadError(
        f"Stream {stream!r} came with the same _id twice in one full read ({what}): the source is "
        "broken or changed meanwhile. The table in the warehouse stays as it was; sync again."
    )
