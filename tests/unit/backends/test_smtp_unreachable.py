"""The mailer before servers that are not there, say nothing or turn it away."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from shared.backends.smtp_mailer import SmtpMailer
from shared.errors import TransientError
from tests.unit.backends.test_smtp_mailer import SENDER, message


def test_a_server_that_is_not_there_is_tried_again(unused_port: int) -> None:
    """Nobody listening is a matter of time."""
    with (
        closing(SmtpMailer(host="127.0.0.1", port=unused_port, sender=SENDER)) as sender,
        pytest.raises(TransientError, match="cannot be reached: ConnectionRefusedError"),
    ):
        sender.send(message())


def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    """A silent server costs the time-out, not the timer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        sender = SmtpMailer(host="127.0.0.1", port=port, sender=SENDER, timeout=0.2)
        with closing(sender), pytest.raises(TransientError, match="cannot be reached"):
            sender.send(message())


@pytest.mark.parametrize(
    ("greeting", "error"),
    [
        (b"421 too many connections\r\n", TransientError),
        (b"554 no service for you\r\n", TransientError),
        (b"220 hi\r\n", TransientError),
    ],
)
def test_a_server_that_turns_away_is_tried_again(greeting: bytes, error: type[Exception]) -> None:
    """A refusal at the door, or a door slammed after it, is the server's trouble."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def answer() -> None:
            with door.accept()[0] as peer:
                peer.sendall(greeting)

        thread = threading.Thread(target=answer)
        thread.start()
        port = door.getsockname()[1]
        sender = SmtpMailer(host="127.0.0.1", port=port, sender=SENDER, timeout=60)
        with closing(sender), pytest.raises(error):
            sender.send(message())
        thread.join()


@pytest.fixture
def unused_port() -> Iterator[int]:
    """Yield a port at which nobody listens, and that nobody else can take meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
