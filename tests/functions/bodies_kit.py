"""Every request body of the API document, and all that can be wrong with each of its values.

A body is made whole, with something at every place its schema describes. Then one value after the
other is replaced by everything a caller may send instead: other types, nulls, what is a little
under or over a limit, names that do not exist. Whether such a body is right is for the schema of
the document to say, so nothing here can be wrong by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final

import azure.functions as func
from jsonschema_rs import Draft202012Validator

from functions.http_inputs import body_of, from_camel
from shared.errors import InvalidInputError
from tests.functions.answers_kit import document
from tests.functions.kit import Indexed, http_functions

Place = tuple[str | int, ...]
Schema = Mapping[str, Any]

ODD: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, 1, -1, 1.0, 7, 7.0, 1.5, 10**9, -(10**9), 1e300),
    *("", " ", "x", "1", "1.0", "true", "false", "null", "None", "[]", "{}", "ö", "a b", "x\n"),
    *([], [None], [1], ["x"], [[]], {}, {"x": 1}, {"type": "string"}, {"x": None}),
)
"""What stands in the place of every value."""


@dataclass(frozen=True)
class Body:
    """The body of one operation: the schema it is documented with, the model it is read as."""

    function: Indexed
    schema: Schema

    @property
    def name(self) -> str:
        """The operation's id."""
        return self.function.name

    @cached_property
    def _validator(self) -> Draft202012Validator:
        components = {"components": document()["components"]}
        return Draft202012Validator({**components, **self.schema})

    @cached_property
    def whole(self) -> dict[str, Any]:
        """The body with something at every place."""
        made: dict[str, Any] = sample(self.schema, "")
        return made

    @cached_property
    def places(self) -> dict[Place, Schema]:
        """Every value of the whole body by its place, with the schema of what it is."""
        return dict(_places(self.schema, self.whole, ()))

    def is_documented(self, body: Any) -> bool:
        """Return whether the document permits the body."""
        return self._validator.is_valid(body)

    def refusal(self, body: Any) -> str:
        """Return why the API refuses the body; '' where it takes it."""
        return self.refusal_of_text(json.dumps(body).encode())

    def refusal_of_text(self, text: bytes) -> str:
        """Return why the API refuses a body of this text; '' where it takes it."""
        request = func.HttpRequest("POST", "http://api.test", body=text)
        try:
            body_of(request, self.function.call.operation.types["body"])
        except InvalidInputError as error:
            return error.message
        return ""

    def variations(self) -> Iterator[tuple[str, Any]]:
        """Yield the body with one thing changed, and what that is."""
        for place, schema in self.places.items():
            told = ".".join(map(str, place)) or "the body"
            for value in (*ODD, *_at_limits(schema, _value(self.whole, place))):
                yield f"{told} = {_short(value)}", _with(self.whole, place, value)
            if isinstance(schema.get("properties"), Mapping):
                yield from self._other_names(place, schema["properties"], told)

    def _other_names(
        self, place: Place, properties: Mapping[str, Any], told: str
    ) -> Iterator[tuple[str, Any]]:
        """Yield the body with a name too few, too many, or in the form that Python has."""
        here = _value(self.whole, place)
        yield f"{told} and more", _with(self.whole, place, {**here, "unheardOf": 1})
        for name in properties:
            rest = {key: value for key, value in here.items() if key != name}
            yield f"{told} without {name}", _with(self.whole, place, rest)
            for other in {from_camel(name), name.upper(), f"{name} ", f"{name}_name"} - {name}:
                spelt = {**rest, other: here[name]}
                yield f"{told} with {other} for {name}", _with(self.whole, place, spelt)


@cache
def bodies() -> list[Body]:
    """Return the body of every operation that takes one."""
    found = []
    for function in http_functions():
        operation = document()["paths"]["/" + function.route][function.method.lower()]
        if "requestBody" in operation:
            [media] = operation["requestBody"]["content"].values()
            found.append(Body(function, media["schema"]))
    return found


def resolved(schema: Schema) -> Schema:
    """Return what a schema refers to, and of one that may be null what it is otherwise."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return resolved(document()["components"]["schemas"][name])
    others = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    assert len(others) < 2, "only the first of these alternatives would be tried"
    return resolved(others[0]) if others else schema


def sample(schema: Schema, name: str) -> Any:
    """Return a value the schema permits, with everything in it that can be there."""
    schema = resolved(schema)
    if "enum" in schema:
        return schema["enum"][-1]
    return _SAMPLES[schema["type"]](schema, name)


def _object(schema: Schema, name: str) -> dict[str, Any]:
    properties = schema.get("properties")
    if properties is not None:
        return {key: sample(part, key) for key, part in properties.items()}
    others = schema.get("additionalProperties", True)
    return {"some": "thing"} if others is True else {"some": sample(others, name)}


_SAMPLES: Final[Mapping[str, Callable[[Schema, str], Any]]] = {
    "object": _object,
    "array": lambda schema, name: [sample(schema["items"], name)],
    "integer": lambda schema, _name: schema["maximum"],
    "boolean": lambda _schema, _name: True,
    "string": lambda _schema, name: "it" if name == "locale" else "abc",
}


def _places(schema: Schema, value: Any, at: Place) -> Iterator[tuple[Place, Schema]]:
    schema = resolved(schema)
    yield at, schema
    if isinstance(value, dict):
        parts = schema.get("properties", {})
        others = schema.get("additionalProperties")
        for name, inner in value.items():
            part = parts.get(name, others)
            yield from _places(part if isinstance(part, Mapping) else {}, inner, (*at, name))
    elif isinstance(value, list):
        yield from _places(schema["items"], value[0], (*at, 0))


def _at_limits(schema: Schema, value: Any) -> Iterator[Any]:
    """Yield what is just within and just beyond each limit, and what looks like the value."""
    for limit in ("minimum", "maximum"):
        if limit in schema:
            yield from (schema[limit] + step for step in (-1, 0, 1))
            yield from (float(schema[limit]), str(schema[limit]), [schema[limit]])
    if schema.get("type") == "string":
        yield from _texts(schema, str(value))
    if "maxItems" in schema:
        yield from (value * schema["maxItems"], value * (schema["maxItems"] + 1))
    if "maxProperties" in schema:
        most = schema["maxProperties"]
        yield from ({f"n{at}": "x" for at in range(count)} for count in (most, most + 1))
    if "propertyNames" in schema:
        most = schema["propertyNames"]["maxLength"]
        yield from ({"n" * count: "x"} for count in (most, most + 1))
    yield from schema.get("enum", ())
    yield [value]
    yield {"value": value}


def _texts(schema: Schema, value: str) -> Iterator[str]:
    yield from (f" {value}", f"{value} ", f"\t{value}\n", value.upper(), value + value)
    if "maxLength" in schema:
        most = schema["maxLength"]
        yield from ("x" * most, "x" * (most + 1), "ö" * (most + 1))
        yield from ("x" + " " * most, " " * most + "x", " " * most)


def _value(body: Any, place: Place) -> Any:
    for part in place:
        body = body[part]
    return body


def _with(body: Any, place: Place, value: Any) -> Any:
    """Return a copy of the body that has another value at the place."""
    if not place:
        return value
    copy = deepcopy(body)
    _value(copy, place[:-1])[place[-1]] = value
    return copy


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 50 else f"{text[:20]}… of {len(text)} characters"
