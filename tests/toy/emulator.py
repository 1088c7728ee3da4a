"""The Toybox in the sandbox."""

from __future__ import annotations

import uuid
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.sandbox.emulators import Built, Emulator, Premises
from local.sandbox.faults import Faults
from local.sandbox.web import bearer_token, json_response, read_object

NAME = "toy"


def error_body(status: int) -> dict[str, Any]:
    """Return the Toybox's error body."""
    return {"message": f"The box says {status}."}


class ToyBook:
    """The toys, and the number of the change that each of them saw last."""

    def __init__(self) -> None:
        self.toys: dict[str, dict[str, Any]] = {}
        self.gone: dict[str, int] = {}
        self.seen = 0
        self.fill()

    def fill(self, count: int = 14) -> None:
        """Throw everything away and begin anew."""
        self.toys.clear()
        self.gone.clear()
        self.seen = 0
        for number in range(count):
            self.add({"name": f"Toy {number}", "price": f"{number}.50"})

    def add(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Add a toy and return it."""
        key = f"t-{len(self.toys) + len(self.gone) + 1:04}"
        return self.put(key, {"id": key, "ref": "", **fields})

    def put(self, key: str, fields: dict[str, Any]) -> dict[str, Any]:
        """Write fields of a toy and return it."""
        self.seen += 1
        self.toys[key] = {**self.toys.get(key, {}), **fields, "seen": self.seen}
        return self.toys[key]

    def drop(self, key: str) -> None:
        """Throw a toy away."""
        self.seen += 1
        del self.toys[key]
        self.gone[key] = self.seen

    def changes(self, since: int) -> list[dict[str, Any]]:
        """Return what was written after that change, oldest first."""
        gone = [{"id": key, "gone": True, "seen": at} for key, at in self.gone.items()]
        found = [item for item in (*self.toys.values(), *gone) if item["seen"] > since]
        return sorted(found, key=lambda item: int(item["seen"]))


class _Toybox:
    def __init__(self, *, key: str, book: ToyBook, faults: Faults) -> None:
        self._key = key
        self._book = book
        self._faults = faults

    def routes(self) -> list[Route]:
        return [
            Route("/box", self.box),
            Route("/toys", self.toys, methods=["GET", "POST"]),
            Route("/toys/{key}", self.toy, methods=["GET", "PUT", "DELETE"]),
            Route("/changes", self.toys),
        ]

    async def box(self, request: Request) -> Response:
        return self._refusal(request) or json_response({"id": "box-7"})

    async def toys(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        if request.method == "POST":
            return json_response(self._book.add(await read_object(request)), 201)
        asked = request.query_params
        items: list[dict[str, Any]] = list(self._book.toys.values())
        if "ref" in asked:
            return json_response({"items": [item for item in items if item["ref"] == asked["ref"]]})
        if "since" in asked:
            items = self._book.changes(int(asked["since"]))
        start, limit = int(asked.get("after", 0)), int(asked["limit"])
        answer = {
            "items": items[start : start + limit],
            "total": len(items),
            "end": self._book.seen,
        }
        if start + limit < len(items):
            repeated = start and self._faults.take(NAME, "repeated_page")
            answer["next"] = str(start if repeated else start + limit)
        return json_response(answer)

    async def toy(self, request: Request) -> Response:
        key = request.path_params["key"]
        if refusal := self._refusal(request):
            return refusal
        if key not in self._book.toys:
            return json_response(error_body(404), 404)
        if request.method == "DELETE":
            self._book.drop(key)
            return Response(status_code=204)
        if request.method == "PUT":
            self._book.put(key, await read_object(request))
        return json_response(self._book.toys[key])

    def _refusal(self, request: Request) -> Response | None:
        if bearer_token(request) == self._key:
            return None
        return json_response(error_body(401), 401)


def _build(premises: Premises) -> Built:
    key = premises.secrets.get("toy_key", lambda: f"toy-{uuid.uuid4()}")
    premises.faults.declare(NAME, repeated_page="`next` is the page that was asked for.")
    book = ToyBook()
    box = _Toybox(key=key, book=book, faults=premises.faults)
    return Built(
        app=Starlette(routes=box.routes()),
        error_body=error_body,
        entry=lambda: {"key": key, "settings": {"PROVIDER_TOY_BASE_URL": premises.url}},
        shared=book,
    )


EMULATOR = Emulator(name=NAME, build=_build)
