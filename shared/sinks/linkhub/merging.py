"""The import side of a sync both ways: what LinkHub's people changed is not written over.

For the records of a batch that changed at the provider, LinkHub is asked what it has, and both
sides are merged field by field. Only what the provider's people changed is sent, with the version
it is based on. What LinkHub's people changed is left to the export that follows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.domain.changes import Change, Upsert
from shared.domain.choices import Choices, choices_of
from shared.domain.conflicts import Conflict, ConflictStatus
from shared.domain.ids import new_id
from shared.domain.instances import Instance
from shared.domain.links import RecordLink
from shared.domain.merge import Fate, Merge, Side, Sides, merge
from shared.domain.sync_rules import SyncRules
from shared.domain.tallies import Tally
from shared.engine.batches import (
    MergedFields,
    ReadyRecord,
    RecordKey,
    WritePlan,
    encode_fields,
    hash_fields,
    ready_record,
)
from shared.sinks.linkhub.client import LinkHubClient, LinkHubRecord
from shared.sinks.linkhub.conflicts import by_link, conflicts_of, read_time, warnings_of
from shared.sinks.linkhub.keys import moved
from shared.sinks.linkhub.ledger import Ledger, Links
from shared.sinks.linkhub.merged import Merged, Spared, counted

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork

ROUNDS = 3
"""How often a record is merged again that somebody edits in LinkHub while it is synced."""


@dataclass(slots=True, kw_only=True)
class _Known:
    """What LinkHub and the app know of a batch's records."""

    present: Mapping[str, LinkHubRecord]
    settled: Mapping[str, Sequence[Conflict]]
    open: Mapping[str, Sequence[Conflict]]


