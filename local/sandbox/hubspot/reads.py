"""Reading records: list, one, search, batch."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.sandbox.hubspot.account import Account
from local.sandbox.hubspot.book import Book
from local.sandbox.hubspot.errors import invalid, not_found
from local.sandbox.hubspot.gate import (
    Gate,
    inputs_of,
    is_true,
    kind_of,
    listed,
    paths,
    read,
    strings,
    whole,
)
from local.sandbox.hubspot.histories import MOST_RECORDS
from local.sandbox.hubspot.kinds import Kind
from local.sandbox.hubspot.links import TYPES, Links
from local.sandbox.hubspot.pages import Form
from local.sandbox.hubspot.records import Record
from local.sandbox.hubspot.search import MAX_BODY, MAX_LIMIT, MAX_RESULTS, Search, parse_search
from local.sandbox.hubspot.times import to_iso
from local.sandbox.web import json_response

READ = ("crm.objects.{kind}.read",)
HISTORY = "propertiesWithHistory"
MAX_BATCH = 100
_MAX_LIST = 100
_MAX_LINKED = 100


def find_record(book: Book, key: str, id_property: str, *, archived: bool = False) -> Record | None:
    """Return the record of an id, or of a value of the unique property `id_property`.

    Raise the 400 of a property that is not unique.
    """
    if id_property in {"", "hs_object_id"}:
        return book.find(key, archived=archived)
    known = book.properties.find(id_property)
    if known is None or not known.unique:
        raise invalid(f"Property '{id_property}' is not a unique property.")
    return book.find_by(id_property, key)


def batch_body(results: Sequence[Mapping[str, Any]], errors: Sequence[Any] = ()) -> dict[str, Any]:
    """Return the body of a batch's answer."""
    now = to_iso(time.time_ns() // 1_000_000)
    data: dict[str, Any] = {"status": "COMPLETE", "results": results}
    data |= {"startedAt": now, "completedAt": now}
    if errors:
        data |= {"numErrors": len(errors), "errors": errors}
    return data


def not_there(kind: Kind, keys: Sequence[str]) -> dict[str, Any]:
    """Return the one error of a batch for all the ids it could not find."""
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": f"Could not get some {kind.singular.upper()} objects, they may be deleted "
        "or not exist. Check that ids are valid.",
        "context": {"ids": list(keys)},
    }


