"""The look at each answer of these tests sees what differs from the API document."""

from __future__ import annotations

import json
from typing import Any

import azure.functions as func
import pytest

from tests.functions.answers_kit import check_answer, document

_OK = document()["paths"]["/api/v1/me"]["get"]["responses"]["200"]
ME: dict[str, Any] = _OK["content"]["application/json"]["example"]
HEADERS = {
    "X-Request-Id": "1",
    "RateLimit-Limit": "1",
    "RateLimit-Remaining": "1",
    "RateLimit-Reset": "1",
}


def answer(
    body: Any = ME,
    *,
    status: int = 200,
    mimetype: str = "application/json",
    headers: dict[str, str] = HEADERS,
) -> func.HttpResponse:
    """Return an answer to `GET me`, as it should be unless told otherwise."""
    return func.HttpResponse(
        json.dumps(body), status_code=status, mimetype=mimetype, headers=headers
    )


def test_an_answer_that_is_documented_passes() -> None:
    """Everything is as the document says."""
    check_answer("api/v1/me", "GET", answer())


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (answer(status=418), "not in the API document"),
        (answer(headers={}), "lacks"),
        (answer(mimetype="text/plain"), "text/plain"),
        (answer({}), "required"),
        (answer({**ME, "name": 1}), "name"),
        (answer({**ME, "createdAt": "yesterday"}), "createdAt"),
    ],
    ids=["status", "headers", "content-type", "nothing", "type", "format"],
)
def test_an_answer_that_is_not_is_found(wrong: func.HttpResponse, why: str) -> None:
    """Another status, a header that is missing, another type, another body."""
    with pytest.raises(AssertionError, match=why):
        check_answer("api/v1/me", "GET", wrong)


def test_an_answer_without_content_has_no_body() -> None:
    """204 means nothing at all."""
    route = "api/v1/instances/{instance_id}"
    empty = func.HttpResponse(status_code=204, headers=HEADERS)
    check_answer(route, "DELETE", empty)
    with pytest.raises(AssertionError, match="has a body"):
        check_answer(route, "DELETE", answer(status=204))
