"""The LinkHub API as an ASGI app; docs/linkhub-api.md is its reference."""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import orjson
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.sandbox.faults import Faults
from local.sandbox.linkhub.batches import NATIVE, Input
from local.sandbox.linkhub.bodies import Body, Deletes, Edits, Ids, Keys, Upsert
from local.sandbox.linkhub.records import Records
from local.sandbox.linkhub.validation import FieldError
from local.sandbox.web import bearer_token, json_response
from shared.domain.ids import new_id
from shared.domain.linkhub import ENTITIES

PROVIDER = "linkhub"
MAX_INPUTS = 500
MAX_BYTES = 5_000_000
_DEFAULT_PAGE = 100
_DAY_SECONDS = 86_400
_MAX_HEADER = 255
_TITLES = {
    400: "Bad request",
    401: "Not signed in",
    404: "Not found",
    405: "Method not allowed",
    409: "Idempotency key used before",
    413: "Batch too large",
    422: "Body not of the expected form",
    429: "Too many requests",
    503: "Service unavailable",
}


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """A request that is refused."""

    def __init__(self, status: int, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.body = problem_body(status, detail, **more)


def problem_body(status: int, detail: str = "", **more: Any) -> dict[str, Any]:
    """Return the problem+json body (RFC 9457) of `status`."""
    title = _TITLES.get(status, "Error")
    kind = title.lower().replace(" ", "-")
    detail = detail or "The service could not serve this request; it was not carried out."
    return {
        "type": f"urn:linkhub:problem:{kind}",
        "title": title,
        "status": status,
        "detail": detail,
        **more,
    }


_Model = TypeVar("_Model", bound=Body)


def linkhub_app(*, key: str, state_dir: Path, faults: Faults) -> Starlette:
    """Return the emulator over `linkhub.db` in `state_dir`; `key` is the one API key."""
    faults.declare(PROVIDER, reject="Every `every`-th (default 10) input of an upsert is rejected.")
    service = _LinkHub(key=key, records=Records(state_dir / "linkhub.db"), faults=faults)
    app = Starlette(
        routes=service.routes(),
        exception_handlers={Problem: _refuse, HTTPException: _no_route},
    )
    app.state.records = service.records
    return app


async def _refuse(_: Request, error: Exception) -> Response:
    if not isinstance(error, Problem):
        raise error
    return _problem(error.body, error.status)


async def _no_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _problem(problem_body(status, "There is nothing at this address."), status)


def _problem(body: dict[str, Any], status: int) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None  # noqa: PLR2004 - RFC 9110
    return json_response(body, status, headers=headers, media_type="application/problem+json")


class _LinkHub:
    def __init__(self, *, key: str, records: Records, faults: Faults) -> None:
        self._key = key
        self.records = records
        self._faults = faults

    def routes(self) -> list[Route]:
        """Return the routes of the API and of the sandbox's own control."""
        return [
            Route("/v1/{entity}/batch/upsert", self.upsert, methods=["POST"]),
            Route("/v1/{entity}/batch/get", self.get, methods=["POST"]),
            Route("/v1/{entity}/batch/delete", self.delete, methods=["POST"]),
            Route("/v1/{entity}/changes", self.changes, methods=["GET"]),
            Route("/_state", self.state, methods=["GET"]),
            Route("/_edits", self.edits, methods=["POST"]),
            Route("/_records", self.clear, methods=["DELETE"]),
        ]

    def _admit(self, request: Request) -> tuple[str, str]:
        """Return (profile, entity); raise the Problem of a request that may not come in."""
        if bearer_token(request) != self._key:
            raise Problem(401, "Send a valid API key as Authorization: Bearer <key>.")
        profile = request.headers.get("x-linkhub-profile", "").strip()
        if not 0 < len(profile) <= _MAX_HEADER:
            raise Problem(400, "Name the profile in the header X-LinkHub-Profile.")
        entity = request.path_params["entity"]
        if entity not in ENTITIES:
            raise Problem(404, f"There is no entity {entity!r}: {sorted(ENTITIES)}.")
        return profile, entity

    async def upsert(self, request: Request) -> Response:
        """POST: create or update up to 500 records; once per idempotency key."""
        profile, entity = self._admit(request)
        raw = await _read(request)
        body = _parse(_load(raw), Upsert, "inputs")
        key = request.headers.get("idempotency-key", "")
        if len(key) > _MAX_HEADER:
            raise Problem(400, f"An Idempotency-Key has at most {_MAX_HEADER} characters.")
        digest, now = hashlib.sha256(raw).digest(), time.time()
        if key:
            given = self.records.answer_given(profile, entity, key, after=now - _DAY_SECONDS)
            if given and given[0] != digest:
                raise Problem(409, "This Idempotency-Key came with another body before.")
            if given:
                return json_response(given[1], headers={"Idempotent-Replay": "true"})
        _require_foreign(body.source)
        inputs = [
            Input(item.external_key, item.fields, item.id, item.if_version) for item in body.inputs
        ]
        with self.records.transaction():
            results = self.records.upsert(
                profile, entity, body.source, inputs, refused=self._refused(len(inputs))
            )
            answer = orjson.dumps({"results": [result.to_json() for result in results]})
            if key:
                self.records.keep_answer(
                    profile, entity, key, body_hash=digest, answer=answer, now=now
                )
        return json_response(answer)

    def _refused(self, size: int) -> dict[int, FieldError]:
        fault = self._faults.take(PROVIDER, "reject")
        if fault is None:
            return {}
        every = max(1, int(fault.number("every", 10)))
        reason = FieldError("", "refused", "The sandbox was told to reject this record.")
        return dict.fromkeys(range(every - 1, size, every), reason)

    async def get(self, request: Request) -> Response:
        """POST: read up to 500 records by external key or by id."""
        profile, entity = self._admit(request)
        data = _load(await _read(request))
        if isinstance(data, dict) and "ids" in data:
            wanted = _parse(data, Ids, "ids").ids
            found = self.records.find_by_ids(profile, entity, wanted)
        else:
            body = _parse(data, Keys, "externalKeys")
            wanted = body.external_keys
            found = self.records.find_by_keys(profile, entity, body.source, wanted)
        alive = {key: record for key, record in found.items() if not record.deleted}
        results = [alive[key].to_json() for key in wanted if key in alive]
        missing = [key for key in wanted if key not in alive]
        return json_response({"results": results, "missing": missing})

    async def delete(self, request: Request) -> Response:
        """POST: delete up to 500 records by external key, perhaps only while unchanged."""
        profile, entity = self._admit(request)
        data = _load(await _read(request))
        if isinstance(data, dict) and "inputs" in data:
            body = _parse(data, Deletes, "inputs")
            source = body.source
            wanted = [(item.external_key, item.if_version) for item in body.inputs]
        else:
            keys = _parse(data, Keys, "externalKeys")
            source, wanted = keys.source, [(key, None) for key in keys.external_keys]
        _require_foreign(source)
        with self.records.transaction():
            results = self.records.delete(profile, entity, source, wanted)
        return json_response({"results": [result.to_json() for result in results]})

    async def changes(self, request: Request) -> Response:
        """GET: what changed after a cursor, each record once, as it stands now."""
        profile, entity = self._admit(request)
        query = request.query_params
        since = _read_cursor(query.get("since", ""))
        try:
            limit = int(query.get("limit", _DEFAULT_PAGE))
        except ValueError:
            limit = 0
        if not 1 <= limit <= MAX_INPUTS:
            raise Problem(400, f"limit must be a number from 1 to {MAX_INPUTS}.")
        found = self.records.changes(profile, entity, since=since, limit=limit + 1)
        page = found[:limit]
        changes = [
            {**r.to_json(), "fields": {} if r.deleted else r.fields, "deleted": r.deleted}
            for r in page
        ]
        cursor = _write_cursor(page[-1].sequence if page else since)
        more = len(found) > limit
        return json_response({"changes": changes, "nextCursor": cursor, "hasMore": more})

    async def edits(self, request: Request) -> Response:
        """POST: change records as people do in LinkHub itself; all of it or nothing."""
        body = _parse(_load(await _read(request)), Edits, "create")
        if body.entity not in ENTITIES:
            raise Problem(404, f"There is no entity {body.entity!r}: {sorted(ENTITIES)}.")
        with self.records.transaction():
            created = self._edit(body, [(NATIVE, new_id(), fields) for fields in body.create])
            known = self.records.find_by_ids(body.profile, body.entity, [p.id for p in body.patch])
            for patch in body.patch:
                if patch.id not in known:
                    raise Problem(404, f"There is no record {patch.id!r}.")
            old = [(known[patch.id], patch.fields) for patch in body.patch]
            self._edit(
                body,
                [
                    (r.source, r.external_key, {**r.fields, **fields} if r.deleted else fields)
                    for r, fields in old
                ],
            )
            self.records.delete_ids(body.profile, body.entity, body.delete)
        return json_response({"created": created})

    def _edit(
        self, body: Edits, changes: Sequence[tuple[str, str, dict[str, Any]]]
    ) -> list[str | None]:
        """Write (source, external key, fields) one by one and return the ids."""
        ids = []
        for source, key, fields in changes:
            (result,) = self.records.upsert(body.profile, body.entity, source, [Input(key, fields)])
            if result.errors:
                wrong = [error._asdict() for error in result.errors]
                raise Problem(422, "LinkHub would not let a person save this.", errors=wrong)
            ids.append(result.id)
        return ids

    async def state(self, _: Request) -> Response:
        """GET: how many records there are."""
        return json_response(self.records.counts())

    async def clear(self, _: Request) -> Response:
        """DELETE: forget every record."""
        self.records.clear()
        return Response(status_code=204)


async def _read(request: Request) -> bytes:
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > MAX_BYTES:
        raise Problem(413, f"A body has at most {MAX_BYTES} bytes; send smaller batches.")
    raw = await request.body()
    if len(raw) > MAX_BYTES:
        raise Problem(413, f"A body has at most {MAX_BYTES} bytes; send smaller batches.")
    return raw


def _load(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Problem(400, f"The body is not JSON: {error}.") from None


def _parse(data: Any, model: type[_Model], items: str) -> _Model:
    """Return the body as `model`, whose list under `items` is not too long."""
    listed = data.get(items) if isinstance(data, dict) else None
    if isinstance(listed, list) and len(listed) > MAX_INPUTS:
        raise Problem(413, f"At most {MAX_INPUTS} {items}, not {len(listed)}.")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        wrong = [
            {"location": ".".join(map(str, e["loc"])), "message": e["msg"]}
            for e in error.errors(include_input=False, include_url=False)
        ]
        raise Problem(422, "The body is not of the form this call takes.", errors=wrong) from None


def _require_foreign(source: str) -> None:
    """Raise the Problem of a caller who writes under LinkHub's own name."""
    if source == NATIVE:
        raise Problem(422, f"The source {NATIVE!r} is of records people make in LinkHub itself.")


def _write_cursor(sequence: int) -> str:
    return base64.urlsafe_b64encode(f"1.{sequence}".encode()).decode().rstrip("=")


def _read_cursor(text: str) -> int:
    if not text:
        return 0
    try:
        version, _, number = base64.urlsafe_b64decode(text + "==").decode().partition(".")
        if version == "1":
            return int(number)
    except (ValueError, binascii.Error):
        pass
    raise Problem(400, "since is not a cursor this call has given.")
