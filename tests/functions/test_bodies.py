"""What the API document says of a request's body is what the API takes: no more, and no less."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.functions.bodies_kit import Body, Schema, bodies, resolved

BEYOND_A_SCHEMA = (
    "none of them a control character",
    "no question mark and no braces",
)
"""Why a text of the right form is refused all the same."""

each = pytest.mark.parametrize("body", bodies(), ids=lambda body: body.name)


@each
def test_a_body_with_something_at_every_place_is_taken(body: Body) -> None:
    """It is right by the document and to the API: whatever is refused below has one fault."""
    assert body.is_documented(body.whole)
    assert body.refusal(body.whole) == ""


@each
def test_what_the_document_does_not_permit_is_refused(body: Body) -> None:
    """A wrong type, a null, a limit overstepped, a name too many: wherever it is in the body."""
    wrong = [(what, value) for what, value in body.variations() if not body.is_documented(value)]
    taken = [what for what, value in wrong if not body.refusal(value)]
    assert taken == []
    assert len(wrong) > 20 * len(body.places)


@each
def test_what_the_document_permits_is_taken(body: Body) -> None:
    """A value on a limit, 7.0 for 7, a null where one may be: but for what no schema can say."""
    right = [(what, value) for what, value in body.variations() if body.is_documented(value)]
    refused = [(what, body.refusal(value)) for what, value in right]
    assert [
        (what, why)
        for what, why in refused
        if why and not any(reason in why for reason in BEYOND_A_SCHEMA)
    ] == []
    assert right


@each
@pytest.mark.parametrize("text", ["null", "[]", "[{}]", '""', "0", "true"])
def test_what_is_no_object_is_refused(body: Body, text: str) -> None:
    """JSON of any other kind is no body."""
    assert "an object" in body.refusal_of_text(text.encode())


@each
@pytest.mark.parametrize(
    "text",
    [
        *("{", '{"a": 1,}', "{'a': 1}", "{} {}", "a=1", "// {}", "\ufeff{}", '{"a": 01}'),
        *('{"a": "\\ud800"}', '{"a": "\t"}', '{"a": 1' + "0" * 9999 + "}", '{"a":' + "[" * 10**5),
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_json_is_refused(body: Body, text: str) -> None:
    """Also what parsers like to let through, and what would take too much of one."""
    assert "Invalid JSON" in body.refusal_of_text(text.encode())


@each
@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_json_is_utf8(body: Body, encoding: str) -> None:
    """Other encodings are refused (RFC 8259, section 8.1)."""
    assert "Invalid JSON" in body.refusal_of_text('{"ö": "ö"}'.encode(encoding))


@each
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400"])
def test_numbers_that_cannot_be_answered_are_refused(body: Body, number: str) -> None:
    """Wherever any value may stand, it is one that JSON has a form for."""
    for place, schema in body.places.items():
        if schema == {}:
            text = json.dumps(_marked(body.whole, place)).replace('"HERE"', number)
            assert "no number we can keep" in body.refusal_of_text(text.encode())


def test_every_field_of_every_body_is_at_some_place() -> None:
    """No property of a body in the document is left out of these tests."""
    tried = {
        (id(schema), name)
        for body in bodies()
        for schema in body.places.values()
        for name in schema.get("properties", {})
    }
    documented = {
        (id(schema), name)
        for body in bodies()
        for schema in _models(body.schema)
        for name in schema["properties"]
    }
    assert tried == documented
    assert len(tried) > 40
    free = [place for body in bodies() for place, schema in body.places.items() if schema == {}]
    assert len(free) >= 3, "the places where any value may stand"


def _models(schema: Schema) -> Iterator[Schema]:
    """Yield every object with named properties that the schema refers to."""
    schema = resolved(schema)
    if "properties" in schema:
        yield schema
    parts = [*schema.get("properties", {}).values(), schema.get("items", {})]
    for part in parts:
        if part:
            yield from _models(part)


def _marked(body: Any, place: tuple[str | int, ...]) -> Any:
    copy = json.loads(json.dumps(body))
    inner = copy
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = "HERE"
    return copy
