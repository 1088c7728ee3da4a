"""Power BI's REST API as an ASGI app, below `/v1.0/myorg` like the real one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.sandbox.entra import Entra
from local.sandbox.faults import Fault, Faults
from local.sandbox.powerbi.access import Access
from local.sandbox.powerbi.answers import PLACES, Answers, rows_of, with_error, with_rows
from local.sandbox.powerbi.control import control_routes
from local.sandbox.powerbi.data import make_tenant
from local.sandbox.powerbi.errors import (
    Refused,
    empty_refusal,
    error_body,
    expired,
    not_found,
    query_failed,
)
from local.sandbox.powerbi.models import ME, Dataset
from local.sandbox.powerbi.syntax import DaxError
from local.sandbox.web import json_response, read_object

PROVIDER = "powerbi"
ROOT = "/v1.0/myorg"
KINDS = {
    "said_cut": "A query for a table's rows gives half of them with 200 and an error; `place` "
    "(top, result or table, the default) is where it stands.",
    "silent_cut": "A query for a table's rows gives the first half of them, as beyond 15 MB.",
    "wrong_count": "COUNTROWS gives one too many.",
    "no_info_view": "INFO.VIEW functions are unknown to the engine.",
    "query_failed": "A query ends in 400 with the reason in its details only.",
    "empty_refusal": "`status` (default 403) without a body, its `reason` in x-powerbi-error-info.",
    "token_expired": "403 TokenExpired.",
    "hidden": "404 PowerBIEntityNotFound, as for who lost the permission.",
    "no_refresh_history": "The refresh history is refused.",
    "nulls_left_out": "Blanks are left out although includeNulls asks for them.",
}


def powerbi_app(
    *,
    token: str,
    entra: Entra | None,
    faults: Faults,
    clock: Callable[[], float] = time.monotonic,
) -> Starlette:
    """Return the emulator; it knows the tokens of `entra`, and `token`."""
    faults.declare(PROVIDER, **KINDS)
    api = _Api(access=Access(token=token, entra=entra, clock=clock), faults=faults)
    routes = [
        Route(f"{ROOT}/groups", api.groups, methods=["GET"]),
        *(
            Route(f"{ROOT}{front}/datasets{end}", handler, methods=[method])
            for front in ("", "/groups/{group}")
            for end, handler, method in (
                ("", api.datasets, "GET"),
                ("/{dataset}", api.dataset, "GET"),
                ("/{dataset}/refreshes", api.refreshes, "GET"),
                ("/{dataset}/tables", api.tables, "GET"),
                ("/{dataset}/executeQueries", api.execute, "POST"),
            )
        ),
        *control_routes(api.tenant, api.access),
    ]
    return Starlette(routes=routes, exception_handlers={Refused: _refuse, HTTPException: _no_route})


class _Api:
    """The handlers; the tenant is made when it is first asked for."""

    def __init__(self, *, access: Access, faults: Faults) -> None:
        self.access = access
        self.tenant = cache(make_tenant)
        self._faults = faults
        self._answers = Answers()

    async def groups(self, request: Request) -> Response:
        """GET: the workspaces of a person, but their own."""
        person = self.access.require_workspaces(request)
        self._meet(request)
        found = [
            {"id": one.id, "name": one.name, "isReadOnly": False, "isOnDedicatedCapacity": False}
            for one in self.tenant().seen_by(person)
            if one.id != ME
        ]
        skip, top = (_number(request, name) for name in ("$skip", "$top"))
        end = None if top is None else (skip or 0) + top
        return json_response({"value": found[skip or 0 : end]})

    async def datasets(self, request: Request) -> Response:
        """GET: the datasets of a workspace, or of the person's own."""
        person = self.access.require_datasets(request)
        self._meet(request)
        wanted = request.path_params.get("group", ME)
        spaces = [one for one in self.tenant().seen_by(person) if one.id == wanted]
        if not spaces and wanted != ME:
            raise not_found()
        found = [_described(dataset) for one in spaces for dataset in one.datasets]
        return json_response({"value": found})

    async def dataset(self, request: Request) -> Response:
        """GET: one dataset."""
        return json_response(_described(self._dataset(request)[1]))

    async def refreshes(self, request: Request) -> Response:
        """GET: the refresh history, newest first; 60 entries unless `$top` says otherwise."""
        _, dataset = self._dataset(request)
        if self._take(request, "no_refresh_history"):
            raise empty_refusal(403, "Forbidden")
        top = _number(request, "$top") or 60
        return json_response({"value": dataset.refreshes[:top]})

    async def tables(self, request: Request) -> Response:
        """GET: the tables of a push dataset; any other is a 404."""
        _, dataset = self._dataset(request)
        if dataset.mode != "Push":
            raise not_found()
        value = [
            {
                "name": table.name,
                "columns": [{"name": c.name, "dataType": _PUSHED[c.type]} for c in table.columns],
            }
            for table in dataset.tables
        ]
        return json_response({"value": value})

    async def execute(self, request: Request) -> Response:
        """POST: the result of one DAX query."""
        person, dataset = self._dataset(request)
        if person in dataset.without_build:
            raise empty_refusal(403, "Forbidden")
        self.access.count_query(person)
        query, nulls = await _read_query(request)
        if self._take(request, "query_failed"):
            raise query_failed("Query (1, 10) The sandbox was told to fail.")
        if "INFO.VIEW." in query and self._take(request, "no_info_view"):
            raise query_failed("Query (1, 10) Failed to resolve name 'INFO.VIEW.TABLES'.")
        if self._take(request, "nulls_left_out"):
            nulls = False
        try:
            body = self._answers.give(dataset, query, nulls=nulls, limits=self.access.limits)
        except DaxError as error:
            raise query_failed(f"Query (1, 10) {error}") from None
        return json_response(self._spoiled(request, query, body))

    def _spoiled(self, request: Request, query: str, body: bytes) -> bytes:
        """Return the answer as a bad day leaves it; what a model says of itself stays whole."""
        if "COUNTROWS(" in query:
            if not self._take(request, "wrong_count"):
                return body
            rows = [
                {name: (value or 0) + 1 for name, value in row.items()} for row in rows_of(body)
            ]
            return with_rows(rows)
        if "INFO.VIEW." in query:
            return body
        if fault := self._take(request, "said_cut"):
            place = str(fault.option("place", "table"))
            rows = rows_of(body)
            kept = rows[: len(rows) // 2]
            message = f"More than {len(kept)} rows in a query result."
            return with_error(kept, place if place in PLACES else "table", message)
        if self._take(request, "silent_cut"):
            rows = rows_of(body)
            return with_rows(rows[: -(-len(rows) // 2)])
        return body

    def _dataset(self, request: Request) -> tuple[str, Dataset]:
        """Return who asks and for what; raise Refused."""
        person = self.access.require_datasets(request)
        self._meet(request)
        path = request.path_params
        dataset = self.tenant().find(person, path.get("group", ME), path["dataset"])
        if dataset is None or self._take(request, "hidden"):
            raise not_found()
        return person, dataset

    def _meet(self, request: Request) -> None:
        """Raise Refused where a fault refuses whoever asks."""
        if fault := self._take(request, "empty_refusal"):
            status = int(fault.number("status", 403))
            raise empty_refusal(status, str(fault.option("reason", "Forbidden")))
        if self._take(request, "token_expired"):
            raise expired()

    def _take(self, request: Request, kind: str) -> Fault | None:
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        return self._faults.take(PROVIDER, kind, method=request.method, path=path)


_PUSHED = {
    "Text": "String",
    "Integer": "Int64",
    "Double": "Double",
    "Decimal": "Decimal",
    "DateTime": "DateTime",
    "Boolean": "Boolean",
    "Binary": "Binary",
}


def _described(dataset: Dataset) -> dict[str, Any]:
    return {
        "id": dataset.id,
        "name": dataset.name,
        "addRowsAPIEnabled": dataset.mode == "Push",
        "configuredBy": "priya.raman@alder.example",
        "isRefreshable": dataset.mode == "Import",
        "isEffectiveIdentityRequired": False,
        "isEffectiveIdentityRolesRequired": False,
        "isOnPremGatewayRequired": False,
        "targetStorageMode": "Abf",
    }


async def _read_query(request: Request) -> tuple[str, bool]:
    """Return the one query of a request, and whether blanks are wanted; raise Refused."""
    try:
        body = await read_object(request)
    except (TypeError, ValueError) as error:
        raise _bad_request(str(error)) from None
    queries = body.get("queries")
    settings = body.get("serializerSettings") or {}
    if not isinstance(queries, list) or len(queries) != 1:
        raise _bad_request("There must be exactly one query.")
    text = queries[0].get("query") if isinstance(queries[0], Mapping) else None
    if not isinstance(text, str) or not isinstance(settings, Mapping):
        raise _bad_request("A query is an object with the text 'query'.")
    return text, settings.get("includeNulls") is True


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise _bad_request(f"{name} must be a whole number.")
    return int(text)


def _bad_request(message: str) -> Refused:
    return Refused(json_response({"error": {"code": "BadRequest", "message": message}}, 400))


async def _refuse(_: Request, error: Exception) -> Response:
    if not isinstance(error, Refused):
        raise error
    return error.response


async def _no_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return json_response(error_body(status), status)