class ImportMerger:
    """Merges batches on their way into LinkHub; what it finds out is kept by the ledger's save."""

    def __init__(
        self,
        *,
        client: LinkHubClient,
        ledger: Ledger,
        instance: Instance,
        rules: SyncRules,
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._instance = instance
        self._rules = rules
        self._now = now
        self._changed_at: dict[RecordKey, datetime | None] = {}

    def reopened(self, plan: WritePlan, links: Links) -> WritePlan:
        """Return the plan with what is in conflict among what the provider has as it was sent.

        It may have come back to that: then there is a conflict no more.
        """
        ids = {links[ready.key].id: ready.key for ready in plan.known}
        if not ids:
            return plan
        with self._ledger.reading() as uow:
            found = uow.conflicts.open_for(self._instance.id, list(ids))
        waiting = {ids[conflict.record_link_id] for conflict in found}
        again = [ready for ready in plan.known if ready.key in waiting]
        known = [ready for ready in plan.known if ready.key not in waiting]
        return replace(plan, new=[*plan.new, *again], known=known)

    def rounds(self, plan: WritePlan, links: Links, changes: Iterable[Change]) -> Iterator[Merged]:
        """Yield what is to be carried out: the merged plan, then what was outdated meanwhile.

        What is outdated again and again is an error of its record; the next sync tries it anew.
        """
        self._note(changes)
        merged = self._merge(plan, links)
        yield merged
        for _ in range(ROUNDS):
            if not merged.is_outdated:
                return
            again = [ready_record(ready.record) for ready in merged.outdated]
            left = WritePlan(new=again, known=(), gone=merged.outdated_gone)
            merged = self._merge(left, merged.links)
            yield merged
        if merged.is_outdated:
            yield merged.given_up()

    def count_deletes(self, batches: Iterable[Sequence[RecordLink]]) -> int:
        """Return how many of these records, gone at the provider, LinkHub has and is to lose."""
        count = 0
        for gone in batches:
            known = self._look_at(gone)
            for link in gone:
                present = known.present.get(link.key_at_linkhub)
                result, _ = self._merged(None, link, present, known, changed_at=None)
                count += result.fate is Fate.DELETE_LINKHUB
        return count

    def _note(self, changes: Iterable[Change]) -> None:
        """Remember when the provider's records were changed, for the batch at hand."""
        self._changed_at = {
            (change.stream, change.key): read_time(
                change.record.get(self._rules.changed_at.get(change.stream, ""))
            )
            for change in changes
            if isinstance(change, Upsert)
        }

    def _merge(self, plan: WritePlan, links: Links) -> Merged:
        gone = self._without_edited(plan.gone)
        merged = Merged(
            plan=replace(plan, new=[], gone=gone.links),
            links=dict(links),
            versions=gone.versions,
            deletes=gone.deletes,
            tally=gone.tally,
            problems=gone.problems,
        )
        new: list[ReadyRecord] = []
        known = self._look(
            [(ready.record.entity, ready.linkhub_key) for ready in plan.new],
            [link for ready in plan.new if (link := links.get(ready.key)) is not None],
        )
        for ready in plan.new:
            found = self._merge_one(ready, links.get(ready.key), known, merged)
            if found is not None:
                new.append(found)
        merged.plan = replace(merged.plan, new=new)
        return merged

    def _without_edited(self, gone: Sequence[RecordLink]) -> Spared:
        """Return the links to delete in LinkHub, less those whose edit there saves them."""
        spared = Spared(links=[])
        known = self._look_at(gone)
        for link in gone:
            present = known.present.get(link.key_at_linkhub)
            result, choices = self._merged(None, link, present, known, changed_at=None)
            self._keep(link, result, choices, known)
            if result.fate in {Fate.DELETE_LINKHUB, Fate.GONE}:
                spared.links.append(link)
                spared.deletes += result.fate is Fate.DELETE_LINKHUB
                if present is not None:
                    spared.versions[link.entity, link.key_at_linkhub] = present.version
            elif result.fate is Fate.ASK:
                spared.tally += Tally(warning=1)
                spared.problems += warnings_of(link.stream, link.external_id, result.conflicts)
        return spared

    def _merge_one(
        self, ready: ReadyRecord, link: RecordLink | None, known: _Known, merged: Merged
    ) -> ReadyRecord | None:
        """Return what is to be sent of a record, None for nothing."""
        is_live = link is not None and link.deleted_at is None
        present = known.present.get(ready.linkhub_key)
        if link is None and present is not None:
            link = self._first_link(ready, present)
            merged.links = {**merged.links, ready.key: link}
        if link is None or (present is None and not is_live):
            return ready
        # one that goes to another key is merged with what is under the one it leaves
        is_moved = is_live and link.key_at_linkhub != ready.linkhub_key
        if is_moved:
            present = known.present.get(link.key_at_linkhub)
        result, choices = self._merged(
            ready.record.fields, link, present, known, changed_at=self._changed_at.get(ready.key)
        )
        if result.conflicts:
            merged.problems += warnings_of(*ready.key, result.conflicts)
            self._ledger.put(link)
        self._keep(link, result, choices, known)
        if result.fate in {Fate.DELETE_EXTERNAL, Fate.ASK}:  # the export deletes it, or a person
            merged.tally += counted(result)
            return None
        sent_hash = hash_fields(ready.record.entity, dict(result.external_base))
        if not result.to_linkhub:
            self._ledger.put(
                replace(
                    link,
                    base=result.base,
                    external_base=result.external_base,
                    sent_hash=sent_hash,
                    deleted_at=None,
                    updated_at=self._now(),
                )
            )
            merged.tally += counted(result)
            return None
        fields = MergedFields(
            sent=result.to_linkhub,
            version=0 if present is None else present.version,
            base=result.base,
            external_base=result.external_base,
        )
        if is_moved:
            there = known.present.get(ready.linkhub_key)
            fields = moved(ready, fields, link=link, present=present, there=there)
            if present is not None and fields.key != link.key_at_linkhub:
                merged.versions[link.entity, link.key_at_linkhub] = present.version
        return ready._replace(fields=encode_fields(fields.sent), sent_hash=sent_hash, merged=fields)

    def _merged(
        self,
        external: Mapping[str, Any] | None,
        link: RecordLink,
        present: LinkHubRecord | None,
        known: _Known,
        *,
        changed_at: datetime | None,
    ) -> tuple[Merge, Choices]:
        is_live = link.deleted_at is None
        linkhub = None if present is None else present.fields
        terms = self._rules.terms(link.stream)
        choices = choices_of(
            known.settled.get(link.id, ()), fields=terms.fields, external=external, linkhub=linkhub
        )
        sides = Sides(
            external=external,
            linkhub=linkhub,
            base=link.base if is_live else {},
            external_base=(link.external_base or link.base) if is_live else {},
            external_changed_at=changed_at,
            linkhub_changed_at=read_time(present.updated_at) if present else None,
        )
        result = merge(sides, replace(terms, choices=choices.sides))
        names = [each.name for each in terms.fields]
        return (
            replace(
                result,
                base={name: result.base.get(name) for name in names},
                external_base={name: result.external_base.get(name) for name in names},
            ),
            choices,
        )

    def _keep(self, link: RecordLink, result: Merge, choices: Choices, known: _Known) -> None:
        """Have the ledger keep conflicts found, and close those that are dealt with.

        What a person settled for LinkHub's value is carried out by the export.
        """
        asked = {conflict.field for conflict in result.conflicts}
        now = self._now()
        found = conflicts_of(self._instance, link, result.conflicts, now=now)
        settled = known.settled.get(link.id, ())
        for_external = {name for name, side in choices.sides.items() if side is Side.EXTERNAL}
        done = [each.id for each in settled if each.field in for_external]
        obsolete = [
            *choices.moot,
            *(each.id for each in known.open.get(link.id, ()) if each.field not in asked),
        ]

        def act(uow: UnitOfWork) -> None:
            uow.conflicts.record(found, now=now)
            uow.conflicts.close(done, now=now)
            uow.conflicts.close(obsolete, ConflictStatus.OBSOLETE, now=now)

        if found or done or obsolete:
            self._ledger.also(act)
        if result.to_external or result.fate in {Fate.CREATE_EXTERNAL, Fate.DELETE_EXTERNAL}:
            # the feed may have shown it already, when there was nothing to do
            self._ledger.leave_to_export(link.entity, link.linkhub_id)

    def _look_at(self, links: Sequence[RecordLink]) -> _Known:
        return self._look([(link.entity, link.key_at_linkhub) for link in links], links)

    def _look(self, keys: Iterable[tuple[str, str]], links: Sequence[RecordLink]) -> _Known:
        wanted: dict[str, dict[str, None]] = defaultdict(dict)
        for entity, key in keys:
            wanted[entity][key] = None
        for link in links:
            if link.deleted_at is None:
                wanted[link.entity][link.key_at_linkhub] = None
        present = {
            record.external_key: record
            for entity, found in wanted.items()
            for record in self._client.get(
                entity, source=self._instance.id, external_keys=list(found)
            )
        }
        ids = [link.id for link in links]
        with self._ledger.reading() as uow:
            settled = uow.conflicts.settled_for(self._instance.id, ids) if ids else ()
            waiting = uow.conflicts.open_for(self._instance.id, ids) if ids else ()
        return _Known(present=present, settled=by_link(settled), open=by_link(waiting))

    def _first_link(self, ready: ReadyRecord, present: LinkHubRecord) -> RecordLink:
        """Return a link for a record both sides have and that was never linked."""
        now = self._now()
        return RecordLink(
            id=new_id(),
            instance_id=self._instance.id,
            stream=ready.record.stream,
            external_id=ready.record.key,
            entity=ready.record.entity,
            linkhub_id=present.id,
            created_at=now,
            updated_at=now,
        )
