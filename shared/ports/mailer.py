"""Delivery of mails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class MailMessage:
    """A mail in one language, as plain text and as HTML.

    `message_id` is the part of the Message-ID before its @: letters, digits, dots and dashes, the
    same whenever the same mail is tried again. `language` is a BCP 47 tag.
    """

    to: tuple[str, ...]
    subject: str
    text: str
    html: str
    message_id: str
    language: str = "en"


class Mailer(Protocol):
    """Hands mails to a mail server.

    Raises TransientError where the server cannot be reached or asks to come back later, AuthError
    where it will not deal with us as we are set up (sign-in, encryption, sender), PermanentError
    where this mail can never be delivered. No message tells a password or a whole address.
    """

    def send(self, message: MailMessage) -> tuple[str, ...]:
        """Hand a mail over; return what was wrong with recipients that were left out.

        When this returns, the server has taken the mail for at least one recipient.
        """

    def close(self) -> None:
        """End what is open, if anything is. The mailer can be used again."""
