"""Toys of the Toybox to LinkHub initiatives, read and written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared.domain.changes import Change, Delete, Page, RecordProblem, Truncate, Upsert
from shared.domain.checkpoints import Checkpoint
from shared.domain.field_mappings import FieldMapping
from shared.domain.fields import Field, FieldType
from shared.domain.platform_options import PlatformOption
from shared.domain.providers import AuthType, Direction, ProviderSpec, SinkKind, Stream
from shared.errors import PermanentError
from shared.ports.provider import (
    CheckResult,
    Connection,
    ConnectRequest,
    ProviderDefinition,
    PushResult,
)

TOYS = "toys"
LIMIT = 4
ID = re.compile(r"t-\d+")
WRITABLE = ("name", "price")

SPEC = ProviderSpec(
    slug="toy",
    name="Toybox",
    description="Toys become initiatives of LinkHub.",
    categories=("Toys",),
    directions=(Direction.IMPORT, Direction.EXPORT, Direction.BIDIRECTIONAL),
    sink=SinkKind.LINKHUB,
    auth_type=AuthType.API_KEY,
    api_key_label="Key of the box",
    docs_url="https://docs.toybox.test",
)


class ToyConnection:
    """One box of toys."""

    def __init__(self, request: ConnectRequest) -> None:
        from shared.http.auth import BearerAuth, token_source
        from shared.http.client import HttpClient

        self._http = HttpClient(
            name="Toybox",
            base_url=request.options["base_url"],
            auth=BearerAuth(token_source(request)),
            sleep=request.sleep,
            interactive=request.interactive,
            allow_private_hosts=request.allow_private_hosts,
            transport=request.transport,
            secrets=tuple(request.credentials.values.values()),
        )

    def check(self) -> CheckResult:
        """Ask whose box it is."""
        box = self._http.get_json("/box")
        return CheckResult(account=box["id"], label=f"Toybox {box['id']}")

    def discover(self) -> Sequence[Stream]:
        """Return the one stream."""
        self._http.get_json("/box")
        names = ("id", *WRITABLE)
        fields = tuple(Field(name=name, label=name, type=FieldType.STRING) for name in names)
        return (Stream(name=TOYS, label="Toys", fields=fields),)

    def read(self, scope: str, checkpoint: Checkpoint | None) -> Iterator[Page]:
        """Yield the toys by id, or what changed after the watermark."""
        from shared.http.paginators import Paginator

        _require_toys(scope)
        resume, mark = _position(checkpoint)
        paginator = Paginator("next", token=resume.get("next"))
        path = "/toys" if resume.get("mark", mark) is None else "/changes"
        since = resume.get("mark", mark)
        end = resume.get("end")
        while not paginator.is_done:
            params: dict[str, str | int] = {"limit": LIMIT}
            if paginator.token is not None:
                params["after"] = paginator.token
            if since is not None:
                params["since"] = since
            answer = self._http.get_json(path, params=params)
            end = answer["end"] if end is None else end
            token = paginator.advance(answer)
            changes = [_change(item) for item in answer["items"]]
            if token is None:
                total = {TOYS: answer["total"]} if since is None else {}
                yield Page(changes=changes, checkpoint=Checkpoint(watermark=end), totals=total)
            else:
                place = {"next": token, "end": end, "mark": since}
                yield Page(changes=changes, checkpoint=Checkpoint(resume=place, watermark=mark))

    def get(self, stream: str, keys: Sequence[str]) -> Sequence[Change]:
        """Return what each key names now."""
        _require_toys(stream)
        found = ((key, self._find(key)) for key in keys)
        return [Delete(TOYS, key) if toy is None else _change(toy) for key, toy in found]

    def push(self, stream: str, changes: Sequence[Change]) -> Iterator[PushResult]:
        """Yield what became of each change."""
        _require_toys(stream)
        return (self._push(change) for change in changes)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _push(self, change: Change) -> PushResult:
        if isinstance(change, Truncate):
            raise PermanentError("A Toybox cannot be emptied by a sync.")
        known = ID.fullmatch(change.key)
        found = self._find(change.key) if known else self._created_by(change.key)
        if isinstance(change, Delete):
            if found is None:
                return _result(change.key, change.key, "unchanged")
            self._http.request("DELETE", f"/toys/{found['id']}", ok={204, 404})
            return _result(change.key, found["id"], "deleted")
        wanted = {name: change.record[name] for name in WRITABLE if name in change.record}
        if found is None and known:
            problem = RecordProblem(stream=TOYS, key=change.key, message="There is no such toy.")
            return PushResult(
                key=change.key, external_id=change.key, outcome="rejected", problem=problem
            )
        if found is None:
            made = self._http.request_json("POST", "/toys", json={"ref": change.key, **wanted})
            return _result(change.key, made["id"], "created")
        if wanted.items() <= found.items():
            return _result(change.key, found["id"], "unchanged")
        self._http.request("PUT", f"/toys/{found['id']}", json=wanted)
        return _result(change.key, found["id"], "updated")

    def _find(self, key: str) -> Mapping[str, Any] | None:
        if not ID.fullmatch(key):
            return None
        answer = self._http.request("GET", f"/toys/{key}", ok={200, 404})
        found: Mapping[str, Any] | None = answer.json() if answer.is_success else None
        return found

    def _created_by(self, ref: str) -> Mapping[str, Any] | None:
        """Return what an earlier attempt made, whose answer was lost."""
        items = self._http.get_json("/toys", params={"ref": ref})["items"]
        return items[0] if items else None


def _position(checkpoint: Checkpoint | None) -> tuple[Mapping[str, Any], Any]:
    if checkpoint is None:
        return {}, None
    return checkpoint.resume or {}, checkpoint.watermark


def _change(item: Mapping[str, Any]) -> Change:
    key = item["id"]
    if item.get("gone"):
        return Delete(TOYS, key)
    return Upsert(TOYS, key, {name: item[name] for name in ("id", *WRITABLE)})


def _result(key: str, external_id: str, outcome: str) -> PushResult:
    return PushResult(key=key, external_id=external_id, outcome=outcome)


def _require_toys(stream: str) -> None:
    if stream != TOYS:
        raise PermanentError(f"Toybox has {TOYS!r}, not {stream!r}.")


def connect(request: ConnectRequest) -> Connection:
    """Return an opened box; nothing is sent yet."""
    return ToyConnection(request)


PROVIDER = ProviderDefinition(
    spec=SPEC,
    connect=connect,
    platform=(PlatformOption(name="base_url", default="https://api.toybox.test", is_url=True),),
    default_mappings=(
        FieldMapping(stream=TOYS, external_field="name", entity="initiatives", field="name"),
        FieldMapping(
            stream=TOYS,
            external_field="id",
            entity="initiatives",
            field="status",
            transform={"type": "constant", "value": "ON_TIME"},
        ),
    ),
)
