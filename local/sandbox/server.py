"""The sandbox's process: every emulator behind two ports of loopback."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import socket
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from local.sandbox.door import Door, ErrorBody, Requests
from local.sandbox.entra import Entra
from local.sandbox.entra.errors import error_body as entra_error
from local.sandbox.entra.settings import EntraSettings
from local.sandbox.faults import Fault, Faults
from local.sandbox.graph import error_body as graph_error
from local.sandbox.graph import graph_app
from local.sandbox.hubspot import hubspot_app
from local.sandbox.hubspot.errors import error_body as hubspot_error
from local.sandbox.issuer import issuer_app
from local.sandbox.issuer.app import AUDIENCE
from local.sandbox.issuer.app import error_body as issuer_error
from local.sandbox.linkhub import linkhub_app
from local.sandbox.linkhub.app import problem_body
from local.sandbox.oauth.clients import Client
from local.sandbox.oauth.settings import Settings
from local.sandbox.powerbi import powerbi_app
from local.sandbox.powerbi.errors import error_body as powerbi_error
from local.sandbox.state import read_private, write_private
from local.sandbox.web import json_response

_HOST = "127.0.0.1"
_KEEP_ALIVE_SECONDS = 75
_STOP_SECONDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a sandbox is started; port 0 takes a free one.

    `redirect_uris` are registered for the OAuth apps of both HubSpot and Entra.
    """

    state_dir: Path
    port: int = 0
    convex_port: int = 0
    deals: int = 25_000
    tasks: int = 3_000
    convex_zip: Path | None = None
    redirect_uris: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """The credentials the emulators accept; made once per state folder."""

    hubspot_token: str
    linkhub_key: str
    hubspot_client_id: str
    hubspot_client_secret: str
    entra_client_id: str
    entra_client_secret: str
    powerbi_token: str
    graph_token: str

    @classmethod
    def load(cls, path: Path) -> Secrets:
        """Return those of the file, and new ones of what it lacks, which it then holds."""
        made = {
            "hubspot_token": f"pat-na1-{uuid.uuid4()}",
            "linkhub_key": f"lhk-{uuid.uuid4()}",
            "hubspot_client_id": str(uuid.uuid4()),
            "hubspot_client_secret": str(uuid.uuid4()),
            "entra_client_id": str(uuid.uuid4()),
            "entra_client_secret": secrets.token_urlsafe(30),
            "powerbi_token": f"pbi-{uuid.uuid4()}",
            "graph_token": f"graph-{uuid.uuid4()}",
        }
        kept = orjson.loads(read_private(path) or b"{}")
        if made.keys() - kept.keys():
            write_private(path, orjson.dumps(made | kept))
        return cls(**(made | kept))


def sandbox_apps(options: Options, *, url: str, convex_url: str) -> tuple[Starlette, ASGIApp]:
    """Return the apps of the first port and of Convex's, sharing faults and counters."""
    from local.sandbox.convex import DEPLOY_KEY, convex_app
    from local.sandbox.convex import error_body as convex_error

    options.state_dir.mkdir(parents=True, exist_ok=True)
    known = Secrets.load(options.state_dir / "sandbox-keys.json")
    faults, requests = Faults(), Requests()

    def door(provider: str, app: ASGIApp, error_body: ErrorBody) -> ASGIApp:
        return Door(app, provider=provider, faults=faults, requests=requests, error_body=error_body)

    uris = list(options.redirect_uris)
    hubspot_oauth, entra_oauth = Settings(redirect_uris=uris), EntraSettings(redirect_uris=uris)
    hubspot = hubspot_app(
        token=known.hubspot_token,
        client=Client(id=known.hubspot_client_id, secret=known.hubspot_client_secret),
        oauth=hubspot_oauth,
        faults=faults,
        deals=options.deals,
    )
    entra = Entra(
        url=f"{url}/entra",
        state_dir=options.state_dir,
        client=Client(id=known.entra_client_id, secret=known.entra_client_secret),
        settings=entra_oauth,
        faults=faults,
    )
    powerbi = powerbi_app(token=known.powerbi_token, entra=entra, faults=faults)
    graph = graph_app(token=known.graph_token, entra=entra, faults=faults, tasks=options.tasks)
    linkhub = linkhub_app(key=known.linkhub_key, state_dir=options.state_dir, faults=faults)
    issuer = issuer_app(url=f"{url}/issuer", state_dir=options.state_dir, faults=faults)
    convex = convex_app(state_dir=options.state_dir, zip_file=options.convex_zip, faults=faults)

    def directory() -> dict[str, dict[str, Any]]:
        return {
            "hubspot": {
                "url": f"{url}/hubspot",
                "token": known.hubspot_token,
                "oauth": {
                    "clientId": known.hubspot_client_id,
                    "clientSecret": known.hubspot_client_secret,
                    "authorizeUrl": f"{url}/hubspot/oauth/authorize",
                    "tokenUrl": f"{url}/hubspot/oauth/2026-03/token",
                    "redirectUris": hubspot_oauth.redirect_uris,
                },
            },
            "entra": {
                "url": f"{url}/entra",
                "oauth": {
                    "clientId": known.entra_client_id,
                    "clientSecret": known.entra_client_secret,
                    "authorizeUrl": f"{url}/entra/organizations/oauth2/v2.0/authorize",
                    "tokenUrl": f"{url}/entra/organizations/oauth2/v2.0/token",
                    "redirectUris": entra_oauth.redirect_uris,
                },
            },
            "powerbi": {"url": f"{url}/powerbi", "token": known.powerbi_token},
            "graph": {"url": f"{url}/graph", "token": known.graph_token},
            "linkhub": {"url": f"{url}/linkhub", "key": known.linkhub_key},
            "issuer": {"url": f"{url}/issuer", "audience": AUDIENCE},
            "convex": {"url": convex_url, "deployKey": DEPLOY_KEY},
        }

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        linkhub.state.records.close()

    app = Starlette(
        lifespan=lifespan,
        routes=[
            *_control_routes(directory, faults, requests),
            Mount("/hubspot", door("hubspot", hubspot, hubspot_error)),
            Mount("/entra", door("entra", entra.app(), entra_error)),
            Mount("/powerbi", door("powerbi", powerbi, powerbi_error)),
            Mount("/graph", door("graph", graph, graph_error)),
            Mount("/linkhub", door("linkhub", linkhub, problem_body)),
            Mount("/issuer", door("issuer", issuer, issuer_error)),
        ],
    )
    return app, door("convex", convex, convex_error)


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
        self._sockets = [_listen(options.port), _listen(options.convex_port)]
        self.url, self.convex_url = (f"http://{_HOST}:{s.getsockname()[1]}" for s in self._sockets)
        apps = sandbox_apps(options, url=self.url, convex_url=self.convex_url)
        self._servers = [_Server(_config(app)) for app in apps]

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
        line = orjson.dumps({"url": sandbox.url, "convex_url": sandbox.convex_url}).decode()
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
