"""A HubSpot account in memory, behind httpx's transport seam."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from adapters.hubspot import PROVIDER
from shared.domain.changes import Change, Page
from shared.domain.checkpoints import Checkpoint
from shared.ports.provider import Connection, ConnectRequest, Credentials
from tests.http_kit import Sleeps

START_MS = 1_790_000_000_000
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TOKEN = "pat-na1-canary-0123456789"

PROPERTIES = ("dealname", "amount", "dealstage", "hs_lastmodifieddate", "hs_object_id")


def to_iso(ms: int) -> str:
    """Return an instant as HubSpot writes it."""
    at = datetime.fromtimestamp(ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(slots=True, kw_only=True)
class FakeDeal:
    id: int
    modified: int
    archived: int | None = None
    values: dict[str, str | None] = field(default_factory=dict)
    links: dict[str, list[str]] = field(default_factory=dict)
    edited: dict[str, int] = field(default_factory=dict)

    def to_json(self, names: list[str]) -> dict[str, Any]:
        own = {
            "hs_object_id": str(self.id),
            "hs_lastmodifieddate": to_iso(self.modified),
            "lastmodifieddate": to_iso(self.modified),
            "dealname": f"Deal {self.id}",
            "amount": "",
            **self.values,
        }
        known = [name for name in names if name in own or name in PROPERTIES]
        data: dict[str, Any] = {
            "id": str(self.id),
            "properties": {name: own.get(name) for name in known},
        }
        if self.archived is not None:
            data["archivedAt"] = to_iso(self.archived)
        if self.edited:
            data["propertiesWithHistory"] = {
                name: [{"value": own.get(name), "timestamp": to_iso(at)}]
                for name, at in self.edited.items()
            }
        return data


class FakeHubSpot(httpx.BaseTransport):
    """Serves deals by list, search and batch read; keeps the requests; `meddle` runs before each.

    Searches page by counting, as HubSpot's do, and refuse to go beyond 10,000 results. What `deals`
    are is told by whoever asks: the same records are its companies and contacts. `links_listed` is
    how many associations of a record the list shows, and a batch read of them gives a page.
    """

    def __init__(self, *deals: FakeDeal) -> None:
        self.deals = {deal.id: deal for deal in deals}
        self.properties: list[dict[str, Any]] = [
            {"name": name, "label": name, "type": "string"} for name in PROPERTIES
        ]
        self.requests: list[httpx.Request] = []
        self.meddle: Callable[[httpx.Request], None] = lambda _request: None
        self.unreadable: dict[str, str] = {}
        self.page_size = 200
        self.pipelines: list[dict[str, Any]] = [
            {
                "id": "default",
                "label": "Sales",
                "stages": [{"id": "closedwon", "label": "Won", "metadata": {"probability": "1.0"}}],
            }
        ]
        self.owners: list[dict[str, Any]] = []
        self.links_listed = 100

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.read() or b"{}")
        self.requests.append(request)
        self.meddle(request)
        status = 200
        path, params = request.url.path, request.url.params
        if path.endswith("/search"):
            answer = self._search(body)
        elif "/associations/" in path:
            answer = self._links(path.split("/")[-3], body)
        elif path.endswith("/batch/read"):
            answer = self._batch(body)
            status = 207 if answer.get("errors") else 200
        elif "/properties/" in path:
            answer = {"results": self.properties}
        elif path.startswith("/account-info"):
            answer = {"portalId": 4711, "timeZone": "US/Eastern"}
        elif "/pipelines/" in path:
            answer = {"results": self.pipelines}
        elif "/owners" in path:
            answer = self._owners(params)
        else:
            answer = self._list(params)
        date = NOW.strftime("%a, %d %b %Y %H:%M:%S GMT")
        return httpx.Response(status, headers={"Date": date}, json=answer)

    def _list(self, params: httpx.QueryParams) -> dict[str, Any]:
        is_archived = params["archived"] == "true"
        found = [d for d in self.deals.values() if (d.archived is not None) == is_archived]
        rest = sorted((d for d in found if d.id > int(params.get("after", 0))), key=lambda d: d.id)
        page = rest[: min(int(params["limit"]), self.page_size)]
        names = params["properties"].split(",")
        answer: dict[str, Any] = {"results": [deal.to_json(names) for deal in page]}
        for deal, data in zip(page, answer["results"], strict=True):
            for other in filter(None, params.get("associations", "").split(",")):
                if deal.links.get(other):
                    data.setdefault("associations", {})[other] = self._listed(deal.links[other])
        if len(rest) > len(page):
            answer["paging"] = {"next": {"after": str(page[-1].id)}}
        return answer

    def _listed(self, ids: list[str]) -> dict[str, Any]:
        shown = ids[: self.links_listed]
        found: dict[str, Any] = {"results": [{"id": id_, "type": "a_to_b"} for id_ in shown]}
        if len(ids) > len(shown):
            found["paging"] = {"next": {"after": shown[-1]}}
        return found

    def _links(self, other: str, body: dict[str, Any]) -> dict[str, Any]:
        assert len(body["inputs"]) <= 1000
        results = []
        for item in body["inputs"]:
            deal = self.deals.get(int(item["id"]))
            ids = deal.links.get(other, []) if deal else []
            start = int(item.get("after", 0))
            shown = ids[start : start + self.links_listed]
            found: dict[str, Any] = {
                "from": {"id": item["id"]},
                "to": [{"toObjectId": int(id_), "associationTypes": []} for id_ in shown],
            }
            if start + len(shown) < len(ids):
                found["paging"] = {"next": {"after": str(start + len(shown))}}
            if shown:
                results.append(found)
        return {"results": results}

    def _owners(self, params: httpx.QueryParams) -> dict[str, Any]:
        is_archived = params["archived"] == "true"
        found = [o for o in self.owners if o.get("archived", False) == is_archived]
        rest = [o for o in found if int(o["id"]) > int(params.get("after", 0))]
        page = rest[: min(int(params["limit"]), self.page_size)]
        answer: dict[str, Any] = {"results": page}
        if len(rest) > len(page):
            answer["paging"] = {"next": {"after": page[-1]["id"]}}
        return answer

    def _search(self, body: dict[str, Any]) -> dict[str, Any]:
        found = [deal for deal in self.deals.values() if deal.archived is None]
        for rule in body["filterGroups"][0]["filters"]:
            attribute = {
                "hs_lastmodifieddate": "modified",
                "lastmodifieddate": "modified",
                "hs_object_id": "id",
            }
            value, name = int(rule["value"]), attribute[rule["propertyName"]]
            compare: dict[str, Callable[[int], bool]] = {
                "GTE": lambda own, value=value: own >= value,  # type: ignore[misc]
                "LTE": lambda own, value=value: own <= value,  # type: ignore[misc]
                "GT": lambda own, value=value: own > value,  # type: ignore[misc]
            }
            found = [deal for deal in found if compare[rule["operator"]](getattr(deal, name))]
        by_id = body["sorts"][0]["propertyName"] == "hs_object_id"
        found.sort(key=lambda d: d.id if by_id else (d.modified, -d.id))
        start, limit = int(body.get("after", 0)), min(body["limit"], self.page_size)
        assert start + limit <= 10_000
        page = found[start : start + limit]
        results = [deal.to_json(body["properties"]) for deal in page]
        answer: dict[str, Any] = {"total": len(found), "results": results}
        if len(found) > start + limit:
            answer["paging"] = {"next": {"after": str(start + limit)}}
        return answer

    def _batch(self, body: dict[str, Any]) -> dict[str, Any]:
        assert len(body["inputs"]) <= (50 if body.get("propertiesWithHistory") else 100)
        live = {str(deal.id): deal for deal in self.deals.values() if deal.archived is None}
        ids = [item["id"] for item in body["inputs"]]
        errors = [
            {"status": "error", "category": self.unreadable.get(id_, "OBJECT_NOT_FOUND")}
            for id_ in ids
            if id_ not in live or id_ in self.unreadable
        ]
        results = [live[id_].to_json(body["properties"]) for id_ in ids if id_ in live]
        return {"results": results, **({"errors": errors} if errors else {})}


def make_deals(count: int, *, step_ms: int = 1000, first_id: int = 1) -> list[FakeDeal]:
    """Return deals changed `step_ms` apart; the ids run against the times, as they may."""
    return [
        FakeDeal(id=first_id + count - 1 - n, modified=START_MS + n * step_ms) for n in range(count)
    ]


def connect(server: httpx.BaseTransport, **arguments: Any) -> Connection:
    """Return a connection to a fake account."""
    defaults: dict[str, Any] = {
        "credentials": Credentials(values={"api_key": TOKEN}),
        "work_dir": Path("unused"),
        "sleep": Sleeps(),
        "transport": server,
    }
    return PROVIDER.connect(ConnectRequest(**{**defaults, **arguments}))


def read(server: httpx.BaseTransport, after: Checkpoint | None = None, **args: Any) -> list[Page]:
    """Return all pages after a checkpoint, of the deals or of another `scope`."""
    scope = args.pop("scope", "deals")
    return list(connect(server, **args).read(scope, after))


def changes_of(pages: list[Page]) -> list[Change]:
    """Return the changes of all pages in order."""
    return [change for page in pages for change in page.changes]
