"""The calls of Microsoft Graph v1.0 the adapter makes.

Collections are `{value, @odata.nextLink}`; the link is followed as it is. Up to twenty reads go in
one JSON batch (learn.microsoft.com/graph/json-batching), each with a status of its own.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import quote

import httpx

from adapters.planner.failures import RefusedError, classify
from shared.errors import PermanentError, SyncError, TransientError
from shared.http.client import HttpClient
from shared.http.errors import error_of
from shared.http.paginators import NextLinkPaginator
from shared.http.retries import BACKGROUND, INTERACTIVE

NAME = "Microsoft Graph"
BATCH_LIMIT = 20
ETAG = "@odata.etag"
ID = re.compile(r"[A-Za-z0-9_-]{28}")
"""What an id of Planner looks like; a case-sensitive one. Graph answers 400 to any other."""
NOT_THERE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_ME = "id,displayName,userPrincipalName"

Resource: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan as Graph sent it."""

    id: str
    title: str
    data: Resource


class GraphApi:
    """Reads of Planner. `http` is at `…/v1.0`; waits within a batch go through `sleep`."""

    def __init__(
        self, http: HttpClient, *, sleep: Callable[[float], None], interactive: bool
    ) -> None:
        self.http = http
        self._sleep = sleep
        self._ladder = INTERACTIVE if interactive else BACKGROUND

    def me(self) -> Resource | None:
        """Return who is signed in, None where nobody is: an application acts for itself."""
        try:
            return _object(self.http.get_json("/me", params={"$select": _ME}))
        except RefusedError as error:
            if error.status == HTTPStatus.BAD_REQUEST:
                return None
            raise

    def group_ids(self) -> Sequence[str]:
        """Return the groups the signed-in person is a member of; only such own plans he can see."""
        path = "/me/memberOf/microsoft.graph.group?$select=id,groupTypes"
        groups = [group for page in self.pages(path) for group in page]
        return sorted(
            str(group["id"])
            for group in groups
            if group.get("id") and "Unified" in (group.get("groupTypes") or ["Unified"])
        )

    def my_plans(self) -> Sequence[Plan]:
        """Return the plans shared with the signed-in person, by id."""
        found = [plan for page in self.pages("/me/planner/plans") for plan in page]
        return _by_id(found)

    def plans_of(self, groups: Sequence[str]) -> Sequence[Plan]:
        """Return the plans the groups own, by id. A group that is gone owns none.

        Raise AuthError where one may not be read: what was left out would look deleted.
        """
        paths = [f"/groups/{quote(group, safe='')}/planner/plans" for group in groups]
        found: list[Resource] = []
        for answer in self.get_many(paths):
            if answer is None:
                continue
            found += values_of(answer)
            pages = NextLinkPaginator()
            if pages.advance(answer):
                found += [plan for page in self.pages(str(pages.token)) for plan in page]
        return _by_id(found)

    def pages(self, path: str) -> Iterator[Sequence[Resource]]:
        """Yield a collection's pages from its path, or from a link to one of them, to its end."""
        pages = NextLinkPaginator()
        while True:
            answer = self.http.get_json(pages.token or path)
            yield values_of(answer)
            if pages.advance(answer) is None:
                return

    def find(self, path: str) -> Resource | None:
        """Return a resource, None where there is none."""
        try:
            return _object(self.http.get_json(path))
        except RefusedError as error:
            if error.status in NOT_THERE:
                return None
            raise

    def bucket_names(self, plan_id: str) -> Mapping[str, str]:
        """Return the names of a plan's buckets by id; none where the plan is gone."""
        try:
            pages = list(self.pages(f"/planner/plans/{quote(plan_id, safe='')}/buckets"))
        except RefusedError as error:
            if error.status in NOT_THERE:
                return {}
            raise
        buckets = [bucket for page in pages for bucket in page]
        return {str(bucket.get("id")): str(bucket.get("name") or "") for bucket in buckets}

    def get_many(self, paths: Sequence[str]) -> list[Resource | None]:
        """Return the resources at these paths in their order, None for each that does not exist.

        Those that were throttled are asked for again; TransientError once the ladder has ended.
        """
        found: list[Resource | None] = []
        for start in range(0, len(paths), BATCH_LIMIT):
            chunk = paths[start : start + BATCH_LIMIT]
            done = self._batch(chunk)
            found += [done[path] for path in chunk]
        return found

    def _batch(self, paths: Sequence[str]) -> Mapping[str, Resource | None]:
        done: dict[str, Resource | None] = {}
        attempt, waited, began = 1, 0.0, time.monotonic()
        while True:
            todo = [path for path in dict.fromkeys(paths) if path not in done]
            failed = self._ask(todo, done)
            if failed is None:
                return done
            spent = max(waited, time.monotonic() - began)
            wait = self._ladder.next_wait(
                attempt=attempt, waited=spent, retry_after=failed.retry_after
            )
            if wait is None:
                raise failed
            self._sleep(wait)
            attempt, waited = attempt + 1, waited + wait

    def _ask(self, paths: Sequence[str], done: dict[str, Resource | None]) -> TransientError | None:
        """Send one batch and keep what came in `done`; return the longest refusal for now."""
        body = {
            "requests": [
                {"id": str(number), "method": "GET", "url": path}
                for number, path in enumerate(paths)
            ]
        }
        answer = self.http.request_json("POST", "/$batch", json=body, repeatable=True)
        items = answer.get("responses") if isinstance(answer, Mapping) else None
        if not isinstance(items, list):
            raise PermanentError(f"{NAME} did not answer a batch with responses.")
        by_id = {str(item.get("id")): item for item in items if isinstance(item, Mapping)}
        refused: TransientError | None = None
        for number, path in enumerate(paths):
            item = by_id.get(str(number))
            error = self._take(item, path, done)
            if error is None:
                continue
            if not isinstance(error, TransientError):
                raise error
            if refused is None or (error.retry_after or 0) > (refused.retry_after or 0):
                refused = error
        return refused

    def _take(self, item: Any, path: str, done: dict[str, Resource | None]) -> SyncError | None:
        if item is None:
            return TransientError(f"{NAME} left {path} of a batch unanswered. Try again later.")
        status, body = int(item.get("status") or 0), item.get("body")
        if status in NOT_THERE:
            done[path] = None
        elif status == HTTPStatus.OK and isinstance(body, Mapping):
            done[path] = body
        else:
            headers = item.get("headers") or {}
            response = httpx.Response(
                status if status >= HTTPStatus.BAD_REQUEST else HTTPStatus.BAD_GATEWAY,
                headers={str(key): str(value) for key, value in headers.items()},
                content=json.dumps(body).encode(),
                request=httpx.Request("GET", f"https://batch.invalid{path}"),
            )
            return error_of(response, provider=NAME, classify=classify)
        return None


def _object(answer: Any) -> Resource:
    if not isinstance(answer, Mapping):
        raise PermanentError(f"{NAME} answered with something that is no resource.")
    return answer


def values_of(answer: Any) -> Sequence[Resource]:
    """Return the resources of a page; raise PermanentError where it is none."""
    found = answer.get("value") if isinstance(answer, Mapping) else None
    if not isinstance(found, list):
        raise PermanentError(f"{NAME}'s answer has no list 'value'. Check the base URL.")
    return [item for item in found if isinstance(item, Mapping)]


def _by_id(plans: Sequence[Resource]) -> Sequence[Plan]:
    found = {
        str(plan["id"]): Plan(id=str(plan["id"]), title=str(plan.get("title") or ""), data=plan)
        for plan in plans
        if plan.get("id")
    }
    return [found[id_] for id_ in sorted(found)]
