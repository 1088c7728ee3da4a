"""The little the emulators share for speaking JSON over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

JSON = "application/json;charset=utf-8"


def json_response(
    data: Any,
    status: int = 200,
    *,
    headers: Mapping[str, str] | None = None,
    media_type: str = JSON,
) -> Response:
    """Return `data` as a JSON answer; bytes are taken as JSON already rendered."""
    body = data if isinstance(data, bytes) else orjson.dumps(data)
    return Response(body, status, headers=headers, media_type=media_type)


async def read_object(request: Request) -> dict[str, Any]:
    """Return the request's JSON object; raise ValueError saying what it is instead."""
    body = await request.body()
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"The body is not JSON: {error}.") from None
    if not isinstance(data, dict):
        raise TypeError("The body must be a JSON object.")
    return data


def bearer_token(request: Request) -> str:
    """Return the token of `Authorization: Bearer …`, '' where there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
