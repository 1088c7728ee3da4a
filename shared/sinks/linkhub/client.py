"""The LinkHub API (docs/linkhub-api.md) for one profile."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from shared.errors import PermanentError, SyncError, TransientError
from shared.http.auth import BearerAuth, StaticToken
from shared.http.client import HttpClient
from shared.http.errors import Failure

if TYPE_CHECKING:
    import httpx

MAX_INPUTS = 500
"""Records in one call, at most."""
MAX_BYTES = 4_500_000
"""Bytes in one call; LinkHub takes 5,000,000, the rest is for what stands around the records."""

T = TypeVar("T")

_WRITTEN = frozenset({"created", "updated", "unchanged"})
_UPSERT_OUTCOMES = _WRITTEN | {"rejected"}
VERSION_CONFLICT = "version_conflict"
"""The code of a rejection because the record is not at the version the write named."""
ALREADY_LINKED = "already_linked"
"""The code of a rejection because a record, or a key, belongs to another one already."""
NATIVE = "linkhub"
"""The source of records that people made in LinkHub itself."""

_DELETE_OUTCOMES = frozenset({"deleted", "missing", "rejected"})


class UpsertInput(NamedTuple):
    """One record to write; `fields` is a JSON object, already encoded.

    `id`: that record is meant, and gets this external key; '' for the one that has the key.
    `if_version`: the write is only for a record of this version, 0 for one that is not there, None
    for any.
    """

    external_key: str
    fields: str
    id: str = ""
    if_version: int | None = None

    def to_json(self) -> str:
        """Return the wire form."""
        more = f',"id":{json.dumps(self.id)}' if self.id else ""
        if self.if_version is not None:
            more += f',"ifVersion":{self.if_version}'
        return f'{{"externalKey":{json.dumps(self.external_key)},"fields":{self.fields}{more}}}'


class Rejection(NamedTuple):
    """Why LinkHub did not take a record; `field` '' for the whole of it."""

    field: str
    code: str
    message: str


class UpsertResult(NamedTuple):
    """What became of one input: created, updated, unchanged, or rejected with its reasons."""

    external_key: str
    id: str
    outcome: str
    rejections: tuple[Rejection, ...]

    def is_refused(self, code: str) -> bool:
        """Whether it was rejected with this code."""
        return any(rejection.code == code for rejection in self.rejections)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkHubRecord:
    """A record as LinkHub has it; `fields` leaves out what is empty."""

    id: str
    external_key: str
    source: str
    fields: Mapping[str, Any]
    version: int
    updated_at: str
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesPage:
    """Some changes, oldest first, and the cursor to go on with."""

    changes: Sequence[LinkHubRecord]
    next_cursor: str
    has_more: bool


class LinkHubClient:
    """Calls LinkHub as one profile. Used by one thread at a time; close it when done.

    Calls are split so that none is too large, and retried: all of them are idempotent. What fails
    for good raises TransientError or PermanentError; a refused API key is a TransientError, for it
    is the operator's to mend and no person's set-up is wrong.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        profile_id: str,
        sleep: Callable[[float], None],
        interactive: bool = False,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = HttpClient(
            name="LinkHub",
            base_url=base_url,
            sleep=sleep,
            interactive=interactive,
            auth=BearerAuth(StaticToken(api_key)),
            # The address is the operator's own setting; LinkHub may well live in a private network.
            allow_private_hosts=True,
            transport=transport,
            headers={"X-LinkHub-Profile": profile_id},
            secrets=(api_key,),
            classify=_classify,
        )

    def upsert(
        self, entity: str, *, source: str, inputs: Sequence[UpsertInput], salt: str
    ) -> Iterator[UpsertResult]:
        """Write records and yield what became of each, in order, batch by batch.

        Each batch carries an idempotency key made of `salt` and its body: the same batch sent
        again with the same salt gets the same answer and does nothing. Give a salt that says where
        in the job this is, so that an equal batch sent later on purpose is not taken for a repeat.
        """
        for number, batch in enumerate(_batches(inputs)):
            listed = ",".join(item.to_json() for item in batch)
            body = f'{{"source":{json.dumps(source)},"inputs":[{listed}]}}'.encode()
            digest = hashlib.sha256(f"{salt}|{entity}|{number}|".encode() + body).hexdigest()
            answer = self._post(f"{entity}/batch/upsert", body, {"Idempotency-Key": digest})
            yield from _results(answer, _upsert_result, [item.external_key for item in batch])

    def delete(
        self,
        entity: str,
        *,
        source: str,
        external_keys: Sequence[str],
        versions: Mapping[str, int] | None = None,
    ) -> Iterator[tuple[str, str]]:
        """Delete records; yield (external key, what became of it) of each, in order.

        That is "deleted", "missing", or "rejected" where the record is not at the version (any
        more) that `versions` has for its key; those it does not name are deleted at any version.
        """
        known = versions or {}
        for keys in _chunks(external_keys):
            inputs = [
                {"externalKey": key, "ifVersion": known[key]}
                if key in known
                else {"externalKey": key}
                for key in keys
            ]
            answer = self._post_json(f"{entity}/batch/delete", {"source": source, "inputs": inputs})
            yield from _results(answer, _delete_result, keys)

    def get(
        self, entity: str, *, source: str, external_keys: Sequence[str]
    ) -> Iterator[LinkHubRecord]:
        """Yield the records of these external keys; those LinkHub does not have are left out."""
        for keys in _chunks(external_keys):
            answer = self._post_json(
                f"{entity}/batch/get", {"source": source, "externalKeys": keys}
            )
            yield from _results(answer, _record)

    def get_by_ids(self, entity: str, *, ids: Sequence[str]) -> Iterator[LinkHubRecord]:
        """Yield the records of these ids; those LinkHub does not have are left out."""
        for some in _chunks(ids):
            answer = self._post_json(f"{entity}/batch/get", {"ids": some})
            yield from _results(answer, _record)

    def changes(self, entity: str, *, since: str = "", limit: int = MAX_INPUTS) -> ChangesPage:
        """Return what changed after a cursor ('' for the beginning), deleted records too."""
        params: dict[str, str | int | bool] = {"limit": limit}
        if since:
            params["since"] = since
        answer = self._http.get_json(f"v1/{entity}/changes", params=params)
        with _promised_form():
            return ChangesPage(
                changes=[_record(item) for item in answer["changes"]],
                next_cursor=_text(answer["nextCursor"]),
                has_more=answer["hasMore"] is True,
            )

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _post_json(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._post(path, json.dumps(body).encode(), {})

    def _post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Any:
        return self._http.request_json(
            "POST",
            f"v1/{path}",
            content=body,
            headers={"Content-Type": "application/json", **headers},
            repeatable=True,
        )


def _classify(failure: Failure, message: str) -> SyncError | None:
    if failure.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return TransientError(
            f"{message} LinkHub refuses the integrator's own API key: an operator must set a "
            "valid one. The sync goes on by itself then."
        )
    return None


def _batches(inputs: Sequence[UpsertInput]) -> Iterator[list[UpsertInput]]:
    """Split inputs so that no batch has too many records or too many bytes."""
    batch: list[UpsertInput] = []
    size = 0
    for item in inputs:
        # an external key may grow sixfold as JSON
        item_size = len(item.fields.encode()) + 6 * len(item.external_key) + 6 * len(item.id) + 70
        if batch and (len(batch) == MAX_INPUTS or size + item_size > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += item_size
    if batch:
        yield batch


def _chunks(keys: Sequence[str]) -> Iterator[list[str]]:
    left = iter(keys)
    while chunk := list(islice(left, MAX_INPUTS)):
        yield chunk


@contextmanager
def _promised_form() -> Iterator[None]:
    """Raise PermanentError where what is read inside is not what LinkHub's API promises."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError):
        raise PermanentError(
            "LinkHub's answer is not of the form its API promises; check that LINKHUB_API_URL is "
            "the address of LinkHub's API and that both speak the same version."
        ) from None


def _results(
    answer: Any, parse: Callable[[Any], T], expected_keys: Sequence[str] | None = None
) -> list[T]:
    """Return the results of an answer: where keys are expected, one for each, in their order."""
    with _promised_form():
        listed = answer["results"]
        if expected_keys is not None and [r["externalKey"] for r in listed] != expected_keys:
            raise ValueError("externalKey")
        return [parse(item) for item in listed]


def _upsert_result(item: Any) -> UpsertResult:
    outcome = _one_of(item["outcome"], _UPSERT_OUTCOMES)
    rejections = tuple(
        Rejection(_text(error["field"]), _text(error["code"]), _text(error["message"]))
        for error in item.get("errors") or ()
    )
    linkhub_id = _text(item["id"]) if outcome in _WRITTEN else ""
    return UpsertResult(_text(item["externalKey"]), linkhub_id, outcome, rejections)


def _delete_result(item: Any) -> tuple[str, str]:
    return _text(item["externalKey"]), _one_of(item["outcome"], _DELETE_OUTCOMES)


def _record(item: Any) -> LinkHubRecord:
    return LinkHubRecord(
        id=_text(item["id"]),
        external_key=_text(item["externalKey"]),
        source=_text(item["source"]),
        fields=dict(item["fields"]),
        version=int(item["version"]),
        updated_at=_text(item["updatedAt"]),
        deleted=item.get("deleted") is True,
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(type(value).__name__)
    return value


def _one_of(value: Any, known: frozenset[str]) -> str:
    if value not in known:
        raise ValueError(value)
    return str(value)
