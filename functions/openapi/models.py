"""The handlers' own models as JSON Schema, each with an example."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from functions.openapi.examples import example_of

_REF: Final = "#/components/schemas/"
_PAGE: Final = re.compile(r"Page_(\w+?)_(?=\")")
_Mode = Literal["validation", "serialization"]


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that only repeat a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return False: a title of ours says nothing its name does not."""
        del schema
        return False


class Models:
    """The schemas of all bodies and answers, under one set of names."""

    def __init__(self, *, bodies: Iterable[Any], answers: Iterable[Any]) -> None:
        modes: dict[_Mode, Iterable[Any]] = {"validation": bodies, "serialization": answers}
        keys: list[tuple[Any, _Mode, TypeAdapter[Any]]] = [
            (model, mode, TypeAdapter(model)) for mode, models in modes.items() for model in models
        ]
        refs, document = TypeAdapter.json_schemas(
            keys, ref_template=_REF + "{model}", schema_generator=_Untitled
        )
        # Lists of jobs are JobPage, not Page_Job_.
        named = json.loads(_PAGE.sub(r"\1Page", json.dumps(document)))
        self.schemas: dict[str, Any] = named.get("$defs", {})
        for schema in self.schemas.values():
            schema.pop("title", None)
        self._names = {
            key: _PAGE.sub(r"\1Page", json.dumps(schema["$ref"])).strip('"').removeprefix(_REF)
            for key, schema in refs.items()
        }

    def body(self, model: Any) -> dict[str, Any]:
        """Return the media type of a request body."""
        return self._content(self._names[model, "validation"])

    def answer(self, model: Any) -> dict[str, Any]:
        """Return the media type of an answer."""
        return self._content(self._names[model, "serialization"])

    def _content(self, name: str) -> dict[str, Any]:
        return {"schema": {"$ref": _REF + name}, "example": example_of(name, self.schemas)}
