"""The vendors' own documents, where they stand beside the checkout, for what the suite sends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace

import httpx

from tests.conftest import VENDOR_DOCUMENTS
from tests.unit.planner import test_spec as planner_document
from tests.unit.powerbi import test_official_document as powerbi_document

Exchanges = Sequence[tuple[httpx.Request, httpx.Response]]


def powerbi(exchanges: Exchanges) -> Sequence[str]:
    """Return what does not fit Microsoft's description of Power BI."""
    described = powerbi_document.Described(
        json.loads(powerbi_document.DOCUMENT.read_text(encoding="utf-8"))
    )
    return [
        problem
        for request, answer in (_without_mount(one) for one in exchanges)
        if not request.url.path.endswith(_UNDESCRIBED)
        for problem in described.problems(request, answer)
    ]


def planner(exchanges: Exchanges) -> Sequence[str]:
    """Return what does not fit Microsoft's description of Graph's Planner."""
    calls = SimpleNamespace(calls=[_without_mount(one) for one in exchanges])
    wrong: list[str] = []
    for exchange in planner_document.exchanges(calls):  # type: ignore[arg-type]
        try:
            planner_document.check(exchange)
        except AssertionError as error:
            wrong.append(f"{exchange[0]} {exchange[1]}: {error}")
    return wrong


def convex(exchanges: Exchanges) -> Sequence[str]:
    """Return what does not fit Convex's description of its data syncs."""
    import jsonschema_rs

    text = (VENDOR_DOCUMENTS / "convex-data-sync.openapi31.json").read_text(encoding="utf-8")
    components = json.loads(text)["components"]
    wrong: list[str] = []

    def check(name: str, data: object) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": components}
        errors = jsonschema_rs.Draft202012Validator(schema).iter_errors(data)
        wrong.extend(f"{name}: {error.message}" for error in errors)

    for request, answer in exchanges:
        if request.url.path == "/api/v1/data/sync":
            check("DataSyncArgs", json.loads(request.content))
            check("DataSyncResponse", answer.json())
    return wrong


_UNDESCRIBED = ("/refreshes", "/tables")
"""Calls the trimmed description of Power BI leaves out without a group."""


def _without_mount(
    exchange: tuple[httpx.Request, httpx.Response],
) -> tuple[httpx.Request, httpx.Response]:
    """Return the exchange as at the vendor's host, where the API stands at the root."""
    request, answer = exchange
    path = "/v1.0" + request.url.raw_path.decode().partition("/v1.0")[2]
    url = request.url.copy_with(raw_path=path.encode())
    at_root = httpx.Request(request.method, url, headers=request.headers, content=request.content)
    return at_root, answer
