"""The registered client, and how a token request says who it is."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

from starlette.requests import Request

_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """The one application that is registered at an authorization server."""

    id: str
    secret: str

    def has_secret(self, given: str) -> bool:
        """Tell whether `given` is the client's secret, in constant time."""
        return secrets.compare_digest(self.secret.encode(), given.encode())


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form; raise ValueError where it is none or repeats a field."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM:
        raise ValueError(f"The body must be {_FORM}.")
    try:
        pairs = parse_qsl((await request.body()).decode(), keep_blank_values=True)
    except UnicodeDecodeError:
        raise ValueError("The form is not UTF-8.") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise ValueError("A field of the form stands there twice.")
    return form


def given_credentials(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    """Return client id and secret of the Basic header (RFC 6749, 2.3.1), else of the form."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        user, _, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(user), unquote_plus(password)
