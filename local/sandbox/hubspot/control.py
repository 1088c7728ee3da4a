"""What a person or a test may do to the account beside HubSpot's API."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.sandbox.hubspot.access import SCOPES, Access, Limits, Token
from local.sandbox.hubspot.book import DealBook
from local.sandbox.hubspot.deals import to_iso, to_ms
from local.sandbox.hubspot.errors import error_body
from local.sandbox.web import json_response


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _NewDeal(_Body):
    properties: dict[str, str | None]


class _Patch(_NewDeal):
    id: str


class _DealChanges(_Body):
    create: list[_NewDeal] = []
    patch: list[_Patch] = []
    touch: int = Field(0, ge=0)
    archive: list[str] = []
    restore: list[str] = []
    purge: list[str] = []
    at: str = ""
    """The hs_lastmodifieddate of all of them, ISO-8601 or epoch milliseconds; now where empty."""


class _LimitChanges(_Body):
    burst: int = Field(Limits().burst, ge=0)
    burst_interval_ms: int = Field(Limits().burst_interval_ms, ge=1)
    search_per_second: int = Field(Limits().search_per_second, ge=0)
    daily: int = Field(Limits().daily, ge=0)


class _TokenChange(_Body):
    token: str = Field(min_length=1)
    scopes: list[str] = sorted(SCOPES)
    state: str = Field("active", pattern="^(active|expired|revoked)$")


def control_routes(book: DealBook, access: Access) -> list[Route]:
    """Return the routes that look at the account and change it from outside."""

    async def state(_: Request) -> Response:
        return json_response({"deals": book.count(), "archived": book.count(archived=True)})

    async def change_deals(request: Request) -> Response:
        try:
            wish = _DealChanges.model_validate_json(await request.body())
            at_ms = to_ms(wish.at) if wish.at else book.now_ms()
            created = book.change(
                at_ms=at_ms,
                create=[item.properties for item in wish.create],
                patch=[(item.id, item.properties) for item in wish.patch],
                touch=wish.touch,
                archive=wish.archive,
                restore=wish.restore,
                purge=wish.purge,
            )
        except KeyError as error:
            return _unclear(f"There is no deal {error}.")
        except ValueError as error:
            return _unclear(str(error))
        return json_response({"created": created, "hs_lastmodifieddate": to_iso(at_ms)})

    async def set_limits(request: Request) -> Response:
        try:
            wish = _LimitChanges.model_validate_json(await request.body())
        except ValidationError as error:
            return _unclear(str(error))
        access.limits = Limits(**wish.model_dump())
        return json_response(wish.model_dump())

    async def set_token(request: Request) -> Response:
        try:
            wish = _TokenChange.model_validate_json(await request.body())
        except ValidationError as error:
            return _unclear(str(error))
        access.tokens[wish.token] = Token(scopes=frozenset(wish.scopes), state=wish.state)
        answer: dict[str, Any] = {"scopes": wish.scopes, "state": wish.state}
        return json_response(answer)

    return [
        Route("/_state", state, methods=["GET"]),
        Route("/_deals", change_deals, methods=["POST"]),
        Route("/_limits", set_limits, methods=["PUT"]),
        Route("/_tokens", set_token, methods=["POST"]),
    ]


def _unclear(message: str) -> Response:
    return json_response(error_body(400, message), 400)
