"""What was received, newest last."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

_KEPT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One received mail. `recipients` are the envelope's, `user` who had signed in, '' for none."""

    number: int
    sender: str
    recipients: Sequence[str]
    received_at: datetime
    is_encrypted: bool
    user: str
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """The mail itself."""
        return BytesParser(EmailMessage, policy=policy.default).parsebytes(self.content)

    def part(self, kind: str) -> str:
        """Return the body of a kind, `plain` or `html`, its lines ended by a line feed alone."""
        body = self.message.get_body((kind,))
        return "" if body is None else str(body.get_content()).replace("\r\n", "\n")

    def to_json(self) -> dict[str, Any]:
        """Return what `GET messages` tells of it; headers as a reader sees them, decoded."""
        return {
            "number": self.number,
            "from": self.sender,
            "to": list(self.recipients),
            "receivedAt": self.received_at.isoformat(),
            "encrypted": self.is_encrypted,
            "user": self.user,
            "headers": [[name, str(value)] for name, value in self.message.items()],
            "subject": str(self.message["Subject"] or ""),
            "messageId": str(self.message["Message-ID"] or ""),
            "text": self.part("plain"),
            "html": self.part("html"),
        }


class Letters:
    """The last five hundred mails, until the process ends."""

    def __init__(self) -> None:
        self._kept: deque[Letter] = deque(maxlen=_KEPT)
        self._count = 0

    def add(self, **values: Any) -> Letter:
        """Keep a mail and return it, numbered."""
        self._count += 1
        letter = Letter(number=self._count, **values)
        self._kept.append(letter)
        return letter

    def all(self) -> Sequence[Letter]:
        """Return every mail that is kept, oldest first."""
        return tuple(self._kept)

    def find(self, number: int) -> Letter | None:
        """Return one mail."""
        return next((letter for letter in self._kept if letter.number == number), None)

    def clear(self) -> None:
        """Throw every mail away."""
        self._kept.clear()
