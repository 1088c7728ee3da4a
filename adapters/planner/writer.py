"""Writing tasks and buckets: every write names the etag it is based on.

412 and 409 mean that somebody else was faster: what is there is read again, fields only we changed
are sent again, and a field both sides changed is reported, not overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from adapters.planner import BUCKETS
from adapters.planner.api import BATCH_LIMIT, ETAG, ID, NOT_THERE, GraphApi, Resource
from adapters.planner.failures import RefusedError
from adapters.planner.twins import Twins
from adapters.planner.wishes import Part, Wish, bucket_wishes, merge, task_wishes
from shared.domain.changes import Change, Delete, RecordProblem, Truncate, Upsert
from shared.errors import PermanentError, RecordError, TransientError
from shared.ports.provider import PushResult

WAITS = (0.5, 1.0, 2.0, 4.0)
"""Seconds between attempts at a resource somebody else writes to, or that does not show yet."""

_FASTER = (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED)
_KEEP = {"Prefer": "return=representation"}
_VERSIONS = {Part.MAIN: "etag", Part.DETAILS: "detailsEtag"}


class _GoneError(Exception):
    """What should be written to does not exist (any more)."""


class PlannerWriter:
    """Writes one stream. `plan` is where a task without a plan is created; `user` is who writes."""

    def __init__(
        self,
        api: GraphApi,
        *,
        stream: str,
        plan: str,
        user: str,
        sleep: Callable[[float], None],
    ) -> None:
        self._api = api
        self._stream = stream
        self._plan = plan
        self._sleep = sleep
        self._twins = Twins(api, stream=stream, user=user)
        self._buckets: dict[str, Mapping[str, str]] = {}

    def push(self, changes: Sequence[Change]) -> Iterator[PushResult]:
        """Yield a result for each change, in order.

        A key of Planner's own form names what exists; any other one asks for something new.
        """
        self._twins.claim(change.key for change in changes if not isinstance(change, Truncate))
        for start in range(0, len(changes), BATCH_LIMIT):
            chunk = changes[start : start + BATCH_LIMIT]
            there = self._read_ahead(chunk)
            for change in chunk:
                yield self._push_one(change, there)

    def _read_ahead(self, changes: Sequence[Change]) -> Mapping[str, Resource | None]:
        """Return what the changes are about by its path; None where there is nothing."""
        paths = []
        for change in changes:
            if isinstance(change, Truncate):
                raise PermanentError("Planner cannot be emptied by a sync: delete the tasks there.")
            if ID.fullmatch(change.key):
                paths.append(self._path(change.key))
                if isinstance(change, Upsert) and _asks_details(change.record):
                    paths.append(self._path(change.key, Part.DETAILS))
        return dict(zip(paths, self._api.get_many(paths), strict=True))

    def _push_one(self, change: Change, there: Mapping[str, Resource | None]) -> PushResult:
        if isinstance(change, Truncate):
            raise TypeError
        try:
            if not ID.fullmatch(change.key):
                return self._create(change)
            if isinstance(change, Delete):
                return self._delete(change, there[self._path(change.key)])
            return self._update(change, there)
        except (RecordError, RefusedError) as error:
            field = error.field if isinstance(error, RecordError) else ""
            return self._rejected(change, str(error), field=field)
        except _GoneError:
            return self._rejected(change, "It does not exist in Planner (any more).")

    def _update(self, change: Upsert, there: Mapping[str, Resource | None]) -> PushResult:
        main = there[self._path(change.key)]
        if main is None:
            raise _GoneError
        wishes = self._wishes(change.record, str(main.get("planId") or ""))
        is_changed = False
        for part in Part:
            path = self._path(change.key, part)
            own = [wish for wish in wishes if wish.part is part]
            if not own:
                continue
            found = there.get(path)
            if found is None:
                found = self._wait_for(path)
            version = change.record.get(_VERSIONS[part])
            is_stale = bool(version) and version != found.get(ETAG)
            settled, is_patched = self._settle(path, own, found, is_stale=is_stale)
            if part is Part.MAIN:
                main = settled
            elif is_patched:
                main = self._find(self._path(change.key))  # counts of the details moved its etag
            is_changed = is_changed or is_patched
        return PushResult(
            key=change.key,
            external_id=change.key,
            outcome="updated" if is_changed else "unchanged",
            etag=str(main.get(ETAG) or ""),
        )

    def _create(self, change: Upsert | Delete) -> PushResult:
        if isinstance(change, Delete):
            return PushResult(key=change.key, external_id="", outcome="unchanged")
        plan = str(change.record.get("planId") or self._plan)
        if not plan:
            raise RecordError(
                "It has no plan to go into. Map a field to planId, or name the plan for new tasks "
                "in the connection.",
                field="planId",
            )
        wishes = self._wishes(change.record, plan)
        name = "name" if self._stream == BUCKETS else "title"
        if name not in {wish.field for wish in wishes}:
            raise RecordError("Planner needs a name here; the record has none.", field=name)
        found = self._twins.find(plan, wishes)
        outcome = "unchanged" if found else "created"
        if found is None:
            found = self._post(plan, wishes)
        id_ = str(found["id"])
        self._twins.claim([id_])
        is_written, problem = self._complete(change, id_, wishes)
        if is_written:
            found = self._find(self._path(id_))  # counts of the details moved its etag
        return PushResult(
            key=change.key,
            external_id=id_,
            outcome=outcome,
            etag=str(found.get(ETAG) or ""),
            problem=problem,
        )

    def _post(self, plan: str, wishes: Sequence[Wish]) -> Resource:
        """Return what was created; a lost answer is looked for before it counts as none."""
        body = {"planId": plan, **_new(wishes)}
        try:
            made: Resource = self._api.http.request_json(
                "POST", f"/planner/{self._stream}", json=body
            )
        except TransientError:
            found = self._twins.find(plan, wishes, afresh=True)
            if found is None:
                raise
            return found
        if not isinstance(made, Mapping) or not made.get("id"):
            raise PermanentError("Microsoft Graph created something without telling its id.")
        return made

    def _complete(
        self, change: Upsert, id_: str, wishes: Sequence[Wish]
    ) -> tuple[bool, RecordProblem | None]:
        """Write the details of what was created; a task without them is one all the same."""
        own = [wish for wish in wishes if wish.part is Part.DETAILS]
        if not merge(own, base={}, theirs={}).body:
            return False, None
        path = self._path(id_, Part.DETAILS)
        try:
            _, is_written = self._settle(path, own, self._wait_for(path), is_stale=False)
        except _GoneError:
            text = "its details cannot be had"
        except (RecordError, RefusedError) as error:
            text = str(error)
        else:
            return is_written, None
        message = f"The task was created, but not its notes and checklist: {text}"
        problem = RecordProblem(
            stream=self._stream, key=change.key, message=message, severity="warning"
        )
        return False, problem

    def _delete(self, change: Delete, found: Resource | None) -> PushResult:
        base = found
        outcome = "unchanged" if found is None else "deleted"
        for wait in (*WAITS, None):
            if found is None:
                break
            if base is not found and _content(base) != _content(found):
                raise RecordError("It was changed in Planner just now, so it was not deleted.")
            try:
                self._api.http.request(
                    "DELETE",
                    self._path(change.key),
                    headers={"If-Match": str(found.get(ETAG) or "")},
                )
            except RefusedError as error:
                if error.status in NOT_THERE:
                    break
                if error.status not in _FASTER or wait is None:
                    raise
                self._sleep(wait)
                found = self._api.find(self._path(change.key))
            else:
                break
        return PushResult(key=change.key, external_id=change.key, outcome=outcome)

    def _settle(
        self, path: str, wishes: Sequence[Wish], found: Resource, *, is_stale: bool
    ) -> tuple[Resource, bool]:
        """Return the resource once the wishes are met, and whether that took a write."""
        base: Resource | None = None if is_stale else found
        theirs, is_tried = found, False
        for wait in (*WAITS, None):
            result = merge(wishes, base=base, theirs=theirs)
            if result.conflicts:
                raise RecordError(
                    f"{', '.join(result.conflicts)}: changed in Planner since it was last read. "
                    "Nothing was overwritten; the next sync sees both sides.",
                    field=result.conflicts[0],
                )
            if not result.body:
                return theirs, is_tried
            is_tried = True
            try:
                return self._patch(path, result.body, theirs), True
            except RefusedError as error:
                if error.status in NOT_THERE:
                    raise _GoneError from None
                if error.status not in _FASTER or wait is None:
                    raise
            self._sleep(wait)
            theirs = self._find(path)
        raise AssertionError

    def _patch(self, path: str, body: Mapping[str, Any], theirs: Resource) -> Resource:
        """Return the resource after a patch; sent twice, the second finds another etag."""
        answer = self._api.http.request(
            "PATCH",
            path,
            json=body,
            headers={"If-Match": str(theirs.get(ETAG) or ""), **_KEEP},
            repeatable=True,
        )
        if answer.status_code == HTTPStatus.OK and answer.content:
            try:
                data = json.loads(answer.content)
            except ValueError:
                data = None
            if isinstance(data, dict) and data.get(ETAG):
                return data
        return self._find(path)

    def _find(self, path: str) -> Resource:
        found = self._api.find(path)
        if found is None:
            raise _GoneError
        return found

    def _wait_for(self, path: str) -> Resource:
        """Return a resource that was made a moment ago and may not show yet."""
        for wait in WAITS:
            found = self._api.find(path)
            if found is not None:
                return found
            self._sleep(wait)
        return self._find(path)

    def _wishes(self, record: Mapping[str, Any], plan: str) -> list[Wish]:
        wanted = record.get("planId")
        if wanted and plan and str(wanted) != plan:
            raise RecordError("Planner cannot move it to another plan.", field="planId")
        if self._stream == BUCKETS:
            return bucket_wishes(record)
        return task_wishes(record, lambda name: self._bucket_id(plan, name))

    def _bucket_id(self, plan: str, name: str) -> str:
        if plan not in self._buckets:
            self._buckets[plan] = self._api.bucket_names(plan)
        ids = [id_ for id_, known in self._buckets[plan].items() if known == name]
        if len(ids) != 1:
            text = f"The plan has {len(ids)} buckets named {name[:80]!r}; it must be one."
            raise RecordError(text, field="bucketName")
        return ids[0]

    def _path(self, key: str, part: Part = Part.MAIN) -> str:
        path = f"/planner/{self._stream}/{quote(key, safe='')}"
        return f"{path}/details" if part is Part.DETAILS else path

    def _rejected(self, change: Upsert | Delete, message: str, *, field: str = "") -> PushResult:
        problem = RecordProblem(stream=self._stream, key=change.key, field=field, message=message)
        known = change.key if ID.fullmatch(change.key) else ""
        return PushResult(key=change.key, external_id=known, outcome="rejected", problem=problem)


def _asks_details(record: Mapping[str, Any]) -> bool:
    return "description" in record or "checklist" in record


def _new(wishes: Sequence[Wish]) -> Mapping[str, Any]:
    """Return the body that creates what the wishes of the main part ask for."""
    own = [wish for wish in wishes if wish.part is Part.MAIN]
    return merge(own, base={}, theirs={}).body


def _content(resource: Resource | None) -> Mapping[str, Any]:
    return {name: value for name, value in (resource or {}).items() if not name.startswith("@")}
