"""Writing down what is about to be done to LinkHub, so that it can be taken back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from shared.domain.ids import new_id
from shared.domain.journal import NOTHING, JournalAction, JournalEntry, content_hash
from shared.domain.links import RecordLink
from shared.domain.providers import Direction
from shared.engine.batches import RecordKey
from shared.sinks.linkhub.client import LinkHubClient, LinkHubRecord

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork

EntityKey = tuple[str, str]
"""(entity, LinkHub's external key)"""

PENDING = "pending"
"""Under this name the checkpoint's row holds the calls whose links are not stored yet."""

_LINK_FIELDS = (
    "entity",
    "linkhub_id",
    "base",
    "external_base",
    "external_etag",
    "sent_hash",
    "linkhub_key",
    "seen_job_id",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One write about to be made for an external record; `fields` None deletes.

    `link` is the record's link as it is now; `exists`: LinkHub has a record under the key, as far
    as links tell. `sent_hash`: the hash of exactly these fields, '' where nobody has made it.
    """

    record: RecordKey
    entity: str
    linkhub_key: str
    fields: Mapping[str, Any] | None
    link: RecordLink | None
    exists: bool
    sent_hash: str = ""

    @property
    def at(self) -> EntityKey:
        """Where in LinkHub it is."""
        return self.entity, self.linkhub_key


class Books(Protocol):
    """Where a run keeps what it did."""

    now: Callable[[], datetime]

    def writing(self) -> AbstractContextManager[UnitOfWork]:
        """Open a unit of work that can only commit while the job is this run's."""


class ChangeJournal:
    """A job's journal. Entries are durable before the writes they speak of are sent."""

    def __init__(
        self, *, ledger: Books, client: LinkHubClient, instance_id: str, job_id: str
    ) -> None:
        self._books = ledger
        self._client = client
        self._instance_id = instance_id
        self._job_id = job_id

    def write(self, intents: Sequence[Intent]) -> Mapping[EntityKey, LinkHubRecord]:
        """Store an entry for each write, and return what LinkHub has where one will change it.

        Raise LeaseLostError where the job is another run's by now: then nothing may be sent.
        """
        if not intents:
            return {}
        wanted = [intent.at for intent in intents if intent.exists]
        present = read_present(self._client, wanted, source=self._instance_id)
        now = self._books.now()
        with self._books.writing() as uow:
            first = uow.journal.next_sequence(self._job_id)
            described = _described(intents, present)
            uow.journal.add(
                [
                    JournalEntry(
                        id=new_id(),
                        job_id=self._job_id,
                        sequence=number,
                        created_at=now,
                        updated_at=now,
                        **values,
                    )
                    for number, values in enumerate(described, start=first)
                ]
            )
            uow.commit()
        return present


def read_present(
    client: LinkHubClient, wanted: Iterable[EntityKey], *, source: str
) -> dict[EntityKey, LinkHubRecord]:
    """Return what LinkHub has under these keys; keys it has no record of are left out."""
    keys: dict[str, dict[str, None]] = defaultdict(dict)
    for entity, key in wanted:
        keys[entity][key] = None
    return {
        (entity, record.external_key): record
        for entity, some in keys.items()
        for record in client.get(entity, source=source, external_keys=list(some))
    }


def note_scope(
    uow: UnitOfWork, *, instance_id: str, job_id: str, scope: str, now: datetime
) -> bool:
    """Store how a scope's checkpoint stands, once, before the job moves it; return whether it did.

    To be called in the unit of work that takes the scope.
    """
    stands = uow.checkpoints.get(instance_id, scope, Direction.IMPORT)
    if stands is not None and stands.get("jobId") == job_id:
        return False
    entry = JournalEntry(
        id=new_id(),
        job_id=job_id,
        sequence=uow.journal.next_sequence(job_id),
        action=JournalAction.SCOPE,
        stream=scope,
        external_id=Direction.IMPORT.value,
        # what was pending then is settled by the job that takes the scope
        before_image={"checkpoint": stands and {k: v for k, v in stands.items() if k != PENDING}},
        created_at=now,
        updated_at=now,
    )
    uow.journal.add([entry])
    return True


def link_to_json(link: RecordLink) -> dict[str, Any]:
    """Return what a link must be given back."""
    data = {name: getattr(link, name) for name in _LINK_FIELDS}
    return data | {"deleted_at": link.deleted_at and link.deleted_at.isoformat()}


def link_from_json(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values `link_to_json` described, by field name."""
    at = data["deleted_at"]
    return {**data, "deleted_at": None if at is None else datetime.fromisoformat(at)}


def _described(
    intents: Sequence[Intent], present: Mapping[EntityKey, LinkHubRecord]
) -> Iterator[dict[str, Any]]:
    """Yield what each entry tells. Records nobody knew of, a first load's, share one entry."""
    new: dict[tuple[str, str], list[Intent]] = defaultdict(list)
    for intent in intents:
        if intent.link is None and intent.sent_hash and not intent.exists:
            new[intent.record[0], intent.entity].append(intent)
        else:
            yield _one(intent, present.get(intent.at))
    for (stream, entity), some in new.items():
        names = sorted(some[0].fields or ())
        records = [(intent.record[1], intent.sent_hash, intent.linkhub_key) for intent in some]
        yield {
            "action": JournalAction.CREATE_MANY,
            "stream": stream,
            "entity": entity,
            "before_image": {"names": names, "records": records},
        }


def _one(intent: Intent, present: LinkHubRecord | None) -> dict[str, Any]:
    stream, external_id = intent.record
    before = None if present is None else present.fields
    if intent.fields is None:
        action, after = JournalAction.DELETE, NOTHING
    else:
        action = JournalAction.CREATE if present is None else JournalAction.UPDATE
        # LinkHub keeps what is not named
        after = content_hash({**(before or {}), **intent.fields})
    image = None
    if before is not None or intent.link is not None:
        image = {"fields": before, "link": intent.link and link_to_json(intent.link)}
    return {
        "action": action,
        "stream": stream,
        "external_id": external_id,
        "entity": intent.entity,
        "linkhub_id": present.id if present is not None else "",
        "linkhub_key": intent.linkhub_key,
        "before_image": image,
        "after_hash": after,
    }
