"""Creating and changing things by Graph's rules: etags, quotas, and what is answered."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from local.sandbox.entra.tenants import User
from local.sandbox.faults import Faults
from local.sandbox.graph.book import ID_LENGTH, Book, quota
from local.sandbox.graph.errors import GraphError
from local.sandbox.graph.items import CONTEXT, Item
from local.sandbox.graph.lists import PROVIDER
from local.sandbox.graph.rules import bucket_changes, details_changes, invalid, task_changes
from local.sandbox.web import json_response

SOMEBODY = "0b6e5a52-9d0c-4d6b-8f0a-3f5c1f9a0099"
"""Who edits what the fault `edited` changes."""


class Writes:
    """Writes to the book for requests that were admitted."""

    def __init__(self, book: Book, faults: Faults) -> None:
        self._book = book
        self._faults = faults

    def check_quota(self, request: Request) -> None:
        """Raise the 403 of a quota where the fault asks for it."""
        path = request.url.path
        if fault := self._faults.take(PROVIDER, "quota", method=request.method, path=path):
            raise quota(str(fault.option("code", "MaximumTasksInProject")))

    def check_etag(self, request: Request, item: Item) -> None:
        """Raise the 412 of a missing or stale `If-Match`, or the 409 of the fault."""
        path = request.url.path
        if fault := self._faults.take(PROVIDER, "edited", method=request.method, path=path):
            default = {"name" if item.kind == "Bucket" else "title": "Edited by somebody else"}
            if item.kind == "TaskDetails":
                default = {"description": "Edited by somebody else"}
            self.change(item, fault.option("fields", default), user=SOMEBODY)
        given = request.headers.get("if-match", "")
        if given != item.etag:
            raise GraphError(412)
        if self._faults.take(PROVIDER, "conflict", method=request.method, path=path):
            raise GraphError(409)

    def change(self, item: Item, body: Mapping[str, Any], *, user: str) -> None:
        """Change an item by a body's rules."""
        book = self._book
        if item.kind == "Bucket":
            item.data |= bucket_changes(body, now=item.data)
            book.touch(item)
        elif item.kind == "TaskDetails":
            changes = details_changes(book, body, now=item.data, user=user)
            book.update_details(item.id, changes)
        else:
            changes = task_changes(book, body, now=item.data, user=user)
            book.update_task(item, changes, user=user)

    def patch(self, request: Request, item: Item, body: Mapping[str, Any], user: User) -> Response:
        """Answer a PATCH: 204, or the resource with `Prefer: return=representation`."""
        self.check_etag(request, item)
        self.check_quota(request)
        self.change(item, body, user=user.id)
        if "return=representation" not in request.headers.get("prefer", "").replace(" ", ""):
            return Response(status_code=204)
        data = {"@odata.context": f"{CONTEXT}/$entity", **item.to_json()}
        headers = {"Preference-Applied": "return=representation", "ETag": item.etag}
        return json_response(data, headers=headers)

    def new_task(self, plan: str, body: Mapping[str, Any], user: User) -> Item:
        """Create a task; nothing is kept of one whose body is not right."""
        self._book.check_room(plan, "tasks")
        title = body.get("title")
        if not isinstance(title, str) or not title.strip():
            raise invalid("A task needs a title.")
        item = self._book.create_task(plan, title, user=user.id, name=user.name)
        try:
            self.change(item, body, user=user.id)
        except GraphError:
            self._book.delete(item)
            raise
        item.version = 1
        return item


def new_bucket(book: Book, plan: str, body: Mapping[str, Any]) -> Item:
    """Create a bucket."""
    book.check_room(plan, "buckets")
    data = {
        "id": secrets.token_urlsafe(ID_LENGTH)[:ID_LENGTH],
        "name": "",
        "planId": plan,
        "orderHint": " !",
    }
    data |= bucket_changes({"name": None, **body}, now=data)
    return book.add_bucket(data, is_new=True)
