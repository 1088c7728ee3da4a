"""Reading the deals, whole or what changed, so that any page's checkpoint leads to the rest.

*Full*: the list of what lives, then the list of what is archived.

*Incremental*: a search by time of change, then the archived list again, of which those count that
were archived since. A search's own paging counts results, so a deal that changes while it is read
moves to the end, everything behind it moves up, and one deal is never seen; besides, a search
ends at 10,000 results. Therefore every page starts a new search from the time of the last deal
given, and deals of exactly that time are not given twice. Where more deals than fit a page share
one time (an import does that), they are read by id.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from adapters.hubspot.api import Batch, Deal, HubSpotApi
from adapters.hubspot.fields import MODIFIED, modified_ms, to_ms, to_record
from adapters.hubspot.positions import Phase, Position
from shared.domain.changes import Change, Delete, Page, RecordProblem, Upsert
from shared.domain.checkpoints import Checkpoint
from shared.errors import PermanentError
from shared.http.paginators import AfterPaginator

SETTLED_AFTER_MS = 60_000
"""A watermark stays this far behind HubSpot's clock: its search index lags by moments."""

_ID = "hs_object_id"
_Step = tuple[list[Change], list[RecordProblem], Position | None]


class DealReader:
    """Reads one stream's pages. `overlap_ms` is how far before the watermark a read starts."""

    def __init__(
        self, api: HubSpotApi, *, stream: str, properties: Sequence[str], overlap_ms: int
    ) -> None:
        self._api = api
        self._stream = stream
        self._properties = tuple(dict.fromkeys([*properties, MODIFIED]))
        self._overlap_ms = overlap_ms
        self._pages = AfterPaginator()

    def read(self, checkpoint: Checkpoint | None) -> Iterator[Page]:
        """Yield the pages that come after the checkpoint."""
        position = self._start(checkpoint)
        self._pages = AfterPaginator(token=position.after)
        while True:
            changes, problems, following = self._step(position)
            if following is None:
                end = Checkpoint(watermark=_watermark(position))
                yield Page(changes=changes, checkpoint=end, problems=problems)
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
                "The watermark of the HubSpot deals cannot be read. Start a full sync."
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
        batch = self._api.list_deals(self._properties, after=position.after)
        position = self._noted(position, batch)
        changes, problems = self._upserts(batch)
        after = self._pages.follow(batch.after)
        if after is None:
            return changes, problems, self._to_archived(position)
        return changes, problems, replace(position, after=after)

    def _search(self, position: Position) -> _Step:
        at = position.at
        batch = self._api.search_deals(
            [(MODIFIED, "GTE", at)], sort=MODIFIED, properties=self._properties
        )
        position = self._noted(position, batch)
        changes, problems = self._upserts(batch, given=(at, position.seen))
        if batch.after is None:
            return changes, problems, self._to_archived(position)
        last = modified_ms(batch.deals[-1]) if batch.deals else None
        if last is None or last < at:
            raise _lost_order()
        tied = [_id_of(deal) for deal in batch.deals if modified_ms(deal) == last]
        if last > at:
            return changes, problems, replace(position, at=last, seen=tuple(tied))
        seen = tuple(dict.fromkeys([*position.seen, *tied]))
        return changes, problems, replace(position, phase=Phase.TIES, seen=seen, last_id=0)

    def _ties(self, position: Position) -> _Step:
        at, last_id = position.at, position.last_id
        batch = self._api.search_deals(
            [(MODIFIED, "GTE", at), (MODIFIED, "LTE", at), (_ID, "GT", last_id)],
            sort=_ID,
            properties=self._properties,
        )
        position = self._noted(position, batch)
        changes, problems = self._upserts(batch, given=(at, position.seen))
        if batch.after is None:
            following = replace(position, phase=Phase.SEARCH, at=at + 1, seen=(), last_id=0)
            return changes, problems, following
        ids = [int(id_) for deal in batch.deals if (id_ := _id_of(deal)).isdecimal()]
        highest = max(ids, default=last_id)
        if highest <= last_id:
            raise _lost_order()
        return changes, problems, replace(position, last_id=highest)

    def _archived(self, position: Position) -> _Step:
        batch = self._api.list_deals([MODIFIED], after=position.after, archived=True)
        since = None if position.since is None else position.since - self._overlap_ms
        changes: list[Change] = [
            Delete(self._stream, _id_of(deal))
            for deal in batch.deals
            if _id_of(deal) and _is_archived_since(deal, since)
        ]
        after = self._pages.follow(batch.after)
        return changes, [], None if after is None else replace(position, after=after)

    def _upserts(
        self, batch: Batch, *, given: tuple[int, Collection[str]] = (0, ())
    ) -> tuple[list[Change], list[RecordProblem]]:
        """Return the batch's deals as changes, but not those `given` for that very time of change.

        A deal without an id is a problem: there is nothing to know it by.
        """
        changes: list[Change] = []
        problems: list[RecordProblem] = []
        given_at, given_ids = given
        for deal in batch.deals:
            id_ = _id_of(deal)
            if not id_:
                text = "HubSpot sent a deal without an id; it cannot be synced."
                problems.append(RecordProblem(stream=self._stream, key="", message=text))
            elif id_ in batch.gone or (id_ in given_ids and modified_ms(deal) == given_at):
                continue
            else:
                record = to_record(deal, self._properties)
                changes.append(Upsert(self._stream, id_, record))
        return changes, problems

    def _noted(self, position: Position, batch: Batch) -> Position:
        """Return the position with the read's start, if this was it, and the latest change seen."""
        times = [at for deal in batch.deals if (at := modified_ms(deal)) is not None]
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


def _id_of(deal: Deal) -> str:
    id_ = deal.get("id")
    return "" if id_ is None else str(id_)


def _is_archived_since(deal: Deal, since: int | None) -> bool:
    """Return whether a deal was archived at `since` or later; one that does not say when, was."""
    at = to_ms(deal.get("archivedAt"))
    return since is None or at is None or at >= since


def _lost_order() -> PermanentError:
    return PermanentError(
        "HubSpot's search did not keep the order asked for; going on could lose deals. "
        "Start a full sync."
    )
