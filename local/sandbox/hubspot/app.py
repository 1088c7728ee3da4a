"""HubSpot's CRM API for deals, as an ASGI app over deals made from a fixed seed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.sandbox.faults import Faults
from local.sandbox.hubspot.access import Access, Token
from local.sandbox.hubspot.book import DealBook, asked_properties
from local.sandbox.hubspot.control import control_routes
from local.sandbox.hubspot.deals import Deal, to_iso
from local.sandbox.hubspot.errors import HubSpotError, error_body, invalid, not_found
from local.sandbox.hubspot.generate import generate
from local.sandbox.hubspot.oauth import HubSpotOAuth
from local.sandbox.hubspot.schema import PIPELINES, PROPERTIES, owners
from local.sandbox.hubspot.search import MAX_BODY, MAX_LIMIT, MAX_RESULTS, parse_search
from local.sandbox.oauth import delivery
from local.sandbox.oauth.clients import Client
from local.sandbox.oauth.settings import Settings
from local.sandbox.web import bearer_token, json_response, read_object

PROVIDER = "hubspot"
VERSIONS = ("2026-03", "v3")
_DEALS_READ = ("crm.objects.deals.read",)
_SCHEMA_READ = ("crm.schemas.deals.read", "crm.objects.deals.read")
_OWNERS_READ = ("crm.objects.owners.read",)
_DEAL_TYPES = {"deals", "deal", "0-3"}
_MAX_LIST = 100
_MAX_BATCH = 100
_MAX_OWNERS = 500
_KEPT_BYTES = 96 * 1024 * 1024


def hubspot_app(
    *, token: str, client: Client, oauth: Settings, faults: Faults, deals: int = 25_000
) -> Starlette:
    """Return the emulator, holding `deals` live deals.

    `token` is a private app's and has every scope; `client` is the registered OAuth app.
    """
    faults.declare(
        PROVIDER,
        search_lag="Search does not see changes of the last `seconds` (default 60).",
        repeated_after="`paging.next.after` is the one the request came with.",
        multi_status="A batch read answers 207: its first `records` (default 1) inputs fail.",
        **delivery.KINDS,
    )
    server = HubSpotOAuth(client=client, faults=faults, settings=oauth)
    access = Access(tokens={token: Token()}, issued=server.find_token)
    service = _HubSpot(book=DealBook(generate(deals)), access=access, faults=faults)
    return Starlette(
        routes=[*service.routes(), *server.routes(), *control_routes(service.book, access)],
        exception_handlers={HubSpotError: _refuse, HTTPException: _no_route},
    )


async def _refuse(_: Request, error: Exception) -> Response:
    if not isinstance(error, HubSpotError):
        raise error
    return json_response(error.body, error.status, headers=error.headers)


async def _no_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return json_response(error_body(status, "There is nothing at this address."), status)


class _HubSpot:
    def __init__(self, *, book: DealBook, access: Access, faults: Faults) -> None:
        self.book = book
        self.access = access
        self._faults = faults
        self._kept: dict[tuple[Any, ...], bytes] = {}
        self._kept_bytes = 0
        self._kept_version = 0
        self._found: tuple[bytes, int, list[Deal]] = (b"", -1, [])

    def routes(self) -> list[Route]:
        """Return the routes of the date version and of v3, which differ only in their paths."""
        routes = []
        for version in VERSIONS:
            objects, properties, pipelines, people = (
                f"/crm/{version}/{part}" if version.startswith("v") else f"/crm/{part}/{version}"
                for part in ("objects", "properties", "pipelines", "owners")
            )
            routes += [
                Route(f"{objects}/{{kind}}", self.list_deals, methods=["GET"]),
                Route(f"{objects}/{{kind}}/search", self.search, methods=["POST"]),
                Route(f"{objects}/{{kind}}/batch/read", self.batch_read, methods=["POST"]),
                Route(f"{objects}/{{kind}}/{{id}}", self.get_deal, methods=["GET"]),
                Route(f"{properties}/{{kind}}", self.list_properties, methods=["GET"]),
                Route(f"{properties}/{{kind}}/{{name}}", self.get_property, methods=["GET"]),
                Route(f"{pipelines}/{{kind}}", self.list_pipelines, methods=["GET"]),
                Route(people, self.list_owners, methods=["GET"]),
                Route(f"{people}/{{id}}", self.get_owner, methods=["GET"]),
            ]
        return routes

    def _admit(
        self, request: Request, scopes: tuple[str, ...], *, is_search: bool = False
    ) -> dict[str, str]:
        """Return the rate headers; raise what HubSpot would refuse the request with.

        A search has a limit of its own, stands outside the burst limit and carries no rate headers.
        """
        token = bearer_token(request)
        self.access.check_token(token, scopes)
        kind = request.path_params.get("kind", "deals")
        if kind not in _DEAL_TYPES:
            raise invalid(f"Unable to infer object type from: {kind}")
        if is_search:
            self.access.check_search()
            return {}
        return self.access.check_burst(token)

    async def list_deals(self, request: Request) -> Response:
        """GET: every deal in id order."""
        headers = self._admit(request, _DEALS_READ)
        query = request.query_params
        names = _asked(request)
        limit = _number(query, "limit", 10, low=1, high=_MAX_LIST)
        after = _number(query, "after", 0, low=0)
        archived = query.get("archived", "false").lower() == "true"
        address = str(request.url).partition("?")[0]
        key = (address, names, limit, after, archived)
        repeated = bool(after) and self._faults.take(PROVIDER, "repeated_after")
        body = None if repeated else self._keep(key)
        if body is None:
            page, more = self.book.page(after=after, limit=limit, archived=archived)
            data: dict[str, Any] = {"results": [deal.to_json(names) for deal in page]}
            if more:
                cursor = str(after if repeated else page[-1].id)
                link = f"{address}?limit={limit}&after={cursor}"
                data["paging"] = {"next": {"after": cursor, "link": link}}
            body = orjson.dumps(data)
            if not repeated:
                self._keep(key, body)
        return json_response(body, headers=headers)

    def _keep(self, key: tuple[Any, ...], body: bytes | None = None) -> bytes | None:
        """Return the page kept under `key`, or keep `body`; a change of any deal voids them all."""
        if self._kept_version != self.book.version or self._kept_bytes > _KEPT_BYTES:
            self._kept.clear()
            self._kept_bytes = 0
            self._kept_version = self.book.version
        if body is not None:
            self._kept[key] = body
            self._kept_bytes += len(body)
        return self._kept.get(key)

    async def get_deal(self, request: Request) -> Response:
        """GET: one deal, by its id or by the unique property `idProperty`."""
        headers = self._admit(request, _DEALS_READ)
        archived = request.query_params.get("archived", "false").lower() == "true"
        id_property = request.query_params.get("idProperty", "")
        deal = self._find(request.path_params["id"], id_property, archived=archived)
        if deal is None:
            raise not_found()
        return json_response(deal.to_json(_asked(request)), headers=headers)

    def _find(self, key: str, id_property: str, *, archived: bool) -> Deal | None:
        if id_property in {"", "hs_object_id"}:
            return self.book.find(key, archived=archived)
        known = PROPERTIES.get(id_property)
        if known is None or not known.unique:
            raise invalid(f"Property '{id_property}' is not a unique property.")
        return self.book.find_by(id_property, key)

    async def search(self, request: Request) -> Response:
        """POST: the deals that match, at most 10,000 of them within reach."""
        self._admit(request, _DEALS_READ, is_search=True)
        raw = await request.body()
        if len(raw.decode(errors="replace")) > MAX_BODY:
            raise invalid(f"The body of a search can have at most {MAX_BODY} characters.")
        body = await _read(request)
        limit = _number(body, "limit", 10, low=0, high=MAX_LIMIT)
        after = _number(body, "after", 0, low=0)
        if after + limit > MAX_RESULTS:
            raise invalid(f"Paging through a search ends at {MAX_RESULTS} results.")
        names = asked_properties(_strings(body, "properties"))
        found = self._results(body)
        page = found[after : after + limit]
        data: dict[str, Any] = {
            "total": len(found),
            "results": [deal.to_json(names) for deal in page],
        }
        if page and after + limit < len(found):
            repeated = after and self._faults.take(PROVIDER, "repeated_after")
            data["paging"] = {"next": {"after": str(after if repeated else after + limit)}}
        return json_response(data)

    def _results(self, body: Mapping[str, Any]) -> list[Deal]:
        """Return all results; those of the last search are kept for its next page."""
        lag = self._faults.take(PROVIDER, "search_lag")
        if lag:
            newest_ms = time.time() * 1000 - lag.number("seconds", 60) * 1000
            return parse_search(body).run(self.book, newest_ms=newest_ms)
        asked = {k: v for k, v in body.items() if k in {"filterGroups", "sorts", "query"}}
        key = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)
        if self._found[:2] != (key, self.book.version):
            self._found = (key, self.book.version, parse_search(body).run(self.book))
        return self._found[2]

    async def batch_read(self, request: Request) -> Response:
        """POST: up to 100 deals by id; 207 where some cannot be had."""
        headers = self._admit(request, _DEALS_READ)
        body = await _read(request)
        inputs = body.get("inputs")
        if not isinstance(inputs, list) or not all(isinstance(i, dict) for i in inputs):
            raise invalid("inputs must be a list of {id}.")
        if len(inputs) > _MAX_BATCH:
            raise invalid(f"There can be at most {_MAX_BATCH} inputs.")
        names = asked_properties(_strings(body, "properties"))
        archived = request.query_params.get("archived", "false").lower() == "true"
        id_property = str(body.get("idProperty") or "")
        fault = self._faults.take(PROVIDER, "multi_status")
        failing = int(fault.number("records", 1)) if fault else 0
        results, missing = [], []
        for position, item in enumerate(inputs):
            key = str(item.get("id", ""))
            deal = self._find(key, id_property, archived=archived)
            if deal is None or position < failing:
                missing.append(key)
            else:
                results.append(deal.to_json(names))
        now = to_iso(time.time_ns() // 1_000_000)
        data: dict[str, Any] = {"status": "COMPLETE", "results": results}
        data |= {"startedAt": now, "completedAt": now}
        if missing:
            data["numErrors"] = 1
            data["errors"] = [
                {
                    "status": "error",
                    "category": "OBJECT_NOT_FOUND",
                    "message": "Some deals could not be read: they may be deleted or not exist.",
                    "context": {"ids": missing},
                }
            ]
        return json_response(data, 207 if missing else 200, headers=headers)

    async def list_properties(self, request: Request) -> Response:
        """GET: the properties of deals; none of them is sensitive or archived."""
        headers = self._admit(request, _SCHEMA_READ)
        query = request.query_params
        others = query.get("dataSensitivity", "non_sensitive") != "non_sensitive"
        others = others or query.get("archived", "false").lower() == "true"
        found = [] if others else [item.to_json() for item in PROPERTIES.values()]
        return json_response({"results": found}, headers=headers)

    async def get_property(self, request: Request) -> Response:
        """GET: one property of deals."""
        headers = self._admit(request, _SCHEMA_READ)
        item = PROPERTIES.get(request.path_params["name"])
        if item is None:
            raise not_found(f"Property '{request.path_params['name']}' does not exist.")
        return json_response(item.to_json(), headers=headers)

    async def list_pipelines(self, request: Request) -> Response:
        """GET: the pipelines of deals with their stages."""
        headers = self._admit(request, _SCHEMA_READ)
        found = [pipeline.to_json(order) for order, pipeline in enumerate(PIPELINES)]
        return json_response({"results": found}, headers=headers)

    async def list_owners(self, request: Request) -> Response:
        """GET: the owners, archived ones only where asked for."""
        headers = self._admit(request, _OWNERS_READ)
        query = request.query_params
        limit = _number(query, "limit", 100, low=1, high=_MAX_OWNERS)
        after = _number(query, "after", 0, low=0)
        archived = query.get("archived", "false").lower() == "true"
        found = [o for o in owners() if o["archived"] == archived and int(o["id"]) > after]
        if query.get("email"):
            found = [o for o in found if o["email"] == query["email"]]
        data: dict[str, Any] = {"results": found[:limit]}
        if limit < len(found):
            data["paging"] = {"next": {"after": found[limit - 1]["id"]}}
        return json_response(data, headers=headers)

    async def get_owner(self, request: Request) -> Response:
        """GET: one owner."""
        headers = self._admit(request, _OWNERS_READ)
        owner = next((o for o in owners() if o["id"] == request.path_params["id"]), None)
        if owner is None:
            raise not_found()
        return json_response(owner, headers=headers)


async def _read(request: Request) -> dict[str, Any]:
    try:
        return await read_object(request)
    except (ValueError, TypeError) as error:
        raise invalid(f"Invalid input JSON: {error}") from None


def _asked(request: Request) -> tuple[str, ...]:
    """Return the properties of `properties=a,b&properties=c`."""
    given = request.query_params.getlist("properties")
    return asked_properties(name.strip() for text in given for name in text.split(","))


def _strings(body: Mapping[str, Any], name: str) -> list[str]:
    values = body.get(name) or []
    if not isinstance(values, list):
        raise invalid(f"{name} must be a list.")
    return [str(value) for value in values]


def _number(
    values: Mapping[str, Any], name: str, default: int, *, low: int, high: int | None = None
) -> int:
    text = values.get(name)
    if text is None or text == "":
        return default
    try:
        number = int(str(text))
    except ValueError:
        raise invalid(f"{name} must be a number.") from None
    if number < low or (high is not None and number > high):
        raise invalid(f"{name} must be at least {low}" + (f" and at most {high}." if high else "."))
    return number
