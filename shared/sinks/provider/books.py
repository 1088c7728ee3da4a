"""What an export keeps in the app's database: links, conflicts, its checkpoint and open ends.

Beside the checkpoint two lists are kept. `retry`: LinkHub ids of records that could not be exported
and are shown again next time. `sending`: what is about to be pushed to the provider, written down
before it is sent, so that whoever comes next finds what a run did that died before it knew.
Every write is fenced by the run id.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from shared.domain.checkpoints import SavedCheckpoint
from shared.domain.conflicts import Conflict, ConflictStatus
from shared.domain.links import RecordLink
from shared.domain.providers import Direction
from shared.errors import LeaseLostError
from shared.sinks.linkhub.conflicts import by_link

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork

_SENDING = "sending"

MOST_SETTLED = 1000
"""Conflicts of a kind that one export ends; the rest is the next one's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """A record about to be pushed.

    `external_id` is '' for what is to be created, under LinkHub's id as its key. `record` is None
    for what is to be deleted. `names` are the LinkHub fields that travel. `base` and
    `external_base` are what its link will hold, `replaces` the external id of the deleted record
    it stands for, '' where LinkHub's record was never linked.
    """

    linkhub_id: str
    stream: str
    external_id: str = ""
    record: Mapping[str, Any] | None
    names: Sequence[str] = ()
    base: Mapping[str, Any]
    external_base: Mapping[str, Any]
    replaces: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` turns back into an equal value."""
        return {
            "id": self.linkhub_id,
            "stream": self.stream,
            "externalId": self.external_id,
            "record": None if self.record is None else dict(self.record),
            "names": list(self.names),
            "base": dict(self.base),
            "externalBase": dict(self.external_base),
            "replaces": self.replaces,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the value `to_json` described."""
        return cls(
            linkhub_id=data["id"],
            stream=data["stream"],
            external_id=data["externalId"],
            record=data["record"],
            names=data["names"],
            base=data["base"],
            external_base=data["externalBase"],
            replaces=data["replaces"],
        )


@dataclass(slots=True, kw_only=True)
class Found:
    """What is known of a page's records: links by LinkHub id, conflicts by link id."""

    links: Mapping[str, RecordLink] = field(default_factory=dict)
    settled: Mapping[str, Sequence[Conflict]] = field(default_factory=dict)
    open: Mapping[str, Sequence[Conflict]] = field(default_factory=dict)


class Books:
    """One run's books. What was put counts with the next `save`, or not at all."""

    def __init__(
        self,
        *,
        open_uow: Callable[..., AbstractContextManager[UnitOfWork]],
        instance_id: str,
        job_id: str,
        run_id: str,
        lease_until: Callable[[], datetime],
        now: Callable[[], datetime],
    ) -> None:
        self._open_uow = open_uow
        self._instance_id = instance_id
        self._job_id = job_id
        self._run_id = run_id
        self._lease_until = lease_until
        self.now = now
        self._stored: dict[str, Mapping[str, Any]] = {}
        self._retry: dict[str, dict[str, None]] = {}
        self.deleted: dict[str, int] = {}
        self.forget()

    def load(self, scope: str) -> SavedCheckpoint | None:
        """Return the scope's checkpoint, None where it was never exported."""
        with self._open_uow(read_only=True) as uow:
            data = uow.checkpoints.get(self._instance_id, scope, Direction.EXPORT)
        self._stored[scope] = data or {}
        self._retry[scope] = dict.fromkeys((data or {}).get("retry", ()))
        if not data or "jobId" not in data:
            return None
        saved = SavedCheckpoint.from_json(data)
        if saved.job_id == self._job_id:
            self.deleted[scope] = saved.tally.deleted
        return saved

    def is_to_retry(self, scope: str, linkhub_id: str) -> bool:
        """Whether an earlier export of this record failed."""
        return linkhub_id in self._retry.get(scope, ())

    def to_revisit(self, scope: str, *, asks: bool) -> Sequence[str]:
        """Return the LinkHub ids to show again: of failed exports, and of settled conflicts.

        Of open ones too, unless the policy still `asks` a person about them.
        """
        with self._open_uow(read_only=True) as uow:
            data = uow.checkpoints.get(self._instance_id, scope, Direction.EXPORT) or {}
            found = [*uow.conflicts.list_settled(self._instance_id, limit=MOST_SETTLED)]
            if not asks:
                found += uow.conflicts.list_open(self._instance_id, limit=MOST_SETTLED)
            links = uow.links.get_by_ids(conflict.record_link_id for conflict in found)
        decided = [link.linkhub_id for link in links.values() if link.entity == scope]
        return [*data.get("retry", ()), *decided]

    def find(self, scope: str, linkhub_ids: Iterable[str]) -> Found:
        """Return links and conflicts; raise LeaseLostError where the job is another run's."""
        with self._open_uow(read_only=True) as uow:
            if uow.jobs.get(self._job_id).run_id != self._run_id:
                raise LeaseLostError("Another run has taken this job; this one writes no more.")
            links = uow.links.find_by_linkhub_ids(self._instance_id, scope, linkhub_ids)
            ids = [link.id for link in links.values()]
            return Found(
                links=links,
                settled=by_link(uow.conflicts.settled_for(self._instance_id, ids)),
                open=by_link(uow.conflicts.open_for(self._instance_id, ids)),
            )

    def count_live(self) -> int:
        """Return how many records of the instance were linked when the job began, or since."""
        with self._open_uow(read_only=True) as uow:
            return uow.links.count_live(self._instance_id) + sum(self.deleted.values())

    def count_import_deletes(self, streams: Iterable[str]) -> int:
        """Return how many records the import of the same job has deleted in LinkHub."""
        with self._open_uow(read_only=True) as uow:
            found = [
                uow.checkpoints.get(self._instance_id, stream, Direction.IMPORT)
                for stream in streams
            ]
        read = [SavedCheckpoint.from_json(data) for data in found if data]
        return sum(saved.tally.deleted for saved in read if saved.job_id == self._job_id)

    def sendings(self, scope: str) -> Sequence[Sending]:
        """Return what an earlier run was about to push and may have pushed."""
        self.load(scope)
        return [Sending.from_json(each) for each in self._stored[scope].get(_SENDING, ())]

    def note_sendings(self, scope: str, sendings: Sequence[Sending]) -> None:
        """Write down, for good, what is about to be pushed."""
        data = {**self._stored[scope], _SENDING: [each.to_json() for each in sendings]}
        with self.writing() as uow:
            uow.checkpoints.save(self._instance_id, scope, Direction.EXPORT, data, now=self.now())
            uow.commit()
        self._stored[scope] = data

    def put_link(self, link: RecordLink) -> None:
        """Keep a link, in place of the one its external record had."""
        self._links[link.stream, link.external_id] = link

    def put_conflicts(
        self, found: Iterable[Conflict], *, done: Iterable[str], obsolete: Iterable[str]
    ) -> None:
        """Keep conflicts as open, and the ids of those that are dealt with."""
        self._conflicts += found
        self._done += done
        self._obsolete += obsolete

    def put_outcome(self, scope: str, linkhub_id: str, *, failed: bool) -> None:
        """Note whether a record must be shown again."""
        if failed:
            self._retry[scope][linkhub_id] = None
        else:
            self._retry[scope].pop(linkhub_id, None)

    def save(self, scope: str, saved: SavedCheckpoint | None) -> None:
        """Store what was put and the checkpoint (None: as it is), in one transaction.

        Nothing is being pushed any more then.
        """
        data = dict(self._stored[scope]) if saved is None else saved.to_json()
        data["retry"] = list(self._retry[scope])
        data.pop(_SENDING, None)
        now = self.now()
        with self.writing() as uow:
            self._save_links(uow, now)
            uow.conflicts.record(self._conflicts, now=now)
            uow.conflicts.close(self._done, now=now)
            uow.conflicts.close(self._obsolete, ConflictStatus.OBSOLETE, now=now)
            uow.checkpoints.save(self._instance_id, scope, Direction.EXPORT, data, now=now)
            uow.commit()
        self._stored[scope] = data
        if saved is not None:
            self.deleted[scope] = saved.tally.deleted
        self.forget()

    def forget(self) -> None:
        """Drop what was put and not saved."""
        self._links: dict[tuple[str, str], RecordLink] = {}
        self._conflicts: list[Conflict] = []
        self._done: list[str] = []
        self._obsolete: list[str] = []

    def _save_links(self, uow: UnitOfWork, now: datetime) -> None:
        gone: dict[str, list[str]] = defaultdict(list)
        for link in self._links.values():
            if link.deleted_at is not None:
                gone[link.stream].append(link.external_id)
        uow.links.save_many([link for link in self._links.values() if link.deleted_at is None])
        for stream, ids in gone.items():
            uow.links.mark_deleted(self._instance_id, stream, ids, now=now)

    @contextmanager
    def writing(self) -> Iterator[UnitOfWork]:
        """Open a unit of work that can only commit while the job is this run's."""
        with self._open_uow() as uow:
            uow.jobs.renew_lease(self._job_id, self._run_id, until=self._lease_until())
            yield uow
