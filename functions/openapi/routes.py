"""The HTTP functions as the worker indexes them, each with its handler's `Operation`."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final

from functions.http_support import Redirect
from functions.operations import Operation
from functions.schemas.base import Document, Wire
from shared.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    PreconditionError,
    RequestError,
    TooLargeError,
    TooManyRequestsError,
    UnauthenticatedError,
)

_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_SPECIAL: Final = frozenset({"req", "caller", "body", "query", "expected"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One HTTP function under one method."""

    name: str
    method: str
    path: str
    operation: Operation

    @property
    def tag(self) -> str:
        """The group: the handler's module."""
        return self.operation.handler.__module__.rpartition(".")[2]

    @property
    def tag_text(self) -> str:
        """What the group is about."""
        module = sys.modules[self.operation.handler.__module__]
        return _sentences(inspect.getdoc(module) or "")[0]

    @property
    def text(self) -> tuple[str, str]:
        """What the route does: a summary, and what there is to say beyond it."""
        return _sentences(inspect.getdoc(self.operation.handler) or "")

    @property
    def path_names(self) -> Sequence[str]:
        """The parameters in the path."""
        return _PARAMETER.findall(self.path)

    @property
    def query_names(self) -> Sequence[str]:
        """The query parameters beyond those every list takes."""
        known = _SPECIAL | set(self.path_names)
        return [name for name in self.operation.names if name not in known]

    @property
    def is_list(self) -> bool:
        """Whether it takes what every list takes."""
        return "query" in self.operation.names

    @property
    def takes_if_match(self) -> bool:
        """Whether a caller may name the version the change is for."""
        return "expected" in self.operation.names

    @property
    def body_model(self) -> Any:
        """The model of its body, None where it takes none."""
        return self.operation.types.get("body")

    @property
    def answer_model(self) -> Any:
        """The model of its answer, None where that is no JSON of ours."""
        found = self.operation.types["return"]
        return None if found in {NoneType, Redirect, Document} else found

    @property
    def is_redirect(self) -> bool:
        """Whether it sends a browser on."""
        return self.operation.types["return"] is Redirect

    @property
    def is_document(self) -> bool:
        """Whether it answers a JSON document that is not ours to describe."""
        return self.operation.types["return"] is Document

    @property
    def has_etag(self) -> bool:
        """Whether its answer carries the version of what it shows."""
        model = self.answer_model
        owner = getattr(model, "__origin__", model)
        return owner is not None and owner.etag is not Wire.etag

    @property
    def errors(self) -> Sequence[type[RequestError]]:
        """What a request may be refused for, by status."""
        operation = self.operation
        found: set[type[RequestError]] = {TooLargeError, *operation.errors}
        if self.method != "GET" or self.is_list:
            found.add(InvalidInputError)
        if self.path_names:
            found.add(NotFoundError)
        if self.takes_if_match:
            found.add(PreconditionError)
        if not operation.is_public:
            found |= {UnauthenticatedError, TooManyRequestsError}
            if "/admin/" in self.path:
                found.add(ForbiddenError)
            if operation.needs_profile or self.method != "GET":
                found.add(ConflictError)
        return sorted(found, key=lambda error: error.status)


def routes_of(functions: Iterable[Any]) -> Iterator[Route]:
    """Yield every HTTP function, once for each of its methods."""
    for function in functions:
        trigger = function.get_trigger().get_dict_repr()
        if trigger["type"] == "httpTrigger":
            for method in trigger["methods"]:
                yield Route(
                    name=function.get_function_name(),
                    method=method.value,
                    path="/" + trigger["route"],
                    operation=function.get_user_function().operation,
                )


def _sentences(doc: str) -> tuple[str, str]:
    """Return the summary and the rest of a docstring, their lines joined."""
    summary, _, rest = doc.partition("\n\n")
    return " ".join(summary.split()), rest.strip()
