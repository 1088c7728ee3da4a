"""A fake server for tests of everything that speaks HTTP: scripted answers, recorded requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from shared.http.client import HttpClient

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class Script(httpx.BaseTransport):
    """Gives the scripted answers in turn, the last one for ever; keeps the requests."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        content = request.read()
        sent = httpx.Request(request.method, request.url, headers=request.headers, content=content)
        self.requests.append(sent)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            return answer(request)
        return httpx.Response(
            answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content)
        )


class Sleeps:
    """A `sleep` that only remembers."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)


def answer(status: int = 200, *, headers: dict[str, str] | None = None, **body: Any) -> Any:
    """Return an answer with the JSON object `body`."""
    return httpx.Response(status, headers=headers, json=body)


def make_client(*answers: Answer, sleep: Sleeps | None = None, **arguments: Any) -> HttpClient:
    """Return a client whose server gives these answers."""
    defaults: dict[str, Any] = {
        "name": "Acme",
        "base_url": "https://api.acme.test/base",
        "sleep": sleep or Sleeps(),
        "transport": Script(*answers),
    }
    return HttpClient(**{**defaults, **arguments})
