"""One batch of changes, made ready for LinkHub: the part of its sink that needs no I/O.

A sync and the preview of a mapping both decide here what is to be sent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shared.domain.changes import Change, Delete, RecordProblem, Truncate, Upsert
from shared.domain.links import RecordLink, check_external_id, natural_key, plain_key
from shared.domain.mapping import EntityRecord, RecordMapper
from shared.domain.wire import WireValue
from shared.errors import RecordError

RecordKey = tuple[str, str]
"""(stream, external id)"""

_encode = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
).encode


class MergedFields(NamedTuple):
    """What of a record is sent after a merge with LinkHub's present one, and the bases of its link
    once it is.

    `version` is that of the record that is written over, 0 where there is none, None for any. `key`
    is where it goes if not where its own fields say.
    """

    sent: Mapping[str, WireValue]
    version: int | None
    base: Mapping[str, WireValue]
    external_base: Mapping[str, WireValue]
    key: str = ""


class ReadyRecord(NamedTuple):
    """A mapped record, its fields as canonical JSON, and the hash of entity and fields.

    After a merge `fields` are those of `merged`, and the hash is that of its external base.
    """

    record: EntityRecord
    fields: str
    sent_hash: str
    merged: MergedFields | None = None

    @property
    def key(self) -> RecordKey:
        """Which external record this is."""
        return self.record.stream, self.record.key

    @property
    def linkhub_key(self) -> str:
        """What LinkHub is to know it by, beside the instance it came from."""
        record = self.record
        if self.merged is not None and self.merged.key:
            return self.merged.key
        return natural_key(record.entity, record.fields) or plain_key(record.stream, record.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyBatch:
    """What is left of a batch: at most one change of each record.

    `failed` counts the records `problems` speaks of.
    """

    upserts: Sequence[ReadyRecord]
    deletes: Sequence[RecordKey]
    problems: Sequence[RecordProblem]
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WritePlan:
    """What is to be done with a prepared batch.

    `new`: to be sent. `known`: LinkHub has them exactly so. `gone`: links of what is to be deleted.
    """

    new: Sequence[ReadyRecord]
    known: Sequence[ReadyRecord]
    gone: Sequence[RecordLink]


def plan_batch(batch: ReadyBatch, links: Mapping[RecordKey, RecordLink]) -> WritePlan:
    """Compare a batch with the links of its records, those of the last sync."""
    live = {key: link for key, link in links.items() if link.deleted_at is None}
    new: list[ReadyRecord] = []
    known: list[ReadyRecord] = []
    for ready in batch.upserts:
        link = live.get(ready.key)
        is_known = link is not None and link.sent_hash == ready.sent_hash
        (known if is_known else new).append(ready)
    gone = [live[key] for key in batch.deletes if key in live]
    return WritePlan(new=new, known=known, gone=gone)


def prepare_batch(changes: Sequence[Change], mapper: RecordMapper) -> ReadyBatch:
    """Map a batch. Of several changes of one record the last counts, in its own place.

    A record that cannot be mapped, or whose id cannot be kept, becomes problems. A truncate is
    passed over: it says that what follows is everything, and to LinkHub deletes travel only on
    proof. A delete of an id that cannot be kept is passed over too: no such record was ever sent.
    """
    latest: dict[RecordKey, Upsert | Delete] = {}
    for change in changes:
        if isinstance(change, Truncate):
            continue
        key = (change.stream, change.key)
        latest.pop(key, None)
        latest[key] = change
    upserts: list[ReadyRecord] = []
    deletes: list[RecordKey] = []
    problems: list[RecordProblem] = []
    failed = 0
    for key, change in latest.items():
        found = _key_problem(change)
        if isinstance(change, Delete):
            if not found:
                deletes.append(key)
            continue
        mapped = found or mapper.map(*change)
        if isinstance(mapped, list):
            problems += mapped
            failed += 1
        else:
            upserts.append(ready_record(mapped))
    return ReadyBatch(upserts=upserts, deletes=deletes, problems=problems, failed=failed)


def _key_problem(change: Upsert | Delete) -> list[RecordProblem]:
    try:
        check_external_id(change.key)
    except RecordError as error:
        # the id itself cannot be kept, not even in a log
        key = change.key[:80].rstrip().encode(errors="replace").decode().replace("\0", "�")
        return [RecordProblem(stream=change.stream, key=key, message=error.message)]
    return []


def encode_fields(fields: Mapping[str, WireValue]) -> str:
    """Return fields as canonical JSON."""
    return _encode(fields)


def hash_fields(entity: str, fields: Mapping[str, WireValue]) -> str:
    """Return the hash a record with these mapped fields has."""
    return hashlib.sha256(f"{entity}\n{_encode(fields)}".encode()).hexdigest()


def ready_record(record: EntityRecord) -> ReadyRecord:
    """Return a mapped record ready to be sent whole."""
    fields = _encode(record.fields)
    digest = hashlib.sha256(f"{record.entity}\n{fields}".encode()).hexdigest()
    return ReadyRecord(record, fields, digest)
