"""What hunts a secret: a gate that echoes headers in its errors, and a search of all that is kept.

The gate stands before a provider and passes every call on, until it is told to refuse: then its
error answer repeats the request's own headers, as careless servers do.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote, quote_plus

import httpx

_NOT_PASSED_ON = {"host", "connection", "content-length", "transfer-encoding", "content-encoding"}
ECHO = "Refused, you sent"


@dataclass(slots=True, kw_only=True)
class Gate:
    """The gate's state: who is behind it, and how it refuses which paths."""

    url: str = ""
    upstream: str = ""
    status: int = 0
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    echoed: int = 0

    @contextmanager
    def refusing(self, status: int, *, path: str = "", **headers: str) -> Iterator[None]:
        """Refuse calls whose path contains `path` with an echo; fail where none came."""
        self.status, self.path, before = status, path, self.echoed
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            yield
        finally:
            self.status = 0
        assert self.echoed > before, "nobody called the gate while it refused"

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> httpx.Response:
        """Return the echo, or what stands behind the gate answers."""
        if self.status and self.path in handler.path:
            self.echoed += 1
            return self._echo(dict(handler.headers.items()))
        passed = {n: v for n, v in handler.headers.items() if n.lower() not in _NOT_PASSED_ON}
        return httpx.request(
            handler.command,
            self.upstream + handler.path,
            headers=passed,
            content=body,
            timeout=240,
            trust_env=False,
        )

    def _echo(self, sent: Mapping[str, str]) -> httpx.Response:
        signed = sent.get("Authorization", "nothing")
        said = f"{ECHO} {signed}; encoded {quote(signed, safe='')}"
        body = {"status": "error", "message": said, "code": signed, "headers": sent}
        body |= {"type": f"urn:{signed}", "title": said, "detail": said, "correlationId": signed}
        headers = {"X-HubSpot-Correlation-Id": signed, "X-Request-Id": signed, **self.headers}
        return httpx.Response(self.status, json=body, headers=headers)


@contextmanager
def open_gate() -> Iterator[Gate]:
    """Run a gate on loopback until the block ends; its `upstream` is set once it is known."""
    gate = Gate()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = gate.answer(self, body)
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() not in _NOT_PASSED_ON:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        gate.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield gate
        finally:
            server.shutdown()
            thread.join()


def forms_of(secret: str) -> dict[str, bytes]:
    """Return the ways a secret may be written, by name.

    Base64 has three, by where in the encoded text the secret begins; of each what does not depend
    on its neighbours.
    """
    raw = secret.encode()
    forms = {
        "raw": raw,
        "URL": quote(secret, safe="").encode(),
        "form": quote_plus(secret).encode(),
        "JSON": json.dumps(secret)[1:-1].encode(),
        "UTF-16": secret.encode("utf-16-le"),
        "hex": raw.hex().encode(),
    }
    for shift in range(3):
        shifted = base64.b64encode(b"\0" * shift + raw)
        inner = shifted[4 if shift else 0 : len(raw) // 3 * 4]
        forms[f"base64 at {shift}"] = inner
        forms[f"base64 for URLs at {shift}"] = inner.translate(bytes.maketrans(b"+/", b"-_"))
    return forms


def found_in(data: bytes, secret: str) -> list[str]:
    """Return the names of the forms in which the data holds the secret."""
    return [name for name, form in forms_of(secret).items() if form in data]


@dataclass(slots=True, kw_only=True)
class Evidence:
    """Everything that was kept or said, by where: a file's path, a queue, or a request."""

    places: dict[str, bytes] = field(default_factory=dict)

    def add_files(self, folder: Path) -> None:
        """Take every file below a folder."""
        for path in folder.rglob("*"):
            if path.is_file():
                self.places[str(path.relative_to(folder))] = path.read_bytes()

    def holding(self, secret: str) -> dict[str, list[str]]:
        """Return the places that hold the secret, with the forms it has there."""
        found = {place: found_in(data, secret) for place, data in self.places.items()}
        return {place: forms for place, forms in found.items() if forms}

    def under(self, prefix: str) -> Iterable[str]:
        """Return the places whose name begins with `prefix`."""
        return [place for place in self.places if place.startswith(prefix)]
