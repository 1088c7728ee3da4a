"""What a mail server's refusals mean for a mail, and for the set-up."""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Mapping
from typing import Final

from shared.errors import AuthError, PermanentError, SyncError, TransientError

Refusals = Mapping[str, tuple[int, bytes]]
"""Recipient to the code and the text it was refused with."""

_TOO_LARGE: Final = 552
_LONGEST_TEXT: Final = 200


def opening_fault(error: Exception, where: str) -> SyncError:
    """Return what a failure to connect, to encrypt or to sign in means.

    The server's own words are left out of a refused sign-in: some repeat what they were given.
    """
    if isinstance(error, smtplib.SMTPAuthenticationError) and not _is_later(error.smtp_code):
        return AuthError(
            f"The mail server {where} refuses the sign-in ({error.smtp_code}). Check SMTP_USER and "
            "the password."
        )
    # The bare class is how smtplib says that no way offered is one it knows.
    if isinstance(error, smtplib.SMTPNotSupportedError) or type(error) is smtplib.SMTPException:
        return AuthError(
            f"The mail server {where} offers no way to sign in that is known here. Empty SMTP_USER "
            "if it needs none, or use its submission port."
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return AuthError(
            f"The certificate of the mail server {where} is not valid: {error.verify_message}."
        )
    if isinstance(error, smtplib.SMTPResponseException) and not isinstance(
        error, smtplib.SMTPConnectError
    ):
        text = f"The mail server {where} refuses to talk: {said(error.smtp_code, error.smtp_error)}"
        return TransientError(text) if _is_later(error.smtp_code) else AuthError(text)
    return lost_fault(error, where)


def lost_fault(error: Exception, where: str) -> TransientError:
    """Return what a connection that cannot be made, or broke, means."""
    return TransientError(f"The mail server {where} cannot be reached: {type(error).__name__}.")


def refused_fault(error: smtplib.SMTPResponseException, recipients: list[str]) -> SyncError:
    """Return what the refusal of a sender or of a whole mail means.

    A sender that is refused for good is the set-up's fault, not the mail's.
    """
    answer = said(error.smtp_code, error.smtp_error, hiding=recipients)
    if _is_later(error.smtp_code):
        return TransientError(f"The mail server asks to come back later: {answer}")
    if isinstance(error, smtplib.SMTPSenderRefused) and error.smtp_code != _TOO_LARGE:
        return AuthError(
            f"The mail server does not let SMTP_FROM send: {answer} Check that address, and "
            "whether the server wants a sign-in."
        )
    return PermanentError(f"The mail server refuses the mail: {answer}")


def recipients_fault(refusals: Refusals) -> SyncError:
    """Return what the refusal of all recipients means: later if one of them may be had later."""
    text = " ".join(refusal(address, *answer) for address, answer in refusals.items())
    if any(_is_later(code) for code, _ in refusals.values()):
        return TransientError(text)
    return PermanentError(text)


def refusal(address: str, code: int, text: bytes) -> str:
    """Return one recipient's refusal for people; of the address only its domain is shown."""
    return f"{masked(address)} was refused: {said(code, text, hiding=[address])}"


def masked(address: str) -> str:
    """Return what may be logged of an address."""
    return f"…@{address.rpartition('@')[2]}"


def said(code: int, text: bytes | str, *, hiding: list[str] | None = None) -> str:
    """Return a server's answer as one short line, without the addresses it repeats."""
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    for address in hiding or []:
        words = re.sub(re.escape(address), masked(address), words, flags=re.IGNORECASE)
    line = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    return f"{code} {line[:_LONGEST_TEXT]}".rstrip(" .") + "."


def _is_later(code: int) -> bool:
    return 400 <= code < 500  # noqa: PLR2004  RFC 5321, 4.2.1: transient negative completion
