"""What only an emulator has: plan and limits, mutations, a driver, a look at every document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from local.sandbox.convex.driver import Drive, Driver
from local.sandbox.convex.exports import Source
from local.sandbox.convex.mutations import Mutation, mutate
from local.sandbox.convex.sync import PAGE_BYTES, PAGE_ROWS, Syncs
from local.sandbox.web import json_response


class Settings(BaseModel):
    """The deployment's plan (streaming export needs `pro`) and the limits of a data sync's page."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    plan: Literal["free", "pro"] = "free"
    page_rows: int = Field(default=PAGE_ROWS, ge=1, alias="pageRows")
    page_bytes: int = Field(default=PAGE_BYTES, ge=1, alias="pageBytes")


def control_routes(
    *, source: Source, syncs: Syncs, settings: Settings, driver: Driver
) -> list[Route]:
    """Return the routes; none of them asks for a key."""
    control = _Control(source, syncs, settings, driver)
    handlers: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
        ("/_settings", "GET", control.show_settings),
        ("/_settings", "PUT", control.put_settings),
        ("/_mutate", "POST", control.mutate),
        ("/_driver", "GET", control.show_driver),
        ("/_driver", "POST", control.start_driver),
        ("/_driver", "DELETE", control.stop_driver),
        ("/_expire", "POST", control.expire),
        ("/_documents", "GET", control.documents),
    ]
    return [Route(path, handler, methods=[method]) for path, method, handler in handlers]


class _Control:
    def __init__(self, source: Source, syncs: Syncs, settings: Settings, driver: Driver) -> None:
        self._driver = driver
        self._source = source
        self._syncs = syncs
        self._settings = settings

    async def show_settings(self, request: Request) -> Response:  # noqa: ARG002 - a handler's
        return json_response(self._settings.model_dump(by_alias=True))

    async def put_settings(self, request: Request) -> Response:
        settings, limits = self._settings, self._syncs.limits
        try:
            given = Settings.model_validate_json(await request.body())
        except ValidationError as error:
            return _invalid(error)
        for name in Settings.model_fields:
            setattr(settings, name, getattr(given, name))
        limits.rows, limits.size = settings.page_rows, settings.page_bytes
        return await self.show_settings(request)

    async def mutate(self, request: Request) -> Response:
        try:
            mutation = Mutation.model_validate_json(await request.body())
        except ValidationError as error:
            return _invalid(error)
        try:
            done = await run_in_threadpool(lambda: mutate(self._source.store(), mutation))
        except LookupError as error:
            return json_response({"error": str(error.args[0])}, 404)
        return json_response(done)

    async def show_driver(self, request: Request) -> Response:  # noqa: ARG002
        return json_response(self._driver.status())

    async def start_driver(self, request: Request) -> Response:
        try:
            drive = Drive.model_validate_json(await request.body() or b"{}")
        except ValidationError as error:
            return _invalid(error)
        return json_response(await run_in_threadpool(self._driver.start, drive), 202)

    async def stop_driver(self, request: Request) -> Response:  # noqa: ARG002
        return json_response(await run_in_threadpool(self._driver.stop))

    async def expire(self, request: Request) -> Response:  # noqa: ARG002
        return json_response({"expired": self._syncs.expire()})

    async def documents(self, request: Request) -> Response:
        component, table = (request.query_params.get(n, "") for n in ("component", "table"))
        store = await run_in_threadpool(self._source.store)
        tablet = store.find(component, table)
        if tablet is None:
            return json_response({"error": f"There is no table {table!r}."}, 404)

        def lines() -> Iterator[bytes]:
            for line in store.lines(tablet.id):
                yield line + b"\n"

        return StreamingResponse(lines(), media_type="application/jsonl")


def _invalid(error: ValidationError) -> Response:
    wrong: Any = error.errors(include_url=False, include_input=False, include_context=False)
    return json_response(orjson.dumps({"error": wrong}, default=str), 400)
