"""A person's browser at a consent page, and a registered application that sends people there."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

_REDIRECTS = {302, 303}
_PAGES = 5


class ConsentError(Exception):
    """The browser shows a page with no form; the message is its text."""


@dataclass(slots=True, kw_only=True)
class Form:
    """A page's form: where it goes, its hidden fields, its choices by name, its buttons by name."""

    action: str = ""
    hidden: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)
    buttons: dict[str, list[str]] = field(default_factory=dict)


class Page(HTMLParser):
    """What a browser makes of a page; `form` is None where there is none."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.form: Form | None = None
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    @property
    def text(self) -> str:
        """Everything there is to read."""
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        name, value = given.get("name", ""), given.get("value", "")
        if tag == "form":
            self.form = Form(action=given.get("action", ""))
        elif self.form is None or not name:
            return
        elif tag == "button":
            self.form.buttons.setdefault(name, []).append(value)
        elif given.get("type") == "radio":
            first = 0 if "checked" in given else len(self.form.choices.get(name, []))
            self.form.choices.setdefault(name, []).insert(first, value)
        elif tag == "input":
            self.form.hidden[name] = value

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def consent(
    client: httpx.Client, authorize_url: str, *, allow: bool = True, account: str = ""
) -> str:
    """Walk the consent pages as a person does; return the URL the browser is sent to at the end.

    `account` is the value of the one to choose, '' leaves the choice as the page has it. Where
    the account may not allow what is asked, the person goes back without. Raises ConsentError
    with the text of a page that offers nothing to press.
    """
    answer = client.get(authorize_url, follow_redirects=False)
    for _ in range(_PAGES):
        if answer.status_code in _REDIRECTS:
            return answer.headers["location"]
        page = Page(answer.text)
        if page.form is None:
            raise ConsentError(page.text)
        fields = page.form.hidden | {n: values[0] for n, values in page.form.choices.items()}
        if account and "account" in fields:
            fields["account"] = account
        ((name, values),) = page.form.buttons.items()
        wanted = "allow" if allow else "deny"
        fields[name] = wanted if wanted in values else values[0]
        where = answer.url.join(page.form.action)
        answer = client.post(where, data=fields, follow_redirects=False)
    raise ConsentError("The pages do not end.")


def query(url: str) -> dict[str, str]:
    """Return the parameters of a URL; each must stand there once."""
    found = parse_qs(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)
    assert all(len(values) == 1 for values in found.values()), url
    return {name: values[0] for name, values in found.items()}


def new_verifier() -> str:
    """Return a PKCE code verifier (RFC 7636, 4.1)."""
    return secrets.token_urlsafe(48)


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a verifier."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A registered application, and what it sends to the authorization server."""

    client: httpx.Client
    client_id: str
    secret: str
    authorize_url: str
    token_url: str
    redirect_uri: str
    scope: str

    @classmethod
    def of(
        cls, client: httpx.Client, entry: Mapping[str, Any], *, redirect_uri: str, scope: str
    ) -> Self:
        """Return the application of an `oauth` entry of `GET /_sandbox`."""
        return cls(
            client=client,
            client_id=entry["clientId"],
            secret=entry["clientSecret"],
            authorize_url=entry["authorizeUrl"],
            token_url=entry["tokenUrl"],
            redirect_uri=redirect_uri,
            scope=scope,
        )

    def link(self, *, verifier: str = "", **changes: str) -> str:
        """Return the link a person is sent to; a change to '' leaves a parameter out."""
        fields = {
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "scope": self.scope,
            "state": "s-1",
        }
        if verifier:
            fields["code_challenge"] = challenge_of(verifier)
            fields["code_challenge_method"] = "S256"
        sent = {name: value for name, value in (fields | changes).items() if value}
        return f"{self.authorize_url}?{urlencode(sent)}"

    def code(self, *, account: str = "", verifier: str = "", **changes: str) -> str:
        """Return the code of a consent that was given."""
        link = self.link(verifier=verifier, **changes)
        return query(consent(self.client, link, account=account))["code"]

    def redeem(self, code: str, **changes: str) -> httpx.Response:
        """Redeem a code; a change to '' leaves a field out."""
        fields = {"grant_type": "authorization_code", "code": code}
        return self.ask(**(fields | {"redirect_uri": self.redirect_uri} | changes))

    def refresh(self, refresh_token: str, **changes: str) -> httpx.Response:
        """Use a refresh token."""
        fields = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return self.ask(**(fields | changes))

    def connect(self, *, account: str = "", **changes: str) -> dict[str, Any]:
        """Return the tokens of a consent, with PKCE."""
        verifier = new_verifier()
        code = self.code(account=account, verifier=verifier, **changes)
        answer = self.redeem(code, code_verifier=verifier)
        answer.raise_for_status()
        tokens: dict[str, Any] = answer.json()
        return tokens

    def ask(self, *, url: str = "", **fields: str) -> httpx.Response:
        """Send a form with the client's credentials to the token endpoint or to `url`."""
        known = {"client_id": self.client_id, "client_secret": self.secret}
        sent = {name: value for name, value in (known | fields).items() if value}
        return self.client.post(url or self.token_url, data=sent)
