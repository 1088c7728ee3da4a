"""What a mapping would do to the first records, without doing it.

Records come from the live provider and take the sync's own way: its mapper, its planning. LinkHub
is asked what it holds, and nothing is written anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING, Any

from shared.domain.changes import Page, RecordProblem, Upsert
from shared.domain.field_mappings import FieldMapping
from shared.domain.instances import Instance
from shared.domain.mapping import RecordMapper
from shared.domain.profiles import Caller
from shared.engine.batches import (
    ReadyBatch,
    ReadyRecord,
    RecordKey,
    WritePlan,
    plan_batch,
    prepare_batch,
)
from shared.errors import InvalidInputError
from shared.ports.linkhub import LinkHubReader
from shared.services.deps import OpenUow
from shared.services.live import live_connection
from shared.services.mappings import (
    import_only_rules,
    require_connected,
    require_linkhub,
    require_valid,
)
from shared.services.plans import SetUp, load_set_up, selected_fields
from shared.services.steps import read_own
from shared.services.streams import Discoverer

if TYPE_CHECKING:
    from shared.domain.links import RecordLink
    from shared.domain.reverse_mapping import ImportOnly

MOST_RECORDS = 10
_MOST_PAGES = 5
"""Pages without a record that are looked at before a stream counts as empty."""
_LONGEST_SHOWN = 1000
"""Characters of one source value."""

OpenLinkHub = Callable[[str], LinkHubReader]
"""Opens LinkHub for a profile's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRecord:
    """One record on both sides. `outcome`: create, update, unchanged or reject, and why.

    `source` holds the mapped external fields, `fields` what LinkHub would be sent, `present` what
    it holds now (None where it does not have the record).
    """

    external_id: str
    outcome: str
    source: Mapping[str, Any]
    fields: Mapping[str, Any]
    present: Mapping[str, Any] | None
    problems: Sequence[RecordProblem]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The first records of one stream and what would become of them.

    `import_only`: the rules, of all streams, by which nothing would travel to the provider.
    """

    stream: str
    entity: str
    records: Sequence[PreviewRecord]
    import_only: Sequence[ImportOnly]


def preview_mappings(
    instance_id: str,
    *,
    mappings: Sequence[FieldMapping] | None,
    stream: str | None,
    limit: int,
    caller: Caller,
    open_uow: OpenUow,
    discoverer: Discoverer,
    open_linkhub: OpenLinkHub,
) -> Preview:
    """Return what rules (None: the stored ones) make of a stream's first records.

    `stream` None is the first that is mapped; `limit` is at most 10. Raises InvalidInputError for
    rules that are wrong, ConflictError before the instance is connected or where its provider
    refuses, TransientError where one side does not answer.
    """
    instance, state = read_own(instance_id, caller=caller, open_uow=open_uow)
    require_connected(instance)
    definition = discoverer.connector.find_provider(instance.provider)
    require_linkhub(definition)
    with open_uow(read_only=True) as uow:
        set_up = load_set_up(uow, instance.id)
    if mappings is not None:
        set_up = replace(set_up, mappings=tuple(mappings))
    streams = discoverer.streams_of(instance, state)
    require_valid(set_up.mappings, streams=streams, definition=definition)
    mapper = RecordMapper.compile(set_up.mappings, default_transform=definition.default_transform)
    chosen = stream or next(iter(mapper.streams))
    if chosen not in mapper.streams:
        raise InvalidInputError(
            f"No field of the stream {chosen[:80]!r} is mapped.", errors=[("stream", "not mapped")]
        )
    selection = selected_fields(set_up, definition.spec)
    with live_connection(
        instance,
        state,
        vault=discoverer.vault,
        connector=discoverer.connector,
        selection=selection,
    ) as connection:
        pages = islice(connection.read(chosen, None), _MOST_PAGES)
        upserts, broken = _first_records(pages, min(limit, MOST_RECORDS))
    records = _judge(
        upserts,
        broken,
        mapper=mapper,
        set_up=set_up,
        open_uow=open_uow,
        open_linkhub=open_linkhub,
    )
    shown = frozenset(selection[chosen])
    return Preview(
        stream=chosen,
        entity=mapper.streams[chosen],
        records=[replace(record, source=_shown(record.source, shown)) for record in records],
        import_only=import_only_rules(set_up.mappings, streams=streams, definition=definition),
    )


def _first_records(
    pages: Iterable[Page], limit: int
) -> tuple[Sequence[Upsert], Sequence[RecordProblem]]:
    upserts: list[Upsert] = []
    broken: list[RecordProblem] = []
    for page in pages:
        upserts += [change for change in page.changes if isinstance(change, Upsert)]
        broken += page.problems
        if len(upserts) + len(broken) >= limit:
            break
    return upserts[:limit], broken[: max(limit - len(upserts), 0)]


def _judge(
    upserts: Sequence[Upsert],
    broken: Sequence[RecordProblem],
    *,
    mapper: RecordMapper,
    set_up: SetUp,
    open_uow: OpenUow,
    open_linkhub: OpenLinkHub,
) -> list[PreviewRecord]:
    """Plan the records as the sync does; those it would send are compared with LinkHub's own."""
    instance = set_up.instance
    batches = [prepare_batch([change], mapper) for change in upserts]
    ready = [record for batch in batches for record in batch.upserts]
    links: dict[RecordKey, RecordLink] = {}
    with open_uow(read_only=True) as uow:
        for stream in mapper.streams:
            ids = [record.record.key for record in ready if record.record.stream == stream]
            found = uow.links.get_many(instance.id, stream, ids)
            links |= {(stream, key): link for key, link in found.items()}
    plan = plan_batch(ReadyBatch(upserts=ready, deletes=(), problems=(), failed=0), links)
    present = _present(ready, instance, open_linkhub)
    records = [
        _planned(change, batch, plan, present)
        for change, batch in zip(upserts, batches, strict=True)
    ]
    return records + [_rejected(problem.key, {}, [problem]) for problem in broken]


