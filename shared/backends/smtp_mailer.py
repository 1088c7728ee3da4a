"""Mails handed to an SMTP server (RFC 5321), over TLS (RFC 3207, RFC 8314), signed in (RFC 4954).

Messages are built by `email` under a policy that refuses line ends in headers, so no name from
outside can add a header or a recipient.
"""

from __future__ import annotations

import contextlib
import ipaddress
import smtplib
import ssl
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from email import policy
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Final

from shared.backends.smtp_faults import (
    lost_fault,
    masked,
    opening_fault,
    recipients_fault,
    refusal,
    refused_fault,
)
from shared.errors import AuthError, PermanentError
from shared.ports.mailer import MailMessage

SUBMISSIONS_PORT: Final = 465
"""TLS from the first byte (RFC 8314); any other port begins in clear and changes by STARTTLS."""

_OK: Final = 250


class SmtpMailer:
    """Sends over one connection, kept until `close`. Threads may share it.

    `starttls`: the connection must be encrypted before anything else is said; only a server on
    loopback that offers no STARTTLS is used without. False: it never is; a password then goes to
    loopback only. `timeout` seconds hold for each answer of the server. Nothing is connected
    before the first mail.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        sender: str,
        user: str = "",
        password: str = "",
        starttls: bool = True,
        timeout: float = 10,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._sender = _sender_of(sender)
        self._host, self._port, self._timeout = host, port, timeout
        self._user, self._password = user, password
        self._starttls = starttls
        self._tls = tls
        self._is_near = _is_loopback(host)
        if user and not starttls and port != SUBMISSIONS_PORT and not self._is_near:
            raise PermanentError(
                "SMTP_STARTTLS is false, so SMTP_USER's password would cross the network in clear. "
                "Leave one of the two away."
            )
        self._server: smtplib.SMTP | None = None
        self._lock = threading.Lock()

    def send(self, message: MailMessage) -> tuple[str, ...]:
        """Hand a mail over; return what was wrong with recipients that were left out."""
        recipients, malformed = _recipients(message.to)
        if not recipients:
            raise PermanentError(" ".join(("No recipient has a usable address.", *malformed)))
        mail = self._compose(message, recipients)
        with self._lock:
            refused = self._deliver(mail, [recipient.addr_spec for recipient in recipients])
        return (*malformed, *(refusal(address, *answer) for address, answer in refused.items()))

    def close(self) -> None:
        """Say goodbye to the server, if there is a connection."""
        with self._lock:
            server, self._server = self._server, None
            if server is not None:
                with contextlib.suppress(smtplib.SMTPException, OSError):
                    server.quit()
                server.close()

    @property
    def _where(self) -> str:
        return f"{self._host}:{self._port}"

    def _compose(self, message: MailMessage, recipients: list[Address]) -> EmailMessage:
        mail = EmailMessage(policy=policy.SMTP)
        try:
            mail["From"] = self._sender
            mail["To"] = recipients
            mail["Subject"] = message.subject
            mail["Date"] = format_datetime(datetime.now(UTC))
            mail["Message-ID"] = f"<{message.message_id}@{self._sender.domain}>"
            # Keeps out-of-office programs from answering (RFC 3834).
            mail["Auto-Submitted"] = "auto-generated"
            mail.set_content(message.text)
            mail.add_alternative(message.html, subtype="html")
            # After the bodies: making them moves headers named Content-… into the first.
            mail["Content-Language"] = message.language
            mail.as_bytes()
        except (ValueError, MessageError):
            raise PermanentError(
                "The mail cannot be written: a header holds a line end, or a text what no encoding "
                "knows."
            ) from None
        return mail

    def _deliver(self, mail: EmailMessage, recipients: list[str]) -> dict[str, tuple[int, bytes]]:
        try:
            server = self._connected()
            return server.send_message(mail, self._sender.addr_spec, recipients)
        except smtplib.SMTPRecipientsRefused as error:
            raise recipients_fault(error.recipients) from None
        except smtplib.SMTPResponseException as error:
            raise refused_fault(error, recipients) from None
        except (smtplib.SMTPException, OSError) as error:
            self._drop()
            raise lost_fault(error, self._where) from None

    def _connected(self) -> smtplib.SMTP:
        """Return the open connection, or a new one where the server has ended it meanwhile."""
        if self._server is not None:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                if self._server.noop()[0] == _OK:
                    return self._server
            self._drop()
        self._server = self._open()
        return self._server

    def _drop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _open(self) -> smtplib.SMTP:
        server: smtplib.SMTP | None = None
        try:
            server = self._connect()
            self._encrypt(server)
            if self._user:
                server.login(self._user, self._password)
        except (smtplib.SMTPException, OSError) as error:
            if server is not None:
                server.close()
            raise opening_fault(error, self._where) from None
        except AuthError:
            if server is not None:
                server.close()
            raise
        return server

    def _connect(self) -> smtplib.SMTP:
        # Its own guess at our name would ask the DNS, which can take many seconds.
        name = self._sender.domain
        if self._port == SUBMISSIONS_PORT:
            return smtplib.SMTP_SSL(
                self._host, self._port, name, timeout=self._timeout, context=self._context()
            )
        return smtplib.SMTP(self._host, self._port, name, timeout=self._timeout)

    def _encrypt(self, server: smtplib.SMTP) -> None:
        if self._port == SUBMISSIONS_PORT or not self._starttls:
            return
        server.ehlo_or_helo_if_needed()
        if server.has_extn("starttls"):
            server.starttls(context=self._context())
        elif not self._is_near:
            raise AuthError(
                f"The mail server {self._where} offers no STARTTLS, so mails would cross the "
                "network in clear. Use its port 587 or 465, or set SMTP_STARTTLS to false."
            )

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


def _sender_of(text: str) -> Address:
    header: Any = policy.SMTP.header_factory("From", text.strip())
    if text.isprintable() and len(header.addresses) == 1 and not header.defects:
        [given] = header.addresses
        address = _address(given.addr_spec, given.display_name)
        if address is not None:
            return address
    raise PermanentError(
        "SMTP_FROM is no mail address: use name@example.com or LinkHub <name@example.com>."
    )


def _recipients(given: Iterable[str]) -> tuple[list[Address], list[str]]:
    """Return the addresses, each once, and what is wrong with those that are none."""
    found: dict[str, Address] = {}
    malformed = []
    for text in given:
        address = _address(text)
        if address is None:
            malformed.append(f"{masked(text[:60])!a} is no mail address.")
        else:
            found.setdefault(address.addr_spec, address)
    return list(found.values()), malformed


def _address(spec: str, name: str = "") -> Address | None:
    """Return an address that every server takes: a domain may be international, a name not."""
    local, at, domain = spec.rpartition("@")
    try:
        ascii_domain = domain if domain.isascii() else domain.encode("idna").decode()
        address = Address(name, addr_spec=f"{local}{at}{ascii_domain}")
    except (ValueError, MessageError, IndexError):  # IndexError: the parser's, of an empty text
        return None
    return address if address.username and address.domain else None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
