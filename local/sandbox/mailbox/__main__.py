"""`python -m local.sandbox.mailbox`: take mails until told to stop.

Prints one JSON line when both ports answer: {"url": "http://127.0.0.1:P", "smtp_port": Q}.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from local.sandbox.mailbox.letters import Letters
from local.sandbox.mailbox.pages import mailbox_app
from local.sandbox.mailbox.smtp import Rules, smtp_protocol

_HOST = "127.0.0.1"


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.sandbox.mailbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of the pages; 0 takes a free one")
    parser.add_argument("--smtp-port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--certificate", type=Path, help="PEM file; STARTTLS is then required")
    parser.add_argument("--key", type=Path, help="PEM file of the certificate's key")
    parser.add_argument("--tls-from-start", action="store_true", help="no STARTTLS: TLS at once")
    parser.add_argument("--login", default="", metavar="USER:PASSWORD", help="who may send")
    given = parser.parse_args(arguments)
    tls = None
    if given.certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(given.certificate, given.key)
    user, _, password = given.login.partition(":")
    asyncio.run(
        _serve(
            Rules(tls=None if given.tls_from_start else tls, user=user, password=password),
            port=given.port,
            smtp_port=given.smtp_port,
            tls_from_start=tls if given.tls_from_start else None,
        )
    )
    return 0


class _Pages(uvicorn.Server):
    """A server that leaves the signals to this process: there are two to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def _serve(
    rules: Rules, *, port: int, smtp_port: int, tls_from_start: ssl.SSLContext | None
) -> None:
    letters, loop = Letters(), asyncio.get_running_loop()
    smtp = await loop.create_server(
        lambda: smtp_protocol(letters, rules), _HOST, smtp_port, ssl=tls_from_start
    )
    listener = socket.create_server((_HOST, port))
    app = mailbox_app(letters)
    pages = _Pages(uvicorn.Config(app, lifespan="off", access_log=False, log_level="error"))

    def stop() -> None:
        smtp.close()
        pages.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    ports = {
        "url": f"http://{_HOST}:{listener.getsockname()[1]}",
        "smtp_port": smtp.sockets[0].getsockname()[1],
    }
    # Both ports take connections already, which wait until the server answers.
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    await pages.serve(sockets=[listener])


if __name__ == "__main__":
    sys.exit(main())
