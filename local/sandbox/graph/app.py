"""Graph's Planner API as an ASGI app over contents made from a fixed seed."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.sandbox.entra import Entra
from local.sandbox.entra.tenants import USERS
from local.sandbox.faults import Fault, Faults
from local.sandbox.graph.access import GROUPS, PROFILE, READ, WRITE, Access, Caller
from local.sandbox.graph.batch import answer_batch
from local.sandbox.graph.book import ALPHABET, ID_LENGTH, Book
from local.sandbox.graph.control import control_routes
from local.sandbox.graph.errors import GraphError, error_body
from local.sandbox.graph.generate import fill
from local.sandbox.graph.items import CONTEXT, Item
from local.sandbox.graph.lists import PROVIDER, Lists, selected
from local.sandbox.graph.writes import Writes, new_bucket
from local.sandbox.web import json_response, read_object

Handler = Callable[[Request], Awaitable[Response]]
DEVELOPER = next(user for user in USERS if user.is_admin)
"""Whom the development token speaks for."""


def graph_app(*, token: str, entra: Entra | None, faults: Faults, tasks: int = 3_000) -> Starlette:
    """Return the emulator, holding `tasks` tasks.

    `token` may do everything as `DEVELOPER`; every other one is `entra`'s.
    """
    faults.declare(
        PROVIDER,
        forbidden="403 accessDenied, as for a plan of a group one is no member of.",
        conflict="409 to a PATCH or DELETE that named the right etag.",
        edited="Somebody changes the item (`fields`, default its title) just before a PATCH or "
        "DELETE, so that its etag is stale: 412.",
        quota="403 with `code` (default MaximumTasksInProject) to a POST or PATCH.",
        late_create="404 to whoever asks for what was created since the start.",
        batch_throttled="429 to one request of a batch, with `retry_after` (default 1).",
        repeated_link="`@odata.nextLink` is the one the request came with.",
        expired_link="400 to a request with a skip token.",
    )
    book = Book()
    fill(book, tasks=tasks)
    access = Access(token=token, user=DEVELOPER, entra=entra)
    service = _Graph(book, access, faults)
    app = Starlette(
        routes=[*service.routes(), *control_routes(book)],
        exception_handlers={GraphError: _refuse, HTTPException: _no_route},
    )
    service.app = app
    return app


async def _refuse(_: Request, error: Exception) -> Response:
    if not isinstance(error, GraphError):
        raise error
    return json_response(error.body, error.status)


async def _no_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return json_response(error_body(status, "There is nothing at this address."), status)


class _Graph:
    app: Starlette

    def __init__(self, book: Book, access: Access, faults: Faults) -> None:
        self._book = book
        self._access = access
        self._faults = faults
        self._lists = Lists(book, faults, key=secrets.token_hex(16))
        self._writes = Writes(book, faults)

    def routes(self) -> list[Route]:
        """Return the routes of v1.0."""
        handlers: list[tuple[str, str, Handler]] = [
            ("GET", "/me", self.me),
            ("GET", "/me/memberOf/microsoft.graph.group", self.member_of),
            ("GET", "/me/planner/plans", self.user_plans),
            ("GET", "/users/{user}/planner/plans", self.user_plans),
            ("GET", "/me/planner/tasks", self.user_tasks),
            ("GET", "/users/{user}/planner/tasks", self.user_tasks),
            ("GET", "/groups/{group}/planner/plans", self.group_plans),
            ("GET", "/planner/plans/{id}/{kind:parts}", self.plan_parts),
            ("GET", "/planner/buckets/{id}/tasks", self.bucket_tasks),
            ("GET", "/planner/{kind:kinds}/{id}", self.get),
            ("GET", "/planner/tasks/{id}/details", self.get_details),
            ("POST", "/planner/{kind:parts}", self.create),
            ("PATCH", "/planner/{kind:parts}/{id}", self.patch),
            ("PATCH", "/planner/tasks/{id}/details", self.patch_details),
            ("DELETE", "/planner/{kind:kinds}/{id}", self.delete),
            ("POST", "/$batch", self.batch),
        ]
        kinds = {
            "{kind:kinds}": ("plans", "buckets", "tasks"),
            "{kind:parts}": ("buckets", "tasks"),
        }
        routes = []
        for method, path, handler in handlers:
            mark = next((mark for mark in kinds if mark in path), "")
            for kind in kinds.get(mark, ("",)):
                full = f"/v1.0{path.replace(mark, kind)}" if mark else f"/v1.0{path}"
                routes.append(Route(full, handler, methods=[method]))
        return routes

    async def me(self, request: Request) -> Response:
        """GET: who is signed in."""
        user = self._access.admit(request, PROFILE).user
        data = {
            "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users/$entity",
            "id": user.id,
            "displayName": user.name,
            "userPrincipalName": user.upn,
            "mail": user.upn,
        }
        return json_response(selected(data, request))

    async def member_of(self, request: Request) -> Response:
        """GET: the groups of the signed-in person."""
        caller = self._access.admit(request, GROUPS)
        items = [
            Item(kind="Group", seq=number, data=dict(group.to_json()))
            for number, group in enumerate(self._book.groups.values(), start=1)
            if caller.user.id in group.members
        ]
        return self._lists.page(request, items)

    async def user_plans(self, request: Request) -> Response:
        """GET: plans shared with a person, here those of rosters and the oldest of a group's."""
        caller = self._access.admit(request, READ)
        self._require_self(request, caller)
        user, plans = caller.user.id, list(self._book.plans.values())
        shared = [plan for plan in plans if user in self._book.members.get(plan.id, set())]
        owned = [p for p in plans if p not in shared and self._book.can_see(p, user)]
        return self._lists.page(request, sorted([*shared, *owned[:1]], key=lambda p: p.seq))

    async def user_tasks(self, request: Request) -> Response:
        """GET: the tasks assigned to a person."""
        caller = self._access.admit(request, READ)
        self._require_self(request, caller)
        user = caller.user.id
        tasks = [t for t in self._book.tasks.values() if user in t.data["assignments"]]
        return self._lists.page(request, tasks)

    def _require_self(self, request: Request, caller: Caller) -> None:
        if request.path_params.get("user", caller.user.id) not in {caller.user.id, caller.user.upn}:
            raise GraphError(403)

    async def group_plans(self, request: Request) -> Response:
        """GET: the plans a group owns."""
        caller = self._access.admit(request, GROUPS)
        group = self._book.groups.get(request.path_params["group"])
        if group is None:
            raise GraphError(404)
        if caller.user.id not in group.members:
            raise GraphError(403)
        plans = self._book.plans.values()
        own = [p for p in plans if p.data["container"]["containerId"] == group.id]
        return self._lists.page(request, own)

    async def plan_parts(self, request: Request) -> Response:
        """GET: the buckets or the tasks of a plan."""
        caller = self._access.admit(request, READ)
        plan = self._find(request, "plans", request.path_params["id"], caller)
        kind = request.url.path.rsplit("/", 1)[-1]
        return self._lists.page(request, self._book.parts(kind, plan.id))

    async def bucket_tasks(self, request: Request) -> Response:
        """GET: the tasks of a bucket."""
        caller = self._access.admit(request, READ)
        bucket = self._find(request, "buckets", request.path_params["id"], caller)
        tasks = self._book.parts("tasks", bucket.data["planId"])
        return self._lists.page(request, [t for t in tasks if t.data["bucketId"] == bucket.id])

    async def get(self, request: Request) -> Response:
        """GET: one plan, bucket or task."""
        kind = _kind(request)
        item = self._find(
            request, kind, request.path_params["id"], self._access.admit(request, READ)
        )
        data = {"@odata.context": f"{CONTEXT}/{kind}/$entity", **item.to_json()}
        return json_response(selected(data, request))

    async def get_details(self, request: Request) -> Response:
        """GET: the details of a task."""
        caller = self._access.admit(request, READ)
        task = self._find(request, "tasks", request.path_params["id"], caller)
        details = self._book.details[task.id]
        path = f"{CONTEXT}/tasks('{task.id}')/details/$entity"
        return json_response(selected({"@odata.context": path, **details.to_json()}, request))

    async def create(self, request: Request) -> Response:
        """POST: a new task or bucket; 201 with it."""
        caller = self._access.admit(request, WRITE)
        body = await _body(request)
        plan = self._find(request, "plans", str(body.get("planId") or ""), caller)
        self._writes.check_quota(request)
        kind = request.url.path.rsplit("/", 1)[-1]
        if kind == "buckets":
            item = new_bucket(self._book, plan.id, body)
        else:
            item = self._writes.new_task(plan.id, body, caller.user)
        data = {"@odata.context": f"{CONTEXT}/{kind}/$entity", **item.to_json()}
        return json_response(data, 201)

    async def patch(self, request: Request) -> Response:
        """PATCH: a task or a bucket."""
        caller = self._access.admit(request, WRITE)
        item = self._find(request, _kind(request), request.path_params["id"], caller)
        return self._writes.patch(request, item, await _body(request), caller.user)

    async def patch_details(self, request: Request) -> Response:
        """PATCH: the details of a task, by their own etag."""
        caller = self._access.admit(request, WRITE)
        task = self._find(request, "tasks", request.path_params["id"], caller)
        details = self._book.details[task.id]
        return self._writes.patch(request, details, await _body(request), caller.user)

    async def delete(self, request: Request) -> Response:
        """DELETE: a task, a bucket with its tasks or a plan with everything."""
        caller = self._access.admit(request, WRITE)
        item = self._find(request, _kind(request), request.path_params["id"], caller)
        self._writes.check_etag(request, item)
        self._book.delete(item)
        return Response(status_code=204)

    async def batch(self, request: Request) -> Response:
        """POST: several requests in one."""
        return await answer_batch(request, self.app, self._faults)

    def _find(self, request: Request, kind: str, id_: str, caller: Caller) -> Item:
        """Return a resource the caller may see; raise the 404 or 403 of any other."""
        items: Mapping[str, Item] = getattr(self._book, kind)
        item = items.get(unquote(id_))
        if item is None:
            well_formed = len(id_) == ID_LENGTH and not set(id_) - set(ALPHABET)
            raise GraphError(404 if well_formed else 400, "" if well_formed else _NO_ID)
        if item.is_new and self._take(request, "late_create"):
            raise GraphError(404)
        plan = item if kind == "plans" else self._book.plans[item.data["planId"]]
        refused = self._take(request, "forbidden")
        if refused or not self._book.can_see(plan, caller.user.id):
            raise GraphError(403)
        return item

    def _take(self, request: Request, kind: str) -> Fault | None:
        return self._faults.take(PROVIDER, kind, method=request.method, path=request.url.path)


_NO_ID = f"The id is not {ID_LENGTH} letters, digits, '-' and '_'."


def _kind(request: Request) -> str:
    return request.url.path.split("/planner/", 1)[1].split("/", 1)[0]


async def _body(request: Request) -> dict[str, Any]:
    try:
        return await read_object(request)
    except (ValueError, TypeError) as error:
        raise GraphError(400, str(error)) from None
