"""From troubles to a mail. Names and messages come from outside: all of them are made harmless."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from importlib import resources
from string import Template
from typing import Final

from shared.domain.notifications import Trouble
from shared.domain.zones import find_zone
from shared.services.mail_templates.wording import Wording
from shared.services.mail_templates.wordings import wording_for

_SHOWN: Final = 20
"""Troubles one mail has room for; of more it tells the number."""
_LONGEST_NAME: Final = 80
_LONGEST_DETAIL: Final = 400
_LINK_STYLE: Final = (
    "display:inline-block;padding:10px 16px;background:#0b4f8a;color:#ffffff;border-radius:4px"
)
_DIRECTION_MARKS: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e") | frozenset(
    "\u2066\u2067\u2068\u2069"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedMail:
    """The texts of one mail; `subject` is a single line."""

    subject: str
    text: str
    html: str
    language: str


class Html(str):
    """Text that is HTML already; any other is escaped where it meets a template."""

    __slots__ = ()


def render(troubles: Sequence[Trouble], *, locale: str, time_zone: str) -> RenderedMail:
    """Return the mail that tells of one or more troubles, most urgent first as they are given."""
    wording = wording_for(locale)
    zone = find_zone(time_zone) or UTC
    parts = [_Part(trouble, wording, zone) for trouble in troubles[:_SHOWN]]
    left_out = len(troubles) - len(parts)
    is_digest = len(troubles) > 1
    title = wording.digest(len(troubles)) if is_digest else parts[0].title
    more = wording.more(left_out) if left_out else ""
    texts = [part.as_text(is_digest=is_digest) for part in parts]
    return RenderedMail(
        subject=title,
        text="\n\n".join(filter(None, [title, *texts, more, f"-- \n{wording.footer}"])) + "\n",
        html=_fill(
            "layout.html",
            language=wording.language,
            title=title,
            troubles=Html("".join(part.as_html(is_digest=is_digest) for part in parts)),
            more=_element("p", more),
            footer=wording.footer,
        ),
        language=wording.language,
    )


def plain(text: str, longest: int) -> str:
    """Return text of others as one line that cannot change what stands around it.

    Control characters and line ends become spaces, direction marks go, what no encoding knows is
    replaced, and what is too long is cut.
    """
    kept = "".join(
        " " if unicodedata.category(character) in {"Cc", "Zl", "Zp"} else character
        for character in text.encode("utf-8", "replace").decode()
        if character not in _DIRECTION_MARKS
    )
    line = " ".join(kept.split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


class _Part:
    """One trouble in one language."""

    def __init__(self, trouble: Trouble, wording: Wording, zone: tzinfo) -> None:
        provider = plain(trouble.provider, _LONGEST_NAME)
        instance = plain(trouble.instance, _LONGEST_NAME) or provider
        if provider.casefold() not in instance.casefold():
            instance = f"{instance} ({provider})"
        said = wording.events[trouble.event]

        def fill(text: str) -> str:
            return Template(text).substitute(provider=provider, instance=instance)

        self.title, self.what, self.todo = fill(said.title), fill(said.what), fill(said.todo)
        self._action, self._url = fill(said.action), trouble.url
        self._detail = plain(trouble.detail, _LONGEST_DETAIL)
        self._when = _moment(trouble.happened_at, wording, zone)
        self._wording = wording

    def as_text(self, *, is_digest: bool) -> str:
        lines = [
            f"* {self.title}" if is_digest else "",
            self.what,
            self.todo,
            f"{self._wording.detail_label}: {self._detail}" if self._detail else "",
            f"{self._wording.when_label}: {self._when}",
            f"{self._action}:\n{self._url}" if self._url else "",
        ]
        return "\n\n".join(filter(None, lines))

    def as_html(self, *, is_digest: bool) -> str:
        detail = f"{self._wording.detail_label}: {self._detail}" if self._detail else ""
        link = ""
        if self._url:
            link = (
                f'<p style="margin:0"><a href="{html.escape(self._url)}" style="{_LINK_STYLE}">'
                f"{html.escape(self._action)}</a></p>\n"
            )
        return _fill(
            "trouble.html",
            heading=_element("h2", self.title if is_digest else ""),
            what=self.what,
            todo=self.todo,
            detail=_element("p", detail),
            when_label=self._wording.when_label,
            when=self._when,
            action=Html(link),
        )


_STYLES: Final = {"h2": "font-size:18px;margin:0 0 8px", "p": "margin:0 0 12px"}


def _element(tag: str, text: str) -> Html:
    """Return an element of plain text; nothing where there is none."""
    if not text:
        return Html("")
    return Html(f'<{tag} style="{_STYLES[tag]}">{html.escape(text)}</{tag}>\n')


def _fill(name: str, **values: str) -> str:
    """Return a template with its values, each escaped unless it is `Html`."""
    safe = {
        key: value if isinstance(value, Html) else html.escape(value)
        for key, value in values.items()
    }
    return _template(name).substitute(safe)


@cache
def _template(name: str) -> Template:
    return Template(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))


def _moment(moment: datetime, wording: Wording, zone: tzinfo) -> str:
    return f"{wording.moment(moment.astimezone(zone))} ({zone})"
