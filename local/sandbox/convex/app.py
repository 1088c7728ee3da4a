"""The emulator's HTTP side: exports, the system query behind them, discovery, data syncs, and what
only an emulator has: its plan, its limits and mutations.

Paths, states and error codes are those of the open source back end (`crates/local_backend` of
convex-backend) and of its command line tool (`cli/lib/convexExport.ts`).
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.sandbox.convex.control import Settings, control_routes
from local.sandbox.convex.delivery import deliver
from local.sandbox.convex.driver import Driver
from local.sandbox.convex.errors import error, error_body
from local.sandbox.convex.exports import Desk, Source
from local.sandbox.convex.streaming import Streaming
from local.sandbox.convex.sync import Syncs
from local.sandbox.convex.system import SystemQueries
from local.sandbox.faults import Faults
from local.sandbox.web import json_response, read_object

PROVIDER = "convex"
DEPLOYMENT = "sandbox-animal-123"
DEPLOY_KEY = f"prod:{DEPLOYMENT}|c2FuZGJveC1kZXBsb3kta2V5"
LATEST_EXPORT = "_system/cli/exports:getLatest"
FAILED = 560
"""The status of an answer from a function that failed."""

_FAULTS = {
    "export_in_progress": "A request for an export is refused: a backup of somebody else's runs.",
    "export_failed": "The next export ends in state `failed`.",
    "export_canceled": "The next export ends in state `canceled`.",
    "export_slow": "The next export is done after `polls` looks at it (default 10).",
    "forbidden": "403: the key lacks the right for this call (`path` narrows it).",
    "expired": "404 for a download: the export is gone.",
    "wrong_length": "A download of half the file that claims to be all of it.",
    "corrupt": "A download with a damaged byte in its middle.",
    "no_ranges": "A download that starts at the beginning whatever range was asked for.",
    "cursor_expired": "400 DataSyncCursorExpired for a data sync that is gone on with.",
    "cursor_invalid": "400 InvalidDataSyncCursor for a data sync that is gone on with.",
    "no_column_names": "403 for the column names: a plan without the streaming export.",
    "no_system_queries": "No query lists or counts tables (`path` narrows it).",
    "no_data_sync": "404 for data syncs: a back end that is older than they are.",
}
_CLIENT = re.compile(r"[\w-]+-\d+\.\d+\.\d+([-+][\w.-]+)?")
_Handler = Callable[[Request], Awaitable[Response]]


def convex_app(
    *,
    state_dir: Path,
    zip_file: Path | None,
    faults: Faults,
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """Return the emulator of one deployment, whose exports are `zip_file` or the sample.

    The sample is written to `state_dir` once, when the first export is asked for. `clock` says how
    long ago a data sync was called.
    """
    faults.declare(PROVIDER, **_FAULTS)
    source = Source(state_dir=state_dir, zip_file=zip_file)
    deployment = _Deployment(source, faults)
    settings = Settings()
    syncs = Syncs(secret=DEPLOY_KEY.encode(), clock=clock)
    streaming = Streaming(source=source, syncs=syncs, settings=settings, faults=faults)
    driver = Driver(source)
    guarded = partial(_guarded, faults)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(driver.stop)
        await run_in_threadpool(source.close)

    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/api/v1/data/sync", guarded(streaming.sync), methods=["POST"]),
            Route("/api/v1/data/list_active_syncs", guarded(streaming.list_active)),
            Route("/api/export/request/zip", guarded(deployment.request_zip), methods=["POST"]),
            Route("/api/export/zip/{reference}", guarded(deployment.get_zip)),
            Route("/api/query", guarded(deployment.query), methods=["POST"]),
            Route("/api/function", guarded(deployment.query), methods=["POST"]),
            Route("/api/test_streaming_export_connection", guarded(streaming.test)),
            Route("/api/get_table_column_names", guarded(deployment.column_names)),
            Route("/api/json_schemas", guarded(deployment.json_schemas)),
            Route("/_state", deployment.state),
            *control_routes(source=source, syncs=syncs, settings=settings, driver=driver),
        ],
    )


def _guarded(faults: Faults, handler: _Handler) -> _Handler:
    """Return `handler` behind the check of the deploy key and its rights."""

    async def serve(request: Request) -> Response:
        if "authorization" not in request.headers:
            return error(
                403,
                "BadDeployKey",
                f"The provided deploy key was invalid for deployment '{DEPLOYMENT}'.",
            )
        if request.headers["authorization"] != f"Convex {DEPLOY_KEY}":
            return json_response(error_body(401), 401)
        if faults.take(PROVIDER, "forbidden", method=request.method, path=request.url.path):
            return json_response(error_body(403), 403)
        client = request.headers.get("convex-client")
        if client is not None and not _CLIENT.fullmatch(client):
            return error(400, "InvalidVersion", f"Failed to parse client version '{client}'.")
        return await handler(request)

    return serve


class _Deployment:
    def __init__(self, source: Source, faults: Faults) -> None:
        self._source = source
        self._desk = Desk(source)
        self._system = SystemQueries(source)
        self._take = partial(faults.take, PROVIDER)

    async def request_zip(self, request: Request) -> Response:
        if self._desk.is_busy or self._take("export_in_progress"):
            return error(
                400, "ExportInProgress", "There is already an export requested or in progress."
            )
        outcome, pace = "completed", 3
        if fault := self._take({"export_failed", "export_canceled"}):
            outcome = fault.fault.removeprefix("export_")
        if fault := self._take("export_slow"):
            pace = int(fault.number("polls", 10))
        component = request.query_params.get("component") or None
        await run_in_threadpool(self._desk.request, component=component, pace=pace, outcome=outcome)
        return Response(status_code=200)

    async def query(self, request: Request) -> Response:
        try:
            asked = await read_object(request)
        except (ValueError, TypeError) as cause:
            return error(400, "BadJsonBody", str(cause))
        path = str(asked.get("path"))
        try:
            value = await self._value(path, asked)
        except LookupError as cause:
            failure = {"status": "error", "errorMessage": str(cause), "logLines": []}
            return json_response(failure, FAILED)
        return json_response({"status": "success", "value": value, "logLines": []})

    async def _value(self, path: str, asked: Mapping[str, Any]) -> Any:
        """Return what a query answers; LookupError where there is none of the kind."""
        if path == LATEST_EXPORT:
            return self._desk.look()
        if self._take("no_system_queries", path=path):
            raise LookupError(f"Could not find public function for '{path}'.")
        component = asked.get("componentPath") or ""
        args = asked.get("args") or {}
        return await run_in_threadpool(self._system.ask, path, component=component, args=args)

    async def get_zip(self, request: Request) -> Response:
        found = self._desk.find(request.path_params["reference"])
        if found is None or self._take("expired"):
            return error(404, "ExportNotFound", "The requested export was not found.")
        state, file = found
        if state != "completed":
            return error(400, "ExportNotComplete", "The requested export has not completed.")
        spoilt = self._take({"wrong_length", "corrupt", "no_ranges"})
        return await run_in_threadpool(
            deliver,
            file,
            name=f"snapshot_{DEPLOYMENT}_{request.path_params['reference']}.zip",
            requested_range=request.headers.get("range", ""),
            spoil=spoilt.fault if spoilt else "",
        )

    async def column_names(self, request: Request) -> Response:  # noqa: ARG002 - a handler's
        if self._take("no_column_names"):
            return json_response(error_body(403), 403)
        found: dict[str, list[dict[str, Any]]] = {"": []}
        for stream, columns in (await run_in_threadpool(self._source.columns)).items():
            component, _, table = stream.rpartition("/")
            found.setdefault(component, []).append({"name": table, "columns": columns})
        return json_response({"byComponent": found})

    async def json_schemas(self, request: Request) -> Response:  # noqa: ARG002
        columns = await run_in_threadpool(self._source.columns)
        return json_response(
            {
                stream: {"type": "object", "properties": {name: {} for name in names}}
                for stream, names in columns.items()
                if "/" not in stream
            }
        )

    async def state(self, request: Request) -> Response:  # noqa: ARG002
        return json_response({"tables": await run_in_threadpool(self._source.counts)})
