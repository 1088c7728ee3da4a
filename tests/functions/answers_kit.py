"""Holds every answer of these tests against the API document: it is one of those it tells of."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import azure.functions as func
from jsonschema_rs import Draft202012Validator

from functions.openapi import _document


@cache
def document() -> dict[str, Any]:
    """Return the API document."""
    found: dict[str, Any] = json.loads(_document())
    return found


def check_answer(route: str, method: str, answer: func.HttpResponse) -> None:
    """Fail where status, headers, content type or body are not what the document says."""
    told = f"{method} {route} {answer.status_code}"
    documented = _responses(route, method)
    assert str(answer.status_code) in documented, f"{told} is not in the API document"
    response = documented[str(answer.status_code)]
    missing = [name for name in response.get("headers", {}) if name not in answer.headers]
    assert not missing, f"{told} lacks {missing}"
    if "content" not in response:
        assert answer.get_body() == b"", f"{told} has a body"
        return
    assert [answer.mimetype] == list(response["content"]), f"{told} is {answer.mimetype}"
    wrong = [
        f"{'.'.join(map(str, error.instance_path))}: {error.message}"
        for error in _validator(route, method, answer.status_code).iter_errors(
            json.loads(answer.get_body())
        )
    ]
    assert not wrong, f"{told}: {wrong}"


@cache
def _responses(route: str, method: str) -> dict[str, Any]:
    shared = document()["components"]["responses"]
    responses = document()["paths"][f"/{route}"][method.lower()]["responses"]
    return {
        status: shared[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
        for status, response in responses.items()
    }


@cache
def _validator(route: str, method: str, status: int) -> Draft202012Validator:
    [media] = _responses(route, method)[str(status)]["content"].values()
    components = {"components": document()["components"]}
    return Draft202012Validator({**components, **media["schema"]}, validate_formats=True)
