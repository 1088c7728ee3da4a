"""What goes over the wire, held against Microsoft's own description of the API.

Runs where that description stands beside the checkout.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from shared.errors import SyncError
from tests import powerbi_kit as kit
from tests.conftest import VENDOR_DOCUMENTS
from tests.powerbi_kit import FakePowerBI, connect, read, stream

DOCUMENT = VENDOR_DOCUMENTS / "powerbi-executequeries.openapi30.json"

pytestmark = pytest.mark.vendor_documents

UNDESCRIBED = {f"/v1.0/myorg/datasets/{kit.SCRATCH}/{end}" for end in ("refreshes", "tables")}
"""Calls the trimmed description leaves out: the same without a group."""


class Described:
    """The description, and what it says of one request and its answer."""

    def __init__(self, document: dict[str, Any]) -> None:
        from referencing import Registry
        from referencing.jsonschema import DRAFT4

        self._document = document
        resource = DRAFT4.create_resource(document)
        self._registry: Any = Registry().with_resource("urn:api", resource)

    def problems(self, request: httpx.Request, answer: httpx.Response) -> Iterator[str]:
        """Yield everything wrong with a request or with an answer to it."""
        operation, base = self._find(request)
        known = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"}
        unknown = set(request.url.params) - known
        if unknown:
            yield f"unknown parameters {unknown}"
        if request.content:
            body = json.loads(request.content)
            yield from self._check(body, "components/requestBodies/DatasetExecuteQueriesRequest")
        if answer.is_success:
            yield from self._check(answer.json(), f"{base}/responses/200")

    def _find(self, request: httpx.Request) -> tuple[dict[str, Any], str]:
        for template, methods in self._document["paths"].items():
            pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))
            if re.fullmatch(pattern, request.url.path) and request.method.lower() in methods:
                escaped = template.replace("~", "~0").replace("/", "~1")
                where = f"paths/{escaped}/{request.method.lower()}"
                return methods[request.method.lower()], where
        raise AssertionError(f"{request.method} {request.url.path} is not described")

    def _check(self, value: Any, where: str) -> list[str]:
        from openapi_schema_validator import OAS30Validator

        schema = {"$ref": f"urn:api#/{where}/content/application~1json/schema"}
        validator = OAS30Validator(schema, registry=self._registry)
        return [error.message for error in validator.iter_errors(value)]


@pytest.fixture(scope="module")
def described() -> Described:
    return Described(json.loads(DOCUMENT.read_text(encoding="utf-8")))


@pytest.fixture
def server() -> FakePowerBI:
    return FakePowerBI()


def exchanges(server: FakePowerBI) -> Iterator[tuple[httpx.Request, httpx.Response]]:
    for request, answer in zip(server.requests, server.answers, strict=True):
        if request.url.path not in UNDESCRIBED:
            yield request, answer


def test_all_calls_and_answers_fit(server: FakePowerBI, described: Described) -> None:
    """Checking, discovering, reading by key and whole, and finding rows: nothing is off."""
    opened = connect(server, options={"key_columns": "Readings[sensor]"})
    opened.check()
    opened.discover()
    opened.get(kit.ORDERS, ["10001"])
    for name in (kit.ORDERS, stream("Remarks"), stream("Readings", dataset=kit.SENSORS)):
        assert list(opened.read(name, None))
    found = list(exchanges(server))
    assert len(found) > 20
    assert not [problem for pair in found for problem in described.problems(*pair)]


@pytest.mark.parametrize("place", ["top", "result", "table"])
def test_answers_that_say_they_are_cut_fit(
    server: FakePowerBI, described: Described, place: str
) -> None:
    """The error stands where the description has it."""
    server.fault("said_cut", place=place)
    with pytest.raises(SyncError):
        read(server)
    assert not [p for pair in exchanges(server) for p in described.problems(*pair)]
    errors = json.dumps([a.json() for a in server.answers]).count('"error"')
    assert errors


def test_the_check_finds_what_is_wrong(described: Described) -> None:
    """It would not pass anything."""
    url = f"{kit.BASE_URL}/datasets/x/executeQueries"
    request = httpx.Request("POST", url, json={"queries": [{"text": "EVALUATE T"}]})
    answer = httpx.Response(200, json={"results": {"tables": []}})
    assert len(list(described.problems(request, answer))) == 2
    listed = httpx.Request("GET", f"{kit.BASE_URL}/groups?top=3")
    answer = httpx.Response(200, json={"value": [{"name": "no id"}]})
    assert len(list(described.problems(listed, answer))) == 2
    with pytest.raises(AssertionError, match="not described"):
        list(described.problems(httpx.Request("GET", f"{kit.BASE_URL}/apps"), answer))
