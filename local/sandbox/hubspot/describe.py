"""What describes records: properties, pipelines, owners."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.sandbox.hubspot.account import Account
from local.sandbox.hubspot.book import Book
from local.sandbox.hubspot.errors import HubSpotError, error_body, invalid, not_found
from local.sandbox.hubspot.gate import Gate, inputs_of, is_true, kind_of, paths, read, whole
from local.sandbox.hubspot.kinds import Kind
from local.sandbox.hubspot.owners import OWNERS
from local.sandbox.hubspot.properties import Property
from local.sandbox.hubspot.reads import MAX_BATCH, batch_body
from local.sandbox.hubspot.times import to_iso
from local.sandbox.web import json_response

SCHEMA_READ = ("crm.schemas.{kind}.read", "crm.objects.{kind}.read")
SCHEMA_WRITE = ("crm.schemas.{kind}.write",)
OWNERS_READ = ("crm.objects.owners.read",)
_MAX_OWNERS = 500
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_Type = Literal["bool", "date", "datetime", "enumeration", "number", "phone_number", "string"]
_FieldType = Literal[
    "booleancheckbox",
    "calculation_equation",
    "checkbox",
    "date",
    "file",
    "html",
    "number",
    "phonenumber",
    "radio",
    "select",
    "text",
    "textarea",
]


class _Option(BaseModel):
    value: str
    label: str


class _PropertyUpdate(BaseModel):
    label: str | None = Field(None, min_length=1)
    type: _Type | None = None
    fieldType: _FieldType | None = None  # noqa: N815  HubSpot's own name
    groupName: str | None = None  # noqa: N815  HubSpot's own name
    description: str | None = None
    options: list[_Option] | None = None


class _PropertyCreate(_PropertyUpdate):
    name: str
    label: str = Field(min_length=1)
    type: _Type
    fieldType: _FieldType  # noqa: N815  HubSpot's own name
    groupName: str  # noqa: N815  HubSpot's own name
    hasUniqueValue: bool = False  # noqa: N815  HubSpot's own name


class Describe:
    """The calls that read and change what describes records."""

    def __init__(self, *, account: Account, gate: Gate) -> None:
        self._account = account
        self._gate = gate

    def routes(self) -> list[Route]:
        """Return the routes of every version."""
        calls = (
            ("properties", "GET", "/{kind}", self.list_properties),
            ("properties", "POST", "/{kind}", self.create_property),
            ("properties", "POST", "/{kind}/batch/create", self.create_properties),
            ("properties", "POST", "/{kind}/batch/read", self.read_properties),
            ("properties", "GET", "/{kind}/groups", self.list_groups),
            ("properties", "GET", "/{kind}/{name}", self.get_property),
            ("properties", "PATCH", "/{kind}/{name}", self.update_property),
            ("properties", "DELETE", "/{kind}/{name}", self.archive_property),
            ("pipelines", "GET", "/{kind}", self.list_pipelines),
            ("pipelines", "GET", "/{kind}/{id}", self.get_pipeline),
            ("pipelines", "GET", "/{kind}/{id}/stages", self.list_stages),
            ("owners", "GET", "", self.list_owners),
            ("owners", "GET", "/{id}", self.get_owner),
        )
        return [
            Route(f"{base}{path}", handler, methods=[method])
            for part, method, path, handler in calls
            for base in paths(part)
        ]

    def _open(self, request: Request, scopes: tuple[str, ...]) -> tuple[dict[str, str], Kind, Book]:
        headers = self._gate.admit(request, scopes)
        kind = kind_of(request.path_params["kind"])
        return headers, kind, self._account.book(kind)

    async def list_properties(self, request: Request) -> Response:
        """GET: the properties; none of them is sensitive."""
        headers, _, book = self._open(request, SCHEMA_READ)
        query = request.query_params
        is_other = query.get("dataSensitivity", "non_sensitive") != "non_sensitive"
        found = [] if is_other else book.properties.all(archived=is_true(query, "archived"))
        return json_response({"results": [item.to_json() for item in found]}, headers=headers)

    async def get_property(self, request: Request) -> Response:
        """GET: one property."""
        headers, _, book = self._open(request, SCHEMA_READ)
        archived = is_true(request.query_params, "archived")
        item = _property(book, request.path_params["name"], archived=archived)
        return json_response(item.to_json(), headers=headers)

    async def read_properties(self, request: Request) -> Response:
        """POST: properties by name; 207 where some do not exist."""
        headers, _, book = self._open(request, SCHEMA_READ)
        body = await read(request)
        names = [str(item.get("name", "")) for item in inputs_of(body, MAX_BATCH)]
        archived = bool(body.get("archived"))
        found = [book.properties.find(name, archived=archived) for name in names]
        missing = [name for name, item in zip(names, found, strict=True) if item is None]
        errors = [
            {
                "status": "error",
                "category": "OBJECT_NOT_FOUND",
                "message": "Some properties do not exist.",
                "context": {"name": missing},
            }
        ]
        data = batch_body([item.to_json() for item in found if item], errors if missing else [])
        return json_response(data, 207 if missing else 200, headers=headers)

    async def list_groups(self, request: Request) -> Response:
        """GET: the groups properties stand in."""
        headers, _, book = self._open(request, SCHEMA_READ)
        names = dict.fromkeys(item.group for item in book.properties.all() if item.group)
        found = [
            {"name": name, "label": name.capitalize(), "displayOrder": order, "archived": False}
            for order, name in enumerate(names)
        ]
        return json_response({"results": found}, headers=headers)

    async def create_property(self, request: Request) -> Response:
        """POST: one new property of the account's own; 409 where its name is taken."""
        headers, kind, book = self._open(request, SCHEMA_WRITE)
        item = _made(book, await read(request))
        self._put(kind, book, [item])
        return json_response(item.to_json(), 201, headers=headers)

    async def create_properties(self, request: Request) -> Response:
        """POST: up to 100 new properties, all or none."""
        headers, kind, book = self._open(request, SCHEMA_WRITE)
        items = [_made(book, given) for given in inputs_of(await read(request), MAX_BATCH)]
        if len({item.name for item in items}) < len(items):
            raise invalid("Two of the properties have the same name.")
        self._put(kind, book, items)
        return json_response(batch_body([item.to_json() for item in items]), 201, headers=headers)

    async def update_property(self, request: Request) -> Response:
        """PATCH: change what describes a property of the account's own."""
        headers, kind, book = self._open(request, SCHEMA_WRITE)
        item = _own(book, request.path_params["name"])
        wish = _parsed(_PropertyUpdate, await read(request))
        changes: dict[str, Any] = {
            "label": wish.label,
            "type": wish.type,
            "field_type": wish.fieldType,
            "group": wish.groupName,
            "description": wish.description,
            "options": _options(wish),
        }
        kept = {name: value for name, value in changes.items() if value is not None}
        item = replace(item, **kept, updated_at=_now())
        self._put(kind, book, [item])
        return json_response(item.to_json(), headers=headers)

    async def archive_property(self, request: Request) -> Response:
        """DELETE: archive a property of the account's own; its values are not shown any more."""
        headers, kind, book = self._open(request, SCHEMA_WRITE)
        book.properties.archive(_own(book, request.path_params["name"]).name, now=_now())
        self._changed(kind, book)
        return Response(status_code=204, headers=headers)

    def _put(self, kind: Kind, book: Book, items: list[Property]) -> None:
        for item in items:
            book.properties.put(item)
        self._changed(kind, book)

    def _changed(self, kind: Kind, book: Book) -> None:
        """Void what was rendered: lists show the properties that exist."""
        self._account.pages[kind.name].clear()
        book.settle(())

    async def list_pipelines(self, request: Request) -> Response:
        """GET: the pipelines with their stages, none for a type that has no pipelines."""
        headers, kind, _ = self._open(request, SCHEMA_READ)
        found = [pipeline.to_json(order) for order, pipeline in enumerate(kind.pipelines)]
        return json_response({"results": found}, headers=headers)

    async def get_pipeline(self, request: Request) -> Response:
        """GET: one pipeline."""
        headers, kind, _ = self._open(request, SCHEMA_READ)
        return json_response(_pipeline(kind, request), headers=headers)

    async def list_stages(self, request: Request) -> Response:
        """GET: the stages of one pipeline."""
        headers, kind, _ = self._open(request, SCHEMA_READ)
        return json_response({"results": _pipeline(kind, request)["stages"]}, headers=headers)

    async def list_owners(self, request: Request) -> Response:
        """GET: the owners, archived ones only where asked for."""
        headers = self._gate.admit(request, OWNERS_READ)
        query = request.query_params
        limit = whole(query, "limit", 100, low=1, high=_MAX_OWNERS)
        after = whole(query, "after", 0, low=0)
        archived = is_true(query, "archived")
        found = [o for o in OWNERS.values() if o["archived"] == archived and int(o["id"]) > after]
        if query.get("email"):
            found = [o for o in found if o["email"] == query["email"]]
        data: dict[str, Any] = {"results": found[:limit]}
        if limit < len(found):
            data["paging"] = {"next": {"after": found[limit - 1]["id"]}}
        return json_response(data, headers=headers)

    async def get_owner(self, request: Request) -> Response:
        """GET: one owner, by `id` or, with `idProperty=userId`, by the user's."""
        headers = self._gate.admit(request, OWNERS_READ)
        key = request.path_params["id"]
        name = "userId" if request.query_params.get("idProperty") == "userId" else "id"
        owner = next((o for o in OWNERS.values() if str(o[name]) == key), None)
        if owner is None:
            raise not_found()
        return json_response(owner, headers=headers)


