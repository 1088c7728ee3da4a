"""The mailbox as a person meets it; the mailer's own tests put its SMTP side to the proof."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from tests.mail_kit import PATIENCE, Mailbox, running_mailbox


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailbox]:
    with running_mailbox(Path(tmp_path_factory.mktemp("mailbox"))) as running:
        yield running


@pytest.fixture(autouse=True)
def _empty(mailbox: Mailbox) -> None:
    mailbox.clear()


def post(mailbox: Mailbox, *, subject: str = "Hello", page: str = "") -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@example.com", "b@example.com", subject
    mail.set_content("plain words\n")
    if page:
        mail.add_alternative(page, subtype="html")
    with smtplib.SMTP("127.0.0.1", mailbox.port, "localhost", timeout=PATIENCE) as server:
        server.send_message(mail)


def get(mailbox: Mailbox, path: str) -> httpx.Response:
    return httpx.get(f"{mailbox.url}/{path}", timeout=PATIENCE)


def test_the_page_shows_what_came(mailbox: Mailbox) -> None:
    """Newest first, with the text at hand; an empty box says so."""
    assert "No mail yet." in get(mailbox, "").text
    post(mailbox, subject="First")
    post(mailbox, subject="Second")
    page = get(mailbox, "").text
    assert page.index("Second") < page.index("First")
    assert "plain words" in page


def test_a_mail_cannot_script_the_page(mailbox: Mailbox) -> None:
    """Subjects are text, and a mail's own HTML is shown where nothing runs."""
    post(mailbox, subject="<script>x</script>", page="<script>y</script><b>bold</b>\n")
    assert "<script>" not in get(mailbox, "").text
    [number] = [message["number"] for message in mailbox.messages()]
    shown = get(mailbox, f"messages/{number}/html")
    assert "<b>bold</b>" in shown.text
    assert "default-src 'none'" in shown.headers["content-security-policy"]


def test_a_mail_that_is_not_there_is_not_found(mailbox: Mailbox) -> None:
    """Its number says nothing once the box was emptied."""
    assert get(mailbox, "messages/1/html").status_code == 404