class Reads:
    """The calls that read records of any object type."""

    def __init__(self, *, account: Account, links: Links, gate: Gate) -> None:
        self._account = account
        self._links = links
        self._gate = gate
        self._found: tuple[tuple[str, bytes, int], list[Record]] = (("", b"", -1), [])

    def routes(self) -> list[Route]:
        """Return the routes, the list first: it is asked most."""
        bases = paths("objects")
        return [
            *(Route(f"{base}/{{kind}}", self.listing, methods=["GET"]) for base in bases),
            *(Route(f"{base}/{{kind}}/search", self.search, methods=["POST"]) for base in bases),
            *(Route(f"{base}/{{kind}}/batch/read", self.batch, methods=["POST"]) for base in bases),
            *(Route(f"{base}/{{kind}}/{{id}}", self.one, methods=["GET"]) for base in bases),
        ]

    async def listing(self, request: Request) -> Response:
        """GET: every record in id order."""
        headers = self._gate.admit(request, READ)
        kind = kind_of(request.path_params["kind"])
        after = whole(request.query_params, "after", 0, low=0)
        repeated = bool(after) and self._gate.take("repeated_after", request) is not None
        pages = self._account.pages[kind.name]
        form = pages.forms.get(_wording(request)) or self._read_form(request, kind)
        body = None if repeated else pages.get(form, after)
        if body is None:
            body, high = self._render(request, kind, form, after, repeated=repeated)
            if not repeated:
                pages.keep(form, after, body, low=after, high=high)
        return json_response(body, headers=headers)

    def _read_form(self, request: Request, kind: Kind) -> Form:
        """Return what a list asks for; the same words need not be read again."""
        query = request.query_params
        limit = whole(query, "limit", 10, low=1, high=_MAX_LIST)
        form = self._form(request, kind, limit=limit)
        _check_histories(form.histories, limit)
        self._account.pages[kind.name].remember(_wording(request), form)
        return form

    def _form(self, request: Request, kind: Kind, *, limit: int = 1) -> Form:
        histories = self._known(kind, listed(request, HISTORY))
        return Form(
            address=_address(request),
            limit=limit,
            archived=is_true(request.query_params, "archived"),
            names=self._asked(kind, (*listed(request, "properties"), *histories)),
            others=tuple(other.name for other in _others(kind, listed(request, "associations"))),
            histories=histories,
        )

    def _render(
        self, request: Request, kind: Kind, form: Form, after: int, *, repeated: bool
    ) -> tuple[bytes, float]:
        """Return a page of the list, and the highest of its ids, inf on the last one."""
        book = self._account.book(kind)
        page, more = book.page(after=after, limit=form.limit, archived=form.archived)
        data: dict[str, Any] = {"results": self._shown(request, kind, page, form)}
        if not more:
            return orjson.dumps(data), math.inf
        cursor = str(after if repeated else page[-1].id)
        link = f"{form.address}?limit={form.limit}&after={cursor}"
        data["paging"] = {"next": {"after": cursor, "link": link}}
        return orjson.dumps(data), page[-1].id

    def _asked(self, kind: Kind, names: Iterable[str]) -> tuple[str, ...]:
        return kind.asked(names, self._account.book(kind).properties.find)

    def _known(self, kind: Kind, names: Iterable[str]) -> tuple[str, ...]:
        """Return those of these properties there are; the others are silently ignored."""
        return tuple(filter(self._account.book(kind).properties.find, dict.fromkeys(names)))

    def _remembered(
        self, kind: Kind, records: Sequence[Record], names: Sequence[str], histories: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Return records with the histories of these properties, where any are asked for."""
        shown = kind.to_json(records, names)
        if histories:
            known = self._account.book(kind).histories
            for record, data in zip(records, shown, strict=True):
                data[HISTORY] = known.of(record, histories)
        return shown

    def _shown(
        self, request: Request, kind: Kind, records: Sequence[Record], form: Form
    ) -> Sequence[dict[str, Any]]:
        """Return records with their associations, left out where there are none."""
        shown = self._remembered(kind, records, form.names, form.histories)
        others = [kind_of(name) for name in form.others]
        if others:
            for record, data in zip(records, shown, strict=True):
                linked = {
                    other.name: part
                    for other in others
                    if (part := self._linked(request, kind, record.id, other))
                }
                if linked:
                    data["associations"] = linked
        return shown

    def _linked(self, request: Request, kind: Kind, record_id: int, other: Kind) -> dict[str, Any]:
        """Return associations as v3 tells them: once more, as `…_unlabeled`, next to a label.

        The first 100 records; where there are more, `paging` says where the rest is. {} for none.
        """
        name = f"{kind.singular}_to_{other.singular}"
        is_labelled = bool(TYPES[kind.name, other.name].primary)
        found = sorted(self._links.of(kind, record_id, other))
        rows = []
        for other_id in found[:_MAX_LINKED]:
            if not is_labelled or self._links.is_primary(kind, record_id, other, other_id):
                rows.append({"id": str(other_id), "type": name})
            if is_labelled:
                rows.append({"id": str(other_id), "type": f"{name}_unlabeled"})
        part: dict[str, Any] = {"results": rows} if rows else {}
        if found[_MAX_LINKED:]:
            after = str(found[_MAX_LINKED - 1])
            place = f"/{record_id}" if "id" not in request.path_params else ""
            # v3 has no call for one record's associations here; v4 answers the same ones
            base = _address(request).replace("/crm/v3/", "/crm/v4/")
            link = f"{base}{place}/associations/{other.name}?after={after}"
            part["paging"] = {"next": {"after": after, "link": link}}
        return part

    async def one(self, request: Request) -> Response:
        """GET: one record, by its id or by the unique property `idProperty`."""
        headers = self._gate.admit(request, READ)
        kind = kind_of(request.path_params["kind"])
        form = self._form(request, kind)
        record = find_record(
            self._account.book(kind),
            request.path_params["id"],
            request.query_params.get("idProperty", ""),
            archived=form.archived,
        )
        if record is None:
            raise not_found()
        return json_response(self._shown(request, kind, [record], form)[0], headers=headers)

    async def search(self, request: Request) -> Response:
        """POST: the records that match, at most 10,000 of them within reach."""
        self._gate.admit(request, READ, is_search=True)
        kind = kind_of(request.path_params["kind"])
        raw = await request.body()
        if len(raw.decode(errors="replace")) > MAX_BODY:
            raise invalid(f"The body of a search can have at most {MAX_BODY} characters.")
        body = await read(request)
        limit = whole(body, "limit", 10, low=0, high=MAX_LIMIT)
        after = whole(body, "after", 0, low=0)
        if after + limit > MAX_RESULTS:
            raise invalid(f"Paging through a search ends at {MAX_RESULTS} results.")
        names = self._asked(kind, strings(body, "properties"))
        found = self._results(request, kind, body)
        page = found[after : after + limit]
        data: dict[str, Any] = {"total": len(found), "results": kind.to_json(page, names)}
        if page and after + limit < len(found):
            repeated = after and self._gate.take("repeated_after", request)
            data["paging"] = {"next": {"after": str(after if repeated else after + limit)}}
        return json_response(data)

    def _results(self, request: Request, kind: Kind, body: Mapping[str, Any]) -> Sequence[Record]:
        """Return all results; those of the last search are kept for its next page."""
        book = self._account.book(kind)
        lag = self._gate.take("search_lag", request)
        if lag:
            newest_ms = time.time() * 1000 - lag.number("seconds", 60) * 1000
            return self._parsed(kind, body).run(book, newest_ms=newest_ms)
        asked = {k: v for k, v in body.items() if k in {"filterGroups", "sorts", "query"}}
        key = (kind.name, orjson.dumps(asked, option=orjson.OPT_SORT_KEYS), book.version)
        if self._found[0] != key:
            self._found = (key, self._parsed(kind, body).run(book))
        return self._found[1]

    def _parsed(self, kind: Kind, body: Mapping[str, Any]) -> Search:
        def linked(name: str) -> Any:
            return partial(self._links.of, kind, other=_other(kind, name))

        return parse_search(body, self._account.book(kind), linked=linked)

    async def batch(self, request: Request) -> Response:
        """POST: up to 100 records by id or unique value; 207 where some cannot be had."""
        headers = self._gate.admit(request, READ)
        kind = kind_of(request.path_params["kind"])
        body = await read(request)
        inputs = inputs_of(body, MAX_BATCH)
        histories = self._known(kind, strings(body, HISTORY))
        _check_histories(histories, len(inputs))
        names = self._asked(kind, (*strings(body, "properties"), *histories))
        book = self._account.book(kind)
        archived = is_true(request.query_params, "archived")
        id_property = str(body.get("idProperty") or "")
        fault = self._gate.take("multi_status", request)
        failing = int(fault.number("records", 1)) if fault else 0
        found: list[Record] = []
        missing = []
        for position, item in enumerate(inputs):
            key = str(item.get("id", ""))
            record = find_record(book, key, id_property, archived=archived)
            if record is None or position < failing:
                missing.append(key)
            elif record not in found:
                found.append(record)
        errors = [not_there(kind, missing)] if missing else []
        if fault and errors:
            errors[0]["category"] = fault.option("category", errors[0]["category"])
        data = batch_body(self._remembered(kind, found, names, histories), errors)
        return json_response(data, 207 if missing else 200, headers=headers)


def _check_histories(histories: Sequence[str], records: int) -> None:
    """Raise the 400 of a call that asks the histories of more records than it may."""
    if histories and records > MOST_RECORDS:
        raise invalid(
            f"The limit of {records} exceeds the maximum of {MOST_RECORDS} "
            "when requesting properties with history."
        )


def _address(request: Request) -> str:
    return str(request.url).partition("?")[0]


def _wording(request: Request) -> tuple[str, ...]:
    """Return all of a list's address but its place: what the pages of one list have in common."""
    query = request.scope["query_string"].decode("latin-1")
    rest = "&".join(part for part in query.split("&") if not part.startswith("after="))
    return (request.headers.get("host", ""), request.scope["path"], rest)


def _others(kind: Kind, names: Iterable[str]) -> Sequence[Kind]:
    return list({other.name: other for other in (_other(kind, name) for name in names)}.values())


def _other(kind: Kind, name: str) -> Kind:
    other = kind_of(name)
    if (kind.name, other.name) not in TYPES:
        raise invalid(f"No associations exist between {kind.singular} and {other.singular}.")
    return other
