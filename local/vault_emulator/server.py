"""The HTTPS server in front of the state: Key Vault's routes, challenge and error bodies."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final
from urllib.parse import urlsplit

from local.vault_emulator.certificate import make_certificate
from local.vault_emulator.state import Json, VaultError, VaultState

_CHALLENGE: Final = (
    'Bearer authorization="https://login.microsoftonline.com/'
    '00000000-0000-0000-0000-000000000000", resource="https://vault.azure.net"'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningVault:
    """An emulator at `url`; a client trusts `certificate` and sends any bearer token."""

    url: str
    certificate: Path
    state: VaultState


@contextmanager
def running_vault(folder: Path, *, port: int = 0) -> Iterator[RunningVault]:
    """Serve an empty vault on localhost until the block ends; its certificate is in `folder`."""
    paths = make_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(paths.certificate, paths.key)
    with _Server(("127.0.0.1", port), context) as server:
        server.state.url = f"https://localhost:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield RunningVault(
                url=server.state.url, certificate=paths.certificate, state=server.state
            )
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    """A thread per connection, each with its own TLS handshake."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext) -> None:
        super().__init__(address, _Handler)
        self.state = VaultState()
        # The handshake happens in the connection's thread: a silent client stops nobody else.
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that hung up."""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_one_request(self) -> None:
        """Answer a request; a client that is gone ends the connection."""
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def do_GET(self) -> None:
        """Answer GET."""
        self._answer()

    do_PUT = do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815  # likewise

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(length)
        if not (self.headers.get("Authorization") or "").startswith("Bearer "):
            self._send(401, _error("Unauthorized", "No token."), {"WWW-Authenticate": _CHALLENGE})
            return
        try:
            self.server.state.count_call()
            self._send(200, self._route(json.loads(data or b"{}")), {})
        except VaultError as error:
            self._send(error.status, _error(error.code, str(error)), error.headers)

    def _route(self, body: Json) -> Json:
        state, parts = self.server.state, urlsplit(self.path).path.strip("/").split("/")
        match self.command, *parts:
            case "PUT", "secrets", name:
                answer = state.put(name, body)
            case "GET", "secrets", name, "versions":
                answer = {"value": state.versions(name), "nextLink": None}
            case "GET", "secrets", name:
                answer = state.get(name, "")
            case "GET", "secrets", name, version:
                answer = state.get(name, version)
            case "PATCH", "secrets", name, version:
                answer = state.update(name, version, body)
            case "DELETE", "secrets", name:
                answer = state.delete(name)
            case "GET", "deletedsecrets", name:
                answer = state.get_deleted(name)
            case "POST", "deletedsecrets", name, "recover":
                answer = state.recover(name)
            case _:
                raise VaultError(404, "NotFound", "The emulator has no such route.")
        return answer

    def _send(self, status: int, answer: Json, headers: dict[str, str]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
        """Keep quiet: paths name secrets."""


def _error(code: str, message: str) -> Json:
    return {"error": {"code": code, "message": message}}
