"""What routes take beside a body: ids in the path, query parameters, `If-Match`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from functions.http_inputs import ID_FORM
from functions.openapi.routes import Route
from functions.schemas.base import to_camel
from shared.domain.paging import DEFAULT_LIMIT, MAX_LIMIT

Parameter = dict[str, Any]

_AN_ID: Final = "01993b1c-6d5e-7a41-9f0c-3f2b8a7d4e10"
_SLUGS: Final = frozenset({"slug", "provider"})
_TEXT: Final[Mapping[str, Any]] = {"type": "string"}
_TIME: Final[Mapping[str, Any]] = {
    "type": "string",
    "anyOf": [
        {"format": "date-time"},
        {"format": "date"},
        {"pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?$"},
        {"const": ""},
    ],
}
"""An empty parameter is as good as none."""

LIST_PARAMETERS: Final[Mapping[str, Parameter]] = {
    "limit": {
        "description": "How many items a page holds at most.",
        "schema": {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_LIMIT,
            "default": DEFAULT_LIMIT,
        },
        "example": DEFAULT_LIMIT,
    },
    "cursor": {
        "description": "`nextCursor` of the page before, unchanged.",
        "schema": _TEXT,
        "example": (
            "MjAyNi0xMS0yMVQwODowMDowMCswMDowMHwwMTk5M2IxYy02ZDVlLTdhNDEtOWYwYy0zZjJiOGE3ZDRlMTA"
        ),
    },
    "from": {
        "description": "Only what was made at this time or later. A date is its first moment; what "
        "names no zone is in UTC.",
        "schema": _TIME,
        "example": "2026-11-01T00:00:00Z",
    },
    "to": {
        "description": "Only what was made before this time.",
        "schema": _TIME,
        "example": "2026-12-01T00:00:00Z",
    },
    "status": {
        "description": "Only items in this state: a value of their `status` (`state` of dead "
        "letters, `severity` of records).",
        "schema": _TEXT,
    },
    "provider": {
        "description": "Only what belongs to this provider, where items belong to one.",
        "schema": _TEXT,
        "example": "hubspot",
    },
}
IF_MATCH: Final[Parameter] = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` the caller last saw; 412 if it was changed since. Without "
    "it a change goes through unless another one comes at the same moment.",
    "schema": _TEXT,
    "example": '"3"',
}


def parameters_of(route: Route) -> list[Parameter]:
    """Return every parameter of the route; those all lists share by reference."""
    found = [_path_parameter(name) for name in route.path_names]
    if route.is_list:
        found += [{"$ref": f"#/components/parameters/{name}"} for name in LIST_PARAMETERS]
    found += [_query_parameter(name) for name in route.query_names]
    if route.takes_if_match:
        found.append({"$ref": "#/components/parameters/ifMatch"})
    return found


def shared_parameters() -> dict[str, Parameter]:
    """Return the parameters that are referred to."""
    lists = {
        name: {"name": name, "in": "query", "required": False, **parameter}
        for name, parameter in LIST_PARAMETERS.items()
    }
    return {**lists, "ifMatch": IF_MATCH}


def _path_parameter(name: str) -> Parameter:
    is_slug = name in _SLUGS
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": "The provider's slug." if is_slug else f"The id of the {_thing(name)}.",
        "schema": {"type": "string", "pattern": f"^{ID_FORM}$"},
        "example": "hubspot" if is_slug else _AN_ID,
    }


def _query_parameter(name: str) -> Parameter:
    return {
        "name": to_camel(name),
        "in": "query",
        "required": False,
        "description": f"Only what belongs to this {_thing(name)}.",
        "schema": _TEXT,
        "example": _AN_ID,
    }


def _thing(name: str) -> str:
    return name.removesuffix("_id").replace("_", " ")
