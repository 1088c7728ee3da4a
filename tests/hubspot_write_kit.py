"""A HubSpot account in memory that can be written to."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from shared.domain.changes import Change, Upsert
from shared.ports.provider import PushResult
from tests.hubspot_kit import NOW, FakeDeal, FakeHubSpot, connect

LATER_MS = int(NOW.timestamp() * 1000)
KEY = "0192f0c5-7d7e-7b3a-9a64-3a1d2c0e4f01"
"""What a record of LinkHub is called: the key of a create."""

WRITABLE = {
    "dealname": "string",
    "amount": "number",
    "closedate": "datetime",
    "signed_on": "date",
    "is_hot": "bool",
    "dealstage": "enumeration",
}

Rule = Callable[[dict[str, str]], dict[str, Any] | None]


def rule_broken(name: str, message: str) -> dict[str, Any]:
    """Return the error of a property's rule, as HubSpot words it."""
    rules = [{"isValid": False, "message": message, "error": "INVALID_OPTION", "name": name}]
    text = f"Property values were not valid: {json.dumps(rules)}"
    return {"status": "error", "category": "VALIDATION_ERROR", "message": text}


class WritableHubSpot(FakeHubSpot):
    """Takes batches of updates, upserts and archives, and new properties.

    `rule` says what is wrong with the properties of an input. `is_strict`: one bad input refuses
    its whole batch, as where no traces are sent. `is_vague`: errors of a 207 name nobody. `lose`
    answers are lost after the write was done. `refusal` is the answer to a new property.
    """

    def __init__(self, *deals: FakeDeal) -> None:
        super().__init__(*deals)
        self.properties += [
            {"name": name, "label": name, "type": type_}
            for name, type_ in WRITABLE.items()
            if name not in {known["name"] for known in self.properties}
        ]
        self.properties += [
            {"name": "tags", "type": "enumeration", "fieldType": "checkbox"},
            {"name": "days_open", "type": "number", "calculated": True},
        ]
        for known in self.properties:
            known["type"] = WRITABLE.get(known["name"], known["type"])
        self.rule: Rule = lambda _properties: None
        self.is_strict = False
        self.is_vague = False
        self.lose = 0
        self.refusal: httpx.Response | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        act = path.rpartition("/")[2]
        if act in {"update", "upsert", "archive"}:
            self.requests.append(request)
            self.meddle(request)
            answer = self._write(act, json.loads(request.read())["inputs"])
            if self.lose:
                self.lose -= 1
                raise httpx.ReadError("lost")
            return answer
        if request.method == "POST" and "/properties/" in path:
            self.requests.append(request)
            if self.refusal is not None:
                return self.refusal
            self.properties.append(json.loads(request.read()))
            return httpx.Response(201, json={})
        return super().handle_request(request)

    def _batch(self, body: dict[str, Any]) -> dict[str, Any]:
        by = body.get("idProperty")
        if not by:
            return super()._batch(body)
        found = [self._find(by, item["id"]) for item in body["inputs"]]
        results = [deal.to_json(body["properties"]) for deal in found if deal]
        missing = {"status": "error", "category": "OBJECT_NOT_FOUND"}
        return {"results": results, **({"errors": [missing]} if None in found else {})}

    def _find(self, by: str, value: str) -> FakeDeal | None:
        live = [deal for deal in self.deals.values() if deal.archived is None]
        return next((deal for deal in live if deal.values.get(by) == value), None)

    def _write(self, act: str, inputs: list[dict[str, Any]]) -> httpx.Response:
        assert 0 < len(inputs) <= 100
        assert len({item["id"] for item in inputs}) == len(inputs)
        wrong = [(item, self.rule(item.get("properties", {}))) for item in inputs]
        errors = [
            {**error, "context": {"objectWriteTraceId": [item["objectWriteTraceId"]]}}
            for item, error in wrong
            if error is not None
        ]
        if errors and self.is_strict:
            return httpx.Response(400, json={k: v for k, v in errors[0].items() if k != "context"})
        if self.is_vague:
            errors = [{k: v for k, v in error.items() if k != "context"} for error in errors]
        results = [self._write_one(act, item) for item, error in wrong if error is None]
        if act == "archive":
            return httpx.Response(204)
        body = {"status": "COMPLETE", "results": results, "errors": errors}
        return httpx.Response(207 if errors else 200, json=body)

    def _write_one(self, act: str, item: dict[str, Any]) -> dict[str, Any]:
        if act == "archive":
            self.deals[int(item["id"])].archived = LATER_MS
            return {}
        by = item.get("idProperty")
        deal = self._find(by, item["id"]) if by else self.deals[int(item["id"])]
        is_new = deal is None
        if deal is None:
            deal = FakeDeal(
                id=max(self.deals, default=0) + 1, modified=0, values={str(by): item["id"]}
            )
            self.deals[deal.id] = deal
        deal.values |= item["properties"]
        deal.modified = LATER_MS
        found = deal.to_json(["hs_lastmodifieddate"])
        found["objectWriteTraceId"] = item["objectWriteTraceId"]
        return {**found, **({"new": is_new} if by else {})}

    def sent(self, act: str) -> list[list[dict[str, Any]]]:
        """Return the inputs of each batch of an act, in the order they came."""
        return [
            json.loads(request.content)["inputs"]
            for request in self.requests
            if request.url.path.endswith(f"/batch/{act}")
        ]


def upsert(key: str, **record: Any) -> Upsert:
    """Return a deal as LinkHub wants it to be."""
    return Upsert("deals", key, record)


def push(server: httpx.BaseTransport, changes: Sequence[Change], **args: Any) -> list[PushResult]:
    """Return what became of changes to deals."""
    return list(connect(server, **args).push("deals", changes))


def push_one(server: httpx.BaseTransport, change: Change, **args: Any) -> PushResult:
    """Return what became of one change."""
    [result] = push(server, [change], **args)
    return result
