"""The HTTP side of data syncs, for deployments whose plan has them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from local.sandbox.convex.control import Settings
from local.sandbox.convex.errors import error, error_body
from local.sandbox.convex.exports import Source
from local.sandbox.convex.sync import SyncError, Syncs
from local.sandbox.faults import Fault, Faults
from local.sandbox.web import json_response, read_object

_CURSOR_FAULTS = {
    "cursor_expired": "DataSyncCursorExpired",
    "cursor_invalid": "InvalidDataSyncCursor",
}


class Streaming:
    """Answers the streaming export calls."""

    def __init__(self, *, source: Source, syncs: Syncs, settings: Settings, faults: Faults) -> None:
        self._source = source
        self._syncs = syncs
        self._settings = settings
        self._faults = faults

    async def sync(self, request: Request) -> Response:
        """Answer `POST /api/v1/data/sync`."""
        if self._take(request, "no_data_sync"):
            return json_response(error_body(404), 404)
        if refused := self._refused():
            return refused
        try:
            asked = await read_object(request)
            cursor = asked.get("cursor")
        except (ValueError, TypeError) as cause:
            return error(400, "BadJsonBody", str(cause))
        if not set(asked) <= {"cursor", "selection"} or not isinstance(cursor, str | None):
            return error(400, "BadJsonBody", "The arguments are `cursor`, a text, and `selection`.")
        if cursor is not None and (fault := self._take(request, set(_CURSOR_FAULTS))):
            return error(400, _CURSOR_FAULTS[fault.fault], "The data sync cannot be gone on with.")
        selection = asked.get("selection")
        return await self._answer(
            lambda: self._syncs.page(self._source.store(), cursor=cursor, selection=selection)
        )

    async def list_active(self, request: Request) -> Response:
        """Answer `GET /api/v1/data/list_active_syncs`."""
        if refused := self._refused():
            return refused
        limit = request.query_params.get("limit", "50")
        cursor = request.query_params.get("cursor", "")
        if not limit.isdigit():
            return error(400, "BadRequest", "The limit must be a number.")
        return await self._answer(
            lambda: self._syncs.active(self._source.store(), limit=int(limit), cursor=cursor)
        )

    async def test(self, request: Request) -> Response:  # noqa: ARG002 - a handler's
        """Answer `GET /api/test_streaming_export_connection`."""
        return self._refused() or json_response(None)

    def _refused(self) -> Response | None:
        if self._settings.plan == "pro":
            return None
        return error(
            403,
            "StreamingExportNotEnabled",
            "Streaming export is not available on your current subscription.",
        )

    async def _answer(self, act: Callable[[], dict[str, Any]]) -> Response:
        try:
            return json_response(await run_in_threadpool(act))
        except SyncError as refused:
            return error(400, refused.code, str(refused))
        except (zipfile.BadZipFile, OSError, ValueError, EOFError):
            return json_response(error_body(500), 500)

    def _take(self, request: Request, kinds: str | set[str]) -> Fault | None:
        path = request.url.path
        return self._faults.take("convex", kinds, method=request.method, path=path)
