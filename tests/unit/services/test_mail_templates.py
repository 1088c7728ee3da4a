from __future__ import annotations

import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.notifications import NotificationEvent, Trouble
from shared.services.mail_templates import render
from shared.services.mail_templates.wording import Wording
from shared.services.mail_templates.wordings import WORDINGS, wording_for
from tests.factories import NOW

TROUBLE = Trouble(
    event=NotificationEvent.RECONNECT_NEEDED,
    provider="HubSpot",
    instance="Sales",
    detail="HubSpot answers 401.",
    happened_at=NOW,
    url="https://linkhub.test/instances/1",
)


class Reader(HTMLParser):
    """Notes a page's tags in order and its text, as a mail program would see them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str | None] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data


def mail(*troubles: Trouble, **values: Any) -> Any:
    return render(troubles, **{"locale": "en", "time_zone": "UTC", **values})


def test_html_in_a_name_is_text() -> None:
    """An instance named like markup is shown by its name and marks nothing up."""
    hostile = replace(
        TROUBLE, instance="<b>x</b>", provider='"><script>', detail="<img src=x onerror=y>"
    )
    made = mail(hostile)
    page = Reader(made.html)
    assert "<b>x</b>" in page.text
    assert "<img src=x onerror=y>" in page.text
    assert page.tags == Reader(mail(TROUBLE).html).tags
    assert "<b>x</b>" in made.subject


@given(
    name=st.text(st.characters(codec=None), max_size=300),
    detail=st.text(st.characters(codec=None), max_size=900),
)
def test_no_name_changes_a_mails_form(name: str, detail: str) -> None:
    """Whatever the text, the subject is one line, the page keeps its tags, all can be encoded."""
    made = mail(replace(TROUBLE, instance=name, detail=f"It said: {detail}"))
    assert made.subject == " ".join(made.subject.split())
    assert not {unicodedata.category(each) for each in made.subject} & {"Cc", "Zl", "Zp", "Cs"}
    assert len(made.subject) < 200
    assert Reader(made.html).tags == Reader(mail(TROUBLE).html).tags
    (made.subject + made.text + made.html).encode()


def test_a_name_cannot_turn_the_text_around() -> None:
    """Marks of direction go: they would show what stands after a name backwards."""
    made = mail(replace(TROUBLE, instance="Sal\u202ees\u2066\r\nBcc: eve@example.com"))
    assert made.subject == "Reconnect needed: Sales Bcc: eve@example.com (HubSpot)"


@pytest.mark.parametrize("wording", WORDINGS.values(), ids=WORDINGS)
def test_every_language_says_everything(wording: Wording) -> None:
    """Each event has its texts, each placeholder is filled, and the page names its language."""
    assert set(wording.events) == set(NotificationEvent)
    troubles = [replace(TROUBLE, event=event) for event in NotificationEvent]
    for made in (*(mail(one, locale=wording.language) for one in troubles), mail(*troubles)):
        for text in (made.subject, made.text, made.html):
            assert "$" not in text
            assert text.strip()
    made = mail(*(troubles * 11)[:22], locale=wording.language)
    assert f'<html lang="{wording.language}"' in made.html
    assert made.text.count("HubSpot answers 401.") == 20
    assert wording.more(2) in made.text
    assert len({wording.moment(NOW.replace(month=month)) for month in range(1, 13)}) == 12


@pytest.mark.parametrize(
    ("locale", "language"),
    [("it", "it"), ("it-CH", "it"), ("it_IT", "it"), ("IT", "it"), ("de-DE", "en"), ("", "en")],
)
def test_a_locale_finds_its_language(locale: str, language: str) -> None:
    """A regional variant falls back on its language, an unknown language on English."""
    assert wording_for(locale).language == language


def test_text_and_page_tell_the_same() -> None:
    """Who reads plain text misses nothing, the link included."""
    made = mail(TROUBLE, replace(TROUBLE, event=NotificationEvent.SYNC_FAILED))
    page = Reader(made.html)
    told = " ".join(page.text.split())
    for line in made.text.splitlines():
        if line.strip() and not line.startswith(("https:", "-- ")):
            assert line.removeprefix("* ").removesuffix(":") in told, line
    assert page.links == [TROUBLE.url, TROUBLE.url]
    assert page.tags.count("h1") == 1
    assert page.tags.count("h2") == 2


def test_without_a_dashboard_there_is_no_link() -> None:
    """A link to nowhere is left out, in text and page."""
    made = mail(replace(TROUBLE, url=""))
    assert "http" not in made.text
    assert Reader(made.html).links == []


def test_a_name_that_is_the_providers_is_said_once() -> None:
    """`HubSpot (HubSpot)` would tell nobody more."""
    assert mail(replace(TROUBLE, instance="HubSpot")).subject == "Reconnect needed: HubSpot"
    assert mail(replace(TROUBLE, instance="")).subject == "Reconnect needed: HubSpot"


def test_a_zone_nobody_knows_is_utc() -> None:
    """A mail is sent with the time in UTC rather than not at all."""
    assert "21 November 2026, 08:00 (UTC)" in mail(TROUBLE, time_zone="Mars/Olympus").text
