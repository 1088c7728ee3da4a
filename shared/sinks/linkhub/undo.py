"""Taking a job's writes to LinkHub back, by its journal, latest first.

For each batch of entries: LinkHub is asked what it has now, what the job left is put back to what
was there before, then entries, links and counts are settled in one transaction. A crash at any line
repeats one batch, which then finds its records as they were before and has nothing to do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from shared.domain.changes import RecordProblem
from shared.domain.journal import JournalAction, JournalEntry, JournalOutcome, content_hash
from shared.domain.links import RecordLink
from shared.domain.providers import Direction
from shared.domain.tallies import Tally
from shared.engine.batches import RecordKey, encode_fields, hash_fields
from shared.ports.sink import NoteStep, WriteResult
from shared.sinks.linkhub.client import LinkHubClient, LinkHubRecord, UpsertInput
from shared.sinks.linkhub.journal import EntityKey, link_from_json, read_present
from shared.sinks.linkhub.ledger import Ledger

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork

_STEP: Final = 500
"""Records that are settled together, about."""
_FETCHED: Final = 50
"""Entries read at a time; one may stand for a whole page of records."""
_CHANGED: Final = "it was changed in LinkHub since"


class _Write(NamedTuple):
    """One record's part of an entry. `names`: `after_hash` is that of these fields, as sent."""

    entry: JournalEntry
    record: RecordKey
    at: EntityKey
    fields: Mapping[str, Any] | None
    link: Mapping[str, Any] | None
    after_hash: str
    names: Sequence[str] | None = None

    def left(self, fields: Mapping[str, Any] | None) -> bool:
        """Whether a record with these fields is as this write left it."""
        if self.names is None:
            return content_hash(fields) == self.after_hash
        if fields is None or not fields.keys() <= set(self.names):
            return False
        sent = {name: fields.get(name) for name in self.names}
        return hash_fields(self.entry.entity, sent) == self.after_hash


class _Record(NamedTuple):
    """All writes of a step to one LinkHub record, latest first, and what LinkHub has now."""

    writes: Sequence[_Write]
    present: LinkHubRecord | None

    @property
    def at(self) -> EntityKey:
        return self.writes[0].at

    @property
    def wanted(self) -> Mapping[str, Any] | None:
        """The fields it had before the first of them, None where it was not there."""
        return self.writes[-1].fields

    @property
    def fields(self) -> Mapping[str, Any] | None:
        return None if self.present is None else self.present.fields

    @property
    def is_done(self) -> bool:
        return content_hash(self.fields) == content_hash(self.wanted)

    @property
    def is_ours(self) -> bool:
        return any(write.left(self.fields) for write in self.writes)


