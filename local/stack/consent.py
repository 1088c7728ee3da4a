"""A person's browser at the sandbox's consent pages, for scripts: every choice as it stands."""

from __future__ import annotations

from html.parser import HTMLParser

import httpx


class ConsentError(Exception):
    """A page offers nothing to press; the message is its text."""


class _Form(HTMLParser):
    """The fields of a page's form, with the choices that are made already."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = given.get("action", "")
        elif tag == "input" and (given.get("type") != "radio" or "checked" in given):
            self.fields[given.get("name", "")] = given.get("value", "")

    def handle_data(self, data: str) -> None:
        self.words += data.split()


def give_consent(authorize_url: str) -> str:
    """Allow what the page asks, with its first account; return where the browser is sent back."""
    with httpx.Client(timeout=30) as browser:
        page = browser.get(authorize_url)
        form = _Form(page.text)
        if not form.fields:
            raise ConsentError(" ".join(form.words))
        answer = browser.post(page.url.join(form.action), data=form.fields | {"decision": "allow"})
    if "location" not in answer.headers:
        raise ConsentError(" ".join(_Form(answer.text).words))
    return answer.headers["location"]
