"""The API's own description, for anybody."""

from __future__ import annotations

import json
from functools import lru_cache

import azure.functions as func

from functions.http_support import public_endpoint
from functions.schemas.base import Document

bp = func.Blueprint()


@bp.route("api/openapi.json", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@public_endpoint()
def get_openapi() -> Document:
    """Return this document: OpenAPI 3.1, made from the models the handlers use."""
    return Document(text=_document())


@lru_cache(maxsize=1)
def _document() -> str:
    """Return the document, built with the first request for it: that takes pydantic and a while."""
    from functions import BLUEPRINTS
    from functions.openapi.document import build_document

    app = func.FunctionApp()
    for blueprint in BLUEPRINTS:
        app.register_functions(blueprint)
    return json.dumps(build_document(app.get_functions()), separators=(",", ":"))
