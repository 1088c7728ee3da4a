"""The mailer before a real SMTP server, in a process of its own."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from local.vault_emulator.certificate import Certificate, make_certificate
from shared.backends.smtp_mailer import SmtpMailer
from shared.errors import AuthError, PermanentError, TransientError
from shared.ports.mailer import MailMessage
from tests.mail_kit import Mailbox, header, running_mailbox

SENDER = "LinkHub Integrator <integrator@linkhub.test>"
USER, PASSWORD = "mailer", "smtp-canary-55d1"
LOGIN = ("--login", f"{USER}:{PASSWORD}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mail")


@pytest.fixture(scope="module")
def certificate(folder: Path) -> Certificate:
    return make_certificate(folder)


@pytest.fixture(scope="module")
def secured(folder: Path, certificate: Certificate) -> Iterator[Mailbox]:
    """Yield a server that takes nothing before STARTTLS and a sign-in."""
    files = ("--certificate", str(certificate.certificate), "--key", str(certificate.key))
    with running_mailbox(folder, *files, *LOGIN) as mailbox:
        yield mailbox


@pytest.fixture(scope="module")
def plain(folder: Path) -> Iterator[Mailbox]:
    """Yield a server that knows neither TLS nor users."""
    with running_mailbox(folder) as mailbox:
        yield mailbox


@pytest.fixture(autouse=True)
def _empty(request: pytest.FixtureRequest) -> None:
    for name in {"secured", "plain"} & set(request.fixturenames):
        request.getfixturevalue(name).clear()


@pytest.fixture(name="trusting")
def trusting_fixture(certificate: Certificate) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate.certificate))


def mailer(mailbox: Mailbox, **values: Any) -> SmtpMailer:
    defaults = {"host": "127.0.0.1", "port": mailbox.port, "sender": SENDER, "timeout": 60}
    return SmtpMailer(**{**defaults, **values})


def message(*to: str, **values: Any) -> MailMessage:
    defaults: dict[str, Any] = {
        "to": to or ("ada@example.com",),
        "subject": "Sync failed: Sales",
        "text": "Open the dashboard.\n",
        "html": "<p>Open the dashboard.</p>\n",
        "message_id": "01a2008d-282a-7dfb-a4da-1b571d63b6fc",
    }
    return MailMessage(**{**defaults, **values})


def test_a_mail_arrives_encrypted_and_signed_in(secured: Mailbox, trusting: ssl.SSLContext) -> None:
    """What the server keeps is the whole mail, in both forms, from the user that signed in."""
    with closing(mailer(secured, user=USER, password=PASSWORD, tls=trusting)) as sender:
        assert sender.send(message("ada@example.com", "grace@example.com", language="it")) == ()
    [got] = secured.messages()
    assert (got["encrypted"], got["user"]) == (True, USER)
    assert (got["from"], got["to"]) == (
        "integrator@linkhub.test",
        ["ada@example.com", "grace@example.com"],
    )
    assert (got["text"], got["html"]) == ("Open the dashboard.\n", "<p>Open the dashboard.</p>\n")
    assert header(got, "From") == [SENDER]
    assert header(got, "Message-ID") == ["<01a2008d-282a-7dfb-a4da-1b571d63b6fc@linkhub.test>"]
    assert header(got, "Content-Language") == ["it"]
    assert header(got, "Auto-Submitted") == ["auto-generated"]
    assert len(header(got, "Date")) == 1


def test_any_language_arrives_as_it_was_written(plain: Mailbox) -> None:
    """Accents, emoji and other scripts survive subject and bodies."""
    words = "Può ripartire: 売上 🚀 “Città” " + "lunghissimo " * 20
    with closing(mailer(plain)) as sender:
        sender.send(message(subject=words.strip(), text=words + "\n", html=f"<p>{words}</p>\n"))
    [got] = plain.messages()
    assert got["subject"] == words.strip()
    assert got["text"] == words + "\n"
    assert got["html"] == f"<p>{words}</p>\n"


def test_a_batch_shares_one_connection(secured: Mailbox, trusting: ssl.SSLContext) -> None:
    """The handshake and the sign-in are paid once for all mails until `close`."""
    made = mailer(secured, user=USER, password=PASSWORD, tls=trusting)
    with connections_counted() as count, closing(made) as sender:
        for number in range(5):
            sender.send(message(message_id=f"mail-{number}"))
    assert count == [secured.port]
    assert len(secured.messages()) == 5


def test_a_mailer_is_usable_after_its_close(plain: Mailbox) -> None:
    """One object serves every batch of a process."""
    sender = mailer(plain)
    for _ in range(2):
        sender.send(message())
        sender.close()
        sender.close()
    assert len(plain.messages()) == 2


def test_a_connection_the_server_has_ended_is_made_anew(folder: Path) -> None:
    """A restart of the server between two mails costs no mail an attempt."""
    with running_mailbox(folder) as first:
        sender = mailer(first)
        sender.send(message())
    with running_mailbox(folder, "--smtp-port", str(first.port)) as second, closing(sender):
        sender.send(message())
        assert len(second.messages()) == 1


def test_tls_from_the_first_byte(
    folder: Path,
    certificate: Certificate,
    trusting: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The submissions port speaks TLS at once."""
    files = ("--certificate", str(certificate.certificate), "--key", str(certificate.key))
    with running_mailbox(folder, *files, "--tls-from-start") as mailbox:
        monkeypatch.setattr("shared.backends.smtp_mailer.SUBMISSIONS_PORT", mailbox.port)
        with closing(mailer(mailbox, tls=trusting)) as sender:
            sender.send(message())
        assert len(mailbox.messages()) == 1


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"password": "wrong-canary-9"}, "refuses the sign-in (535)"),
        ({"user": ""}, "530"),
        ({"host": "mail.linkhub.test"}, "not valid for 'mail.linkhub.test'"),
        ({"tls": None}, "certificate of the mail server"),
    ],
)
@pytest.mark.usefixtures("everything_near")
def test_a_set_up_that_does_not_fit_is_told_apart(
    secured: Mailbox,
    trusting: ssl.SSLContext,
    caplog: pytest.LogCaptureFixture,
    broken: dict[str, Any],
    words: str,
) -> None:
    """A refused sign-in and a wrong certificate are the operator's, and no secret is said."""
    given = {"user": USER, "password": PASSWORD, "tls": trusting, **broken}
    with (
        caplog.at_level(logging.DEBUG),
        closing(mailer(secured, **given)) as sender,
        pytest.raises(AuthError) as caught,
    ):
        sender.send(message())
    assert words in str(caught.value)
    assert not any(word in str(caught.value) + caplog.text for word in ("canary", USER))
    assert secured.messages() == []


