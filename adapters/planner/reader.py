"""Reading a stream whole, so that any page's checkpoint leads to the rest.

Plans come in the order of their ids; what belongs to a plan is read plan by plan, and a checkpoint
holds the plan and the link of its next page, just as Graph gave it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import quote

from adapters.planner import PLANS
from adapters.planner.api import NOT_THERE, GraphApi, Plan, Resource, values_of
from adapters.planner.failures import RefusedError
from adapters.planner.records import Records
from shared.domain.changes import Change, Page, RecordProblem
from shared.domain.checkpoints import Checkpoint
from shared.errors import PermanentError
from shared.http.paginators import NextLinkPaginator

PLANS_PER_PAGE = 100
_LINK_ENDED = {HTTPStatus.BAD_REQUEST, *NOT_THERE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The next request of a read: the page `link` of `plan`, '' for its first.

    `before` counts the records of the plans before it, `seen` those of its pages before this one.
    """

    plan: str
    link: str = ""
    before: int = 0
    seen: int = 0

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Return the position a checkpoint holds; raise PermanentError for anything else."""
        try:
            return cls(
                plan=str(data["plan"]),
                link=str(data["link"]),
                before=int(data["before"]),
                seen=int(data["seen"]),
            )
        except (KeyError, TypeError, ValueError):
            raise PermanentError(
                "The checkpoint of the Planner read cannot be read. Start a full sync."
            ) from None


_START = Position(plan="")


class PlannerReader:
    """Reads one stream's pages; `plans` are all there are, by id."""

    def __init__(
        self, api: GraphApi, *, stream: str, plans: Sequence[Plan], records: Records
    ) -> None:
        self._api = api
        self._stream = stream
        self._plans = plans
        self._records = records

    def read(self, checkpoint: Checkpoint | None) -> Iterator[Page]:
        """Yield the pages after the checkpoint; the last one has the count of all records."""
        resume = None if checkpoint is None else checkpoint.resume
        start = _START if resume is None else Position.from_json(resume)
        if self._stream == PLANS:
            yield from self._read_plans(start)
        else:
            yield from self._read_parts(start)

    def _read_plans(self, start: Position) -> Iterator[Page]:
        todo = [plan for plan in self._plans if plan.id >= start.plan]
        count, at = start.before, 0
        while at + PLANS_PER_PAGE < len(todo):
            changes = self._records.of_plans(todo[at : at + PLANS_PER_PAGE])
            at, count = at + PLANS_PER_PAGE, count + len(changes)
            yield self._page(changes, [], Position(plan=todo[at].id, before=count))
        changes = self._records.of_plans(todo[at:])
        yield self._last(changes, [], count + len(changes))

    def _read_parts(self, start: Position) -> Iterator[Page]:
        """Yield a page for each page of each plan; plans that hold nothing make none."""
        todo = [plan for plan in self._plans if plan.id >= start.plan]
        count = start.before
        if not todo or todo[0].id != start.plan:  # its plan is gone, and with it what it held
            count += start.seen
        for number, plan in enumerate(todo, start=1):
            is_resumed = plan.id == start.plan
            seen = start.seen if is_resumed else 0
            for answer, is_first, link in self._walk(plan, start.link if is_resumed else ""):
                changes, problems = self._records.of_page(plan, values_of(answer))
                seen = len(changes) + (0 if is_first else seen)
                if link:
                    here = Position(plan=plan.id, link=link, before=count, seen=seen)
                elif number < len(todo):
                    here = Position(plan=todo[number].id, before=count + seen)
                else:
                    yield self._last(changes, problems, count + seen)
                    return
                if changes or problems:
                    yield self._page(changes, problems, here)
            count += seen
        yield self._last([], [], count)

    def _walk(self, plan: Plan, link: str) -> Iterator[tuple[Resource, bool, str]]:
        """Yield a plan's pages from `link`, '' for its first: the page, whether it is the first,
        and the link of the next one. A plan that is gone has one empty page.

        A link that has ended since the checkpoint was written leads back to the first page, once:
        then some records come twice rather than never.
        """
        pages = NextLinkPaginator(token=link or None)
        may_restart = bool(link)
        while not pages.is_done:
            is_first = pages.token is None
            path = f"/planner/plans/{quote(plan.id, safe='')}/{self._stream}"
            try:
                answer = self._page_at(pages.token or path)
            except RefusedError as error:
                if is_first and error.status in NOT_THERE:
                    answer = {"value": []}
                elif may_restart and error.status in _LINK_ENDED:
                    pages, may_restart = NextLinkPaginator(), False
                    continue
                else:
                    raise
            pages.advance(answer)
            yield answer, is_first, pages.token or ""

    def _page_at(self, address: str) -> Resource:
        answer: Resource = self._api.http.get_json(address)
        return answer

    def _page(
        self, changes: Sequence[Change], problems: Sequence[RecordProblem], position: Position
    ) -> Page:
        return Page(
            changes=changes, checkpoint=Checkpoint(resume=asdict(position)), problems=problems
        )

    def _last(
        self, changes: Sequence[Change], problems: Sequence[RecordProblem], count: int
    ) -> Page:
        return Page(
            changes=changes,
            checkpoint=Checkpoint(),
            totals={self._stream: count},
            problems=problems,
        )