def _now() -> str:
    return to_iso(time.time_ns() // 1_000_000)


def _pipeline(kind: Kind, request: Request) -> dict[str, Any]:
    for order, pipeline in enumerate(kind.pipelines):
        if pipeline.id == request.path_params["id"]:
            return pipeline.to_json(order)
    raise not_found()


def _property(book: Book, name: str, *, archived: bool = False) -> Property:
    item = book.properties.find(name, archived=archived)
    if item is None:
        raise not_found(f"Property '{name}' does not exist.")
    return item


def _own(book: Book, name: str) -> Property:
    item = _property(book, name)
    if not item.custom:
        raise invalid(f"Property '{name}' is HubSpot's own; it cannot be changed.")
    return item


_Model = TypeVar("_Model", bound=_PropertyUpdate)


def _parsed(model: type[_Model], given: Mapping[str, Any]) -> _Model:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)
        told = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in wrong)
        raise invalid(f"Invalid input JSON: {told}.") from None


def _options(wish: _PropertyUpdate) -> tuple[tuple[str, str], ...] | None:
    if wish.options is None:
        return None
    return tuple((option.value, option.label) for option in wish.options)


def _made(book: Book, given: Mapping[str, Any]) -> Property:
    wish = _parsed(_PropertyCreate, given)
    if not _NAME.fullmatch(wish.name):
        raise invalid(f"Property names are lower case letters, digits and _: '{wish.name}' is not.")
    if book.properties.find(wish.name):
        text = f"A property named '{wish.name}' already exists."
        body = error_body(409, text) | {"category": "OBJECT_ALREADY_EXISTS"}
        raise HubSpotError(409, body)
    if wish.hasUniqueValue and wish.type not in {"string", "number"}:
        raise invalid(f"A property of type {wish.type} cannot have unique values.")
    now = _now()
    return Property(
        name=wish.name,
        label=wish.label,
        type=wish.type,
        field_type=wish.fieldType,
        group=wish.groupName,
        description=wish.description or "",
        options=_options(wish) or (),
        unique=wish.hasUniqueValue,
        calculated=wish.fieldType == "calculation_equation",
        custom=True,
        created_at=now,
        updated_at=now,
    )
