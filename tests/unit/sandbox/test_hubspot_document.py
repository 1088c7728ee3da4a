"""The emulator's answers, and the requests of its tests, held against HubSpot's own description.

HubSpot does not let its documents be passed on. This runs where they stand in the folder
`hubspot` beside the other vendors', or in the one `HUBSPOT_DOCUMENTS` names: `objects.json`,
`properties.json`, `pipelines.json` and `associations.json` of the version 2026-03.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.sandbox_kit import Running
from tests.unit.sandbox.conftest import HUBSPOT_DOCUMENTS

pytestmark = pytest.mark.vendor_documents

DOCUMENTS = ("objects", "properties", "pipelines", "associations")
BASE = "/crm/objects/2026-03"
LOOSE = {
    "StandardError": ("errors", "links"),
    "SimplePublicObjectInputForCreate": ("associations",),
    "SimplePublicObjectBatchInputForCreate": ("associations",),
    "PublicObjectSearchRequest": ("after", "sorts", "properties", "limit", "filterGroups"),
    "BatchReadInputSimplePublicObjectId": ("propertiesWithHistory", "properties"),
}
"""What the description calls required and HubSpot's own examples leave out."""
NULLS = {
    "SimplePublicObject": ("properties", "additionalProperties"),
    "SimplePublicObjectWithAssociations": ("properties", "additionalProperties"),
    "AssociationSpecWithLabel": ("label",),
}
"""What is null on the wire where it is empty, though the description has texts only."""


class Described:
    """The descriptions, and what they say of one request and its answer."""

    def __init__(self, documents: dict[str, Any]) -> None:
        from referencing import Registry
        from referencing.jsonschema import DRAFT4

        registry: Any = Registry()
        for name, document in documents.items():
            _loosen(document["components"]["schemas"])
            registry = registry.with_resource(f"urn:{name}", DRAFT4.create_resource(document))
        self._documents = documents
        self._registry = registry

    def problems(self, request: httpx.Request, answer: httpx.Response) -> Iterator[str]:
        """Yield everything wrong with a request that succeeded and with the answer to it."""
        where, operation, pointer = self._find(request)
        if str(answer.status_code) not in operation["responses"]:
            yield f"{request.method} {request.url.path} never answers {answer.status_code}"
            return
        known = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"}
        if set(request.url.params) - known:
            yield f"unknown parameters {set(request.url.params) - known}"
        if request.content:
            yield from self._check(json.loads(request.content), where, f"{pointer}/requestBody")
        if answer.content:
            body = f"{pointer}/responses/{answer.status_code}"
            yield from self._check(answer.json(), where, body)

    def _find(self, request: httpx.Request) -> tuple[str, dict[str, Any], str]:
        path, method = request.url.path.removeprefix("/hubspot"), request.method.lower()
        for name, document in self._documents.items():
            for template, methods in sorted(document["paths"].items(), key=lambda p: "{" in p[0]):
                pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))
                if re.fullmatch(pattern, path) and method in methods:
                    escaped = template.replace("~", "~0").replace("/", "~1")
                    return name, methods[method], f"paths/{escaped}/{method}"
        raise AssertionError(f"{request.method} {path} is not described")

    def _check(self, value: Any, where: str, pointer: str) -> list[str]:
        from openapi_schema_validator import OAS30Validator

        schema = {"$ref": f"urn:{where}#/{pointer}/content/application~1json/schema"}
        validator = OAS30Validator(schema, registry=self._registry)
        return [f"{pointer}: {error.message}" for error in validator.iter_errors(value)]


def _loosen(schemas: dict[str, Any]) -> None:
    """Take out what the wire is known to do otherwise."""
    for each in LOOSE.keys() & schemas.keys():
        left = [name for name in schemas[each].pop("required") if name not in LOOSE[each]]
        schemas[each] |= {"required": left} if left else {}
    for each in NULLS.keys() & schemas.keys():
        part = schemas[each]["properties"]
        for step in NULLS[each]:
            part = part[step]
        part["nullable"] = True
    if "StandardError" in schemas:  # a text such as crm.associations.NO_ASSOCIATIONS_FOUND
        schemas["StandardError"]["properties"]["subCategory"] = {}


@pytest.fixture(scope="module")
def described() -> Described:
    read = {n: (HUBSPOT_DOCUMENTS / f"{n}.json").read_text(encoding="utf-8") for n in DOCUMENTS}
    return Described({name: json.loads(text) for name, text in read.items()})


@pytest.fixture
def recorded(sandbox: Running) -> Iterator[tuple[httpx.Client, list[httpx.Response]]]:
    """Yield a client and the answers it got."""
    answers: list[httpx.Response] = []
    with sandbox.hubspot() as client:
        client.put("/_limits", json={"search_per_second": 0}).raise_for_status()
        client.event_hooks = {"response": [answers.append]}
        yield client, answers


