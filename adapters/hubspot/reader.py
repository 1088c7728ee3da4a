"""Reading a kind of record, whole or what changed: any page's checkpoint leads to the rest.

*Full*: the list of what lives, then the list of what is archived. The list's cursor is an id, so
nothing that exists all the while is left out, and its count is a total.

*Incremental*: a search by time of change, then the archived list again, of which those count that
were archived since. A search's own paging counts results, so a record that changes while it is
read moves to the end, everything behind it moves up, and one is never seen; besides, a search
ends at 10,000 results. Therefore every page starts a new search from the time of the last record
given, and records of exactly that time are not given twice. Where more than fit a page share
one time (an import does that), they are read by id.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from adapters.hubspot.api import Batch, CrmObject, HubSpotApi
from adapters.hubspot.fields import modified_ms, to_ms
from adapters.hubspot.objects import ID
from adapters.hubspot.positions import Phase, Position
from adapters.hubspot.records import Records
from shared.domain.changes import Change, Delete, Page, RecordProblem, Upsert
from shared.domain.checkpoints import Checkpoint
from shared.errors import PermanentError
from shared.http.paginators import AfterPaginator

SETTLED_AFTER_MS = 60_000
"""A watermark stays this far behind HubSpot's clock: its search index lags by moments."""

_Step = tuple[list[Change], list[RecordProblem], Position | None]