class TakeBack:
    """Takes one job's writes back, for a job that is this run's."""

    def __init__(
        self, *, client: LinkHubClient, ledger: Ledger, instance_id: str, job_id: str
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._instance_id = instance_id
        self._job_id = job_id

    def steps(self, target_job_id: str, *, note: NoteStep) -> Iterator[None]:
        """Put LinkHub, links and checkpoints back to what they were; yield after each step.

        `note` is called in the unit of work that settles a step, with how many records are as
        before (success), how many were left because somebody changed them since (warning), and
        their names. The last step gives the checkpoints back. Raise LeaseLostError where the job is
        another run's.
        """
        for entries in self._batches(target_job_id):
            self._take_back(entries, note)
            yield
        with self._ledger.writing() as uow:
            self._give_checkpoints_back(uow, target_job_id)
            uow.commit()

    def _batches(self, target_job_id: str) -> Iterator[Sequence[JournalEntry]]:
        """Yield the job's entries, latest first, some hundred records at a time."""
        batch: list[JournalEntry] = []
        size, before = 0, None
        while True:
            with self._ledger.reading() as uow:
                found = uow.journal.list_standing(target_job_id, before=before, limit=_FETCHED)
            for entry in found:
                batch.append(entry)
                size += sum(1 for _ in _writes_of(entry))
                if size >= _STEP:
                    yield batch
                    batch, size = [], 0
            if len(found) < _FETCHED:
                break
            before = found[-1].sequence
        if batch:
            yield batch

    def _take_back(self, entries: Sequence[JournalEntry], note: NoteStep) -> None:
        groups: dict[EntityKey, list[_Write]] = defaultdict(list)
        for entry in entries:
            for write in _writes_of(entry):
                groups[write.at].append(write)
        present = read_present(self._client, groups, source=self._instance_id)
        records = [_Record(writes, present.get(at)) for at, writes in groups.items()]
        done = [record for record in records if record.is_done]
        ours = [record for record in records if not record.is_done and record.is_ours]
        left = {
            record.at: _CHANGED for record in records if not record.is_done and not record.is_ours
        }
        left |= self._delete([record for record in ours if record.wanted is None])
        left |= self._restore(
            [record for record in ours if record.wanted is not None],
            salt=f"{self._job_id}|undo|{entries[0].id}",
        )
        undone = [record for record in (*done, *ours) if record.at not in left]
        problems = [_left(groups[at][0], why) for at, why in left.items()]
        tally = Tally(success=len(undone), warning=len(left))
        with self._ledger.writing() as uow:
            self._restore_links(uow, undone)
            _settle(uow, entries, groups, left, now=self._ledger.now())
            note(uow, WriteResult(tally=tally, problems=problems))
            uow.commit()

    def _delete(self, records: Sequence[_Record]) -> dict[EntityKey, str]:
        """Delete what was not there before; return what somebody has changed meanwhile."""
        versions: dict[str, dict[str, int]] = defaultdict(dict)
        for record in records:
            if record.present is not None:
                entity, key = record.at
                versions[entity][key] = record.present.version
        return {
            (entity, key): _CHANGED
            for entity, known in versions.items()
            for key, outcome in self._client.delete(
                entity, source=self._instance_id, external_keys=list(known), versions=known
            )
            if outcome == "rejected"
        }

    def _restore(self, records: Sequence[_Record], *, salt: str) -> dict[EntityKey, str]:
        """Write what was there before; return what LinkHub did not take, and why."""
        inputs: dict[str, list[tuple[EntityKey, UpsertInput]]] = defaultdict(list)
        for record in records:
            entity, key = record.at
            emptied = dict.fromkeys(record.fields or ())
            wanted = encode_fields({**emptied, **(record.wanted or {})})
            version = 0 if record.present is None else record.present.version
            inputs[entity].append((record.at, UpsertInput(key, wanted, if_version=version)))
        refused: dict[EntityKey, str] = {}
        for entity, some in inputs.items():
            results = self._client.upsert(
                entity, source=self._instance_id, inputs=[one for _, one in some], salt=salt
            )
            for (at, _), result in zip(some, results, strict=True):
                if result.outcome == "rejected":
                    reasons = " ".join(rejection.message for rejection in result.rejections)
                    refused[at] = f"LinkHub rejected it: {reasons}"
        return refused

    def _restore_links(self, uow: UnitOfWork, records: Sequence[_Record]) -> None:
        wanted: dict[str, list[str]] = defaultdict(list)
        for record in records:
            stream, key = record.writes[0].record
            wanted[stream].append(key)
        links = {
            (stream, key): link
            for stream, ids in wanted.items()
            for key, link in uow.links.get_many(self._instance_id, stream, ids).items()
        }
        restored: dict[RecordKey, RecordLink] = {}
        for record in records:
            oldest = record.writes[-1]
            link = links.get(oldest.record)
            if link is None:
                continue  # its run ended before the link was kept
            if oldest.link is not None:
                restored[oldest.record] = replace(link, **link_from_json(oldest.link))
            elif (link.entity, link.key_at_linkhub) == oldest.at:
                dead: dict[str, Any] = {"base": {}, "external_base": {}, "sent_hash": ""}
                restored[oldest.record] = replace(link, deleted_at=self._ledger.now(), **dead)
        uow.links.save_many(list(restored.values()))

    def _give_checkpoints_back(self, uow: UnitOfWork, target_job_id: str) -> None:
        scopes = uow.journal.list_scopes(target_job_id)
        now = self._ledger.now()
        for entry in reversed(scopes):
            stood = (entry.before_image or {}).get("checkpoint")
            if stood is None:
                uow.checkpoints.remove(self._instance_id, entry.stream, Direction.IMPORT)
            else:
                uow.checkpoints.save(
                    self._instance_id, entry.stream, Direction.IMPORT, stood, now=now
                )
        uow.journal.settle([entry.id for entry in scopes], JournalOutcome.UNDONE, now=now)


def _writes_of(entry: JournalEntry) -> Iterator[_Write]:
    image = entry.before_image or {}
    if entry.action is not JournalAction.CREATE_MANY:
        yield _Write(
            entry=entry,
            record=(entry.stream, entry.external_id),
            at=(entry.entity, entry.linkhub_key),
            fields=image.get("fields"),
            link=image.get("link"),
            after_hash=entry.after_hash,
        )
        return
    for external_id, sent_hash, key in image["records"]:
        yield _Write(
            entry=entry,
            record=(entry.stream, external_id),
            at=(entry.entity, key),
            fields=None,
            link=None,
            after_hash=sent_hash,
            names=image["names"],
        )


def _left(write: _Write, why: str) -> RecordProblem:
    stream, key = write.record
    return RecordProblem(
        stream=stream, key=key, message=f"Left as it is: {why}.", severity="warning"
    )


def _settle(
    uow: UnitOfWork,
    entries: Sequence[JournalEntry],
    groups: Mapping[EntityKey, Sequence[_Write]],
    left: Mapping[EntityKey, str],
    *,
    now: datetime,
) -> None:
    standing = {write.entry.id for at in left for write in groups[at]}
    ids = {entry.id for entry in entries}
    uow.journal.settle(standing, JournalOutcome.LEFT, now=now)
    uow.journal.settle(ids - standing, JournalOutcome.UNDONE, now=now)
