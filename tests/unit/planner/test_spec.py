"""What the adapter sends and the emulator answers, against Microsoft's own document.

The document lies beside the checkout where there is one; it is not part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # it ships no types
from openapi_schema_validator import OAS30Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from shared.domain.changes import Delete, Upsert
from tests.conftest import VENDOR_DOCUMENTS
from tests.planner_kit import NEW, FakeGraph, body_of, connect, push, push_one, read

DOCUMENT = VENDOR_DOCUMENTS / "graph-planner.openapi30.yaml"
JSON = "application/json"

needs_document = pytest.mark.vendor_documents


@lru_cache
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))
    return loaded


def errors_of(schema: Mapping[str, Any], value: Any) -> list[str]:
    resource = Resource.from_contents(document(), default_specification=DRAFT4)
    registry = Registry().with_resource("urn:graph", resource)
    absolute = _with_absolute_refs(schema)
    validator = OAS30Validator(absolute, registry=registry)
    return [f"{'/'.join(map(str, e.path))}: {e.message}" for e in validator.iter_errors(value)]


def _with_absolute_refs(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            key: f"urn:graph{value}" if key == "$ref" else _with_absolute_refs(value)
            for key, value in schema.items()
        }
    return [_with_absolute_refs(item) for item in schema] if isinstance(schema, list) else schema


def resolved(node: Any) -> Any:
    while "$ref" in node:
        found: Any = document()
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    """Return the document's operation for a path of v1.0, None for what is no part of it."""
    path = path.replace("/me/", "/users/me/", 1)
    for template, operations in document()["paths"].items():
        pattern = re.sub(r"\\\{.*?\\\}", r"[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and method.lower() in operations:
            found: dict[str, Any] = operations[method.lower()]
            return found
    return None


def _without_null_people(said: Any) -> Any:
    """Leave `completedBy` out where it is null: Graph sends that, the document forgot to say so."""
    if isinstance(said, list):
        return [_without_null_people(item) for item in said]
    if isinstance(said, dict):
        items = {key: _without_null_people(value) for key, value in said.items()}
        return {k: v for k, v in items.items() if k != "completedBy" or v is not None}
    return said


Exchange = tuple[str, str, Mapping[str, str], Any, int, Any]


def exchanges(graph: FakeGraph) -> Iterator[Exchange]:
    """Yield method, path, headers, body, status and answer of each call, batched ones by itself."""
    for request, answer in graph.calls:
        path = request.url.path.removeprefix("/v1.0")
        body: Any = body_of(request) if request.content else None
        said: Any = answer.json() if answer.content else None
        if path != "/$batch":
            yield request.method, path, request.headers, body, answer.status_code, said
            continue
        answers = {item["id"]: item for item in said["responses"]}
        for item in body["requests"]:
            found = answers[item["id"]]
            yield item["method"], item["url"], {}, None, found["status"], found.get("body")


def check(exchange: Exchange) -> str:
    """Return the operation's id after both sides of an exchange were found valid."""
    method, path, headers, body, status, said = exchange
    operation = operation_of(method, path.partition("?")[0])
    if operation is None:
        assert path.startswith(("/me?", "/me/memberOf/")) or path == "/me", path
        return ""
    for parameter in map(resolved, operation.get("parameters", ())):
        if parameter["in"] == "header" and parameter.get("required"):
            assert parameter["name"] in headers
    if body is not None:
        wanted = resolved(operation["requestBody"])["content"][JSON]["schema"]
        assert errors_of(wanted, body) == []
    answers = operation["responses"]
    if method == "PATCH" and status == 200:  # with Prefer; the document knows only the 204
        reading = operation_of("GET", path) or {}
        answers = {**answers, "200": reading["responses"]["200"]}
    described = resolved(answers.get(str(status)) or answers["default"])
    if JSON in described.get("content", {}):
        assert errors_of(described["content"][JSON]["schema"], _without_null_people(said)) == []
    else:
        assert said is None
    return str(operation["operationId"])


@needs_document
def test_reading_and_writing_keep_to_the_document() -> None:
    """Every request and every answer, errors included, is as Microsoft describes it."""
    graph = FakeGraph(tasks=60)
    graph.control("/_limits", method="PUT", page_size=10)
    for stream in ("plans", "buckets", "tasks"):
        read(graph, stream)
    record = {
        "planId": graph.busiest,
        "title": "New",
        "dueDateTime": "2026-12-24",
        "assignees": "0b6e5a52-9d0c-4d6b-8f0a-3f5c1f9a0001",
        "appliedCategories": "category3",
        "description": "Notes",
        "checklist": "[x] one\n[ ] two",
    }
    (made,) = push(graph, Upsert("tasks", NEW, record))
    assert made.outcome == "created"
    graph.fault("conflict", count=1)
    graph.fault("edited", count=1, fields={"priority": 9})
    changed = {**record, "title": "Newer", "checklist": None, "assignees": None}
    assert push_one(graph, made.external_id, **changed).outcome == "updated"
    graph.fault("quota", count=1)
    assert push_one(graph, made.external_id, title="x").outcome == "rejected"
    assert push_one(graph, made.external_id, startDateTime="2027-01-01").outcome == "rejected"
    push(graph, Upsert("buckets", NEW, {"name": "B", "planId": graph.busiest}), stream="buckets")
    connect(graph).get("tasks", [made.external_id, "A" * 28])
    push(graph, Delete("tasks", made.external_id))
    seen = {check(exchange) for exchange in exchanges(graph)}
    assert seen >= {
        "groups.planner_ListPlans",
        "planner.plans_ListTasks",
        "planner.plans_ListBuckets",
        "planner_GetTasks",
        "planner.tasks_GetDetails",
        "planner_CreateTasks",
        "planner_UpdateTasks",
        "planner.tasks_UpdateDetails",
        "planner_DeleteTasks",
        "planner_CreateBuckets",
    }


@needs_document
def test_the_check_finds_what_is_wrong() -> None:
    """A body of the wrong type, a missing If-Match and a malformed answer are all noticed."""
    path, etag = "/planner/tasks/x", {"If-Match": "W/1"}
    check(("PATCH", path, etag, {"title": "x"}, 204, None))
    wrongs: tuple[Exchange, ...] = (
        ("PATCH", path, {}, {"title": "x"}, 204, None),
        ("PATCH", path, etag, {"percentComplete": "50"}, 204, None),
        ("PATCH", path, etag, {"dueDateTime": "tomorrow"}, 204, None),
        ("GET", path, {}, None, 200, {"id": 5}),
        ("GET", path, {}, None, 404, {"message": "no error object"}),
        ("GET", "/planner/nothing", {}, None, 200, {}),
    )
    for wrong in wrongs:
        with pytest.raises(AssertionError):
            check(wrong)
