"""A small application with tickets: ids, versions, times of change and a list of changes.

It keeps what it is given its own way: titles lose needless space, days become instants, numbers
their shortest form, an absent stage is "new". Its adapter keeps the contract of
`shared.ports.provider` to the letter and calls the application through a `Gate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from shared.domain.changes import Change, Delete, Page, RecordProblem, Truncate, Upsert
from shared.domain.checkpoints import Checkpoint
from shared.domain.fields import Field, FieldType, Option
from shared.domain.mapping import FieldMapping
from shared.domain.providers import AuthType, Direction, ProviderSpec, SinkKind, Stream
from shared.ports.provider import CheckResult, PushResult

T = TypeVar("T")

TICKETS = "tickets"
STAGES = ("new", "open", "won", "lost")
_STATUS = {"new": "ON_TIME", "open": "ON_TIME", "won": "FINISHED", "lost": "LATE"}
STREAM = Stream(
    name=TICKETS,
    label="Tickets",
    fields=(
        Field(name="title", label="Title", type=FieldType.STRING, required=True),
        Field(name="notes", label="Notes", type=FieldType.STRING),
        Field(
            name="stage",
            label="Stage",
            type=FieldType.ENUMERATION,
            options=tuple(Option(value=stage, label=stage) for stage in STAGES),
        ),
        Field(name="amount", label="Amount", type=FieldType.DECIMAL, scale=3),
        Field(name="due", label="Due", type=FieldType.DATETIME),
        Field(name="score", label="Score", type=FieldType.INTEGER, read_only=True),
        Field(name="born", label="Born", type=FieldType.STRING),
        Field(name="etag", label="Version", type=FieldType.STRING, read_only=True),
        Field(name="modified", label="Changed", type=FieldType.DATETIME, read_only=True),
    ),
)
SPEC = ProviderSpec(
    slug="remote",
    name="Remote",
    description="Tickets.",
    categories=("tests",),
    directions=(Direction.IMPORT, Direction.EXPORT, Direction.BIDIRECTIONAL),
    sink=SinkKind.LINKHUB,
    auth_type=AuthType.API_KEY,
    docs_url="https://docs.test",
)


def _rule(external: str, name: str, transform: Mapping[str, Any] | None = None) -> FieldMapping:
    return FieldMapping(
        stream=TICKETS,
        external_field=external,
        entity="initiatives",
        field=name,
        transform=transform,
    )


MAPPINGS = (
    _rule("title", "name"),
    _rule("notes", "description"),
    _rule("stage", "status", {"type": "value_map", "values": _STATUS}),
    _rule("amount", "budget", {"type": "decimal", "scale": 2, "rounding": "half_up"}),
    _rule("due", "end_date", {"type": "date"}),
    _rule("score", "progress"),
    _rule("born", "owner"),
)


class Gate(Protocol):
    """What every call to the application passes."""

    def __call__(self, name: str, act: Callable[[], T], /) -> T: ...


@dataclass(slots=True)
class Row:
    """A ticket; `touched` says in which version each field was changed last."""

    id: str
    fields: dict[str, Any]
    changed_at: datetime
    sequence: int
    version: int = 1
    deleted: bool = False
    made_for: str = ""
    touched: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            **self.fields,
            "etag": f"v{self.version}",
            "modified": self.changed_at.isoformat(timespec="milliseconds"),
        }


class Remote:
    """The application. Every change has a place in its list of changes."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.rows: dict[str, Row] = {}
        self.sequence = 0

    def create(self, made_for: str = "", **fields: Any) -> str:
        id_ = str(len(self.rows) + 1)
        kept = {"stage": "new", **_kept(fields)}
        self.rows[id_] = Row(id_, kept, self._clock(), self._next(), made_for=made_for)
        return id_

    def edit(self, id_: str, **fields: Any) -> bool:
        """Change a ticket; return whether anything is other than before."""
        row = self.rows[id_]
        new = {
            name: value for name, value in _kept(fields).items() if row.fields.get(name) != value
        }
        if new:
            self._touch(row)
            row.fields |= new
            row.touched |= dict.fromkeys(new, row.version)
        return bool(new)

    def set_deleted(self, id_: str, *, deleted: bool) -> None:
        row = self.rows[id_]
        if row.deleted is not deleted:
            self._touch(row)
            row.deleted = deleted

    def live(self) -> Sequence[Row]:
        return [row for row in self.rows.values() if not row.deleted]

    def find_made_for(self, key: str) -> Row | None:
        return next((row for row in self.live() if row.made_for == key), None)

    def _touch(self, row: Row) -> None:
        row.version += 1
        row.changed_at, row.sequence = self._clock(), self._next()

    def _next(self) -> int:
        self.sequence += 1
        return self.sequence


