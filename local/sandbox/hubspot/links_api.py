"""The calls on associations, of API v4 and of the date versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.sandbox.hubspot.account import Account
from local.sandbox.hubspot.errors import invalid, not_found
from local.sandbox.hubspot.gate import VERSIONS, Gate, inputs_of, kind_of, read, whole
from local.sandbox.hubspot.kinds import Kind
from local.sandbox.hubspot.links import TYPES, Links, Pair
from local.sandbox.hubspot.links_wire import id_in, is_primary
from local.sandbox.hubspot.reads import READ, batch_body
from local.sandbox.hubspot.records import Record
from local.sandbox.hubspot.validation import RejectedError
from local.sandbox.hubspot.writes import WRITE
from local.sandbox.web import json_response

_MAX_READ = 1_000
_MAX_WRITE = 2_000
_PAGE = 500


class LinksApi:
    """Reads and writes associations between two records of different types."""

    def __init__(self, *, account: Account, links: Links, gate: Gate) -> None:
        self._account = account
        self._links = links
        self._gate = gate

    def routes(self) -> list[Route]:
        """Return the routes of API v4 and of the date versions, which differ in their paths."""
        batch = (
            ("/batch/read", self.batch_read),
            ("/batch/associate/default", self.associate),
            ("/batch/create", self.batch_create),
            ("/batch/archive", self.batch_archive),
        )
        routes = []
        for version in ("v4", *(version for version in VERSIONS if version[0] != "v")):
            links, objects = (
                f"/crm/{version}/{part}" if version == "v4" else f"/crm/{part}/{version}"
                for part in ("associations", "objects")
            )
            one = f"{objects}/{{kind}}/{{id}}/associations"
            routes += [
                Route(f"{links}/{{kind}}/{{other}}{path}", handler, methods=["POST"])
                for path, handler in batch
            ]
            routes += [
                Route(f"{one}/{{other}}", self.list_of, methods=["GET"]),
                Route(f"{one}/default/{{other}}/{{to}}", self.put_default, methods=["PUT"]),
                Route(f"{one}/{{other}}/{{to}}", self.put, methods=["PUT"]),
                Route(f"{one}/{{other}}/{{to}}", self.delete, methods=["DELETE"]),
            ]
        return routes

    def _open(self, request: Request, scopes: tuple[str, ...]) -> tuple[dict[str, str], Kind, Kind]:
        headers = self._gate.admit(request, scopes)
        kind, other = (kind_of(request.path_params[name]) for name in ("kind", "other"))
        if (kind.name, other.name) not in TYPES:
            raise invalid(f"No associations exist between {kind.singular} and {other.singular}.")
        return headers, kind, other

    async def list_of(self, request: Request) -> Response:
        """GET: what one record is associated with, 500 a page."""
        headers, kind, other = self._open(request, READ)
        record = self._account.book(kind).find(request.path_params["id"])
        if record is None:
            raise not_found()
        limit = whole(request.query_params, "limit", _PAGE, low=1, high=_PAGE)
        after = whole(request.query_params, "after", 0, low=0)
        data, rest = self._page(kind, record.id, other, after=after, limit=limit)
        return json_response({"results": data} | rest, headers=headers)

    def _page(
        self, kind: Kind, record_id: int, other: Kind, *, after: int, limit: int = _PAGE
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Return associations with ids above `after` in id order, and where the rest starts."""
        found = sorted(i for i in self._links.of(kind, record_id, other) if i > after)
        rows = [
            {
                "toObjectId": str(to_id),
                "associationTypes": self._links.specs(kind, record_id, other, to_id),
            }
            for to_id in found[:limit]
        ]
        more = {"paging": {"next": {"after": str(found[limit - 1])}}} if found[limit:] else {}
        return rows, more

    async def batch_read(self, request: Request) -> Response:
        """POST: the associations of up to 1,000 records; 207 where some have none."""
        headers, kind, other = self._open(request, READ)
        results: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        for item in inputs_of(await read(request), _MAX_READ):
            key = str(item.get("id", ""))
            record = self._account.book(kind).find(key)
            after = whole(item, "after", 0, low=0)
            rows, rest = self._page(kind, record.id, other, after=after) if record else ([], {})
            if rows:
                results.append({"from": {"id": key}, "to": rows} | rest)
            else:
                errors.append(_none_of(kind, key, other))
        return json_response(batch_body(results, errors), 207 if errors else 200, headers=headers)

    async def associate(self, request: Request) -> Response:
        """POST: associate up to 2,000 pairs without a label; those that fail stand in `errors`."""
        headers, kind, other = self._open(request, WRITE)
        results: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        pairs: list[Pair] = []
        for item in inputs_of(await read(request), _MAX_WRITE):
            found = self._pair(kind, id_in(item, "from"), other, id_in(item, "to"))
            if isinstance(found, dict):
                errors.append(found)
            else:
                pairs.append((found[0].id, found[1].id, False))
                results += _both(kind, found[0], other, found[1])
        self._links.add(kind, other, pairs)
        return json_response(batch_body(results, errors), headers=headers)

    async def batch_create(self, request: Request) -> Response:
        """POST: associate up to 2,000 pairs with the types each names; 207 where some fail."""
        headers, kind, other = self._open(request, WRITE)
        results: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        pairs: list[Pair] = []
        for item in inputs_of(await read(request), _MAX_WRITE):
            found = self._pair(kind, id_in(item, "from"), other, id_in(item, "to"))
            if isinstance(found, dict):
                errors.append(found)
                continue
            first, second = found
            try:
                primary = is_primary(kind, other, item.get("types"))
            except RejectedError as error:
                context = {"fromObjectId": [str(first.id)], "toObjectId": [str(second.id)]}
                errors.append(_error("VALIDATION_ERROR", str(error), context))
                continue
            pairs.append((first.id, second.id, primary))
            results.append(_labelled(kind, first, other, second, primary=primary))
        self._links.add(kind, other, pairs)
        return json_response(batch_body(results, errors), 207 if errors else 201, headers=headers)

    async def batch_archive(self, request: Request) -> Response:
        """POST: end associations; those that are not there are no error. v4 answers nothing."""
        headers, kind, other = self._open(request, WRITE)
        pairs = []
        for item in inputs_of(await read(request), _MAX_WRITE):
            ends = item.get("to")
            if not isinstance(ends, list):
                raise invalid("Invalid input JSON: to must be a list of {id}.")
            pairs += [(id_in(item, "from"), id_in({"to": end}, "to")) for end in ends]
        self._remove(kind, other, pairs)
        if "/v4/" in request.url.path:
            return Response(status_code=204, headers=headers)
        return json_response(batch_body([]), headers=headers)

    async def put_default(self, request: Request) -> Response:
        """PUT: associate two records without a label."""
        headers, kind, other = self._open(request, WRITE)
        record, to = self._known(request, kind, other)
        self._links.add(kind, other, [(record.id, to.id, False)])
        return json_response(batch_body(_both(kind, record, other, to)), headers=headers)

    async def put(self, request: Request) -> Response:
        """PUT: associate two records with the types of the body."""
        headers, kind, other = self._open(request, WRITE)
        record, to = self._known(request, kind, other)
        types = await _types(request)
        try:
            primary = is_primary(kind, other, types)
        except RejectedError as error:
            raise invalid(str(error)) from None
        self._links.add(kind, other, [(record.id, to.id, primary)])
        data = _labelled(kind, record, other, to, primary=primary)
        return json_response(data, 201, headers=headers)

    async def delete(self, request: Request) -> Response:
        """DELETE: end the association of two records."""
        headers, kind, other = self._open(request, WRITE)
        self._remove(kind, other, [(request.path_params["id"], request.path_params["to"])])
        return Response(status_code=204, headers=headers)

    def _remove(self, kind: Kind, other: Kind, pairs: Sequence[tuple[str, str]]) -> None:
        known = [(int(a), int(b)) for a, b in pairs if a.isdecimal() and b.isdecimal()]
        self._links.remove(kind, other, known)

    def _known(self, request: Request, kind: Kind, other: Kind) -> tuple[Record, Record]:
        pair = self._pair(kind, request.path_params["id"], other, request.path_params["to"])
        if isinstance(pair, dict):
            raise not_found(pair["message"])
        return pair

    def _pair(
        self, kind: Kind, key: str, other: Kind, to: str
    ) -> tuple[Record, Record] | dict[str, Any]:
        """Return both records, or the error that says which of them is not there."""
        first, second = self._account.book(kind).find(key), self._account.book(other).find(to)
        if first and second:
            return first, second
        gone, gone_key = (other, to) if first else (kind, key)
        text = f"No {gone.singular} with ID {gone_key} exists."
        context = {"fromObjectId": [key], "toObjectId": [to]}
        return _error("OBJECT_NOT_FOUND", text, context)


