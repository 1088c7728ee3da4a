"""What every request passes on its way into an emulator: the clock, the counters, the faults."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.sandbox.faults import Fault, Faults
from local.sandbox.web import json_response

ErrorBody = Callable[[int], Mapping[str, Any]]
"""Makes a provider's own error body for a status."""

_log = logging.getLogger(__name__)
_ANSWERS = {"rate_limit": 429, "server_error": 503, "unauthorized": 401}
_SLOW_PIECES = 10


class _CutError(Exception):
    """Leaves the emulator in the middle of its answer."""


class Requests:
    """Counts what each emulator was asked and how it answered, since the start or `reset`."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[tuple[str, str, int]]] = {}

    def count(self, provider: str, method: str, path: str, status: int) -> None:
        """Note one answered request; numbers in the path are folded into `{id}`."""
        folded = "/".join("{id}" if part.isdigit() else part for part in path.split("/"))
        self._counts.setdefault(provider, Counter())[method, folded, status] += 1

    def reset(self) -> None:
        """Start again from nothing."""
        self._counts.clear()

    def report(self) -> dict[str, Any]:
        """Return provider -> {total, requests: [{method, path, status, count}]}, busiest first."""
        return {
            provider: {
                "total": counts.total(),
                "requests": [
                    {"method": method, "path": path, "status": status, "count": count}
                    for (method, path, status), count in counts.most_common()
                ],
            }
            for provider, counts in self._counts.items()
        }


class Door:
    """An ASGI app around an emulator: every answer has a Date, is counted, and meets the faults.

    The server must neither add a Date header of its own nor log the answers a fault leaves
    incomplete; what an emulator fails with is logged here. Control paths (those with a part that
    begins with `_`, and `/dev/…`) meet no fault.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        provider: str,
        faults: Faults,
        requests: Requests,
        error_body: ErrorBody,
    ) -> None:
        self._app = app
        self._provider = provider
        self._faults = faults
        self._requests = requests
        self._error_body = error_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        is_control = "/_" in path or path.startswith("/dev/")
        skew = None if is_control else self._take("clock_skew", method, path)
        shift = skew.number("seconds", 3600) if skew else 0

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._requests.count(self._provider, method, path, message["status"])
                date = formatdate(time.time() + shift, usegmt=True).encode()
                message["headers"] = [*message["headers"], (b"date", date)]
            await send(message)

        if is_control:
            await self._app(scope, receive, dated)
            return
        for kind, status in _ANSWERS.items():
            fault = self._take(kind, method, path)
            if fault:
                await self._answer(fault, status, scope, receive, dated)
                return
        outgoing = self._spoil(dated, method, path)
        try:
            await self._app(scope, receive, outgoing)
        except _CutError:
            return  # an answer left incomplete: the server closes the connection
        except Exception:
            _log.exception("The %s emulator failed at %s %s", self._provider, method, path)
            raise

    def _take(self, kind: str, method: str, path: str) -> Fault | None:
        return self._faults.take(self._provider, kind, method=method, path=path)

    async def _answer(
        self, fault: Fault, status: int, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if fault.fault == "server_error":
            status = int(fault.number("status", status))
        headers = {}
        if fault.option("retry_after") is not None:
            headers["Retry-After"] = str(fault.option("retry_after"))
        response = json_response(self._error_body(status), status, headers=headers)
        await response(scope, receive, send)

    def _spoil(self, send: Send, method: str, path: str) -> Send:
        if fault := self._take("malformed", method, path):
            return _Malformed(send)
        if fault := self._take("truncated", method, path):
            return _Truncated(send, fault.number("bytes", 0))
        if fault := self._take("slow", method, path):
            return _Slow(send, fault.number("seconds", 5))
        return send


class _Malformed:
    """Sends half of the body as if it were all of it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message = {}
        self._body = b""

    async def __call__(self, message: Message) -> None:
        """Pass one message of the answer on, changed."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body", False):
            return
        half = self._body[: len(self._body) // 2]
        others = [(k, v) for k, v in self._start["headers"] if k.lower() != b"content-length"]
        length = (b"content-length", str(len(half)).encode())
        await self._send({**self._start, "headers": [*others, length]})
        await self._send({"type": "http.response.body", "body": half})


class _Truncated:
    """Promises the whole body, sends the first `limit` bytes (0: half) and stops."""

    def __init__(self, send: Send, limit: float) -> None:
        self._send = send
        self._left = int(limit)

    async def __call__(self, message: Message) -> None:
        """Pass one message of the answer on, changed."""
        if message["type"] == "http.response.start":
            lengths = [v for k, v in message["headers"] if k.lower() == b"content-length"]
            if not self._left:
                self._left = int(lengths[0]) // 2 if lengths else 1
            await self._send(message)
            return
        body = message.get("body", b"")
        if len(body) < self._left and message.get("more_body", False):
            self._left -= len(body)
            await self._send(message)
            return
        piece = body[: min(self._left, max(len(body) - 1, 0))]
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        raise _CutError


class _Slow:
    """Sends the (first chunk of the) body in ten pieces, which takes `seconds`."""

    def __init__(self, send: Send, seconds: float) -> None:
        self._send = send
        self._pause = seconds / _SLOW_PIECES
        self._done = False

    async def __call__(self, message: Message) -> None:
        """Pass one message of the answer on, changed."""
        body = message.get("body", b"")
        if self._done or not body:
            await self._send(message)
            return
        self._done = True
        size = -(-len(body) // _SLOW_PIECES)
        for start in range(0, len(body), size):
            await asyncio.sleep(self._pause)
            piece = body[start : start + size]
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._send({**message, "body": b""})
