"""What a handler's signature says of its route: what it is handed, and what the API document tells.

A parameter means by its name:

- `req`: the request itself; `caller`: who presented the token
- `body`: the JSON body, as the model it is annotated with
- `query`: a list's `ListQuery`; `expected`: the versions of `If-Match`
- any other name that stands in the route's path: an id (404 for a text that cannot be one)
- and any other: the query parameter of that name in camelCase, None where it is absent

The annotation of what it returns is the answer's model. Annotations are read when the first request
needs one, so that a process which serves no body never loads pydantic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_type_hints

import azure.functions as func

from functions.http_inputs import body_of, list_query, route_id
from functions.preconditions import expected_versions
from functions.schemas.base import to_camel
from shared.errors import RequestError

if TYPE_CHECKING:
    from shared.domain.profiles import Caller


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A route's handler and what is true of the route beyond its signature."""

    handler: Callable[..., Any]
    status: int
    is_public: bool
    needs_profile: bool
    errors: tuple[type[RequestError], ...]

    @cached_property
    def names(self) -> Sequence[str]:
        """The names of the handler's parameters."""
        code = self.handler.__code__
        return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]

    @cached_property
    def types(self) -> dict[str, Any]:
        """The types of the parameters, and of the answer by the name `return`."""
        return get_type_hints(self.handler)

    def call(self, req: func.HttpRequest, caller: Caller | None) -> Any:
        """Return what the handler answers; raise what it raises, or what is wrong with the input.

        Arguments are made in the handler's order, so a wrong id is told before a wrong body.
        """
        known: dict[str, Callable[[], Any]] = {
            "req": lambda: req,
            "caller": lambda: caller,
            "body": lambda: body_of(req, self.types["body"]),
            "query": lambda: list_query(req),
            "expected": lambda: expected_versions(req),
        }
        return self.handler(
            **{name: known[name]() if name in known else _text(req, name) for name in self.names}
        )


def _text(req: func.HttpRequest, name: str) -> str | None:
    """Return an id of the path, or else a query parameter."""
    if name in req.route_params:
        return route_id(req, name)
    return req.params.get(to_camel(name)) or None