async def _types(request: Request) -> Sequence[Any]:
    try:
        types = await request.json()
    except ValueError as error:
        raise invalid(f"Invalid input JSON: {error}") from None
    if not isinstance(types, list):
        raise invalid("Invalid input JSON: the body must be a list of association types.")
    return types


def _labelled(
    kind: Kind, record: Record, other: Kind, to: Record, *, primary: bool
) -> dict[str, Any]:
    return {
        "fromObjectTypeId": kind.type_id,
        "fromObjectId": str(record.id),
        "toObjectTypeId": other.type_id,
        "toObjectId": str(to.id),
        "labels": ["Primary"] if primary else [],
    }


def _both(kind: Kind, record: Record, other: Kind, to: Record) -> list[dict[str, Any]]:
    """Return an association without a label as its two directions."""
    return [
        {
            "from": {"id": str(a_record.id)},
            "to": {"id": str(b_record.id)},
            "associationSpec": {
                "associationCategory": "HUBSPOT_DEFINED",
                "associationTypeId": TYPES[a.name, b.name].default,
            },
        }
        for a, a_record, b, b_record in ((kind, record, other, to), (other, to, kind, record))
    ]


def _none_of(kind: Kind, key: str, other: Kind) -> dict[str, Any]:
    context = {
        "fromObjectId": [key],
        "fromObjectType": [kind.singular],
        "toObjectType": [other.singular],
    }
    text = f"No {other.singular} is associated with {kind.singular} {key}."
    error = _error("OBJECT_NOT_FOUND", text, context)
    return error | {"subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND"}


def _error(category: str, message: str, context: dict[str, list[str]]) -> dict[str, Any]:
    return {"status": "error", "category": category, "message": message, "context": context}
