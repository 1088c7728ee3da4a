"""A Power BI tenant in this process: the emulator behind httpx's transport seam, or on a port."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette

from adapters.powerbi import PROVIDER
from local.sandbox.faults import Fault, Faults
from local.sandbox.powerbi import powerbi_app
from local.sandbox.powerbi.data import (
    AVIATION,
    BOARD,
    BUDGET,
    FLIGHTS,
    LIVE_ORDERS,
    PAYROLL,
    SALES,
    SALES_MODEL,
    SCRATCH,
    SENSORS,
)
from shared.domain.changes import Change, Page, RecordProblem, Upsert
from shared.domain.checkpoints import Checkpoint
from shared.ports.provider import Connection, ConnectRequest, Credentials
from tests.http_kit import Sleeps

__all__ = [
    "AVIATION",
    "BOARD",
    "BUDGET",
    "FLIGHTS",
    "LIVE_ORDERS",
    "PAYROLL",
    "SALES",
    "SALES_MODEL",
    "SCRATCH",
    "SENSORS",
    "FakePowerBI",
    "changes_of",
    "connect",
    "keys_of",
    "problems_of",
    "read",
    "stream",
]

BASE_URL = "https://api.powerbi.test/v1.0/myorg"
TOKEN = "pbi-canary-0123456789"

ORDERS = f"{SALES}/{SALES_MODEL}/Orders"


def stream(table: str, *, dataset: str = SALES_MODEL, workspace: str = SALES) -> str:
    """Return a stream's name."""
    return f"{workspace}/{dataset}/{table}"


class FakePowerBI(httpx.BaseTransport):
    """The emulator in memory; keeps the requests and answers; `meddle` runs before each."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.faults = Faults()
        self.app: Starlette = powerbi_app(token=TOKEN, entra=None, faults=self.faults, clock=clock)
        self.requests: list[httpx.Request] = []
        self.answers: list[httpx.Response] = []
        self.meddle: Callable[[httpx.Request], None] = lambda _request: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        content = request.read()
        self.requests.append(request)
        self.meddle(request)
        answer = self.ask(
            request.method, str(request.url), content=content, headers=dict(request.headers)
        )
        self.answers.append(answer)
        return httpx.Response(
            answer.status_code,
            headers=answer.headers,
            stream=httpx.ByteStream(answer.content),
            request=request,
        )

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request from outside the adapter, such as to a control path."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(
                transport=transport, base_url="https://api.powerbi.test"
            ) as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    def control(self, path: str, method: str = "POST", **body: Any) -> Any:
        """Change the tenant from outside, or set its limits."""
        return self.ask(method, path, json=body).raise_for_status().json()

    def fault(self, kind: str, **options: Any) -> None:
        """Switch a fault on."""
        self.faults.add(Fault(provider="powerbi", fault=kind, **options))

    @property
    def queries(self) -> list[str]:
        """The DAX that was sent."""
        sent = [r for r in self.requests if r.url.path.endswith("/executeQueries")]
        return [json.loads(request.content)["queries"][0]["query"] for request in sent]


def connect(server: httpx.BaseTransport, **arguments: Any) -> Connection:
    """Return a connection to a tenant in memory."""
    options = {"base_url": BASE_URL, **arguments.pop("options", {})}
    defaults: dict[str, Any] = {
        "credentials": Credentials(values={"access_token": TOKEN}),
        "options": options,
        "work_dir": Path("unused"),
        "sleep": Sleeps(),
        "transport": server,
    }
    return PROVIDER.connect(ConnectRequest(**{**defaults, **arguments}))


def read(
    server: httpx.BaseTransport,
    scope: str = ORDERS,
    after: Checkpoint | None = None,
    **arguments: Any,
) -> list[Page]:
    """Return all pages after a checkpoint."""
    connection = connect(server, **arguments)
    try:
        return list(connection.read(scope, after))
    finally:
        connection.close()


def changes_of(pages: Sequence[Page]) -> list[Change]:
    """Return the changes of all pages in order."""
    return [change for page in pages for change in page.changes]


def keys_of(pages: Sequence[Page]) -> list[str]:
    """Return the keys of all upserts in order."""
    return [change.key for change in changes_of(pages) if isinstance(change, Upsert)]


def problems_of(pages: Sequence[Page]) -> list[RecordProblem]:
    """Return the problems of all pages in order."""
    return [problem for page in pages for problem in page.problems]
