"""What a person or a test may do to an authorization server beside its protocol."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.sandbox.oauth.grants import Grants
from local.sandbox.oauth.settings import Settings
from local.sandbox.oauth.tokens import A
from local.sandbox.web import json_response, read_object


class _Wish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal["revoke", "expire_access", "expire_refresh"]
    family: str = ""
    """One of `_state`; '' all of them."""


def control_routes(grants: Grants[A]) -> list[Route]:
    """Return the routes under `/oauth/_…`; the settings' present state is their default."""
    return [*_settings_routes(grants.settings), *_state_routes(grants)]


def _settings_routes(settings: Settings) -> list[Route]:
    initial = settings.model_copy(deep=True)

    async def show_settings(_: Request) -> Response:
        return json_response(settings.model_dump())

    async def change_settings(request: Request) -> Response:
        try:
            settings.change(await read_object(request))
        except (ValueError, TypeError) as error:
            return _unclear(error)
        return json_response(settings.model_dump())

    async def reset_settings(_: Request) -> Response:
        settings.reset(initial)
        return json_response(settings.model_dump())

    return [
        Route("/oauth/_settings", show_settings, methods=["GET"]),
        Route("/oauth/_settings", change_settings, methods=["PUT"]),
        Route("/oauth/_settings", reset_settings, methods=["DELETE"]),
    ]


def _state_routes(grants: Grants[A]) -> list[Route]:
    async def show_state(_: Request) -> Response:
        return json_response(grants.report())

    async def clear_state(_: Request) -> Response:
        grants.clear()
        return Response(status_code=204)

    async def change_grants(request: Request) -> Response:
        try:
            wish = _Wish.model_validate_json(await request.body())
        except ValidationError as error:
            return _unclear(error)
        if wish.action == "revoke":
            count = grants.revoke(wish.family)
        else:
            count = grants.expire(wish.action.removeprefix("expire_"), wish.family)
        if wish.family and not count:
            return json_response({"error": f"There is no family {wish.family!r}."}, 400)
        return json_response({"families": count})

    return [
        Route("/oauth/_state", show_state, methods=["GET"]),
        Route("/oauth/_state", clear_state, methods=["DELETE"]),
        Route("/oauth/_grants", change_grants, methods=["POST"]),
    ]


def _unclear(error: Exception) -> Response:
    if isinstance(error, ValidationError):
        wrong = error.errors(include_url=False, include_input=False, include_context=False)
        return json_response({"error": wrong}, 400)
    return json_response({"error": str(error)}, 400)
