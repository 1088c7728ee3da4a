"""What a planned batch means for LinkHub, write by write."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from shared.domain.changes import RecordProblem
from shared.domain.ids import new_id
from shared.domain.links import VALUES, RecordLink
from shared.engine.batches import ReadyRecord, RecordKey, WritePlan
from shared.sinks.linkhub.client import Rejection, UpsertInput, UpsertResult
from shared.sinks.linkhub.journal import EntityKey, Intent
from shared.sinks.linkhub.keys import KeyPlan
from shared.sinks.linkhub.ledger import Links

T = TypeVar("T")


def input_of(ready: ReadyRecord, intent: Intent, *, is_merged: bool) -> UpsertInput:
    """Return what the API is sent; in a sync both ways nothing is written over unseen."""
    version = 0 if is_merged and not intent.exists else None
    if ready.merged is not None:
        version = ready.merged.version
    return UpsertInput(intent.linkhub_key, ready.fields, if_version=version)


def upsert_of(ready: ReadyRecord, link: RecordLink | None, keys: KeyPlan) -> Intent:
    """Return the intent of writing a record."""
    key = ready.linkhub_key
    is_live = link is not None and link.deleted_at is None and link.key_at_linkhub == key
    return Intent(
        record=ready.key,
        entity=ready.record.entity,
        linkhub_key=key,
        fields=ready.merged.sent if ready.merged else ready.record.fields,
        link=link,
        exists=is_live or key in keys.owners or ready.merged is not None,
        sent_hash="" if ready.merged else ready.sent_hash,
    )


def link_of(
    ready: ReadyRecord, old: RecordLink | None, *, instance_id: str, now: datetime
) -> RecordLink:
    """Return the link of a record once it is written; LinkHub tells its id then."""
    return RecordLink(
        id=old.id if old else new_id(),
        instance_id=instance_id,
        stream=ready.record.stream,
        external_id=ready.record.key,
        entity=ready.record.entity,
        linkhub_id="",
        base=ready.merged.base if ready.merged else ready.record.fields,
        external_base=ready.merged.external_base if ready.merged else {},
        external_etag=old.external_etag if old else "",
        sent_hash=ready.sent_hash,
        linkhub_key=ready.linkhub_key if ready.record.entity == VALUES else "",
        seen_job_id=old.seen_job_id if old else "",
        created_at=old.created_at if old else now,
        updated_at=now,
    )


def delete_of(link: RecordLink) -> Intent:
    """Return the intent of deleting a record."""
    return Intent(
        record=(link.stream, link.external_id),
        entity=link.entity,
        linkhub_key=link.key_at_linkhub,
        fields=None,
        link=link,
        exists=True,
    )


def kept_places(plan: WritePlan, links: Links) -> set[EntityKey]:
    """Return the places of the records that stay as they are."""
    kept = (links[ready.key] for ready in plan.known)
    return {(link.entity, link.key_at_linkhub) for link in kept}


def moves_of(upserts: Sequence[Intent], *, held: Collection[EntityKey]) -> Sequence[Intent]:
    """Return the deletes of what records leave behind that go to another key of their entity."""
    return [
        delete_of(intent.link)
        for intent in upserts
        if intent.link is not None
        and intent.link.deleted_at is None
        and intent.link.entity == intent.entity
        and (intent.entity, intent.link.key_at_linkhub) not in held
    ]


def by_entity(pairs: Iterable[tuple[str, T]]) -> Iterable[tuple[str, list[T]]]:
    """Return things by the entity they are about."""
    groups: dict[str, list[T]] = defaultdict(list)
    for entity, item in pairs:
        groups[entity].append(item)
    return groups.items()


def failed_records(problems: Iterable[RecordProblem]) -> Iterable[RecordKey]:
    """Return the records that cannot be written: the source has them all the same."""
    return dict.fromkeys((problem.stream, problem.key) for problem in problems)


def rejections_of(key: RecordKey, result: UpsertResult) -> Iterator[RecordProblem]:
    """Return why LinkHub did not take a record, for the log."""
    stream, external_id = key
    for rejection in result.rejections or (Rejection("", "", "It gave no reason."),):
        yield RecordProblem(
            stream=stream,
            key=external_id,
            field=rejection.field,
            message=f"LinkHub rejected it: {rejection.message}",
        )