@pytest.mark.usefixtures("everything_near")
def test_nothing_is_said_in_clear_to_a_server_that_is_not_near(plain: Mailbox) -> None:
    """Without STARTTLS a mail stays here, unless the operator has set otherwise."""
    with (
        closing(mailer(plain, host="mail.linkhub.test")) as sender,
        pytest.raises(AuthError, match="offers no STARTTLS"),
    ):
        sender.send(message())
    assert plain.messages() == []
    with closing(mailer(plain, host="mail.linkhub.test", starttls=False)) as sender:
        sender.send(message())
    assert len(plain.messages()) == 1


def test_a_password_never_crosses_a_network_in_clear(plain: Mailbox) -> None:
    """Not even where the operator asks for it."""
    with pytest.raises(PermanentError, match="in clear"):
        mailer(plain, host="mail.linkhub.test", user=USER, password=PASSWORD, starttls=False)


def test_a_server_without_users_is_told_apart(plain: Mailbox) -> None:
    """A sign-in that the server does not know is a setting to change."""
    with (
        closing(mailer(plain, user=USER, password=PASSWORD)) as sender,
        pytest.raises(AuthError, match="sign in"),
    ):
        sender.send(message())


@pytest.mark.parametrize(
    ("to", "error", "words"),
    [
        ("busy@example.com", TransientError, "…@example.com was refused: 451"),
        ("refused@example.com", PermanentError, "…@example.com was refused: 550"),
        ("unwanted@example.com", PermanentError, "554"),
        ("lost-answer@example.com", TransientError, "SMTPServerDisconnected"),
        ("ada", PermanentError, "no mail address"),
        ("ada@example.com\r\nRCPT TO:<eve@example.com>", PermanentError, "no mail address"),
        ("Ada <ada@example.com>", PermanentError, "no mail address"),
        ("", PermanentError, "no mail address"),
    ],
)
def test_a_refusal_says_what_happens_next(
    plain: Mailbox, to: str, error: type[Exception], words: str
) -> None:
    """4xx is later, 5xx never, and the next mail goes out over the same mailer."""
    with closing(mailer(plain)) as sender:
        with pytest.raises(error) as caught:
            sender.send(message(to))
        assert words in str(caught.value)
        assert "busy@" not in str(caught.value)
        sender.send(message("grace@example.com"))
    assert plain.messages()[-1]["to"] == ["grace@example.com"]


