"""The SMTP side. Some recipients misbehave by their name, whatever their domain.

refused@…      550 at RCPT: there is no such mailbox
busy@…         451 at RCPT: come back later
unwanted@…     554 after DATA: the mail is refused as it is
lost-answer@…  the mail is taken, and the connection breaks before the answer
"""

from __future__ import annotations

import hmac
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from local.sandbox.mailbox.letters import Letters

_HOSTNAME = "mailbox.localhost"
_AT_RCPT = {
    "refused": "550 5.1.1 There is no mailbox of this name",
    "busy": "451 4.2.1 The mailbox is busy, come back later",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the server asks of a client. With a `user`, only signed-in clients may send."""

    tls: ssl.SSLContext | None = None
    user: str = ""
    password: str = ""


def smtp_protocol(letters: Letters, rules: Rules) -> SMTP:
    """Return the protocol of one connection. Where there is TLS, nothing goes before it."""
    return SMTP(
        _Handler(letters),
        hostname=_HOSTNAME,
        ident="LinkHub sandbox",
        tls_context=rules.tls,
        require_starttls=rules.tls is not None,
        auth_required=bool(rules.user),
        auth_require_tls=rules.tls is not None,
        auth_exclude_mechanism=() if rules.user else ("LOGIN", "PLAIN"),
        authenticator=_authenticator(rules),
    )


def _authenticator(rules: Rules) -> Any:
    def check(_server: Any, session: Session, _envelope: Any, _how: str, given: Any) -> AuthResult:
        if not isinstance(given, LoginPassword):
            return AuthResult(success=False, handled=False)
        is_right = hmac.compare_digest(given.login, rules.user.encode()) and hmac.compare_digest(
            given.password, rules.password.encode()
        )
        if is_right:
            session.user = rules.user  # type: ignore[attr-defined]  # a session takes any note
        return AuthResult(success=is_right, handled=False)

    return check


class _Handler:
    """Keeps every mail, but for the recipients above. The methods' names are aiosmtpd's."""

    def __init__(self, letters: Letters) -> None:
        self._letters = letters

    async def handle_RCPT(  # noqa: N802  see the class
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        """Take a recipient or refuse it."""
        refusal = _AT_RCPT.get(_name(address))
        if refusal is not None:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802  see the class
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Take a mail."""
        names = {_name(str(address)) for address in envelope.rcpt_tos}
        if "unwanted" in names:
            return "554 5.7.1 This mail is not wanted here"
        letter = self._letters.add(
            sender=str(envelope.mail_from),
            recipients=[str(address) for address in envelope.rcpt_tos],
            received_at=datetime.now(UTC),
            is_encrypted=session.ssl is not None,
            user=str(getattr(session, "user", "")),
            content=bytes(envelope.original_content or b""),
        )
        if "lost-answer" in names and server.transport is not None:
            server.transport.close()
        return f"250 OK: kept as number {letter.number}"


def _name(address: str) -> str:
    return address.partition("@")[0].lower()
