"""Microsoft Graph's Planner in this process: the emulator behind httpx's transport seam."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from adapters.planner import PROVIDER
from local.sandbox.faults import Fault, Faults
from local.sandbox.graph import graph_app
from shared.domain.changes import Change, Page, Upsert
from shared.domain.checkpoints import Checkpoint
from shared.ports.provider import Connection, ConnectRequest, Credentials, PushResult
from tests.http_kit import Sleeps

TOKEN = "graph-canary-0123456789"
HOST = "https://graph.microsoft.com"
NEW = "0193a5e0-7c1e-7000-8000-000000000001"
"""A key of LinkHub's: it names nothing in Planner."""


class FakeGraph(httpx.BaseTransport):
    """The emulator in memory; keeps the requests and their answers.

    `meddle` runs before each request; where `lose` says so, its answer is lost on the way.
    """

    def __init__(self, *, tasks: int = 120) -> None:
        self.faults = Faults()
        self.app = graph_app(token=TOKEN, entra=None, faults=self.faults, tasks=tasks)
        self.calls: list[tuple[httpx.Request, httpx.Response]] = []
        self.meddle: Callable[[httpx.Request], None] = lambda _request: None
        self.lose: Callable[[httpx.Request], bool] = lambda _request: False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        content = request.read()
        self.meddle(request)
        answer = self.ask(
            request.method, str(request.url), content=content, headers=dict(request.headers)
        )
        self.calls.append((request, answer))
        if self.lose(request):
            raise httpx.ReadError("cut", request=request)
        return httpx.Response(
            answer.status_code,
            headers=answer.headers,
            stream=httpx.ByteStream(answer.content),
            request=request,
        )

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request as it is; its headers are all it has."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url=HOST) as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request of v1.0 with the token, from beside the adapter."""
        headers = {"Authorization": f"Bearer {TOKEN}", **options.pop("headers", {})}
        return self.ask(method, f"/v1.0{path}", headers=headers, **options)

    def control(self, path: str, *, method: str = "POST", **body: Any) -> Any:
        """Change Planner as somebody else does, or set its limits."""
        return self.ask(method, path, json=body).raise_for_status().json()

    def edit(self, id_: str, *, details: dict[str, Any] | None = None, **task: Any) -> None:
        """Change a task as somebody else does."""
        patch = {"id": id_, "task": task, "details": details or {}}
        self.control("/_planner", patch=[patch])

    def fault(self, kind: str, **options: Any) -> None:
        """Switch a fault on."""
        self.faults.add(Fault(provider="graph", fault=kind, **options))

    def get(self, path: str) -> Any:
        """Return a resource as it is now."""
        return self.call("GET", path).raise_for_status().json()

    def task(self, id_: str) -> Any:
        """Return a task as it is now."""
        return self.get(f"/planner/tasks/{id_}")

    def details(self, id_: str) -> Any:
        """Return a task's details as they are now."""
        return self.get(f"/planner/tasks/{id_}/details")

    @cached_property
    def plans(self) -> list[Any]:
        """All plans the signed-in person sees, by id."""
        groups = self.get("/me/memberOf/microsoft.graph.group")["value"]
        ids = [group["id"] for group in groups if group["groupTypes"]]
        lists = [f"/groups/{id_}/planner/plans" for id_ in ids]
        found = [p for path in ["/me/planner/plans", *lists] for p in self.get(path)["value"]]
        return sorted({plan["id"]: plan for plan in found}.values(), key=lambda p: p["id"])

    def tasks(self, plan: str) -> list[Any]:
        """Return a plan's tasks, at most one page of them."""
        found: list[Any] = self.get(f"/planner/plans/{plan}/tasks")["value"]
        return found

    @cached_property
    def busiest(self) -> str:
        """The id of the plan with the most tasks."""
        return str(max(self.plans, key=lambda p: len(self.tasks(p["id"])))["id"])

    def sent(self, method: str = "", part: str = "") -> list[httpx.Request]:
        """Return the adapter's requests of a method whose path contains `part`."""
        return [
            request
            for request, _ in self.calls
            if (not method or request.method == method) and part in request.url.path
        ]


def connect(server: httpx.BaseTransport, **arguments: Any) -> Connection:
    """Return a connection to the emulator in memory."""
    defaults: dict[str, Any] = {
        "credentials": Credentials(values={"access_token": TOKEN}),
        "work_dir": Path("unused"),
        "sleep": Sleeps(),
        "transport": server,
    }
    return PROVIDER.connect(ConnectRequest(**{**defaults, **arguments}))


def read(
    server: httpx.BaseTransport,
    scope: str = "tasks",
    after: Checkpoint | None = None,
    **arguments: Any,
) -> list[Page]:
    """Return all pages after a checkpoint."""
    return list(connect(server, **arguments).read(scope, after))


def records_of(pages: Sequence[Page]) -> dict[str, Any]:
    """Return the records by key; a read gives no key twice."""
    changes = [change for page in pages for change in page.changes if isinstance(change, Upsert)]
    found = {change.key: change.record for change in changes}
    assert len(found) == len(changes)
    return found


def push(
    server: httpx.BaseTransport, *changes: Change, stream: str = "tasks", **arguments: Any
) -> list[PushResult]:
    """Return the results of pushing these changes by a connection of their own."""
    return list(connect(server, **arguments).push(stream, changes))


def push_one(server: httpx.BaseTransport, key: str, **record: Any) -> PushResult:
    """Return the result of pushing one task."""
    (result,) = push(server, Upsert("tasks", key, record))
    return result


def body_of(request: httpx.Request) -> Any:
    """Return what a request sent."""
    return json.loads(request.content)
