"""What a person or a test may do to Planner beside Graph's API."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.sandbox.graph.book import Book
from local.sandbox.graph.errors import GraphError, error_body
from local.sandbox.graph.items import Limits
from local.sandbox.graph.rules import details_changes, task_changes
from local.sandbox.web import json_response

_SOMEBODY = "0b6e5a52-9d0c-4d6b-8f0a-3f5c1f9a0099"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Create(_Body):
    planId: str  # noqa: N815  Graph's own name
    task: dict[str, Any] = Field(min_length=1)
    details: dict[str, Any] = {}


class _Patch(_Body):
    id: str
    task: dict[str, Any] = {}
    details: dict[str, Any] = {}


class _Membership(_Body):
    group: str
    user: str


class _Changes(_Body):
    create: list[_Create] = []
    patch: list[_Patch] = []
    delete: list[str] = []
    """Ids of tasks, buckets or plans; what they hold goes with them."""
    join: list[_Membership] = []
    leave: list[_Membership] = []


class _LimitChanges(_Body):
    tasks_in_plan: int = Field(Limits().tasks_in_plan, ge=0)
    active_tasks_in_plan: int = Field(Limits().active_tasks_in_plan, ge=0)
    buckets_in_plan: int = Field(Limits().buckets_in_plan, ge=0)
    checklist_items: int = Field(Limits().checklist_items, ge=0)
    references: int = Field(Limits().references, ge=0)
    assignees: int = Field(Limits().assignees, ge=0)
    page_size: int = Field(Limits().page_size, ge=1)


def control_routes(book: Book) -> list[Route]:
    """Return the routes that look at Planner and change it from outside, as somebody else does."""

    async def state(_: Request) -> Response:
        counts = {
            "groups": len(book.groups),
            "plans": len(book.plans),
            "buckets": len(book.buckets),
            "tasks": len(book.tasks),
        }
        return json_response(counts)

    async def change(request: Request) -> Response:
        try:
            wish = _Changes.model_validate_json(await request.body())
            created = _apply(book, wish)
        except KeyError as error:
            return _unclear(f"There is no {error}.")
        except GraphError as error:
            return json_response(error.body, 400)
        except ValueError as error:
            return _unclear(str(error))
        return json_response({"created": created})

    async def set_limits(request: Request) -> Response:
        try:
            wish = _LimitChanges.model_validate_json(await request.body())
        except ValidationError as error:
            return _unclear(str(error))
        book.limits = Limits(**wish.model_dump())
        return json_response(wish.model_dump())

    return [
        Route("/_state", state, methods=["GET"]),
        Route("/_planner", change, methods=["POST"]),
        Route("/_limits", set_limits, methods=["PUT"]),
    ]


def _apply(book: Book, wish: _Changes) -> list[str]:
    created = []
    for new in wish.create:
        plan = book.plans[new.planId]
        task = book.create_task(
            plan.id, str(new.task.get("title", "")), user=_SOMEBODY, name="Somebody"
        )
        task.is_new = False
        book.details[task.id].is_new = False
        created.append(task.id)
        _change(book, task.id, new.task, new.details)
    for patch in wish.patch:
        _change(book, patch.id, patch.task, patch.details)
    for id_ in wish.delete:
        book.delete((book.tasks.get(id_) or book.buckets.get(id_)) or book.plans[id_])
    for entry in wish.join:
        book.groups[entry.group].members.add(entry.user)
    for entry in wish.leave:
        book.groups[entry.group].members.discard(entry.user)
    book.version += 1
    return created


def _change(book: Book, id_: str, task: dict[str, Any], details: dict[str, Any]) -> None:
    item, own = book.tasks[id_], book.details[id_]
    if task:
        changes = task_changes(book, task, now=item.data, user=_SOMEBODY)
        book.update_task(item, changes, user=_SOMEBODY)
    if details:
        changes = details_changes(book, details, now=own.data, user=_SOMEBODY)
        book.update_details(id_, changes)


def _unclear(message: str) -> Response:
    return json_response(error_body(400, message), 400)