class ObjectReader:
    """Reads one stream's pages. `overlap_ms` is how far before the watermark a read starts."""

    def __init__(self, api: HubSpotApi, *, records: Records, overlap_ms: int) -> None:
        self._api = api
        self._kind = records.kind
        self._stream = records.kind.name
        self._modified = records.kind.modified
        self._records = records
        self._overlap_ms = overlap_ms
        self._pages = AfterPaginator()

    def read(self, checkpoint: Checkpoint | None) -> Iterator[Page]:
        """Yield the pages that come after the checkpoint."""
        position = self._start(checkpoint)
        self._pages = AfterPaginator(token=position.after)
        while True:
            changes, problems, following = self._step(position)
            if following is None:
                yield Page(
                    changes=changes,
                    checkpoint=Checkpoint(watermark=_watermark(position)),
                    problems=problems,
                    totals=self._totals(position),
                )
                return
            position = following
            here = Checkpoint(resume=position.to_json(), watermark=position.since)
            yield Page(changes=changes, checkpoint=here, problems=problems)

    def _start(self, checkpoint: Checkpoint | None) -> Position:
        if checkpoint is None:
            return Position(phase=Phase.LIST)
        if checkpoint.resume is not None:
            return Position.from_json(checkpoint.resume)
        since = checkpoint.watermark
        if since is None:
            return Position(phase=Phase.LIST)
        if not isinstance(since, int):
            raise PermanentError(
                "The watermark of the HubSpot read cannot be read. Start a full sync."
            )
        return Position(phase=Phase.SEARCH, since=since, at=max(since - self._overlap_ms, 0))

    def _step(self, position: Position) -> _Step:
        """Make one request; return what it gave and where the read stands then, None at its end."""
        match position.phase:
            case Phase.LIST:
                return self._list(position)
            case Phase.SEARCH:
                return self._search(position)
            case Phase.TIES:
                return self._ties(position)
            case Phase.ARCHIVED:
                return self._archived(position)

    def _list(self, position: Position) -> _Step:
        records = self._records
        batch = self._api.list_objects(
            self._kind, records.properties, linked=records.linked, after=position.after
        )
        position = self._noted(position, batch)
        changes, problems = self._upserts(batch, records.listed(batch))
        if position.count is not None:
            position = replace(position, count=None if problems else position.count + len(changes))
        after = self._pages.follow(batch.after)
        if after is None:
            return changes, problems, self._to_archived(position)
        return changes, problems, replace(position, after=after)

    def _search(self, position: Position) -> _Step:
        at = position.at
        batch = self._api.search_objects(
            self._kind,
            [(self._modified, "GTE", at)],
            sort=self._modified,
            properties=self._records.properties,
        )
        position = self._noted(position, batch)
        changes, problems = self._upserts(
            batch, self._records.found(batch), given=(at, position.seen)
        )
        if batch.after is None:
            return changes, problems, self._to_archived(position)
        last = self._changed_at(batch.objects[-1]) if batch.objects else None
        if last is None or last < at:
            raise _lost_order()
        tied = [_id_of(data) for data in batch.objects if self._changed_at(data) == last]
        if last > at:
            return changes, problems, replace(position, at=last, seen=tuple(tied))
        seen = tuple(dict.fromkeys([*position.seen, *tied]))
        return changes, problems, replace(position, phase=Phase.TIES, seen=seen, last_id=0)

    def _ties(self, position: Position) -> _Step:
        at, last_id = position.at, position.last_id
        batch = self._api.search_objects(
            self._kind,
            [(self._modified, "GTE", at), (self._modified, "LTE", at), (ID, "GT", last_id)],
            sort=ID,
            properties=self._records.properties,
        )
        position = self._noted(position, batch)
        changes, problems = self._upserts(
            batch, self._records.found(batch), given=(at, position.seen)
        )
        if batch.after is None:
            following = replace(position, phase=Phase.SEARCH, at=at + 1, seen=(), last_id=0)
            return changes, problems, following
        ids = [int(id_) for data in batch.objects if (id_ := _id_of(data)).isdecimal()]
        highest = max(ids, default=last_id)
        if highest <= last_id:
            raise _lost_order()
        return changes, problems, replace(position, last_id=highest)

    def _archived(self, position: Position) -> _Step:
        batch = self._api.list_objects(
            self._kind, [self._modified], after=position.after, archived=True
        )
        since = None if position.since is None else position.since - self._overlap_ms
        changes: list[Change] = [
            Delete(self._stream, _id_of(data))
            for data in batch.objects
            if _id_of(data) and _is_archived_since(data, since)
        ]
        after = self._pages.follow(batch.after)
        return changes, [], None if after is None else replace(position, after=after)

    def _upserts(
        self,
        batch: Batch,
        to_record: Callable[[CrmObject], dict[str, str | None]],
        *,
        given: tuple[int, Collection[str]] = (0, ()),
    ) -> tuple[list[Change], list[RecordProblem]]:
        """Return the batch's records as changes, but not those `given` for that time of change.

        One without an id is a problem: there is nothing to know it by.
        """
        changes: list[Change] = []
        problems: list[RecordProblem] = []
        given_at, given_ids = given
        for data in batch.objects:
            id_ = _id_of(data)
            if not id_:
                text = f"HubSpot sent a {self._kind.singular} without an id; it cannot be synced."
                problems.append(RecordProblem(stream=self._stream, key="", message=text))
            elif id_ in batch.gone or (id_ in given_ids and self._changed_at(data) == given_at):
                continue
            else:
                changes.append(Upsert(self._stream, id_, to_record(data)))
        return changes, problems

    def _totals(self, position: Position) -> Mapping[str, int]:
        """Return how many records a full read gave, nothing where it gave not all there were."""
        if position.since is not None or position.count is None:
            return {}
        return {self._stream: position.count}

    def _changed_at(self, data: CrmObject) -> int | None:
        return modified_ms(data, self._modified)

    def _noted(self, position: Position, batch: Batch) -> Position:
        """Return the position with the read's start, if this was it, and the latest change seen."""
        times = [at for data in batch.objects if (at := self._changed_at(data)) is not None]
        newest = max([position.newest or 0, *times])
        started = position.started
        if started is None:
            now = self._api.http.server_time or datetime.now(UTC)
            started = int(now.timestamp()) * 1000
        return replace(position, newest=newest or None, started=started)

    def _to_archived(self, position: Position) -> Position:
        self._pages = AfterPaginator()
        return replace(position, phase=Phase.ARCHIVED, after=None, at=0, last_id=0, seen=())


def _watermark(position: Position) -> int | None:
    """Return where the next incremental read starts: the latest change seen that is settled.

    It never goes back, and does not go on where nothing was seen.
    """
    known = [at for at in (position.newest, position.since) if at is not None]
    if position.started is None:
        return max(known, default=None)
    settled = position.started - SETTLED_AFTER_MS
    newest = settled if position.newest is None and position.since is None else max(known)
    return max(min(newest, settled), position.since or 0)


def _id_of(data: CrmObject) -> str:
    id_ = data.get("id")
    return "" if id_ is None else str(id_)


def _is_archived_since(data: CrmObject, since: int | None) -> bool:
    """Return whether a record was archived at `since` or later; one that does not say when, was."""
    at = to_ms(data.get("archivedAt"))
    return since is None or at is None or at >= since


def _lost_order() -> PermanentError:
    return PermanentError(
        "HubSpot's search did not keep the order asked for; going on could lose records. "
        "Start a full sync."
    )
