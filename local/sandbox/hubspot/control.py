"""What a person or a test may do to the account beside HubSpot's API."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.sandbox.hubspot.access import SCOPES, Access, Limits, Token
from local.sandbox.hubspot.account import Account, Rule
from local.sandbox.hubspot.book import Book
from local.sandbox.hubspot.errors import HubSpotError, error_body
from local.sandbox.hubspot.gate import kind_of
from local.sandbox.hubspot.kinds import DEALS, KINDS, Kind
from local.sandbox.hubspot.records import Record
from local.sandbox.hubspot.times import to_iso, to_ms
from local.sandbox.hubspot.validation import RejectedError, check_values
from local.sandbox.web import json_response


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _New(_Body):
    properties: dict[str, str | None]


class _Patch(_New):
    id: str


class Changes(_Body):
    """What to do to the records of one object type."""

    create: list[_New] = []
    patch: list[_Patch] = []
    touch: int = Field(0, ge=0)
    archive: list[str] = []
    restore: list[str] = []
    purge: list[str] = []
    at: str = ""
    """The time of change of all of them, ISO-8601 or epoch milliseconds; now where empty."""


class _LimitChanges(_Body):
    burst: int = Field(Limits().burst, ge=0)
    burst_interval_ms: int = Field(Limits().burst_interval_ms, ge=1)
    search_per_second: int = Field(Limits().search_per_second, ge=0)
    daily: int = Field(Limits().daily, ge=0)
    is_daily_enforced: bool = False


class _TokenChange(_Body):
    token: str = Field(min_length=1)
    scopes: list[str] = sorted(SCOPES)
    state: str = Field("active", pattern="^(active|expired|revoked)$")


class _Rule(_Body):
    require: list[str] = Field(min_length=1)
    when: str = ""
    values: list[str] = []


class _Rules(_Body):
    deals: list[_Rule] = []
    companies: list[_Rule] = []
    contacts: list[_Rule] = []


class Control:
    """Looks at the account and changes it from outside."""

    def __init__(self, *, account: Account, access: Access) -> None:
        self._account = account
        self._access = access

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/_state", self.state, methods=["GET"]),
            Route("/_objects", self.count, methods=["GET"]),
            Route("/_objects/{kind}", self.change, methods=["POST"]),
            Route("/_deals", self.change, methods=["POST"]),
            Route("/_limits", self.set_limits, methods=["PUT"]),
            Route("/_rules", self.set_rules, methods=["PUT"]),
            Route("/_tokens", self.set_token, methods=["POST"]),
        ]

    async def state(self, _: Request) -> Response:
        """GET: how many deals there are."""
        book = self._account.book(DEALS)
        return json_response({"deals": book.count(), "archived": book.count(archived=True)})

    async def count(self, _: Request) -> Response:
        """GET: how many records of each type there are."""
        books = {kind.name: self._account.book(kind) for kind in KINDS}
        return json_response(
            {
                name: {"live": book.count(), "archived": book.count(archived=True)}
                for name, book in books.items()
            }
        )

    async def change(self, request: Request) -> Response:
        """POST: changes of one object type, all or none of them."""
        try:
            kind = kind_of(request.path_params.get("kind", DEALS.name))
            wish = Changes.model_validate_json(await request.body())
            book = self._account.book(kind)
            at_ms = to_ms(wish.at) if wish.at else book.now_ms()
            created = carry_out(book, wish, at_ms)
        except KeyError as error:
            return _unclear(f"There is no such record: {error}.")
        except (ValueError, RejectedError, HubSpotError) as error:
            return _unclear(str(error))
        return json_response({"created": created, kind.modified: to_iso(at_ms)})

    async def set_limits(self, request: Request) -> Response:
        """PUT: the limits; what is not named gets its default back."""
        try:
            wish = _LimitChanges.model_validate_json(await request.body())
        except ValidationError as error:
            return _unclear(str(error))
        self._access.set_limits(Limits(**wish.model_dump()))
        return json_response(wish.model_dump())

    async def set_rules(self, request: Request) -> Response:
        """PUT: the admin's rules of every object type, in place of those there were."""
        try:
            wish = _Rules.model_validate_json(await request.body())
        except ValidationError as error:
            return _unclear(str(error))
        self._account.rules = {
            name: tuple(
                Rule(require=tuple(r["require"]), when=r["when"], values=tuple(r["values"]))
                for r in rules
            )
            for name, rules in wish.model_dump().items()
        }
        return json_response(wish.model_dump())

    async def set_token(self, request: Request) -> Response:
        """POST: a token, new or changed."""
        try:
            wish = _TokenChange.model_validate_json(await request.body())
        except ValidationError as error:
            return _unclear(str(error))
        self._access.tokens[wish.token] = Token(scopes=frozenset(wish.scopes), state=wish.state)
        answer: dict[str, Any] = {"scopes": wish.scopes, "state": wish.state}
        return json_response(answer)


def carry_out(book: Book, wish: Changes, at_ms: int) -> list[str]:
    """Make all changes at `at_ms`; return the ids of the created records.

    Nothing is changed where KeyError (no such record) or RejectedError is raised.
    """
    kind = book.kind
    new = [_checked(book, item.properties, None) for item in wish.create]
    patches = [(r := _found(book, p.id), _checked(book, p.properties, r)) for p in wish.patch]
    gone = [_found(book, key) for key in wish.archive]
    back = [_found(book, key, archived=True) for key in wish.restore]
    lost = [book.find(key) or book.find(key, archived=True) for key in wish.purge]
    touched = book.all_live()[: wish.touch]
    created = [book.create(values, at_ms=at_ms) for values in new]
    for record in touched:
        book.update(record, {}, at_ms=at_ms)
    for record, values in patches:
        book.update(record, _moved(kind, values), at_ms=at_ms)
    for record in gone:
        book.archive(record, at_ms=at_ms)
    for record in back:
        book.restore(record, at_ms=at_ms)
    removed = [record for record in lost if record is not None]
    for record in removed:
        book.purge(record)
    changed = [*created, *touched, *(r for r, _ in patches), *gone, *back, *removed]
    book.settle([record.id for record in changed])
    return [str(record.id) for record in created]


def _found(book: Book, key: str, *, archived: bool = False) -> Record:
    record = book.find(key, archived=archived)
    if record is None:
        raise KeyError(key)
    return record


def _checked(book: Book, given: dict[str, str | None], record: Record | None) -> dict[str, str]:
    values = {name: value or "" for name, value in given.items()}
    return check_values(book.kind, book.properties, _moved(book.kind, values), record=record)


def _moved(kind: Kind, values: dict[str, str]) -> dict[str, str]:
    """Return `values` with the pipeline their stage stands in, which a person need not know."""
    stage = values.get(kind.stage) if kind.stage else None
    ways = [way.id for way in kind.pipelines if stage in {step.id for step in way.stages}]
    return {kind.pipeline: ways[0], **values} if ways else values


def _unclear(message: str) -> Response:
    return json_response(error_body(400, message), 400)
