"""The sink that writes to LinkHub.

Records go out with `write`, their links and the checkpoint are kept by `commit` in one
transaction. A crash in between repeats the batch: its upserts are idempotent by external key, and
the idempotency key makes LinkHub answer as it did the first time, so that even the counts agree.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from shared.domain.changes import Change, RecordProblem
from shared.domain.checkpoints import SavedCheckpoint, Stage
from shared.domain.instances import Instance
from shared.domain.links import RecordLink
from shared.domain.mapping import RecordMapper
from shared.domain.policies import Policies
from shared.domain.tallies import Tally
from shared.engine.batches import ReadyRecord, RecordKey, WritePlan, plan_batch, prepare_batch
from shared.ports.sink import FinishResult, NoteStep, WriteResult
from shared.sinks.linkhub.client import VERSION_CONFLICT, LinkHubClient
from shared.sinks.linkhub.guard import DeleteGuard
from shared.sinks.linkhub.intents import (
    by_entity,
    delete_of,
    failed_records,
    input_of,
    kept_places,
    link_of,
    moves_of,
    rejections_of,
    upsert_of,
)
from shared.sinks.linkhub.journal import ChangeJournal, EntityKey, Intent
from shared.sinks.linkhub.keys import KeyPlan, plan_keys, wanted_keys, without_refused
from shared.sinks.linkhub.ledger import Ledger, Links
from shared.sinks.linkhub.pending import Pending, carried_out
from shared.sinks.linkhub.undo import TakeBack

if TYPE_CHECKING:
    from shared.domain.sync_rules import SyncRules
    from shared.sinks.linkhub.merged import Merged
    from shared.sinks.linkhub.merging import ImportMerger
    from shared.store.unit_of_work import UnitOfWork

T = TypeVar("T")

BATCH_SIZE = 500


class LinkHubSink:
    """One job's way into LinkHub (see `shared.ports.sink.Sink`).

    A record is known there by source = the instance's id and an external key: "stream/key", and for
    values "date/indicator". What was sent last is remembered by its hash, and the same again is
    counted but not sent. Every write is in the job's journal before it is sent. Only records
    this instance has sent are ever deleted: where a change names one, or where a full read that saw
    as many records of the stream as the source counted did not see it. A truncate deletes nothing.
    More deletes than the instance's policies let pass raise ApprovalNeededError, before anything of
    their page is sent, where they go beyond `approved_deletes`. Without `keeps_checkpoints` only
    links move: what is written is no part of a read. With `rules`, of a sync both ways, what people
    changed in LinkHub is not written over. Closing it closes `client`.
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
        approved_deletes: int = 0,
        keeps_checkpoints: bool = True,
        rules: SyncRules | None = None,
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
            keeps_checkpoints=keeps_checkpoints,
        )
        self._journal = ChangeJournal(
            ledger=self._ledger, client=client, instance_id=instance.id, job_id=job_id
        )
        self._guard = DeleteGuard(
            percent=Policies.from_json(instance.policies).delete_approval_percent,
            approved=approved_deletes,
            count_live=self._ledger.count_live,
        )
        self._writes = 0
        self._again: set[RecordKey] = set()
        self._merger: ImportMerger | None = None
        if rules is not None:
            from shared.sinks.linkhub.merging import ImportMerger

            self._merger = ImportMerger(
                client=client, ledger=self._ledger, instance=instance, rules=rules, now=now
            )

    def load(self, scope: str) -> SavedCheckpoint | None:
        """Return the scope's checkpoint, None where it was never read."""
        return self._ledger.load(scope)

    def begin(self, scope: str, saved: SavedCheckpoint) -> None:
        """Take the scope for this run and store where it stands.

        In a sync both ways, what an earlier run has written and not stored is settled first.
        """
        links = [] if self._merger is None else list(self._settled(scope))
        self._again = {(link.stream, link.external_id) for link in links}
        self._ledger.begin(scope, saved, links=links)
        self._writes = 0

    def write(self, scope: str, changes: Sequence[Change]) -> WriteResult:
        """Send what LinkHub does not have yet; count every record, problems included.

        Raise LeaseLostError, before anything is sent, where the job is another run's by now, and
        ApprovalNeededError where it would delete too much.
        """
        del scope  # its place is in every idempotency key already
        batch = prepare_batch(changes, self._mapper)
        self._writes += 1
        shown = [*(ready.key for ready in batch.upserts), *failed_records(batch.problems)]
        links = self._ledger.find_links([*shown, *batch.deletes])
        keys = plan_keys(batch, self._ledger.find_owners(wanted_keys(batch).values()))
        batch, refused = without_refused(batch, keys)
        problems = [*batch.problems, *refused]
        plan = plan_batch(batch, links)
        if self._merger is not None:
            plan = self._merger.reopened(plan, links)
        self._ledger.see(shown, links)
        known = {ready.key for ready in plan.known}
        # what an earlier run of this page did counts as done by this one
        unchanged = len(known - self._again)
        gone = len(self._again.intersection(batch.deletes))
        self._again -= known.union(batch.deletes)
        failed = batch.failed + len(refused)
        tally = Tally(error=failed, success=len(known) + gone, unchanged=unchanged, deleted=gone)
        tally += self._carry_out(plan, links, keys, problems, changes)
        return WriteResult(tally=tally, problems=problems)

    def _carry_out(
        self,
        plan: WritePlan,
        links: Links,
        keys: KeyPlan,
        problems: list[RecordProblem],
        changes: Sequence[Change] = (),
    ) -> Tally:
        """Send what a plan asks for, in a sync both ways what a merge leaves of it.

        Raise ApprovalNeededError, before anything is sent, where that deletes too much.
        """
        if self._merger is None:
            self._guard.check(len(plan.gone), deleted=self._ledger.deleted)
            return self._send(plan, links, keys, problems)
        tally = Tally()
        for merged in self._merger.rounds(plan, links, changes):
            self._guard.check(merged.deletes, deleted=self._ledger.deleted)
            problems += merged.problems
            tally += merged.tally + self._send(merged.plan, merged.links, keys, problems, merged)
        return tally

    def _send(
        self,
        plan: WritePlan,
        links: Links,
        keys: KeyPlan,
        problems: list[RecordProblem],
        merged: Merged | None = None,
    ) -> Tally:
        """Carry a plan out; what changed in LinkHub since it was merged is noted in `merged`."""
        upserts = [upsert_of(ready, links.get(ready.key), keys) for ready in plan.new]
        held = {intent.at for intent in upserts} | kept_places(plan, links)
        moves = moves_of(upserts, held=held)
        deletes = [delete_of(link) for link in plan.gone]
        self._journal.write([*upserts, *moves, *(d for d in deletes if d.at not in held)])
        writes = list(zip(plan.new, upserts, strict=True))
        tally = self._upsert(writes, problems, merged)
        left = self._remove((move for move in moves if self._ledger.is_put(move.record)), merged)
        if merged is not None and left:
            stay = [ready for ready, intent in writes if intent.record in left]
            merged.outdated += stay
            self._ledger.drop(left)
            tally = replace(tally, success=tally.success - len(stay))
        return tally + self._delete(deletes, held=held, merged=merged)

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
        recount = None
        if self._merger is not None:
            recount = partial(self._merger.count_deletes, self._unseen(scope, gone))
        self._guard.check(sum(gone.values()), deleted=self._ledger.deleted, recount=recount)
        tally = Tally()
        problems: list[RecordProblem] = []
        for unseen in self._unseen(scope, gone):
            plan = WritePlan(new=(), known=(), gone=unseen)
            tally += self._carry_out(plan, {}, KeyPlan(), problems)
            so_far = replace(saved, stage=Stage.READ, tally=saved.tally + tally)
            self._ledger.save(scope, so_far)
        self._ledger.save(scope, replace(saved, tally=saved.tally + tally))
        return FinishResult(tally=tally, problems=problems)

    def take_back(self, target_job_id: str, *, note: NoteStep) -> Iterator[None]:
        """Undo what a job wrote (see `shared.ports.sink.Reversible`)."""
        back = TakeBack(
            client=self._client,
            ledger=self._ledger,
            instance_id=self._instance_id,
            job_id=self._job_id,
        )
        return back.steps(target_job_id, note=note)

    def close(self) -> None:
        """Forget what was not committed and close the client."""
        self._ledger.forget()
        self._client.close()

    def _unseen(self, scope: str, gone: Mapping[str, int]) -> Iterator[Sequence[RecordLink]]:
        """Yield what a full read has not seen of the streams that lack some, some at a time."""
        for stream in (stream for stream, count in gone.items() if count):
            after = ""
            while links := self._ledger.list_unseen(scope, stream, after=after, limit=BATCH_SIZE):
                yield links
                after = links[-1].external_id

    def _upsert(
        self,
        writes: Sequence[tuple[ReadyRecord, Intent]],
        problems: list[RecordProblem],
        merged: Merged | None,
    ) -> Tally:
        success = unchanged = error = 0
        for entity, some in by_entity((intent.entity, (ready, intent)) for ready, intent in writes):
            call = Pending(
                entity=entity,
                links=[
                    link_of(ready, intent.link, instance_id=self._instance_id, now=self._now())
                    for ready, intent in some
                ],
                inputs=[input_of(*write, is_merged=merged is not None) for write in some],
                salt=f"{self._job_id}|{self._ledger.place}|{self._writes}",
            )
            if merged is not None:
                self._ledger.expect(call.to_json())
            results = self._client.upsert(
                entity, source=self._instance_id, inputs=call.inputs, salt=call.salt
            )
            for (ready, _), link, result in zip(some, call.links, results, strict=True):
                if merged is not None and result.is_refused(VERSION_CONFLICT):
                    merged.outdated.append(ready)
                    continue
                if result.outcome == "rejected":
                    error += 1
                    problems += rejections_of(ready.key, result)
                    continue
                success += 1
                unchanged += result.outcome == "unchanged"
                self._ledger.put(replace(link, linkhub_id=result.id))
        return Tally(success=success, unchanged=unchanged, error=error)

    def _settled(self, scope: str) -> Iterator[RecordLink]:
        """Yield the links of what an earlier run has written to LinkHub without storing them."""
        for data in self._ledger.pending(scope):
            call = Pending.from_json(data, instance_id=self._instance_id, now=self._now())
            yield from carried_out(
                call, client=self._client, source=self._instance_id, now=self._now
            )

    def _delete(
        self, deletes: Sequence[Intent], *, held: Collection[EntityKey], merged: Merged | None
    ) -> Tally:
        """Delete records, but none under a key that another one has taken over."""
        going = [intent for intent in deletes if intent.at not in held]
        if merged is not None:
            for entity, links in by_entity((each.entity, each.link) for each in going):
                call = Pending(entity=entity, links=[link for link in links if link is not None])
                self._ledger.expect(call.to_json())
        left = self._remove(going, merged)
        count = deleted = 0
        for intent in deletes:
            if intent.link is None:
                continue
            if merged is not None and intent.record in left:
                merged.outdated_gone.append(intent.link)
                continue
            # what LinkHub did not have any more is as gone as what it deleted now
            self._ledger.put(replace(intent.link, deleted_at=self._now()))
            count += 1
            deleted += merged is None or intent.at in merged.versions
        return Tally(success=count, unchanged=count - deleted, deleted=deleted)

    def _remove(self, intents: Iterable[Intent], merged: Merged | None) -> set[RecordKey]:
        """Delete in LinkHub; return the records that stay, because people edited them meanwhile."""
        versions = {} if merged is None else merged.versions
        left: set[RecordKey] = set()
        for entity, some in by_entity((intent.entity, intent) for intent in intents):
            results = self._client.delete(
                entity,
                source=self._instance_id,
                external_keys=[intent.linkhub_key for intent in some],
                versions={key: version for (of, key), version in versions.items() if of == entity},
            )
            for intent, (_, outcome) in zip(some, results, strict=True):
                if outcome == "rejected":
                    left.add(intent.record)
        return left