def _kept(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as the application keeps them."""
    kept = dict(fields)
    if kept.get("title"):
        kept["title"] = " ".join(kept["title"].split())
    if kept.get("amount") is not None:
        kept["amount"] = format(Decimal(kept["amount"]).normalize(), "f")
    if kept.get("due") and "T" not in kept["due"]:
        kept["due"] += "T00:00:00Z"
    return kept


class RemoteConnection:
    """The application's adapter; `page_size` records a page."""

    def __init__(self, remote: Remote, gate: Gate, *, page_size: int) -> None:
        self._remote = remote
        self._gate = gate
        self._size = page_size

    def check(self) -> CheckResult:
        return CheckResult(account="remote", label="Remote")

    def discover(self) -> Sequence[Stream]:
        return self._gate("discover", lambda: [STREAM])

    def read(self, scope: str, checkpoint: Checkpoint | None) -> Iterator[Page]:
        if checkpoint is None:
            place = {"after": 0, "mark": self._remote.sequence, "full": True}
        elif checkpoint.resume is None:
            place = {"after": checkpoint.watermark, "full": False}
        else:
            place = checkpoint.resume
        while True:
            look = self._enumerate if place["full"] else self._list_changes
            page = self._gate("read", lambda look=look, place=place: look(scope, place))  # type: ignore[misc]
            yield page
            if page.checkpoint.resume is None:
                return
            place = page.checkpoint.resume

    def _enumerate(self, scope: str, place: Mapping[str, Any]) -> Page:
        """Return tickets by id; what changes meanwhile is in the next list of changes."""
        live = self._remote.live()
        left = [row for row in live if int(row.id) > place["after"]]
        shown = left[: self._size]
        is_last = len(shown) == len(left)
        resume = None if is_last else {**place, "after": int(shown[-1].id)}
        return Page(
            changes=[Upsert(scope, row.id, row.to_json()) for row in shown],
            checkpoint=Checkpoint(resume=resume, watermark=place["mark"] if is_last else None),
            totals={scope: len(live)} if is_last else {},
        )

    def _list_changes(self, scope: str, place: Mapping[str, Any]) -> Page:
        rows = sorted(self._remote.rows.values(), key=lambda row: row.sequence)
        left = [row for row in rows if row.sequence > place["after"]]
        shown = left[: self._size]
        is_last = len(shown) == len(left)
        after = shown[-1].sequence if shown else place["after"]
        return Page(
            changes=[
                Delete(scope, row.id) if row.deleted else Upsert(scope, row.id, row.to_json())
                for row in shown
            ],
            checkpoint=Checkpoint(
                resume=None if is_last else {**place, "after": after},
                watermark=after if is_last else None,
            ),
        )

    def get(self, stream: str, keys: Sequence[str]) -> Sequence[Change]:
        def look() -> Sequence[Change]:
            rows = [(key, self._remote.rows.get(key)) for key in keys]
            return [
                Delete(stream, key)
                if row is None or row.deleted
                else Upsert(stream, key, row.to_json())
                for key, row in rows
            ]

        return self._gate("get", look)

    def push(self, stream: str, changes: Sequence[Change]) -> Iterator[PushResult]:
        """Each change is a request of its own, so that a run can end between any two."""
        for change in changes:
            assert not isinstance(change, Truncate)
            yield self._gate("push", lambda change=change: self._push(stream, change))  # type: ignore[misc]

    def close(self) -> None:
        """Release nothing."""

    def _push(self, stream: str, change: Upsert | Delete) -> PushResult:
        remote, key = self._remote, change.key
        row = remote.rows.get(key) if key.isdigit() else remote.find_made_for(key)
        if isinstance(change, Delete):
            is_there = row is not None and not row.deleted
            if row is not None:
                remote.set_deleted(row.id, deleted=True)
            return PushResult(
                key=key, external_id=key, outcome="deleted" if is_there else "unchanged"
            )
        fields = {name: value for name, value in change.record.items() if name != "etag"}
        if row is None and not key.isdigit():
            id_ = remote.create(made_for=key, **fields)
            return PushResult(key=key, external_id=id_, outcome="created", etag="v1")
        if row is not None and row.made_for == key:
            return PushResult(key=key, external_id=row.id, outcome="unchanged")
        if row is None or row.deleted:
            return _rejected(stream, key, "", "There is no such ticket any more.")
        seen = int(str(change.record.get("etag", f"v{row.version}"))[1:])
        for name, value in _kept(fields).items():
            if row.touched.get(name, 0) > seen and row.fields.get(name) != value:
                return _rejected(stream, key, name, "Somebody else has changed it meanwhile.")
        outcome = "updated" if remote.edit(row.id, **fields) else "unchanged"
        return PushResult(key=key, external_id=row.id, outcome=outcome, etag=f"v{row.version}")


def _rejected(stream: str, key: str, name: str, message: str) -> PushResult:
    problem = RecordProblem(stream=stream, key=key, field=name, message=message)
    return PushResult(key=key, external_id=key, outcome="rejected", problem=problem)
