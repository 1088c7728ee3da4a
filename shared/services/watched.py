"""A provider's connection whose failures are counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from shared.domain.changes import Change, Page
    from shared.domain.checkpoints import Checkpoint
    from shared.domain.providers import Stream
    from shared.ports.provider import CheckResult, Connection, PushResult

Item = TypeVar("Item")


class Watcher(Protocol):
    """Is told how calls end."""

    def watching(self) -> AbstractContextManager[None]:
        """Take note of an error that ends the block, and raise what is to be raised."""

    def worked(self) -> None:
        """Take note of records that came or went."""

    def leave(self) -> None:
        """Take note that no more calls will come."""


class WatchedConnection:
    """Does what its connection does. Records that come or go prove that the provider works;
    to list streams or to check credentials is no proof.
    """

    def __init__(self, connection: Connection, watcher: Watcher) -> None:
        self._connection = connection
        self._watcher = watcher

    def check(self) -> CheckResult:
        """Check the credentials."""
        with self._watcher.watching():
            return self._connection.check()

    def discover(self) -> Sequence[Stream]:
        """Return the streams."""
        with self._watcher.watching():
            return self._connection.discover()

    def read(self, scope: str, checkpoint: Checkpoint | None) -> Iterator[Page]:
        """Yield the pages after the checkpoint."""
        with self._watcher.watching():
            pages = self._connection.read(scope, checkpoint)
        return self._each(pages)

    def get(self, stream: str, keys: Sequence[str]) -> Sequence[Change]:
        """Return the records under these keys."""
        with self._watcher.watching():
            found = self._connection.get(stream, keys)
        self._watcher.worked()
        return found

    def push(self, stream: str, changes: Sequence[Change]) -> Iterator[PushResult]:
        """Write changes to the provider."""
        with self._watcher.watching():
            results = self._connection.push(stream, changes)
        return self._each(results)

    def close(self) -> None:
        """Release sockets and files."""
        try:
            self._connection.close()
        finally:
            self._watcher.leave()

    def _each(self, items: Iterable[Item]) -> Iterator[Item]:
        iterator = iter(items)
        try:
            while True:
                with self._watcher.watching():
                    try:
                        item = next(iterator)
                    except StopIteration:
                        return
                self._watcher.worked()
                yield item
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
