"""The wires of a history: LinkHub's emulator in process, and the steps at which things go wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx
import orjson
import pytest
from starlette.applications import Starlette

from local.sandbox.linkhub.records import Records
from shared.errors import TransientError
from tests.fakes import PowerCutError

T = TypeVar("T")

INITIATIVES = "initiatives"


class Blow(Enum):
    """CUT: the process ends there. LOST: the wire or the database fails, the process lives."""

    CUT = "cut"
    LOST = "lost"


@dataclass
class Steps:
    """Counts the moments before and after each call and commit of a run; `blows` by number."""

    blows: dict[int, Blow] = field(default_factory=dict)
    meddle: Callable[[], None] = lambda: None
    count: int = 0
    is_dead: bool = False
    log: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)

    def cross(self, name: str, act: Callable[[], T], error: Callable[[], Exception]) -> T:
        self._step(f"before {name}", error)
        made = act()
        self._step(f"after {name}", error)
        return made

    def at_application(self, name: str, act: Callable[[], T], /) -> T:
        if name == "push":
            self.sent.append(name)
        return self.cross(name, act, lambda: TransientError("The application does not answer."))

    def _step(self, name: str, error: Callable[[], Exception]) -> None:
        if self.is_dead:
            raise PowerCutError
        self.count += 1
        self.log.append(name)
        blow = self.blows.get(self.count)
        if blow is Blow.CUT:
            self.is_dead = True
            raise PowerCutError
        if blow is Blow.LOST:
            raise error()
        self.meddle()


class LinkHub(httpx.BaseTransport):
    """The emulator, in process; `page_size` changes a page of its feed at most."""

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self.records: Records = app.state.records

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self.serve(request.method, request.url, request.headers.raw, request.read())

    def serve(
        self, method: str, url: httpx.URL, headers: Sequence[tuple[bytes, bytes]], body: bytes
    ) -> httpx.Response:
        """Run the application to its answer: it waits for nothing, so nothing has to wait."""
        sent: list[Mapping[str, Any]] = []

        async def receive() -> Mapping[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Mapping[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": url.path,
            "root_path": "",
            "query_string": url.query,
            "headers": [(name.lower(), value) for name, value in headers],
            "http_version": "1.1",
            "scheme": "http",
            "server": ("linkhub.test", 80),
        }
        with pytest.raises(StopIteration):
            self._app(scope, receive, send).send(None)  # type: ignore[arg-type]
        content = b"".join(message.get("body", b"") for message in sent[1:])
        return httpx.Response(sent[0]["status"], headers=sent[0]["headers"], content=content)

    def edit(self, profile_id: str, **edits: Any) -> list[str]:
        """Do what a person does in LinkHub; return the ids of what is new."""
        body = orjson.dumps({"profile": profile_id, "entity": INITIATIVES, **edits})
        answer = self.serve("POST", httpx.URL("http://linkhub.test/_edits"), [], body)
        assert answer.status_code == 200, answer.text
        created: list[str] = answer.json()["created"]
        return created


class Wire(httpx.BaseTransport):
    """One run's way to LinkHub."""

    def __init__(self, linkhub: LinkHub, steps: Steps, page_size: int) -> None:
        self._linkhub = linkhub
        self._steps = steps
        self._page_size = page_size

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        call = request.url.path.rpartition("/")[2]
        if call in {"upsert", "delete"}:
            self._steps.sent.append(call)
        url = request.url
        if call == "changes":
            params = {**dict(url.params), "limit": str(self._page_size)}
            url = url.copy_with(query=urlencode(params).encode())
        return self._steps.cross(
            call,
            lambda: self._linkhub.serve(request.method, url, request.headers.raw, request.read()),
            lambda: httpx.ReadError("The connection broke."),
        )
