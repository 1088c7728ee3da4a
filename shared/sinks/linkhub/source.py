"""What changed in LinkHub, read as a sync reads a provider: a scope is an entity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from shared.domain.changes import Change, Delete, Page, Upsert
from shared.domain.checkpoints import Checkpoint
from shared.sinks.linkhub.client import LinkHubClient, LinkHubRecord

PAGE = 500


class LinkHubSource:
    """The feed of changes, each a change of the record with LinkHub's id as its key.

    An Upsert holds the record's `fields`, `version`, `updatedAt`, `source` and `externalKey`.
    `revisit(entity)` names records to show again though nothing of them has changed, once for
    `job_id` where the read is not of everything; those LinkHub has no more are Deletes. Closing it
    closes `client`.
    """

    def __init__(
        self,
        client: LinkHubClient,
        *,
        revisit: Callable[[str], Sequence[str]] = lambda _: (),
        job_id: str = "",
    ) -> None:
        self._client = client
        self._revisit = revisit
        self._job_id = job_id

    def read(self, scope: str, checkpoint: Checkpoint | None) -> Iterator[Page]:
        """Yield what changed since the checkpoint; None: everything there is and was."""
        since, watermark = "", None
        if checkpoint is not None:
            watermark = checkpoint.watermark
            since = _cursor(watermark if checkpoint.resume is None else checkpoint.resume)
            if checkpoint.resume is None or checkpoint.resume.get("job") != self._job_id:
                changes = self._again(scope)
                if changes:
                    yield Page(
                        changes=changes,
                        checkpoint=Checkpoint(resume=self._place(since), watermark=watermark),
                    )
        while True:
            page = self._client.changes(scope, since=since, limit=PAGE)
            since = page.next_cursor
            yield Page(
                changes=[_change(scope, record) for record in page.changes],
                checkpoint=Checkpoint(
                    resume=self._place(since) if page.has_more else None,
                    watermark=watermark if page.has_more else {"since": since},
                ),
            )
            if not page.has_more:
                return

    def get(self, entity: str, ids: Sequence[str]) -> Sequence[Change]:
        """Return records by their ids as they are now; those LinkHub has no more are Deletes."""
        wanted = list(dict.fromkeys(ids))
        found = {record.id: record for record in self._client.get_by_ids(entity, ids=wanted)}
        return [
            _change(entity, found[id_]) if id_ in found else Delete(entity, id_) for id_ in wanted
        ]

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _place(self, since: str) -> dict[str, str]:
        return {"since": since, "job": self._job_id}

    def _again(self, entity: str) -> Sequence[Change]:
        return self.get(entity, self._revisit(entity))


def _cursor(place: Any) -> str:
    return str(place["since"]) if isinstance(place, dict) else ""


def _change(entity: str, record: LinkHubRecord) -> Change:
    if record.deleted:
        return Delete(entity, record.id)
    return Upsert(
        entity,
        record.id,
        {
            "fields": record.fields,
            "version": record.version,
            "updatedAt": record.updated_at,
            "source": record.source,
            "externalKey": record.external_key,
        },
    )
