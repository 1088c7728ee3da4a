"""Under which external key each record of a batch goes to LinkHub.

Most go under their own. A value goes under its day and indicator, so that it can move, and two
external records can want one place: the first has it, the second is a record error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.domain.changes import RecordProblem
from shared.domain.linkhub import ENTITIES
from shared.domain.links import VALUES, RecordLink, natural_key
from shared.engine.batches import MergedFields, ReadyBatch, ReadyRecord, RecordKey
from shared.sinks.linkhub.client import LinkHubRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlan:
    """`refused`: why a record cannot go where it wants to. `owners`: the live links of the natural
    keys that are wanted, as they were before this batch.
    """

    refused: Mapping[RecordKey, RecordProblem] = field(default_factory=dict)
    owners: Mapping[str, RecordLink] = field(default_factory=dict)


def wanted_keys(batch: ReadyBatch) -> Mapping[RecordKey, str]:
    """Return the natural keys of the records that have one that can be kept."""
    found = {
        ready.key: natural_key(VALUES, ready.record.fields)
        for ready in batch.upserts
        if ready.record.entity == VALUES
    }
    return {record: key for record, key in found.items() if key == key.rstrip()}


def plan_keys(batch: ReadyBatch, owners: Mapping[str, RecordLink]) -> KeyPlan:
    """Decide who goes where; `owners` are the live links that have a key wanted here.

    A key is free once its owner is deleted in this batch, or moves to another key. Whoever is
    refused stays where it is, which may keep others from moving: so it is decided again until
    nobody more is refused.
    """
    wanted = wanted_keys(batch)
    ready = {one.key: one for one in batch.upserts}
    refused = {
        one.key: _spaced(one.key)
        for one in batch.upserts
        if one.record.entity == VALUES and one.key not in wanted
    }
    while True:
        holders = _holders(wanted, owners, leaving=frozenset(batch.deletes), refused=refused)
        if not holders:
            return KeyPlan(refused=refused, owners=owners)
        refused |= {record: _taken(ready[record], by) for record, by in holders.items()}


def _holders(
    wanted: Mapping[RecordKey, str],
    owners: Mapping[str, RecordLink],
    *,
    leaving: frozenset[RecordKey],
    refused: Mapping[RecordKey, RecordProblem],
) -> Mapping[RecordKey, RecordKey]:
    """Return the records that cannot have their key, and who has it."""
    claimed: dict[str, RecordKey] = {}
    found: dict[RecordKey, RecordKey] = {}
    going = {record: key for record, key in wanted.items() if record not in refused}
    for record, key in going.items():
        holder = claimed.get(key)
        owner = owners.get(key)
        if holder is None and owner is not None:
            owning = (owner.stream, owner.external_id)
            stays = owning not in leaving and going.get(owning, key) == key
            holder = owning if stays and owning != record else None
        if holder is None:
            claimed[key] = record
        else:
            found[record] = holder
    return found


def _taken(ready: ReadyRecord, holder: RecordKey) -> RecordProblem:
    fields = ready.record.fields
    return RecordProblem(
        stream=ready.record.stream,
        key=ready.record.key,
        field="indicator",
        message=f"LinkHub keeps one value of an indicator a day, and {fields.get('indicator')} has "
        f"that of {fields.get('date')} from the record {holder[1]} already.",
    )


def _spaced(record: RecordKey) -> RecordProblem:
    return RecordProblem(
        stream=record[0],
        key=record[1],
        field="indicator",
        message="The indicator ends with a space: LinkHub knows values by it and cannot keep that.",
    )


def without_refused(batch: ReadyBatch, plan: KeyPlan) -> tuple[ReadyBatch, Sequence[RecordProblem]]:
    """Return the batch without the records that cannot go where they want to, and why not."""
    if not plan.refused:
        return batch, ()
    kept = [ready for ready in batch.upserts if ready.key not in plan.refused]
    rest = ReadyBatch(
        upserts=kept, deletes=batch.deletes, problems=batch.problems, failed=batch.failed
    )
    return rest, list(plan.refused.values())


def moved(
    ready: ReadyRecord,
    merged: MergedFields,
    *,
    link: RecordLink,
    present: LinkHubRecord | None,
    there: LinkHubRecord | None,
) -> MergedFields:
    """Return what is sent of a record whose key is to change.

    `present` is what LinkHub has under the old key, `there` what it has under the new one. All of
    the record goes to the new key; where people in LinkHub have the last word on where it stands,
    it stays under the old one until the export names it anew.
    """
    entity = ready.record.entity
    if present is None:
        return merged._replace(version=None if there else 0)
    after = {**present.fields, **merged.sent}
    if natural_key(entity, after) != ready.linkhub_key:
        return merged._replace(key=link.key_at_linkhub)
    every = dict.fromkeys(each.name for each in ENTITIES[entity].fields)
    # what another record leaves there is written over: its own merge has read it
    return merged._replace(sent={**every, **after}, version=None if there else 0)
