"""HubSpot's pair of both ways: the emulator in this process, behind httpx's transport seam."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from adapters.hubspot import PROVIDER
from local.sandbox.faults import Fault, Faults
from local.sandbox.hubspot import hubspot_app
from local.sandbox.oauth.clients import Client
from local.sandbox.oauth.settings import Settings
from shared.domain.jobs import LogRecord, SyncLog
from shared.domain.paging import ListQuery
from tests.both_ways_kit import Pair
from tests.sandbox_kit import Running

TOKEN = "pat-na1-canary-0123456789"
HOST = "https://api.hubapi.com"
OBJECTS = "/crm/objects/2026-03"
PROPERTIES = (
    "dealname,dealstage,pipeline,amount,closedate,description,hubspot_owner_id,linkhub_id,region"
)
WRITES = ("update", "upsert", "archive", "create")


class FakeAccount(httpx.BaseTransport):
    """The emulator without any live deal; keeps what is sent to it.

    `meddle` runs before each request, `after` once it was carried out.
    """

    def __init__(self) -> None:
        self.faults = Faults()
        client = Client(id="linkhub", secret="unused")
        self.app = hubspot_app(
            token=TOKEN, client=client, oauth=Settings(), faults=self.faults, deals=0
        )
        self.control("PUT", "/_limits", search_per_second=0)
        self.sent: list[httpx.Request] = []
        self.meddle: Callable[[httpx.Request], None] = lambda _request: None
        self.after: Callable[[httpx.Request], None] = lambda _request: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        content = request.read()
        self.sent.append(request)
        self.meddle(request)
        headers = dict(request.headers)
        answer = self.ask(request.method, str(request.url), content=content, headers=headers)
        self.after(request)
        stream = httpx.ByteStream(answer.content)
        status = answer.status_code
        return httpx.Response(status, headers=answer.headers, stream=stream, request=request)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request as it is."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url=HOST) as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Send one request of the API from beside the adapter; return its JSON."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = self.ask(method, f"{OBJECTS}{path}", headers=headers, **options)
        return answer.raise_for_status().json()

    def control(self, method: str, path: str, **body: Any) -> Any:
        """Change the account as somebody else does, or its limits and rules."""
        return self.ask(method, path, json=body).raise_for_status().json()

    def fault(self, kind: str, **options: Any) -> None:
        """Switch a fault on."""
        self.faults.add(Fault(provider="hubspot", fault=kind, **options))

    def writes(self) -> list[httpx.Request]:
        """Return the adapter's requests that write records."""
        return [each for each in self.sent if each.url.path.rpartition("/")[2] in WRITES]

    def written(self) -> list[Mapping[str, Any]]:
        """Return the inputs of all its writes."""
        return [item for each in self.writes() for item in json.loads(each.content)["inputs"]]


class HubSpotPair(Pair):
    """An instance of HubSpot whose deals are LinkHub's initiatives."""

    def __init__(self, folder: Path, running: Running, **values: Any) -> None:
        self.account = FakeAccount()
        super().__init__(
            folder,
            running,
            provider=PROVIDER,
            transport=self.account,
            credentials={"api_key": TOKEN},
            options={},
            **values,
        )
        self.account.meddle = lambda request: self._step("ask", request)
        self.account.after = lambda request: self._step("answer", request)

    def _step(self, when: str, request: httpx.Request) -> None:
        """Cut before or after a request that writes."""
        act = request.url.path.rpartition("/")[2]
        if act in WRITES:
            self.cut(f"{when} {act}")

    def add_deal(self, name: str, **properties: str) -> str:
        """Make a deal as somebody does at HubSpot."""
        wish = {"properties": {"dealname": name, "dealstage": "qualifiedtobuy", **properties}}
        (id_,) = self.account.control("POST", "/_deals", create=[wish])["created"]
        return str(id_)

    def edit_deal(self, id_: str, **properties: str | None) -> None:
        """Change a deal as somebody does at HubSpot."""
        patch = [{"id": id_, "properties": properties}]
        self.account.control("POST", "/_deals", patch=patch)

    def archive_deals(self, *ids: str) -> None:
        self.account.control("POST", "/_deals", archive=list(ids))

    def deals(self) -> dict[str, Mapping[str, Any]]:
        """Return the properties of the live deals, by name."""
        params = {"limit": 100, "properties": PROPERTIES}
        found = self.account.call("GET", "/deals", params=params)["results"]
        return {deal["properties"]["dealname"]: deal["properties"] for deal in found}

    def deal_id(self, name: str) -> str:
        return str(self.deals()[name]["hs_object_id"])

    def problems(self, log: SyncLog) -> Sequence[LogRecord]:
        """Return the records a log shows."""
        with self.world.database.open_uow(read_only=True) as uow:
            return uow.logs.list_records_page(log.id, ListQuery()).items

    def place(self) -> tuple[int, str]:
        """Return what moves with every write: those to HubSpot so far, LinkHub's cursor."""
        return len(self.account.writes()), self.client.changes("initiatives").next_cursor

    def assert_quiet(self) -> None:
        """Check that one more job sends nothing either way."""
        before = self.place()
        log = self.sync()
        assert self.place() == before
        assert (log.status, log.tally.error, log.tally.warning) == ("success", 0, 0)

    def assert_in_step(self) -> None:
        """Check that both sides have the same records under the same names, and all are linked."""
        records, deals, links = self.records(), self.deals(), self.links()
        assert set(records) == set(deals)
        for name, record in records.items():
            id_ = deals[name]["hs_object_id"]
            assert links[record.id].external_id == id_
            assert (record.source, record.external_key) == (self.instance.id, f"deals/{id_}")


@contextmanager
def hubspot_pair(folder: Path, running: Running, **values: Any) -> Iterator[HubSpotPair]:
    made = HubSpotPair(folder, running, **values)
    try:
        yield made
    finally:
        made.close()
