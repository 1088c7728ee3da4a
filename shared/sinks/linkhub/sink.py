"""The sink that writes to LinkHub.

Records go out with `write`, their links and the checkpoint are kept by `commit` in one
transaction. A crash in between repeats the batch: its upserts are idempotent by external key, and
the idempotency key makes LinkHub answer as it did the first time, so that even the counts agree.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from shared.domain.changes import Change, RecordProblem
from shared.domain.checkpoints import SavedCheckpoint
from shared.domain.ids import new_id
from shared.domain.instances import Instance
from shared.domain.links import RecordLink
from shared.domain.mapping import RecordMapper
from shared.domain.providers import Direction
from shared.domain.tallies import Tally
from shared.engine.batches import (
    ReadyRecord,
    RecordKey,
    external_key,
    plan_batch,
    prepare_batch,
)
from shared.errors import LeaseLostError
from shared.ports.sink import FinishResult, WriteResult
from shared.sinks.linkhub.client import LinkHubClient, Rejection, UpsertInput, UpsertResult

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork

T = TypeVar("T")

Links = Mapping[RecordKey, RecordLink]


class LinkHubSink:
    """One job's way into LinkHub (see `shared.ports.sink.Sink`).

    A record is known there by source = the instance's id and external key = "stream/key". What was
    sent last is remembered by its hash, and the same again is counted but not sent. Only records
    this instance has sent are ever deleted; a truncate deletes nothing. Closing it closes `client`.
    """

    batch_size = 500

    def __init__(
        self,
        *,
        client: LinkHubClient,
        open_uow: Callable[..., AbstractContextManager[UnitOfWork]],
        instance: Instance,
        job_id: str,
        run_id: str,
        mapper: RecordMapper,
        lease_until: Callable[[], datetime],
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._open_uow = open_uow
        self._instance_id = instance.id
        self._job_id = job_id
        self._run_id = run_id
        self._mapper = mapper
        self._lease_until = lease_until
        self._now = now
        self._written: dict[RecordKey, RecordLink] = {}
        self._place = ""
        self._writes = 0

    def load(self, scope: str) -> SavedCheckpoint | None:
        """Return the scope's checkpoint, None where it was never read."""
        with self._open_uow(read_only=True) as uow:
            data = uow.checkpoints.get(self._instance_id, scope, Direction.IMPORT)
        return None if data is None else SavedCheckpoint.from_json(data)

    def begin(self, scope: str, saved: SavedCheckpoint) -> None:
        """Take the scope for this run and store where it stands."""
        self._written.clear()
        self._save(scope, saved)

    def write(self, scope: str, changes: Sequence[Change]) -> WriteResult:
        """Send what LinkHub does not have yet; count every record, problems included.

        Raise LeaseLostError, before anything is sent, where the job is another run's by now.
        """
        del scope  # its place is in every idempotency key already
        batch = prepare_batch(changes, self._mapper)
        self._writes += 1
        links = self._find_links([*(ready.key for ready in batch.upserts), *batch.deletes])
        problems = list(batch.problems)
        plan = plan_batch(batch, links)
        unchanged = len(plan.known)
        tally = Tally(error=batch.failed, success=unchanged, unchanged=unchanged)
        for entity, records in _by_entity((ready.record.entity, ready) for ready in plan.new):
            tally += self._upsert(entity, records, links, problems)
        for entity, gone in _by_entity((link.entity, link) for link in plan.gone):
            tally += self._delete(entity, gone)
        return WriteResult(tally=tally, problems=problems)

    def commit(self, scope: str, saved: SavedCheckpoint) -> None:
        """Keep the links of what was written, and the checkpoint, in one transaction."""
        self._save(scope, saved)
        self._written.clear()

    def finish(self, scope: str, saved: SavedCheckpoint, totals: Mapping[str, int]) -> FinishResult:
        """Store the settled checkpoint; LinkHub keeps no staging that would have to be checked."""
        del totals
        self._save(scope, saved)
        return FinishResult()

    def close(self) -> None:
        """Forget what was not committed and close the client."""
        self._written.clear()
        self._client.close()

    def _save(self, scope: str, saved: SavedCheckpoint) -> None:
        data = saved.to_json()
        with self._fenced_uow() as uow:
            gone: dict[str, list[str]] = defaultdict(list)
            for link in self._written.values():
                if link.deleted_at is not None:
                    gone[link.stream].append(link.external_id)
            uow.links.save_many([k for k in self._written.values() if k.deleted_at is None])
            for stream, keys in gone.items():
                uow.links.mark_deleted(self._instance_id, stream, keys, now=self._now())
            uow.checkpoints.save(self._instance_id, scope, Direction.IMPORT, data, now=self._now())
            uow.commit()
        stood = json.dumps([scope, data], sort_keys=True).encode()
        self._place, self._writes = hashlib.sha256(stood).hexdigest(), 0

    @contextmanager
    def _fenced_uow(self) -> Iterator[UnitOfWork]:
        """Open a unit of work that can only commit while the job is this run's."""
        with self._open_uow() as uow:
            uow.jobs.renew_lease(self._job_id, self._run_id, until=self._lease_until())
            yield uow

    def _find_links(self, keys: Iterable[RecordKey]) -> Links:
        """Return the links of these records, written but not committed ones included."""
        wanted: dict[str, list[str]] = defaultdict(list)
        for stream, key in keys:
            wanted[stream].append(key)
        with self._open_uow(read_only=True) as uow:
            if uow.jobs.get(self._job_id).run_id != self._run_id:
                raise LeaseLostError("Another run has taken this job; this one writes no more.")
            found = {
                (stream, key): link
                for stream, ids in wanted.items()
                for key, link in uow.links.get_many(self._instance_id, stream, ids).items()
            }
        return found | self._written

    def _upsert(
        self,
        entity: str,
        records: Sequence[ReadyRecord],
        links: Links,
        problems: list[RecordProblem],
    ) -> Tally:
        results = self._client.upsert(
            entity,
            source=self._instance_id,
            inputs=[UpsertInput(external_key(ready.key), ready.fields) for ready in records],
            salt=f"{self._job_id}|{self._place}|{self._writes}",
        )
        success = unchanged = error = 0
        for ready, result in zip(records, results, strict=True):
            if result.outcome == "rejected":
                error += 1
                problems += _rejections(ready.key, result)
                continue
            success += 1
            unchanged += result.outcome == "unchanged"
            self._written[ready.key] = self._link(ready, result.id, links.get(ready.key))
        return Tally(success=success, unchanged=unchanged, error=error)

    def _link(self, ready: ReadyRecord, linkhub_id: str, old: RecordLink | None) -> RecordLink:
        now = self._now()
        return RecordLink(
            id=old.id if old else new_id(),
            instance_id=self._instance_id,
            stream=ready.record.stream,
            external_id=ready.record.key,
            entity=ready.record.entity,
            linkhub_id=linkhub_id,
            base=ready.record.fields,
            external_etag=old.external_etag if old else "",
            sent_hash=ready.sent_hash,
            created_at=old.created_at if old else now,
            updated_at=now,
        )

    def _delete(self, entity: str, gone: Sequence[RecordLink]) -> Tally:
        results = self._client.delete(
            entity,
            source=self._instance_id,
            external_keys=[external_key((link.stream, link.external_id)) for link in gone],
        )
        for link, _outcome in zip(gone, results, strict=True):
            # what LinkHub did not have any more is as gone as what it deleted now
            deleted = replace(link, deleted_at=self._now())
            self._written[link.stream, link.external_id] = deleted
        return Tally(success=len(gone), deleted=len(gone))


def _by_entity(pairs: Iterable[tuple[str, T]]) -> Iterable[tuple[str, list[T]]]:
    groups: dict[str, list[T]] = defaultdict(list)
    for entity, item in pairs:
        groups[entity].append(item)
    return groups.items()


def _rejections(key: RecordKey, result: UpsertResult) -> Iterator[RecordProblem]:
    stream, external_id = key
    for rejection in result.rejections or (Rejection("", "", "It gave no reason."),):
        yield RecordProblem(
            stream=stream,
            key=external_id,
            field=rejection.field,
            message=f"LinkHub rejected it: {rejection.message}",
        )
