"""The HTTP side: routes requests to functions, and the few admin routes a developer needs.

Keys are not checked: `func start` does not check them either.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import uvicorn

from local.host.config import BODY_LIMIT
from local.host.cors import Cors
from local.host.errors import HostError
from local.host.http_messages import Answer, request_headers, to_answer, to_rpc
from local.host.invoker import Invoker
from local.host.routes import Route, RouteTable
from local.host.worker import Function

log = logging.getLogger("host.http")

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
RunOnce = Callable[[Function, str], None]
"""Starts a queue or timer function at a developer's wish, with this input."""

_RESERVED = ("admin", "runtime")


class BodyTooLargeError(Exception):
    """The request's body is over the limit."""


class HttpServer:
    """Serves on 127.0.0.1 until it is told to stop."""

    def __init__(
        self,
        functions: tuple[Function, ...],
        *,
        prefix: str,
        invoker: Invoker,
        cors: Cors,
        run_once: RunOnce,
        port: int = 0,
        body_limit: int = BODY_LIMIT,
    ) -> None:
        self._functions = {function.name: function for function in functions}
        self._routes = RouteTable.of(
            _route(function, prefix) for function in functions if function.kind == "httpTrigger"
        )
        self._invoker = invoker
        self._cors = cors
        self._run_once = run_once
        self._body_limit = body_limit
        self._socket = _listen(port)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            self,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            loop="asyncio",
            ws="none",
            timeout_keep_alive=120,
        )
        self._server = _Server(config)
        self._serving: asyncio.Task[None] | None = None

    @property
    def routes(self) -> tuple[Route, ...]:
        """Every route, in the order they are tried."""
        return self._routes.routes

    async def start(self) -> None:
        """Return when requests are answered."""
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started:
            if self._serving.done():
                await self._serving
                raise HostError("The HTTP server did not start.")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Accept nothing more; return when every request under way has its answer."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        headers = request_headers(scope["headers"])
        method = scope["method"]
        preflight = self._cors.preflight(method, headers)
        if preflight is not None:
            await _send(send, method, Answer(status=204, headers=tuple(preflight)))
            return
        try:
            body = await self._read(headers, receive)
        except BodyTooLargeError:
            answer = Answer(status=413, headers=(("connection", "close"),))
        else:
            answer = await self._answer(scope, method, headers, body)
        extra = tuple(self._cors.headers(headers))
        answer = Answer(status=answer.status, headers=answer.headers + extra, body=answer.body)
        await _send(send, method, answer)

    async def _read(self, headers: dict[str, str], receive: Receive) -> bytes:
        """Return the body; one without a Content-Length is not passed on, as on the host."""
        length = int(headers.get("content-length", "0"))
        if length > self._body_limit:
            raise BodyTooLargeError
        if not length:
            return b""
        chunks = []
        more = True
        while more:
            event = await receive()
            chunks.append(event.get("body", b""))
            more = event.get("more_body", False)
        return b"".join(chunks)

    async def _answer(
        self, scope: Scope, method: str, headers: dict[str, str], body: bytes
    ) -> Answer:
        path = scope["raw_path"].decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        if path.split("/")[1].lower() == "admin":
            return self._admin(method, path, body)
        found = self._routes.find(method, path)
        if found is None:
            home = path == "/" and method in {"GET", "HEAD"}
            return _text(200, "The local functions host is running.\n") if home else _text(404)
        name, params = found
        target = f"{path}?{query}" if query else path
        data = to_rpc(
            method=method,
            url=f"http://{headers.get('host', '127.0.0.1')}{target}",
            query=query,
            headers=headers,
            params=params,
            body=body,
        )
        reason = f"{method} {path}"
        result = await self._invoker.run(self._functions[name], data, reason=reason)
        return to_answer(result.returned) if result.ok else _text(500)

    def _admin(self, method: str, path: str, body: bytes) -> Answer:
        parts = path.strip("/").split("/")[1:]
        match [method, *parts]:
            case ["GET" | "POST" | "HEAD", "host", "ping"]:
                return _text(200)
            case ["GET", "host", "status"]:
                return _json(200, {"state": "Running", "functions": sorted(self._functions)})
            case ["GET", "functions"]:
                return _json(200, [self._describe(f) for f in self._functions.values()])
            case ["GET", "functions", name] if name in self._functions:
                return _json(200, self._describe(self._functions[name]))
            case ["POST", "functions", name] if name in self._functions:
                return self._start(self._functions[name], body)
        return _text(404)

    def _describe(self, function: Function) -> dict[str, Any]:
        route = next((r for r in self.routes if r.function == function.name), None)
        url = f"{self.url}/{route.template}" if route else None
        bindings = [function.trigger, *function.outputs.values()]
        return {"name": function.name, "invoke_url_template": url, "config": {"bindings": bindings}}

    def _start(self, function: Function, body: bytes) -> Answer:
        if function.kind == "httpTrigger":
            return _text(400, f"{function.name} has an HTTP trigger: call its own address.\n")
        try:
            document = json.loads(body or b"{}")
            value = document.get("input") or ""
        except (ValueError, AttributeError):
            return _text(400, 'The body must be JSON such as {"input": "text"}.\n')
        self._run_once(function, value if isinstance(value, str) else json.dumps(value))
        return Answer(status=202)


class _Server(uvicorn.Server):
    """A server that leaves the signals to the host."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _route(function: Function, prefix: str) -> Route:
    own = str(function.trigger.get("route") or function.name).strip("/")
    template = f"{prefix}/{own}" if prefix else own
    if template.split("/")[0].lower() in _RESERVED:
        raise HostError(
            f"The route '{template}' of {function.name} conflicts with the host's own routes."
        )
    methods = function.trigger.get("methods") or ()
    return Route.parse(template, function=function.name, methods=methods)


def _listen(port: int) -> socket.socket:
    # The protocol is named because asyncio sets TCP_NODELAY only where it is; without it the second
    # write of an answer waits 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise HostError(f"Port {port} cannot be used: {error.strerror}.") from None
    return listener


def _text(status: int, text: str = "") -> Answer:
    headers = (("content-type", "text/plain; charset=utf-8"),) if text else ()
    return Answer(status=status, headers=headers, body=text.encode())


def _json(status: int, document: object) -> Answer:
    headers = (("content-type", "application/json; charset=utf-8"),)
    return Answer(status=status, headers=headers, body=json.dumps(document).encode())


async def _send(send: Send, method: str, answer: Answer) -> None:
    headers = [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in answer.headers]
    bodiless = answer.status in {204, 304} or answer.status < 200  # noqa: PLR2004 - RFC 9110
    if not bodiless:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    empty = bodiless or method == "HEAD"
    await send({"type": "http.response.body", "body": b"" if empty else answer.body})