def _present(
    ready: Sequence[ReadyRecord], instance: Instance, open_linkhub: OpenLinkHub
) -> Mapping[str, Mapping[str, Any]]:
    """Return by external key what LinkHub holds of these records."""
    wanted: dict[str, list[str]] = {}
    for record in ready:
        wanted.setdefault(record.record.entity, []).append(record.linkhub_key)
    if not wanted:
        return {}
    with closing(open_linkhub(instance.profile_id)) as linkhub:
        return {
            record.external_key: record.fields
            for entity, keys in wanted.items()
            for record in linkhub.get(entity, source=instance.id, external_keys=keys)
        }


def _planned(
    change: Upsert,
    batch: ReadyBatch,
    plan: WritePlan,
    present: Mapping[str, Mapping[str, Any]],
) -> PreviewRecord:
    """Return what the sync would do: what it sent last time it does not send again."""
    if not batch.upserts:
        return _rejected(change.key, change.record, batch.problems)
    ready = batch.upserts[0]
    fields, stored = ready.record.fields, present.get(ready.linkhub_key)
    if ready in plan.known:
        outcome = "unchanged"
    elif stored is None:
        outcome = "create"
    else:
        # LinkHub keeps what is not named, and leaves out what is empty
        after = {name: value for name, value in {**stored, **fields}.items() if value is not None}
        outcome = "unchanged" if after == stored else "update"
    return PreviewRecord(
        external_id=change.key,
        outcome=outcome,
        source=change.record,
        fields=fields,
        present=stored,
        problems=(),
    )


def _rejected(
    external_id: str, source: Mapping[str, Any], problems: Sequence[RecordProblem]
) -> PreviewRecord:
    return PreviewRecord(
        external_id=external_id,
        outcome="reject",
        source=source,
        fields={},
        present=None,
        problems=problems,
    )


def _shown(record: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """Return a record's mapped fields as JSON can hold them."""
    return {name: _plain(value) for name, value in record.items() if not names or name in names}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and isfinite(value):
        return value
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"
