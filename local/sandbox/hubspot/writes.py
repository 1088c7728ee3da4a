"""Writing records: one at a time and in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.sandbox.hubspot.account import Account
from local.sandbox.hubspot.errors import HubSpotError, error_body
from local.sandbox.hubspot.gate import Gate, inputs_of, kind_of, paths, read
from local.sandbox.hubspot.histories import APP
from local.sandbox.hubspot.kinds import Kind
from local.sandbox.hubspot.links import Links
from local.sandbox.hubspot.planning import TRACE, Plan, Planner, Wish, plan_alone, plan_batch
from local.sandbox.hubspot.reads import MAX_BATCH, batch_body
from local.sandbox.hubspot.records import Record
from local.sandbox.web import json_response

WRITE = ("crm.objects.{kind}.write",)


class Writes:
    """The calls that write records of any object type."""

    def __init__(self, *, account: Account, links: Links, gate: Gate) -> None:
        self._account = account
        self._links = links
        self._gate = gate

    def routes(self) -> list[Route]:
        """Return the routes of every version."""
        calls = (
            ("POST", "", self.create),
            ("PATCH", "/{id}", self.update),
            ("DELETE", "/{id}", self.archive),
            ("POST", "/batch/create", self.batch_create),
            ("POST", "/batch/update", self.batch_update),
            ("POST", "/batch/upsert", self.batch_upsert),
            ("POST", "/batch/archive", self.batch_archive),
        )
        return [
            Route(f"{base}/{{kind}}{path}", handler, methods=[method])
            for base in paths("objects")
            for method, path, handler in calls
        ]

    async def create(self, request: Request) -> Response:
        """POST: one new record."""
        headers, kind = self._admit(request)
        wish = plan_alone(Planner(self._account, kind).create, await read(request))
        return json_response(self._shown(kind, self._write(kind, [wish]))[0], 201, headers=headers)

    async def update(self, request: Request) -> Response:
        """PATCH: change one record, by its id or by the unique property `idProperty`."""
        headers, kind = self._admit(request)
        item = {
            "id": request.path_params["id"],
            "idProperty": request.query_params.get("idProperty"),
            "properties": (await read(request)).get("properties"),
        }
        wish = plan_alone(Planner(self._account, kind).update, item)
        return json_response(self._shown(kind, self._write(kind, [wish]))[0], headers=headers)

    async def archive(self, request: Request) -> Response:
        """DELETE: archive one record; one that is not there is no error."""
        headers, kind = self._admit(request)
        self._archive(kind, [request.path_params["id"]])
        return Response(status_code=204, headers=headers)

    async def batch_create(self, request: Request) -> Response:
        """POST: up to 100 new records."""
        return await self._batch(request, lambda batch: batch.create, status=201)

    async def batch_update(self, request: Request) -> Response:
        """POST: change up to 100 records."""
        return await self._batch(request, lambda batch: batch.update)

    async def batch_upsert(self, request: Request) -> Response:
        """POST: change or create up to 100 records by a unique property."""
        return await self._batch(request, lambda batch: batch.upsert, tells_new=True)

    async def batch_archive(self, request: Request) -> Response:
        """POST: archive up to 100 records; those that are not there are no error."""
        headers, kind = self._admit(request)
        inputs = inputs_of(await read(request), MAX_BATCH)
        self._archive(kind, [str(item.get("id", "")) for item in inputs])
        return Response(status_code=204, headers=headers)

    def _admit(self, request: Request) -> tuple[dict[str, str], Kind]:
        return self._gate.admit(request, WRITE), kind_of(request.path_params["kind"])

    def _archive(self, kind: Kind, keys: Sequence[str]) -> None:
        book = self._account.book(kind)
        found = {r.id: r for r in map(book.find, keys) if r is not None}
        at_ms = book.now_ms()
        for record in found.values():
            book.archive(record, at_ms=at_ms)
        book.settle(list(found))

    async def _batch(
        self,
        request: Request,
        plan_of: Callable[[Planner], Plan],
        *,
        status: int = 200,
        tells_new: bool = False,
    ) -> Response:
        """Write the inputs that may be; 207 with an error for each of the others."""
        headers, kind = self._admit(request)
        inputs = inputs_of(await read(request), MAX_BATCH)
        fault = self._gate.take("multi_status", request)
        wishes, errors = plan_batch(kind, plan_of(Planner(self._account, kind)), inputs, fault)
        broken = self._gate.take("half_written", request)
        if broken:
            self._write(kind, wishes[: int(broken.number("records", len(wishes) // 2))])
            failed = int(broken.number("status", 500))
            raise HubSpotError(failed, error_body(failed))
        records = self._write(kind, wishes)
        shown = self._shown(kind, records)
        for wish, data in zip(wishes, shown, strict=True):
            if tells_new:
                data["new"] = wish.record is None
            if wish.item.get(TRACE):
                data[TRACE] = str(wish.item[TRACE])
        if self._gate.take("shuffled", request):
            shown.reverse()
        return json_response(batch_body(shown, errors), 207 if errors else status, headers=headers)

    def _write(self, kind: Kind, wishes: Sequence[Wish]) -> list[Record]:
        """Carry the wishes out, all of them at one time of change; return their records."""
        book = self._account.book(kind)
        at_ms = book.now_ms()
        records = []
        for wish in wishes:
            record = wish.record
            if record is None:
                record = book.create(wish.values, at_ms=at_ms, source=APP)
            else:
                book.update(record, wish.values, at_ms=at_ms, source=APP)
            records.append(record)
        book.settle([record.id for record in records])
        for wish, record in zip(wishes, records, strict=True):
            for other, other_id, primary in wish.links:
                self._links.add(kind, other, [(record.id, other_id, primary)])
        return records

    def _shown(self, kind: Kind, records: Sequence[Record]) -> list[dict[str, Any]]:
        """Return records as a write answers them: every property that has a value."""
        known = self._account.book(kind).properties.find
        shown = []
        for record in records:
            names = [*record.properties, *kind.derived]
            data = kind.to_json([record], kind.asked(names, known))[0]
            values = data["properties"]
            data["properties"] = {name: value for name, value in values.items() if value}
            shown.append(data)
        return shown
