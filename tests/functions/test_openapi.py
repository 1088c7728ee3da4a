"""The API document: complete, valid, and true of the handlers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from functions.openapi.examples import fields_without_example
from functions.problems import INTERNAL, PROBLEM_TYPE, UNAVAILABLE
from shared import errors
from shared.services.settlements import BUG
from tests.functions.kit import PUBLIC, Client, HttpWorld, Indexed, http_functions
from tests.host_kit import ROOT

ERRORS_PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")


@cache
def document() -> dict[str, Any]:
    """Return the document as anybody gets it."""
    found: dict[str, Any] = Client(None).get("api/openapi.json").json
    return found


def operation_of(function: Indexed) -> dict[str, Any]:
    operation: dict[str, Any] = document()["paths"]["/" + function.route][function.method.lower()]
    return operation


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def resolved(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a reference refers to."""
    if "$ref" not in part:
        return part
    found: Any = document()
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return resolved(found)


def contents() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every body and answer that has content, problems too."""
    for name, operation in operations():
        for media in operation.get("requestBody", {}).get("content", {}).values():
            yield f"{name} body", media
        for status, response in operation["responses"].items():
            for media in resolved(response).get("content", {}).values():
                yield f"{name} {status}", media


def test_it_lists_exactly_the_functions_the_worker_indexes() -> None:
    """No route is left out, none is made up; operation ids are the functions' names."""
    listed = {name: operation["operationId"] for name, operation in operations()}
    indexed = {f"{one.method} /{one.route}": one.name for one in http_functions()}
    assert listed == indexed
    assert len(set(listed.values())) == len(listed)


def test_it_is_valid_openapi() -> None:
    """The field's own validator accepts it as OpenAPI 3.1."""
    assert document()["openapi"] == "3.1.0"
    validate(document())


def test_anybody_gets_it_whole_and_built_once(world: HttpWorld) -> None:
    """No token is needed, and the second answer is the same text."""
    first, second = (world.nobody.get("api/openapi.json") for _ in range(2))
    assert (first.status, first.mimetype) == (200, "application/json")
    assert first.body == second.body


def test_every_body_and_answer_has_an_example_that_fits_its_schema() -> None:
    """Whoever copies an example sends or gets what the schema says."""
    components = {"components": document()["components"]}
    seen = 0
    for name, media in contents():
        schema = {**components, **media["schema"]}
        wrong = [error.message for error in OAS31Validator(schema).iter_errors(media["example"])]
        assert not wrong, (name, wrong)
        seen += 1
    assert seen > 100


def test_every_field_has_an_example_of_its_own() -> None:
    """A new field of a body or an answer needs a line in functions/openapi/examples.py."""
    schemas = dict(document()["components"]["schemas"])
    del schemas["Problem"]
    assert fields_without_example(schemas) == []


def test_every_operation_says_what_it_does_and_where_it_belongs() -> None:
    """Each has a summary in a sentence and a tag that is explained."""
    tags = {tag["name"]: tag["description"] for tag in document()["tags"]}
    assert all(tags.values())
    for name, operation in operations():
        assert operation["summary"].endswith("."), name
        assert operation["tags"][0] in tags, name


@pytest.mark.parametrize("function", http_functions(), ids=lambda f: f.name)
def test_security_and_errors_are_those_of_the_route(function: Indexed) -> None:
    """Public routes ask for nothing; the others for a token, and tell 401 and 429."""
    operation = operation_of(function)
    statuses = set(operation["responses"])
    assert {"413", "500", "503"} <= statuses
    assert (operation.get("security") == []) is (function.name in PUBLIC)
    assert ({"401", "429"} <= statuses) is (function.name not in PUBLIC)
    assert ("403" in statuses) is ("/admin/" in function.route)
    assert ("404" in statuses) >= ("{" in function.route)
    parameters = [resolved(parameter) for parameter in operation.get("parameters", [])]
    if any(parameter["name"] == "If-Match" for parameter in parameters):
        assert "412" in statuses
    in_path = {parameter["name"] for parameter in parameters if parameter["in"] == "path"}
    assert in_path == set(re.findall(r"\{(\w+)\}", function.route))


@pytest.mark.parametrize("function", http_functions(), ids=lambda f: f.name)
def test_bodies_are_declared(function: Indexed) -> None:
    """A handler gets its body by its signature, so the document knows of it."""
    handler = inspect.unwrap(function.call.operation.handler)
    assert not {"body_of", "get_body", "get_json"} & set(handler.__code__.co_names)
    declared = "requestBody" in operation_of(function)
    assert declared is ("body" in inspect.signature(handler).parameters)


def test_lists_take_what_all_lists_take() -> None:
    """Each list has limit, cursor and the filters; jobs can be those of one instance too."""
    names = {"limit", "cursor", "from", "to", "status", "provider"}
    for name, operation in operations():
        answer = operation["responses"].get("200", {})
        schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
        is_page = schema.get("$ref", "").endswith("Page")
        found = {
            parameter["name"]
            for parameter in map(resolved, operation.get("parameters", []))
            if parameter["in"] == "query"
        }
        assert found >= names if is_page else not found & names, name
    jobs = document()["paths"]["/api/v1/jobs"]["get"]["parameters"]
    assert "instanceId" in {resolved(parameter)["name"] for parameter in jobs}


def test_secrets_are_marked() -> None:
    """Keys, states and codes are passwords that are only ever sent, never answered."""
    schemas = document()["components"]["schemas"]
    secret = {
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, part in schema.get("properties", {}).items()
        if any(one.get("writeOnly") for one in (part, *part.get("anyOf", ())))
    }
    connection = {f"ConnectionInput.{name}" for name in ("apiKey", "username", "password")}
    assert secret >= connection | {"SignInInput.code", "SignInInput.state"}
    assert all(name.partition(".")[0].endswith("Input") for name in secret)


def kinds() -> dict[str, int | None]:
    """Return every kind of error, with its status where it is a request's."""
    found: dict[str, int | None] = {BUG: None, INTERNAL: 500, UNAVAILABLE: 503}
    for one in vars(errors).values():
        if inspect.isclass(one) and issubclass(one, errors.IntegratorError):
            found[one.kind] = getattr(one, "status", None)
    return found


@pytest.mark.parametrize(("kind", "status"), kinds().items())
def test_every_kind_of_error_has_a_line(kind: str, status: int | None) -> None:
    """docs/errors.md explains each kind, under the status it is answered with."""
    assert re.search(rf"^(\| )?`{kind}`", ERRORS_PAGE, re.MULTILINE), kind
    lines = re.findall(rf"^\| `{kind}` \| (\d+) \|", ERRORS_PAGE, re.MULTILINE)
    assert lines in ([], [str(status)])


def test_the_documented_types_are_those_of_the_api_document() -> None:
    """The page and the document list the same problem types."""
    page = set(re.findall(r"^\| `([a-z-]+)` \| \d+ \|", ERRORS_PAGE, re.MULTILINE))
    listed = document()["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]
    assert {PROBLEM_TYPE + kind for kind in page} == set(listed)
