"""The sink that writes to a provider what changed in LinkHub.

For each page of LinkHub's changes: the records' links are found by LinkHub's ids, the provider is
asked what it has of them, both sides are merged field by field, what LinkHub changed is pushed, and
links, conflicts and checkpoint are kept in one transaction. A crash in between repeats the page,
and then both sides show what was done already. What is to be created is written down before it is
sent: see `Books`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.domain.changes import Change, Delete, Truncate, Upsert
from shared.domain.checkpoints import SavedCheckpoint
from shared.domain.ids import new_id
from shared.domain.instances import Instance
from shared.domain.links import RecordLink, check_external_id, natural_key, plain_key
from shared.domain.merge import Fate
from shared.domain.policies import Policies
from shared.domain.sync_rules import SyncRules
from shared.domain.tallies import Tally
from shared.engine.batches import hash_fields
from shared.errors import RecordError
from shared.ports.provider import Connection, PushResult
from shared.ports.sink import FinishResult, WriteResult
from shared.sinks.linkhub.client import LinkHubClient
from shared.sinks.linkhub.conflicts import conflicts_of
from shared.sinks.linkhub.guard import DeleteGuard
from shared.sinks.linkhub.journal import ChangeJournal
from shared.sinks.provider.aside import BooksAside
from shared.sinks.provider.books import Books, Found
from shared.sinks.provider.claims import claimed, is_free
from shared.sinks.provider.exchange import Exchange
from shared.sinks.provider.linkhub import intents_of, write_to_linkhub

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork

BATCH_SIZE = 100


class ProviderSink:
    """One job's way out of LinkHub (see `shared.ports.sink.Sink`); a scope is an entity.

    It takes changes of LinkHub's feed (see `LinkHubSource`). Records of other sources are passed
    over, native ones are claimed, created in the first stream whose mapping fills the entity, and
    then adopted. Without `keeps_checkpoints` only links move: what is written is no part of a read.
    Closing it closes `client`, not `connection`.
    """

    batch_size = BATCH_SIZE

    def __init__(
        self,
        *,
        client: LinkHubClient,
        connection: Connection,
        open_uow: Callable[..., AbstractContextManager[UnitOfWork]],
        instance: Instance,
        job_id: str,
        run_id: str,
        rules: SyncRules,
        lease_until: Callable[[], datetime],
        now: Callable[[], datetime],
        approved_deletes: int = 0,
        keeps_checkpoints: bool = True,
    ) -> None:
        self._client = client
        self._connection = connection
        self._instance = instance
        self._rules = rules
        self._now = now
        self.books = (Books if keeps_checkpoints else BooksAside)(
            open_uow=open_uow,
            instance_id=instance.id,
            job_id=job_id,
            run_id=run_id,
            lease_until=lease_until,
            now=now,
        )
        self._journal = ChangeJournal(
            ledger=self.books, client=client, instance_id=instance.id, job_id=job_id
        )
        self._recovered: dict[str, list[Exchange]] = {}
        """What is counted with the scope's first page."""
        self._guard = DeleteGuard(
            percent=Policies.from_json(instance.policies).delete_approval_percent,
            approved=approved_deletes,
            count_live=lambda: self.books.count_live() + self._count_import_deletes(),
            where=f"of {instance.name}, in LinkHub or at the provider",
        )

    def recover(self, scopes: Iterable[str]) -> None:
        """Finish what an earlier run was about to push to the provider.

        To be called before anything is imported: what was created and not linked yet would come
        back as new, what was changed or deleted as if people had done it there.
        """
        for scope in scopes:
            sendings = self.books.sendings(scope)
            if not sendings:
                continue
            exchanges = [Exchange.recovered(each) for each in sendings]
            present = {
                record.id: {"fields": record.fields, "version": record.version}
                for record in self._client.get_by_ids(
                    scope, ids=[each.linkhub_id for each in exchanges]
                )
            }
            found = self.books.find(scope, present)
            for each in exchanges:
                each.present, each.link = (
                    present.get(each.linkhub_id),
                    found.links.get(each.linkhub_id),
                )
            exchanges = list(self._still_meant(exchanges))
            self._carry_out(scope, exchanges)
            # what was refused had not been sent, or was changed since: it is merged anew
            exchanges = [each for each in exchanges if each.creation or not each.failed]
            self._keep(scope, exchanges)
            self.books.save(scope, None)
            self._recovered[scope] = exchanges

    def load(self, scope: str) -> SavedCheckpoint | None:
        """Return the scope's checkpoint, None where it was never exported."""
        return self.books.load(scope)

    def begin(self, scope: str, saved: SavedCheckpoint) -> None:
        """Take the scope for this run and store where it stands."""
        self.books.forget()
        self.books.save(scope, saved)

    def write(self, scope: str, changes: Sequence[Change]) -> WriteResult:
        """Bring both sides in step; count every record that is not an echo of what was synced.

        Raise LeaseLostError, before anything is sent, where the job is another run's by now, and
        ApprovalNeededError where it would delete too much.
        """
        latest = {each.key: each for each in changes if not isinstance(each, Truncate)}
        found = self.books.find(scope, latest)
        exchanges = [
            exchange
            for change in latest.values()
            if (exchange := self._open(scope, change, found)) is not None
        ]
        for stream, own in _by_stream(exchanges).items():
            external = self._get(stream, own)
            for each in own:
                each.compare(external.get(each.key), self._rules)
        if deletes := sum(each.is_delete for each in exchanges):
            before = sum(self.books.deleted.values()) + self._count_import_deletes()
            self._guard.check(deletes, deleted=before)
        exchanges = list(claimed(self._client, scope, exchanges, source=self._instance.id))
        self._carry_out(scope, exchanges)
        self._keep(scope, exchanges)
        counted = [*self._recovered.pop(scope, ()), *exchanges]
        return WriteResult(
            tally=sum((each.tally() for each in counted), Tally()),
            problems=[problem for each in counted for problem in each.problems],
        )

    def commit(self, scope: str, saved: SavedCheckpoint) -> None:
        """Keep links, conflicts and the checkpoint in one transaction."""
        self.books.save(scope, saved)

    def finish(self, scope: str, saved: SavedCheckpoint, totals: Mapping[str, int]) -> FinishResult:
        """Store the settled checkpoint; there is no staging that would have to be checked."""
        del totals
        self.books.save(scope, saved)
        return FinishResult()

    def close(self) -> None:
        """Forget what was not committed and close the client."""
        self.books.forget()
        self._client.close()

    def _count_import_deletes(self) -> int:
        return self.books.count_import_deletes(self._rules.mapper.streams)

    def _still_meant(self, exchanges: Sequence[Exchange]) -> Sequence[Exchange]:
        """Return what is to be created or changed, and of what was to be deleted that which is."""
        meant = [
            each
            for each in exchanges
            if each.creation or (each.link is not None and each.link.deleted_at is None)
        ]
        deletes = [each for each in meant if each.is_delete]
        for stream, own in _by_stream(deletes).items():
            there = self._get(stream, own)
            meant = [each for each in meant if each not in own or each.key not in there]
        return meant

    def _open(self, scope: str, change: Upsert | Delete, found: Found) -> Exchange | None:
        """Return the record's exchange, None for what is an echo or not this instance's."""
        link = found.links.get(change.key)
        present = None if isinstance(change, Delete) else change.record
        is_to_retry = self.books.is_to_retry(scope, change.key)
        self.books.put_outcome(scope, change.key, failed=False)
        stream = link.stream if link else self._home(scope)
        if stream is None or stream not in self._rules.mapper.streams:
            return None
        if present is None and (link is None or link.deleted_at is not None):
            return None
        source = self._instance.id
        if link is None and not is_free(present or {}, linkhub_id=change.key, source=source):
            return None
        exchange = Exchange(
            linkhub_id=change.key,
            stream=stream,
            present=present,
            link=link,
            settled=found.settled.get(link.id, ()) if link else (),
            open=found.open.get(link.id, ()) if link else (),
        )
        fields = self._rules.mapper.fields_of(stream)
        return None if exchange.shows_its_base(fields) and not is_to_retry else exchange

    def _home(self, entity: str) -> str | None:
        """Return the stream native records of an entity go to."""
        streams = self._rules.mapper.streams.items()
        return next(
            (
                stream
                for stream, filled in streams
                if filled == entity and self._rules.reverse.exportable(stream)
            ),
            None,
        )

    def _get(self, stream: str, exchanges: Iterable[Exchange]) -> Mapping[str, Mapping[str, Any]]:
        """Return what the provider has of these records, by its own ids."""
        keys = [each.key for each in exchanges if each.link is not None or each.external_id]
        if not keys:
            return {}
        found = self._connection.get(stream, list(dict.fromkeys(keys)))
        return {change.key: change.record for change in found if isinstance(change, Upsert)}

    def _carry_out(self, scope: str, exchanges: Sequence[Exchange]) -> None:
        """Push what goes to the provider, look what became of it, and write to LinkHub."""
        sendings = [each.sending for each in exchanges if each.sending and not each.failed]
        if sendings:
            self.books.note_sendings(scope, sendings)
        for stream, own in _by_stream(each for each in exchanges if each.push).items():
            results = self._connection.push(stream, [each.push for each in own if each.push])
            for each, result in zip(own, results, strict=True):
                _note(each, result)
            looked_at = [each for each in own if isinstance(each.push, Upsert) and each.reached]
            if self._rules.imports:
                external = self._get(stream, looked_at)
                for each in looked_at:
                    if each.key in external:
                        each.look_again(external[each.key], self._rules)
        going = [each for each in exchanges if not each.failed]

        def key_of(each: Exchange) -> str:
            return self._key(scope, each)

        self._journal.write(intents_of(scope, going, key_of=key_of))
        write_to_linkhub(self._client, scope, going, source=self._instance.id, key_of=key_of)

    def _keep(self, scope: str, exchanges: Iterable[Exchange]) -> None:
        """Put what came of the records into the books."""
        for each in exchanges:
            self.books.put_outcome(scope, each.linkhub_id, failed=each.failed)
            if each.failed and not each.reached:
                continue
            link = self._link(scope, each)
            if each.creation and each.creation.replaces not in {"", each.external_id}:
                old = each.creation.replaces
                self.books.put_link(
                    replace(link, id=new_id(), external_id=old, deleted_at=self._now())
                )
            self.books.put_link(link)
            asked = {conflict.field for conflict in each.conflicts}
            self.books.put_conflicts(
                conflicts_of(self._instance, link, each.conflicts, now=self._now()),
                done=each.choices.carried_out,
                obsolete=[
                    *each.choices.moot,
                    *(conflict.id for conflict in each.open if conflict.field not in asked),
                ],
            )

    def _key(self, entity: str, each: Exchange) -> str:
        """Return the external key LinkHub is to know the record by."""
        fields = {**(each.fields or {}), **each.to_linkhub}
        return natural_key(entity, fields) or plain_key(each.stream, each.key)

    def _natural_key(self, entity: str, each: Exchange) -> str:
        if each.fields is None and each.link is not None:
            return each.link.linkhub_key
        return natural_key(entity, {**(each.fields or {}), **each.to_linkhub})

    def _link(self, entity: str, each: Exchange) -> RecordLink:
        now, old = self._now(), each.link
        names = [field.name for field in self._rules.mapper.fields_of(each.stream)]
        external_base = {name: each.external_base.get(name) for name in names}
        is_gone = each.is_delete or each.fate is Fate.GONE
        is_same = old is not None and old.external_id == each.key
        return RecordLink(
            id=old.id if old and is_same else new_id(),
            instance_id=self._instance.id,
            stream=each.stream,
            external_id=each.key,
            entity=entity,
            linkhub_id=each.linkhub_id,
            linkhub_key=self._natural_key(entity, each),
            base={name: each.base.get(name) for name in names},
            external_base=external_base,
            external_etag=each.etag or (old.external_etag if old else ""),
            sent_hash=hash_fields(entity, external_base),
            seen_job_id=old.seen_job_id if old and is_same else "",
            deleted_at=now if is_gone else None,
            created_at=old.created_at if old and is_same else now,
            updated_at=now,
        )


def _by_stream(exchanges: Iterable[Exchange]) -> Mapping[str, list[Exchange]]:
    groups: dict[str, list[Exchange]] = defaultdict(list)
    for each in exchanges:
        if not each.failed:
            groups[each.stream].append(each)
    return groups


def _note(each: Exchange, result: PushResult) -> None:
    if result.problem is not None:
        each.problems.append(replace(result.problem, key=each.key))
    if result.outcome == "rejected":
        each.failed = True
        return
    external_id = result.external_id or each.key
    try:
        check_external_id(external_id)
    except RecordError as error:
        each.fail(each.problem(error.message))
        return
    each.pushed(external_id, result.etag, sent=result.outcome != "unchanged")
