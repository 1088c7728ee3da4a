"""What a run into LinkHub keeps in the app's database: links, checkpoints, what a read has seen.

Every write is fenced by the run id: once another run owns the job, nothing more is stored.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.domain.checkpoints import Checkpoint, Mode, SavedCheckpoint, Stage
from shared.domain.links import VALUES, RecordLink
from shared.domain.providers import Direction
from shared.domain.tallies import Tally
from shared.engine.batches import RecordKey
from shared.errors import LeaseLostError
from shared.sinks.linkhub.enumeration import FullRead
from shared.sinks.linkhub.journal import PENDING, note_scope

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork

Links = Mapping[RecordKey, RecordLink]

_SEEN = "seen"
"""Under this name the checkpoint's row tells which records a full read has seen."""


class Ledger:
    """One run's books. What was `put` or `see`n counts with the next `save`, or not at all."""

    def __init__(
        self,
        *,
        open_uow: Callable[..., AbstractContextManager[UnitOfWork]],
        instance_id: str,
        job_id: str,
        run_id: str,
        lease_until: Callable[[], datetime],
        now: Callable[[], datetime],
        keeps_checkpoints: bool = True,
    ) -> None:
        self._open_uow = open_uow
        self._instance_id = instance_id
        self._job_id = job_id
        self._run_id = run_id
        self._lease_until = lease_until
        self.now = now
        self._keeps_checkpoints = keeps_checkpoints
        self.place = ""
        self._written: dict[RecordKey, RecordLink] = {}
        self._seen: dict[RecordKey, RecordLink | None] = {}
        self._acts: list[Callable[[UnitOfWork], None]] = []
        self._reads: dict[str, FullRead] = {}
        self._deleted: dict[str, int] = {}
        self._scope = ""
        self._pending: list[Mapping[str, Any]] = []

    def load(self, scope: str) -> SavedCheckpoint | None:
        """Return the scope's checkpoint, None where it was never read.

        Where no checkpoints are kept it is that of a read of changes which begins now.
        """
        if not self._keeps_checkpoints:
            return SavedCheckpoint(
                checkpoint=Checkpoint(),
                fingerprint="",
                mode=Mode.INCREMENTAL,
                stage=Stage.READING,
                job_id=self._job_id,
                tally=Tally(),
            )
        data = self._data(scope)
        if data is None:
            return None
        saved = SavedCheckpoint.from_json(data)
        if saved.job_id == self._job_id:
            self._deleted[scope] = saved.tally.deleted
        return saved

    def pending(self, scope: str) -> Sequence[Mapping[str, Any]]:
        """Return the calls an earlier run was about to make, as JSON."""
        data = self._data(scope) if self._keeps_checkpoints else None
        return () if data is None else data.get(PENDING, ())

    def expect(self, call: Mapping[str, Any]) -> None:
        """Store, for good, a call that is about to be made."""
        if not self._keeps_checkpoints:
            return
        self._pending.append(call)
        with self.writing() as uow:
            data = uow.checkpoints.get(self._instance_id, self._scope, Direction.IMPORT) or {}
            data = {**data, PENDING: self._pending}
            uow.checkpoints.save(
                self._instance_id, self._scope, Direction.IMPORT, data, now=self.now()
            )
            uow.commit()

    def begin(
        self, scope: str, saved: SavedCheckpoint, *, links: Iterable[RecordLink] = ()
    ) -> None:
        """Take the scope for this run: it stands where `saved` says, and `links` hold.

        How it stood before the job is in the journal from then on.
        """
        self.forget()
        self._scope = scope
        for link in links:
            self.put(link)
        if saved.mode is Mode.FULL:
            data = self._data(scope)
            self._reads[scope] = FullRead.opened(saved, data and data.get(_SEEN))
        self._save(scope, saved, begins=True)

    def find_links(self, keys: Iterable[RecordKey]) -> Links:
        """Return the links of these records, those not saved yet included.

        Raise LeaseLostError where the job is another run's by now.
        """
        wanted: dict[str, list[str]] = defaultdict(list)
        for stream, key in keys:
            wanted[stream].append(key)
        with self.reading() as uow:
            found = {
                (stream, key): link
                for stream, ids in wanted.items()
                for key, link in uow.links.get_many(self._instance_id, stream, ids).items()
            }
        return found | self._written

    def find_owners(self, keys: Iterable[str]) -> Mapping[str, RecordLink]:
        """Return the live links of values by the natural keys LinkHub knows them by."""
        wanted = frozenset(keys)
        if not wanted:
            return {}
        with self.reading() as uow:
            owners = uow.links.find_by_keys(self._instance_id, VALUES, wanted)
        found = {
            key: link
            for key, link in owners.items()
            if (link.stream, link.external_id) not in self._written
        }
        for link in self._written.values():
            if link.linkhub_key in wanted and link.deleted_at is None:
                found[link.linkhub_key] = link
        return found

    def put(self, link: RecordLink) -> None:
        """Keep a link, in place of the one its record had."""
        self._written[link.stream, link.external_id] = link

    def also(self, act: Callable[[UnitOfWork], None]) -> None:
        """Have something done in the transaction that stores what was put."""
        self._acts.append(act)

    def leave_to_export(self, entity: str, linkhub_id: str) -> None:
        """Have the next export look at a record, whether or not it has changed in LinkHub."""

        def act(uow: UnitOfWork) -> None:
            data = uow.checkpoints.get(self._instance_id, entity, Direction.EXPORT)
            if data is None or linkhub_id in data.get("retry", ()):
                return  # a first export looks at everything
            data = {**data, "retry": [*data.get("retry", ()), linkhub_id]}
            uow.checkpoints.save(self._instance_id, entity, Direction.EXPORT, data, now=self.now())

        self.also(act)

    def drop(self, records: Iterable[RecordKey]) -> None:
        """Forget the links that were put for these records since the last save."""
        for record in records:
            self._written.pop(record, None)

    def is_put(self, record: RecordKey) -> bool:
        """Whether the record's link was put since the last save."""
        return record in self._written

    def see(self, keys: Iterable[RecordKey], links: Links) -> None:
        """Note that the source showed these records, whatever became of them."""
        for key in keys:
            self._seen[key] = links.get(key)

    def save(self, scope: str, saved: SavedCheckpoint) -> None:
        """Store what was put and seen, and the checkpoint, in one transaction."""
        self._save(scope, saved, begins=False)

    def _save(self, scope: str, saved: SavedCheckpoint, *, begins: bool) -> None:
        read = self._reads.get(scope) if saved.mode is Mode.FULL else None
        data = saved.to_json()
        with self.writing() as uow:
            if read is not None:
                self._save_seen(uow, read)
                data[_SEEN] = read.to_json()
            self._save_links(uow, read)
            for act in self._acts:
                act(uow)
            if self._keeps_checkpoints:
                self._save_checkpoint(uow, scope, data, begins=begins)
            uow.commit()
        self._deleted[scope] = saved.tally.deleted
        self.forget()
        stood = json.dumps([scope, data], sort_keys=True).encode()
        self.place = hashlib.sha256(stood).hexdigest()

    def forget(self) -> None:
        """Drop what was put and seen and not saved."""
        self._written.clear()
        self._seen.clear()
        self._acts.clear()
        self._pending.clear()

    def count_live(self) -> int:
        """Return how many records of the instance LinkHub had when the job began, or has made
        since.
        """
        with self.reading() as uow:
            return uow.links.count_live(self._instance_id) + self.deleted

    @property
    def deleted(self) -> int:
        """How many records this job has deleted so far."""
        return sum(self._deleted.values())

    def count_unseen(self, scope: str, stream: str, total: int) -> int:
        """Return how many live records of a stream are proven gone from the source.

        None are unless the scope's full read has seen exactly the `total` the source counted.
        """
        read = self._reads.get(scope)
        unlinked = None if read is None else read.count_unlinked(stream)
        if read is None or unlinked is None:
            return 0
        with self.reading() as uow:
            seen = uow.links.count_seen(self._instance_id, stream, job_id=read.job_id)
            if seen + unlinked != total:
                return 0
            return uow.links.count_unseen(self._instance_id, stream, job_id=read.job_id)

    def list_unseen(
        self, scope: str, stream: str, *, after: str, limit: int
    ) -> Sequence[RecordLink]:
        """Return some of them, the first whose external id comes after `after`."""
        job_id = self._reads[scope].job_id
        with self.reading() as uow:
            return uow.links.list_unseen(
                self._instance_id, stream, job_id=job_id, after=after, limit=limit
            )

    @contextmanager
    def reading(self) -> Iterator[UnitOfWork]:
        """Open a unit of work to read from; LeaseLostError where the job is another run's."""
        with self._open_uow(read_only=True) as uow:
            if uow.jobs.get(self._job_id).run_id != self._run_id:
                raise LeaseLostError("Another run has taken this job; this one writes no more.")
            yield uow

    @contextmanager
    def writing(self) -> Iterator[UnitOfWork]:
        """Open a unit of work that can only commit while the job is this run's."""
        with self._open_uow() as uow:
            uow.jobs.renew_lease(self._job_id, self._run_id, until=self._lease_until())
            yield uow

    def _data(self, scope: str) -> dict[str, Any] | None:
        with self._open_uow(read_only=True) as uow:
            return uow.checkpoints.get(self._instance_id, scope, Direction.IMPORT)

    def _save_checkpoint(
        self, uow: UnitOfWork, scope: str, data: dict[str, Any], *, begins: bool
    ) -> None:
        now = self.now()
        if begins:
            note_scope(
                uow, instance_id=self._instance_id, job_id=self._job_id, scope=scope, now=now
            )
        uow.checkpoints.save(self._instance_id, scope, Direction.IMPORT, data, now=now)

    def _save_links(self, uow: UnitOfWork, read: FullRead | None) -> None:
        gone: dict[str, list[str]] = defaultdict(list)
        kept: list[RecordLink] = []
        for key, link in self._written.items():
            if link.deleted_at is not None:
                gone[link.stream].append(link.external_id)
            elif read is not None and key in self._seen:
                kept.append(replace(link, seen_job_id=read.job_id))
            else:
                kept.append(link)
        uow.links.save_many(kept)
        for stream, ids in gone.items():
            uow.links.mark_deleted(self._instance_id, stream, ids, now=self.now())

    def _save_seen(self, uow: UnitOfWork, read: FullRead) -> None:
        """Mark the records whose links stay as they are; note those that have none."""
        linked: dict[str, list[str]] = defaultdict(list)
        for key, link in self._seen.items():
            present = self._written.get(key, link)
            if present is None or present.deleted_at is not None:
                read.add_unlinked(key)
                continue
            read.discard_unlinked(key)
            if key not in self._written and present.seen_job_id != read.job_id:
                linked[key[0]].append(key[1])
        for stream, ids in linked.items():
            uow.links.mark_seen(self._instance_id, stream, ids, job_id=read.job_id)