def in_batch(*inputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"inputs": list(inputs), **more}


def wish(trace: str, **properties: str) -> dict[str, Any]:
    return {"properties": properties, "objectWriteTraceId": trace}


def use_everything(client: httpx.Client, kind: str, other: str) -> None:
    """Call what there is for one object type, with answers of every status."""
    base = f"{BASE}/{kind}"
    name = {"deals": "dealname", "companies": "name", "contacts": "lastname"}[kind]
    query: dict[str, str | int] = {"associations": other, "limit": 40}
    listed = client.get(base, params=query).json()["results"]
    client.get(base, params={"archived": "true"})
    one, two = (record["id"] for record in listed[:2])
    client.get(f"{base}/{one}", params={"associations": other, "properties": name})
    rule = {"propertyName": name, "operator": "HAS_PROPERTY"}
    client.post(f"{base}/search", json={"filterGroups": [{"filters": [rule]}], "limit": 2})
    read = [{"id": one}, {"id": "1"}]
    client.post(f"{base}/batch/read", json=in_batch(*read, properties=[name]))
    client.post(f"{base}/batch/read", json=in_batch(read[0], properties=[name]))
    made = client.post(base, json={"properties": {name: "One"}}).json()["id"]
    client.patch(f"{base}/{made}", json={"properties": {name: "Two"}})
    client.delete(f"{base}/{made}")
    for inputs in ([wish("a", **{name: "A"})], [wish("b", nothing="B"), wish("c")]):
        client.post(f"{base}/batch/create", json=in_batch(*inputs))
        changes = ({"id": key, **item} for key, item in zip((one, two), inputs, strict=False))
        client.post(f"{base}/batch/update", json=in_batch(*changes))
    form = {"name": "our_key", "label": "Key", "groupName": "custom", "hasUniqueValue": True}
    properties = f"/crm/properties/2026-03/{kind}"
    client.post(properties, json={**form, "type": "string", "fieldType": "text"})
    for inputs in ([wish("a")], [wish("b", nothing="B"), wish("c")]):
        keyed = (
            {"id": f"K-{i['objectWriteTraceId']}", "idProperty": "our_key", **i} for i in inputs
        )
        client.post(f"{base}/batch/upsert", json=in_batch(*keyed))
    client.post(f"{base}/batch/archive", json=in_batch({"id": two}))
    client.get(properties)
    client.get(f"{properties}/{name}")
    client.get(f"{properties}/groups")
    client.get(f"/crm/pipelines/2026-03/{kind}")
    client.patch(f"{properties}/our_key", json={"label": "Other"})
    client.delete(f"{properties}/our_key")
    there = client.get(f"{BASE}/{other}", params={"limit": 1}).json()["results"][0]["id"]
    pair = {"from": {"id": one}, "to": {"id": there}}
    links = f"/crm/associations/2026-03/{kind}/{other}/batch"
    client.post(f"{links}/associate/default", json=in_batch(pair, {**pair, "to": {"id": "1"}}))
    client.put(f"{base}/{one}/associations/default/{other}/{there}")
    client.post(f"{links}/read", json=in_batch({"id": one}))
    client.post(f"{links}/read", json=in_batch({"id": one}, {"id": "1"}))
    client.get(f"{base}/{one}/associations/{other}")
    client.delete(f"{base}/{one}/associations/{other}/{there}")
    client.post(f"{links}/archive", json=in_batch({**pair, "to": [{"id": there}]}))


@pytest.mark.parametrize(
    ("kind", "other"),
    [("deals", "companies"), ("companies", "contacts"), ("contacts", "deals")],
)
def test_everything_fits(
    recorded: tuple[httpx.Client, list[httpx.Response]],
    described: Described,
    kind: str,
    other: str,
) -> None:
    """Every call is described, and every answer is what the description says it is."""
    client, answers = recorded
    use_everything(client, kind, other)
    assert {answer.status_code for answer in answers} == {200, 201, 204, 207}
    assert not [p for answer in answers for p in described.problems(answer.request, answer)]


def test_the_check_finds_what_is_wrong(described: Described) -> None:
    """It would not pass anything."""
    request = httpx.Request("GET", f"http://x/hubspot{BASE}/deals?first=1")
    answer = httpx.Response(200, json={"results": [{"id": 1}]})
    assert len(list(described.problems(request, answer))) > 2
    assert list(described.problems(request, httpx.Response(418)))
    with pytest.raises(AssertionError, match="not described"):
        list(described.problems(httpx.Request("PUT", f"http://x{BASE}/deals"), answer))
