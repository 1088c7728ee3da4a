"""Finding what an earlier attempt created whose answer was lost.

Graph takes no key of ours with a new task. So before one is created, the plan is searched for a
task that the same person created within a day, that says exactly what would be sent, and that
nothing else in this push is about: the trace of a lost answer looks like that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from adapters.planner import BUCKETS
from adapters.planner.api import NOT_THERE, GraphApi, Resource
from adapters.planner.failures import RefusedError
from adapters.planner.fields import has_details
from adapters.planner.wishes import Part, Wish, merge
from shared.domain.conversions import read_instant
from shared.errors import RecordError

WINDOW = timedelta(days=1)
"""How long an attempt may lie back: the tries of one job end long before."""


class Twins:
    """Looks for twins in plans; each plan is listed once, when something new is to go into it."""

    def __init__(self, api: GraphApi, *, stream: str, user: str) -> None:
        self._api = api
        self._stream = stream
        self._user = user
        self._claimed: set[str] = set()
        self._plans: dict[str, Sequence[Resource]] = {}

    def claim(self, ids: Iterable[str]) -> None:
        """Note what is spoken for; it is nobody's twin."""
        self._claimed.update(ids)

    def find(self, plan: str, wishes: Sequence[Wish], *, afresh: bool = False) -> Resource | None:
        """Return what was created for the same wishes before, None where nothing was."""
        if afresh or plan not in self._plans:
            self._plans[plan] = self._recent(plan)
        for resource in self._plans[plan]:
            if str(resource["id"]) not in self._claimed and self._meets(resource, wishes):
                return resource
        return None

    def _recent(self, plan: str) -> Sequence[Resource]:
        """Return what the same person created lately. A bucket does not say by whom or when."""
        path = f"/planner/plans/{quote(plan, safe='')}/{self._stream}"
        try:
            found = [each for page in self._api.pages(path) for each in page if each.get("id")]
        except RefusedError as error:
            if error.status in NOT_THERE:
                raise RecordError("Its plan does not exist.", field="planId") from None
            raise
        if self._stream == BUCKETS:
            return found
        since = (self._api.http.server_time or datetime.now(UTC)) - WINDOW
        return [each for each in found if self._is_own(each) and _created_at(each) >= since]

    def _is_own(self, task: Resource) -> bool:
        by = task.get("createdBy")
        user = by.get("user") if isinstance(by, Mapping) else None
        id_ = user.get("id") if isinstance(user, Mapping) else None
        return not self._user or id_ == self._user

    def _meets(self, resource: Resource, wishes: Sequence[Wish]) -> bool:
        """Tell whether everything is as wished; details may not have been written any more."""
        parts = {part: [wish for wish in wishes if wish.part is part] for part in Part}
        if _asks_more(parts[Part.MAIN], resource):
            return False
        if not parts[Part.DETAILS] or not has_details(resource):
            return True
        path = f"/planner/{self._stream}/{quote(str(resource['id']), safe='')}/details"
        details = self._api.find(path)
        return details is None or not _asks_more(parts[Part.DETAILS], details)


def _asks_more(wishes: Sequence[Wish], resource: Resource) -> bool:
    return bool(merge(wishes, base=resource, theirs=resource).body)


def _created_at(task: Resource) -> datetime:
    try:
        return read_instant(task.get("createdDateTime"), UTC)
    except RecordError:
        return datetime.min.replace(tzinfo=UTC)
