"""Faults of authorization servers, which strike after the decision was taken."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from local.sandbox.faults import Fault, Faults
from local.sandbox.web import json_response

KINDS = {
    "lost_answer": "The token endpoint does what it was asked, a rotation too, and answers "
    "`status` (default 500) without a token.",
    "late_answer": "The token endpoint decides at once and answers after `seconds` (default 5).",
    "revoked_consent": "A refresh finds the consent revoked, for good.",
    "other_account": "A consent is given for another account than the one that was chosen.",
}
_OK = 200


def take(faults: Faults, provider: str, kind: str, request: Request) -> Fault | None:
    """Return the fault `kind` of `provider` that strikes this request, None on a good day."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    return faults.take(provider, kind, method=request.method, path=path)


async def deliver(
    answer: Response,
    *,
    request: Request,
    faults: Faults,
    provider: str,
    failure: Mapping[str, Any],
) -> Response:
    """Return the token endpoint's `answer`, or `failure` where a fault loses it."""
    if late := take(faults, provider, "late_answer", request):
        await asyncio.sleep(late.number("seconds", 5))
    if answer.status_code != _OK:
        return answer
    lost = take(faults, provider, "lost_answer", request)
    return json_response(failure, int(lost.number("status", 500))) if lost else answer
