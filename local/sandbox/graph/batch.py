"""JSON batches: up to twenty requests in one, each answered by itself.

Source: "Combine multiple HTTP requests using JSON batching". `dependsOn` is not served.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message

from local.sandbox.faults import Faults
from local.sandbox.graph.errors import GraphError, error_body
from local.sandbox.graph.lists import PROVIDER
from local.sandbox.web import json_response, read_object

LIMIT = 20


async def answer_batch(request: Request, app: ASGIApp, faults: Faults) -> Response:
    """Answer every request of the batch, in any order a client must expect: here the last first."""
    try:
        body = await read_object(request)
    except (ValueError, TypeError) as error:
        raise GraphError(400, str(error)) from None
    asked = body.get("requests")
    if not isinstance(asked, list) or not all(isinstance(item, dict) for item in asked):
        raise GraphError(400, "A batch needs a list of requests.")
    ids = [item.get("id") for item in asked]
    if not 0 < len(asked) <= LIMIT or len(set(map(str, ids))) != len(ids) or None in ids:
        raise GraphError(400, f"A batch has 1 to {LIMIT} requests, each with an id of its own.")
    answers = [await _answer(request, app, item, faults) for item in asked]
    return json_response({"responses": answers[::-1]})


async def _answer(
    request: Request, app: ASGIApp, item: dict[str, Any], faults: Faults
) -> dict[str, Any]:
    fault = faults.take(PROVIDER, "batch_throttled", path=str(item.get("url", "")))
    if fault:
        status, headers = 429, {"Retry-After": str(fault.option("retry_after", 1))}
        body: Any = error_body(429)
    else:
        status, headers, body = await _call(request, app, item)
    answer = {"id": item["id"], "status": status, "headers": headers}
    return answer if body is None else {**answer, "body": body}


async def _call(
    request: Request, app: ASGIApp, item: dict[str, Any]
) -> tuple[int, dict[str, str], Any]:
    """Call the emulator itself; who asks is who sent the batch."""
    parts = urlsplit(str(item.get("url", "")))
    content = b"" if item.get("body") is None else orjson.dumps(item["body"])
    own = [(k, v) for k, v in request.scope["headers"] if k in {b"authorization", b"host"}]
    given = [
        (str(name).lower().encode(), str(value).encode())
        for name, value in (item.get("headers") or {}).items()
    ]
    root = request.scope.get("root_path", "")
    path = f"/v1.0/{parts.path.lstrip('/')}"
    scope = {
        **request.scope,
        "method": str(item.get("method", "")).upper(),
        "path": f"{root}{path}",
        "raw_path": f"{root}{path}".encode(),
        "query_string": parts.query.encode(),
        "headers": [*own, *given],
    }
    for name in ("endpoint", "path_params", "route", "router", "state"):
        scope.pop(name, None)
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    headers = {k.decode().title(): v.decode() for k, v in sent[0]["headers"]}
    text = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], headers, orjson.loads(text) if text else None
