"""Puts the document together: OpenAPI 3.1 of every HTTP function."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from functions.openapi.models import Models
from functions.openapi.parameters import parameters_of, shared_parameters
from functions.openapi.responses import (
    problem_schema,
    responses_of,
    shared_headers,
    shared_responses,
)
from functions.openapi.routes import Route, routes_of

VERSION: Final = "1.0"
_ABOUT: Final = """\
Keeps outside applications in step with LinkHub, and Convex in step with a warehouse.

Names are camelCase; times are ISO 8601 in UTC. A list is paged by `limit` and `cursor`. Errors are
problem documents (RFC 9457) with a stable `type`. A change of an instance may name the version it
is for with `If-Match`. Requests are limited for each caller; the `RateLimit-*` headers tell how
the caller stands.
"""


def build_document(functions: Iterable[Any]) -> dict[str, Any]:
    """Return the document of these indexed functions, without those no HTTP request triggers."""
    routes = list(routes_of(functions))
    models = Models(
        bodies={route.body_model: None for route in routes if route.body_model},
        answers={route.answer_model: None for route in routes if route.answer_model},
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, models)
    tags = {route.tag: route.tag_text for route in routes}
    return {
        "openapi": "3.1.0",
        "info": {"title": "LinkHub Integrator", "version": VERSION, "description": _ABOUT},
        "servers": [{"url": "/", "description": "Where this document came from."}],
        "tags": [{"name": name, "description": text} for name, text in tags.items()],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": {**models.schemas, "Problem": problem_schema()},
            "parameters": shared_parameters(),
            "headers": shared_headers(),
            "responses": shared_responses(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token the issuer signed for this API's audience.",
                }
            },
        },
    }


def _operation(route: Route, models: Models) -> dict[str, Any]:
    summary, description = route.text
    found: dict[str, Any] = {
        "operationId": route.name,
        "tags": [route.tag],
        "summary": summary,
    }
    if description:
        found["description"] = description
    if route.operation.is_public:
        found["security"] = []
    if parameters := parameters_of(route):
        found["parameters"] = parameters
    if route.body_model is not None:
        # An absent body is an empty object, so it is only needed where the model has needs.
        body = models.body(route.body_model)
        schema = models.schemas[body["schema"]["$ref"].rpartition("/")[2]]
        found["requestBody"] = {
            "required": bool(schema.get("required")),
            "content": {"application/json": body},
        }
    found["responses"] = responses_of(route, models)
    return found