def test_a_recipient_that_is_refused_does_not_keep_others_from_it(plain: Mailbox) -> None:
    """The mail goes to whom it can, once each, and the rest is told."""
    to = ("refused@example.com", "ada@example.com", "no address", "ada@example.com")
    with closing(mailer(plain)) as sender:
        left_out = sender.send(message(*to))
    [got] = plain.messages()
    assert got["to"] == ["ada@example.com"]
    assert len(left_out) == 2
    assert any("550" in one for one in left_out)
    assert not any("refused@" in one for one in left_out)


def test_an_international_domain_is_sent_in_ascii(plain: Mailbox) -> None:
    """`città.example` has a form that every server takes."""
    with closing(mailer(plain)) as sender:
        sender.send(message("ada@città.example"))
    assert plain.messages()[0]["to"] == ["ada@xn--citt-3na.example"]


@pytest.mark.parametrize("field", ["subject", "message_id", "language"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_no_text_adds_a_header(plain: Mailbox, field: str, end: str) -> None:
    """A line end in a header is refused before anything is sent."""
    hostile = message(**{field: f"x{end}Bcc: eve@example.com{end}{end}<b>body</b>"})
    with closing(mailer(plain)) as sender, pytest.raises(PermanentError, match="line end"):
        sender.send(hostile)
    assert plain.messages() == []


def test_a_body_cannot_end_the_mail(plain: Mailbox) -> None:
    """A lone dot in a text, which ends a mail in SMTP, is only a dot."""
    text = "before\n.\nMAIL FROM:<eve@example.com>\n..\nafter\n"
    with closing(mailer(plain)) as sender:
        sender.send(message(text=text))
    [got] = plain.messages()
    assert got["text"] == text


@pytest.mark.parametrize("sender", ["", "integrator", "a@b.test\r\nX: y", "two@a.test, b@b.test"])
def test_a_sender_that_is_none_is_told_at_once(sender: str) -> None:
    """A mistyped SMTP_FROM is found before the first mail."""
    with pytest.raises(PermanentError, match="SMTP_FROM"):
        SmtpMailer(host="127.0.0.1", port=25, sender=sender)


@pytest.fixture
def everything_near(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the names of this test's servers lead to loopback."""
    ask = socket.getaddrinfo

    def answer(host: Any, *rest: Any, **more: Any) -> Any:
        is_ours = isinstance(host, str) and host.endswith("linkhub.test")
        return ask("127.0.0.1" if is_ours else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@contextmanager
def connections_counted() -> Iterator[list[int]]:
    """Note the port of every connection made within the block."""
    ports: list[int] = []
    create = socket.create_connection

    def noting(address: Any, *rest: Any, **more: Any) -> Any:
        ports.append(address[1])
        return create(address, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "create_connection", noting)
        yield ports
