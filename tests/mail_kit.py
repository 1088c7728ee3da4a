"""A mailer that keeps what it is given, and a real mail server as a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from local.stack.processes import Service
from shared.domain.notifications import Notice, NotificationEvent
from shared.ports.mailer import MailMessage
from shared.store.database import Database

PATIENCE = 120.0
"""Seconds after which what was waited for will not come any more, on the slowest of machines."""


@dataclass
class FakeMailer:
    """`errors` are raised first, one a mail; `after_send` runs once a mail has been taken."""

    errors: Sequence[BaseException] = ()
    after_send: Callable[[], None] = lambda: None
    left_out: tuple[str, ...] = ()
    sent: list[MailMessage] = field(default_factory=list)
    closed: int = 0

    def send(self, message: MailMessage) -> tuple[str, ...]:
        if self.errors:
            error, *self.errors = self.errors
            raise error
        self.sent.append(message)
        self.after_send()
        return self.left_out

    def close(self) -> None:
        self.closed += 1


def notices_of(
    database: Database, instance_id: str, event: NotificationEvent = NotificationEvent.SYNC_FAILED
) -> list[Notice]:
    """Return an instance's newest notice of an event, [] where it has none."""
    with database.open_uow(read_only=True) as uow:
        last = uow.outbox.find_last(instance_id, event)
    return [] if last is None else [last]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """A mail server that answers on 127.0.0.1."""

    url: str
    port: int

    def messages(self) -> list[dict[str, Any]]:
        """Return what it has received, oldest first."""
        answer = httpx.get(f"{self.url}/messages", timeout=PATIENCE).raise_for_status()
        received: list[dict[str, Any]] = answer.json()["messages"]
        return received

    def clear(self) -> None:
        httpx.delete(f"{self.url}/messages", timeout=PATIENCE).raise_for_status()


@contextmanager
def running_mailbox(folder: Path, *arguments: str) -> Iterator[Mailbox]:
    """Run the sandbox's mailbox for the length of the block; its log is in the folder."""
    service = Service.start("mailbox", "local.sandbox.mailbox", arguments, env={}, logs=folder)
    try:
        ready = service.wait_ready(seconds=PATIENCE)
        yield Mailbox(url=ready["url"], port=ready["smtp_port"])
    finally:
        service.stop()


def header(message: dict[str, Any], name: str) -> list[str]:
    """Return every value a received mail has for a header."""
    return [value for key, value in message["headers"] if key.lower() == name.lower()]
