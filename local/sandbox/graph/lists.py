"""Collections in pages, each page's link opaque and good only as it was given."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from local.sandbox.faults import Faults
from local.sandbox.graph.book import Book
from local.sandbox.graph.errors import GraphError
from local.sandbox.graph.items import CONTEXT, Item
from local.sandbox.web import json_response

PROVIDER = "graph"
_KEPT = 5_000


class Lists:
    """Renders the pages of collections, each one once between two changes."""

    def __init__(self, book: Book, faults: Faults, *, key: str) -> None:
        self._book = book
        self._faults = faults
        self._key = key.encode()
        self._kept: dict[tuple[str, str, int], bytes] = {}
        self._kept_version = -1

    def page(self, request: Request, items: Sequence[Item]) -> Response:
        """Answer the page of `items` that the request's query names, the first where it has none.

        Raise the 400 of a link that was not given so to the last character.
        """
        query = request.scope["query_string"].decode("ascii", "replace")
        address = str(request.url).partition("?")[0]
        asked = "$skiptoken=" in query or "%24skiptoken" in query
        after = self._read(query, address) if asked else 0
        if asked and self._faults.take(PROVIDER, "expired_link", path=request.url.path):
            raise GraphError(400, "The skip token is not valid any more.")
        repeated = asked and self._faults.take(PROVIDER, "repeated_link", path=request.url.path)
        if repeated:
            return self._render(address, items, after, link=f"{address}?{query}")
        key = (address, query, self._book.limits.page_size)
        if self._kept_version != self._book.version or len(self._kept) > _KEPT:
            self._kept.clear()
            self._kept_version = self._book.version
        if key not in self._kept:
            self._kept[key] = bytes(self._render(address, items, after).body)
        return json_response(self._kept[key])

    def _render(
        self, address: str, items: Sequence[Item], after: int, *, link: str = ""
    ) -> Response:
        size = self._book.limits.page_size
        rest = [item for item in items if item.seq > after]
        data: dict[str, Any] = {
            "@odata.context": f"{CONTEXT}/{address.rsplit('/', 1)[-1]}",
            "value": [item.to_json() for item in rest[:size]],
        }
        if link or len(rest) > size:
            data["@odata.nextLink"] = link or self._link(address, rest[size - 1].seq)
        return json_response(data)

    def _link(self, address: str, seq: int) -> str:
        """Return a link no client can build: an unusual escape, and a signature."""
        mark = base64.urlsafe_b64encode(f"{seq}".encode()).decode().rstrip("=")
        return f"{address}?$skiptoken=%5cb{mark}%3d%3d.{self._sign(address, seq)}"

    def _sign(self, address: str, seq: int) -> str:
        return hmac.new(self._key, f"{address} {seq}".encode(), hashlib.sha256).hexdigest()[:24]

    def _read(self, query: str, address: str) -> int:
        try:
            mark = query.split("%5cb", 1)[1].split("%3d%3d.", 1)[0]
            seq = int(base64.urlsafe_b64decode(mark + "=="))
        except (IndexError, ValueError):
            seq = -1
        if seq < 0 or self._link(address, seq) != f"{address}?{query}":
            raise GraphError(400, "The skip token is not valid; follow the link as it was given.")
        return seq


def selected(data: Mapping[str, Any], request: Request) -> dict[str, Any]:
    """Return a resource with the properties `$select` names, all of them where it is absent."""
    names = request.query_params.get("$select", "").split(",")
    if names == [""]:
        return dict(data)
    return {name: value for name, value in data.items() if name in names or name[0] == "@"}
