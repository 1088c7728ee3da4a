"""Staging tables filled beside the transaction: each by a thread and a connection of its own.

What goes this way is stored whenever it arrives, whatever becomes of the transaction: each row
carries the number of its batch, and a checkpoint counts batches once all of them are stored.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

Part = Sequence[tuple[Any, ...]]
"""Rows that are sent together."""
Send = Callable[[Iterator[Part]], None]
"""Takes parts as they come and returns once every row of them is stored."""

TABLES: Final = 3
"""How many tables are filled at once: a connection each."""
PARTS: Final = 3
"""How many parts are on their way at once, of all tables: what bounds memory."""


class AbandonedError(Exception):
    """Raised inside a `Send` whose rows nobody wants any more."""


class _Feed:
    """One table's way; everything here is guarded by `changed`."""

    def __init__(self, send: Send, changed: threading.Condition) -> None:
        self.parts: deque[Part] = deque()
        self.on_the_way = 0
        self.is_ended = self.is_abandoned = self.is_over = False
        self.error: BaseException | None = None
        self._send = send
        self._changed = changed
        run = contextvars.copy_context().run
        self.thread = threading.Thread(target=run, args=(self._run,), name="feed", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            self._send(self._coming())
        except BaseException as raised:  # noqa: BLE001  it belongs to the writer's thread
            error = raised
        with self._changed:
            self.is_over, self.on_the_way = True, 0
            self.parts.clear()
            if not self.is_abandoned:
                self.error = error
            self._changed.notify_all()

    def _coming(self) -> Iterator[Part]:
        """Yield parts until the feed ends; one is on its way until the next one is asked for."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self.parts or self.is_ended or self.is_abandoned)
                if self.is_abandoned:
                    raise AbandonedError
                if not self.parts:
                    return
                part = self.parts.popleft()
            yield part
            del part
            with self._changed:
                self.on_the_way -= 1
                self._changed.notify_all()


class Feeds:
    """The tables that are being filled; used by one thread. `TABLES` and `PARTS` are its budget."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._feeds: dict[str, _Feed] = {}

    @property
    def is_busy(self) -> bool:
        """Whether anything was put that is not known to be stored yet."""
        return bool(self._feeds)

    def has(self, table: str) -> bool:
        """Whether the table's next part goes by a feed that is there already."""
        return table in self._feeds

    def begin(self, table: str, send: Send) -> None:
        """Begin the feed of a table that has none.

        Where it is one too many, the one that got nothing for the longest time ends first. Raise
        what that one died of.
        """
        while len(self._feeds) >= TABLES:
            self.drain(next(iter(self._feeds)))
        self._feeds[table] = _Feed(send, self._changed)

    def put(self, table: str, part: Part) -> None:
        """Send a part on its way, after those of its table before it; wait while too many are.

        Raise what any feed died of.
        """
        feed = self._feeds.pop(table)
        self._feeds[table] = feed  # as the last one: they stand in the order of their latest parts
        with self._changed:
            self._changed.wait_for(lambda: self._total() < PARTS or self._error() is not None)
            if (error := self._error()) is not None:
                raise error
            feed.on_the_way += 1
            feed.parts.append(part)
            self._changed.notify_all()

    def drain(self, table: str | None = None) -> None:
        """End the feed of a table, or every one, and wait until all is stored.

        Raise what any of them died of.
        """
        names = list(self._feeds) if table is None else [table] if table in self._feeds else []
        with self._changed:
            for name in names:
                self._feeds[name].is_ended = True
            self._changed.notify_all()
        for name in names:
            self._feeds[name].thread.join()
            if (error := self._feeds[name].error) is not None:
                raise error
            del self._feeds[name]

    def abandon(self) -> None:
        """Stop every feed, whatever it has stored by now, and wait until no thread is left."""
        with self._changed:
            for feed in self._feeds.values():
                feed.is_abandoned = True
            self._changed.notify_all()
        for feed in self._feeds.values():
            feed.thread.join()
        self._feeds.clear()

    def _total(self) -> int:
        return sum(feed.on_the_way for feed in self._feeds.values())

    def _error(self) -> BaseException | None:
        errors = (feed.error for feed in self._feeds.values())
        return next((error for error in errors if error is not None), None)
