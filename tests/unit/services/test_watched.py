"""What a watched connection tells of its calls."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.domain.changes import Page
from shared.domain.checkpoints import Checkpoint
from shared.errors import TransientError
from shared.ports.provider import Connection
from shared.services.watched import WatchedConnection
from tests.fakes import FakeSource

CALLS: dict[str, Callable[[Connection], object]] = {
    "check": lambda connection: connection.check(),
    "discover": lambda connection: connection.discover(),
    "get": lambda connection: connection.get("deals", ["1"]),
    "push": lambda connection: list(connection.push("deals", [])),
    "read": lambda connection: list(connection.read("deals", None)),
}


@dataclass
class Notes:
    """A watcher that writes down what it is told."""

    told: list[str] = field(default_factory=list)

    @contextmanager
    def watching(self) -> Iterator[None]:
        try:
            yield
        except TransientError as error:
            self.told.append(str(error))
            raise

    def worked(self) -> None:
        self.told.append("worked")

    def leave(self) -> None:
        self.told.append("left")


class Broken(FakeSource):
    """Every call of it meets an outage."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return _broken if name in CALLS else found


def _broken(*_: object) -> None:
    raise TransientError("503")


@pytest.mark.parametrize("call", CALLS)
def test_every_outage_is_told_once(call: str) -> None:
    """Whichever way the provider is asked, and that no more calls will come."""
    notes = Notes()
    with (
        closing(WatchedConnection(Broken(0), notes)) as connection,
        pytest.raises(TransientError),
    ):
        CALLS[call](connection)
    assert notes.told == ["503", "left"]


def test_an_outage_between_pages_is_told() -> None:
    """Pages that came are told, and then what ended them."""
    notes = Notes()
    source = FakeSource(4, fail_at={2: TransientError("503")})
    with pytest.raises(TransientError):
        list(WatchedConnection(source, notes).read("deals", None))
    assert notes.told == ["worked", "503"]


@pytest.mark.parametrize(
    ("call", "told"),
    [("check", []), ("discover", []), ("get", ["worked"]), ("push", []), ("read", ["worked"] * 2)],
)
def test_only_records_prove_that_it_works(call: str, told: list[str]) -> None:
    """A page, a record that was asked for, one that was written; nothing else does."""
    notes = Notes()
    CALLS[call](WatchedConnection(FakeSource(4), notes))
    assert notes.told == told


def test_closing_ends_what_is_being_read() -> None:
    """A reader that stops early leaves no half-read page of the provider open."""
    ended = []

    class Noted(FakeSource):
        def read(self, scope: str, checkpoint: Checkpoint | None) -> Generator[Page]:
            try:
                yield from super().read(scope, checkpoint)
            finally:
                ended.append(scope)

    pages = WatchedConnection(Noted(4), Notes()).read("deals", None)
    next(pages)
    pages.close()  # type: ignore[attr-defined]
    assert ended == ["deals"]
