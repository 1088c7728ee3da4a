"""The sink that writes to LinkHub.

Records go out with `write`, their links and the checkpoint are kept by `commit` in one
transaction. A crash in between repeats the batch: its upserts are idempotent by external key, and
the idempotency key makes LinkHub answer as it did the first time, so that even the counts agree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from shared.domain.changes import Change, RecordProblem
from shared.domain.checkpoints import SavedCheckpoint, Stage
from shared.domain.ids import new_id
from shared.domain.instances import Instance
from shared.domain.links import RecordLink
from shared.domain.mapping import RecordMapper
from shared.domain.policies import Policies
from shared.domain.tallies import Tally
from shared.engine.batches import (
    ReadyRecord,
    RecordKey,
    external_key,
    plan_batch,
    prepare_batch,
)
from shared.ports.sink import FinishResult, WriteResult
from shared.sinks.linkhub.client import LinkHubClient, Rejection, UpsertInput, UpsertResult
from shared.sinks.linkhub.guard import DeleteGuard
from shared.sinks.linkhub.ledger import Ledger, Links

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork

T = TypeVar("T")

BATCH_SIZE = 500


class LinkHubSink:
    """One job's way into LinkHub (see `shared.ports.sink.Sink`).

    A record is known there by source = the instance's id and external key = "stream/key". What was
    sent last is remembered by its hash, and the same again is counted but not sent. Only records
    this instance has sent are ever deleted: where a change names one, or where a full read that saw
    as many records of the stream as the source counted did not see it. A truncate deletes nothing.
    More deletes than the instance's policies let pass raise ApprovalNeededError, before anything of
    their page is sent, unless the job is `approved`. Closing it closes `client`.
    """

    batch_size = BATCH_SIZE

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
        approved: bool = False,
    ) -> None:
        self._client = client
        self._instance_id = instance.id
        self._job_id = job_id
        self._mapper = mapper
        self._now = now
        self._ledger = Ledger(
            open_uow=open_uow,
            instance_id=instance.id,
            job_id=job_id,
            run_id=run_id,
            lease_until=lease_until,
            now=now,
        )
        self._guard = DeleteGuard(
            percent=Policies.from_json(instance.policies).delete_approval_percent,
            approved=approved,
            count_live=self._ledger.count_live,
        )
        self._writes = 0

    def load(self, scope: str) -> SavedCheckpoint | None:
        """Return the scope's checkpoint, None where it was never read."""
        return self._ledger.load(scope)

    def begin(self, scope: str, saved: SavedCheckpoint) -> None:
        """Take the scope for this run and store where it stands."""
        self._ledger.begin(scope, saved)
        self._writes = 0

    def write(self, scope: str, changes: Sequence[Change]) -> WriteResult:
        """Send what LinkHub does not have yet; count every record, problems included.

        Raise LeaseLostError, before anything is sent, where the job is another run's by now, and
        ApprovalNeededError where it would delete too much.
        """
        del scope  # its place is in every idempotency key already
        batch = prepare_batch(changes, self._mapper)
        self._writes += 1
        shown = [*(ready.key for ready in batch.upserts), *_failed(batch.problems)]
        links = self._ledger.find_links([*shown, *batch.deletes])
        problems = list(batch.problems)
        plan = plan_batch(batch, links)
        self._guard.check(len(plan.gone), deleted=self._ledger.deleted)
        self._ledger.see(shown, links)
        unchanged = len(plan.known)
        tally = Tally(error=batch.failed, success=unchanged, unchanged=unchanged)
        for entity, records in _by_entity((ready.record.entity, ready) for ready in plan.new):
            tally += self._upsert(entity, records, links, problems)
        tally += self._delete(plan.gone)
        return WriteResult(tally=tally, problems=problems)

    def commit(self, scope: str, saved: SavedCheckpoint) -> None:
        """Keep the links of what was written, and the checkpoint, in one transaction."""
        self._ledger.save(scope, saved)
        self._writes = 0

    def finish(self, scope: str, saved: SavedCheckpoint, totals: Mapping[str, int]) -> FinishResult:
        """Delete what a full read has proven gone, and store the settled checkpoint.

        A stream is complete where its total equals the records seen and the source could hand all
        of them over. Raise ApprovalNeededError, before anything is deleted, where that is too much.
        """
        stored = self._ledger.load(scope)
        if stored is not None and stored.stage is Stage.FINISHED and stored.job_id == saved.job_id:
            return FinishResult()
        gone = {
            stream: self._ledger.count_unseen(scope, stream, total)
            for stream, total in totals.items()
            if stream not in saved.unread
        }
        self._guard.check(sum(gone.values()), deleted=self._ledger.deleted)
        tally = Tally()
        for stream in (stream for stream, count in gone.items() if count):
            for unseen in self._unseen(scope, stream):
                tally += self._delete(unseen)
                so_far = replace(saved, stage=Stage.READ, tally=saved.tally + tally)
                self._ledger.save(scope, so_far)
        self._ledger.save(scope, replace(saved, tally=saved.tally + tally))
        return FinishResult(tally=tally)

    def close(self) -> None:
        """Forget what was not committed and close the client."""
        self._ledger.forget()
        self._client.close()

    def _unseen(self, scope: str, stream: str) -> Iterator[Sequence[RecordLink]]:
        """Yield what a full read has not seen of a stream, some at a time."""
        after = ""
        while True:
            links = self._ledger.list_unseen(scope, stream, after=after, limit=BATCH_SIZE)
            if not links:
                return
            yield links
            after = links[-1].external_id

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
            salt=f"{self._job_id}|{self._ledger.place}|{self._writes}",
        )
        success = unchanged = error = 0
        for ready, result in zip(records, results, strict=True):
            if result.outcome == "rejected":
                error += 1
                problems += _rejections(ready.key, result)
                continue
            success += 1
            unchanged += result.outcome == "unchanged"
            self._ledger.put(self._link(ready, result.id, links.get(ready.key)))
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

    def _delete(self, gone: Sequence[RecordLink]) -> Tally:
        for entity, links in _by_entity((link.entity, link) for link in gone):
            results = self._client.delete(
                entity,
                source=self._instance_id,
                external_keys=[external_key((link.stream, link.external_id)) for link in links],
            )
            for link, _outcome in zip(links, results, strict=True):
                # what LinkHub did not have any more is as gone as what it deleted now
                self._ledger.put(replace(link, deleted_at=self._now()))
        return Tally(success=len(gone), deleted=len(gone))


def _by_entity(pairs: Iterable[tuple[str, T]]) -> Iterable[tuple[str, list[T]]]:
    groups: dict[str, list[T]] = defaultdict(list)
    for entity, item in pairs:
        groups[entity].append(item)
    return groups.items()


def _failed(problems: Iterable[RecordProblem]) -> Iterable[RecordKey]:
    """Return the records that cannot be written: the source has them all the same."""
    return dict.fromkeys((problem.stream, problem.key) for problem in problems)


def _rejections(key: RecordKey, result: UpsertResult) -> Iterator[RecordProblem]:
    stream, external_id = key
    for rejection in result.rejections or (Rejection("", "", "It gave no reason."),):
        yield RecordProblem(
            stream=stream,
            key=external_id,
            field=rejection.field,
            message=f"LinkHub rejected it: {rejection.message}",
        )
