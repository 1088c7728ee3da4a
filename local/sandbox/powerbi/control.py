"""What a person or a test may do to the tenant beside Power BI's API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.sandbox.powerbi.access import Access, Limits
from local.sandbox.powerbi.models import Row, Table, Tenant, UnknownError
from local.sandbox.web import json_response


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Refresh(_Body):
    dataset: str
    status: str = Field("Completed", pattern="^(Completed|Failed|Unknown)$")


class _Update(_Body):
    where: dict[str, Any]
    set: dict[str, Any]


class _Rows(_Body):
    dataset: str
    table: str
    insert: list[dict[str, Any]] = []
    update: list[_Update] = []
    delete: list[dict[str, Any]] = []


class _Limits(_Body):
    rows: int = Field(Limits().rows, ge=1)
    values: int = Field(Limits().values, ge=1)
    bytes: int = Field(Limits().bytes, ge=1)
    per_minute: int = Field(Limits().per_minute, ge=0)


def control_routes(tenant: Callable[[], Tenant], access: Access) -> list[Route]:
    """Return the routes that look at the tenant and change it from outside."""

    async def state(_: Request) -> Response:
        found = {
            f"{workspace.id}/{dataset.id}": {
                "name": dataset.name,
                "mode": dataset.mode,
                "tables": {table.name: len(table.rows) for table in dataset.tables},
            }
            for workspace in tenant().workspaces
            for dataset in workspace.datasets
        }
        return json_response({"datasets": found, "limits": asdict(access.limits)})

    async def refresh(request: Request) -> Response:
        try:
            wish = _Refresh.model_validate_json(await request.body())
            dataset = tenant().dataset(wish.dataset)
        except (UnknownError, ValueError) as error:
            return _unclear(error)
        if dataset.mode != "Import":
            return _unclear(ValueError(f"{dataset.name} imports nothing."))
        return json_response(dataset.refresh(wish.status))

    async def change_rows(request: Request) -> Response:
        try:
            wish = _Rows.model_validate_json(await request.body())
            dataset = tenant().dataset(wish.dataset)
            counts = _changed(dataset.table(wish.table), wish)
        except (UnknownError, ValueError) as error:
            return _unclear(error)
        dataset.changed()
        return json_response(counts)

    async def set_limits(request: Request) -> Response:
        try:
            wish = _Limits.model_validate_json(await request.body())
        except ValueError as error:
            return _unclear(error)
        access.limits = Limits(**wish.model_dump())
        access.forget()
        return json_response(wish.model_dump())

    return [
        Route("/_state", state, methods=["GET"]),
        Route("/_refresh", refresh, methods=["POST"]),
        Route("/_rows", change_rows, methods=["POST"]),
        Route("/_limits", set_limits, methods=["PUT"]),
    ]


def _changed(table: Table, wish: _Rows) -> dict[str, int]:
    """Change the table's source; what queries see changes with the next refresh."""
    rows = list(table.source)
    updated = deleted = 0
    for update in wish.update:
        wanted, new = _values(table, update.where), _values(table, update.set)
        for place, row in enumerate(rows):
            if _fits(row, wanted):
                rows[place] = tuple(new.get(n, value) for n, value in enumerate(row))
                updated += 1
    for where in wish.delete:
        wanted = _values(table, where)
        kept = [row for row in rows if not _fits(row, wanted)]
        deleted += len(rows) - len(kept)
        rows = kept
    for item in wish.insert:
        new = _values(table, item)
        rows.append(tuple(new.get(n) for n in range(len(table.columns))))
    table.source = rows
    return {"inserted": len(wish.insert), "updated": updated, "deleted": deleted}


def _values(table: Table, data: dict[str, Any]) -> dict[int, Any]:
    """Return values by their column's place."""
    places = {column.name: place for place, column in enumerate(table.columns)}
    unknown = sorted(data.keys() - places.keys())
    if unknown:
        raise UnknownError(f"{table.name} has no column {', '.join(unknown)}.")
    return {places[name]: table.columns[places[name]].read(value) for name, value in data.items()}


def _fits(row: Row, wanted: dict[int, Any]) -> bool:
    return all(row[place] == value for place, value in wanted.items())


def _unclear(error: Exception) -> Response:
    return json_response({"error": {"code": "BadRequest", "message": str(error)}}, 400)
