"""The sandbox's process: every emulator behind ports of loopback."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from local.sandbox.door import Door, Requests
from local.sandbox.emulators import Built, KeptSecrets, Options, Premises, find_emulators
from local.sandbox.faults import Fault, Faults
from local.sandbox.web import json_response

_HOST = "127.0.0.1"
_KEEP_ALIVE_SECONDS = 75
_STOP_SECONDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Apps:
    """What answers: `first` at the sandbox's port, the others by name at ports of their own."""

    first: Starlette
    others: Mapping[str, ASGIApp]


def sandbox_apps(options: Options, *, urls: Mapping[str, str]) -> Apps:
    """Return all emulators behind their doors, sharing faults and counters.

    `urls` are the sandbox's address as "" and, by name, those of emulators with their own port.
    """
    options.state_dir.mkdir(parents=True, exist_ok=True)
    kept = KeptSecrets(options.state_dir / "sandbox-keys.json")
    faults, requests = Faults(), Requests()
    built: dict[str, Built] = {}
    directory: dict[str, Callable[[], dict[str, Any]]] = {}
    doors: dict[str, ASGIApp] = {}
    emulators = find_emulators()
    for emulator in emulators:
        name = emulator.name
        url = urls[name] if emulator.own_port else f"{urls['']}/{name}"
        one = built[name] = emulator.build(
            Premises(
                url=url,
                options=options,
                secrets=kept,
                faults=faults,
                neighbours={other: built[other].shared for other in emulator.after},
            )
        )
        directory[name] = partial(_entry, url, one)
        doors[name] = Door(
            one.app, provider=name, faults=faults, requests=requests, error_body=one.error_body
        )

    def show() -> dict[str, dict[str, Any]]:
        return {name: entry() for name, entry in directory.items()}

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        for one in built.values():
            one.close()

    own = {emulator.name for emulator in emulators if emulator.own_port}
    mounts = [Mount(f"/{name}", door) for name, door in doors.items() if name not in own]
    first = Starlette(lifespan=lifespan, routes=[*_control_routes(show, faults, requests), *mounts])
    return Apps(first=first, others={name: doors[name] for name in own})


def _entry(url: str, built: Built) -> dict[str, Any]:
    return {"url": url, **built.entry()}


def _control_routes(
    directory: Callable[[], dict[str, dict[str, Any]]], faults: Faults, requests: Requests
) -> list[Route]:
    async def show(_: Request) -> Response:
        return json_response(directory())

    async def list_faults(_: Request) -> Response:
        active = [fault.model_dump() for fault in faults.active()]
        return json_response({"active": active, "kinds": faults.kinds()})

    async def add_fault(request: Request) -> Response:
        try:
            fault = Fault.model_validate_json(await request.body())
            faults.add(fault)
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False)
            return json_response({"error": wrong}, 400)
        except ValueError as error:
            return json_response({"error": str(error)}, 400)
        return json_response(fault.model_dump(), 201)

    async def clear_faults(request: Request) -> Response:
        faults.clear(request.query_params.get("provider"))
        return Response(status_code=204)

    async def report(_: Request) -> Response:
        return json_response(requests.report())

    async def reset(_: Request) -> Response:
        requests.reset()
        return Response(status_code=204)

    handlers: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
        ("/_sandbox", "GET", show),
        ("/_faults", "GET", list_faults),
        ("/_faults", "POST", add_fault),
        ("/_faults", "DELETE", clear_faults),
        ("/_requests", "GET", report),
        ("/_requests", "DELETE", reset),
    ]
    return [Route(path, handler, methods=[method]) for path, method, handler in handlers]


class _Server(uvicorn.Server):
    """A server that leaves the signals to whoever runs the sandbox: there are two to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class Sandbox:
    """A sandbox whose ports are taken; it answers while `serve` runs."""

    def __init__(self, options: Options) -> None:
        own = [emulator.name for emulator in find_emulators() if emulator.own_port]
        ports = {"": options.port, "convex": options.convex_port}
        listeners = {name: _listen(ports.get(name, 0)) for name in ("", *own)}
        self.urls = {
            name: f"http://{_HOST}:{listener.getsockname()[1]}"
            for name, listener in listeners.items()
        }
        """Where it answers: the sandbox as "", emulators with their own port by name."""
        apps = sandbox_apps(options, urls=self.urls)
        self._sockets = list(listeners.values())
        serving: list[ASGIApp] = [apps.first, *(apps.others[name] for name in own)]
        self._servers = [_Server(_config(app)) for app in serving]

    @property
    def url(self) -> str:
        """The sandbox's own address."""
        return self.urls[""]

    async def serve(self, on_ready: Callable[[], None]) -> None:
        """Answer until `stop`; call `on_ready` as soon as both ports do."""
        tasks = [
            asyncio.create_task(server.serve(sockets=[listener]))
            for server, listener in zip(self._servers, self._sockets, strict=True)
        ]
        while not all(server.started for server in self._servers):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.005)
        on_ready()
        await asyncio.gather(*tasks)

    def stop(self) -> None:
        """Make `serve` return soon. Any thread may call this."""
        for server in self._servers:
            server.should_exit = True


def run(options: Options) -> int:
    """Serve until SIGTERM or SIGINT; print one JSON line with both URLs once they answer.

    Return the process's exit status: 1 where a port or the state folder cannot be had.
    """
    try:
        sandbox = Sandbox(options)
    except OSError as error:
        sys.stderr.write(f"The sandbox cannot start: {error}.\n")
        return 1

    def announce() -> None:
        urls = {f"{name}_url".lstrip("_"): url for name, url in sandbox.urls.items()}
        line = orjson.dumps(urls).decode()
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, sandbox.stop)
        await sandbox.serve(announce)

    asyncio.run(serve())
    return 0


def _listen(port: int) -> socket.socket:
    # The protocol is named because asyncio sets TCP_NODELAY only where it is; without it the second
    # write of an answer waits 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
    except OSError:
        listener.close()
        raise
    return listener


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="on",
        access_log=False,
        log_level="critical",  # a cut body is an error to the server, and meant so here
        date_header=False,  # the door's clock may be skewed
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
