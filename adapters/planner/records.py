"""From resources to changes: what a record says of its plan, its bucket and its details."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

from adapters.planner import BUCKETS, TASKS
from adapters.planner.api import ID, GraphApi, Plan, Resource
from adapters.planner.fields import (
    DETAIL_FIELDS,
    bucket_record,
    has_details,
    plan_record,
    task_record,
)
from shared.domain.changes import Change, Delete, RecordProblem, Upsert
from shared.errors import TransientError

_Lookup = Callable[[str], str]


class Records:
    """Makes one stream's changes with the `wanted` fields, asking Graph only for what they need.

    The names of a plan's buckets are asked for once.
    """

    def __init__(self, api: GraphApi, *, stream: str, wanted: Sequence[str]) -> None:
        self._api = api
        self._stream = stream
        self._wanted = tuple(wanted)
        self._needs_details = stream == TASKS and not DETAIL_FIELDS.isdisjoint(wanted)
        self._needs_buckets = stream == TASKS and "bucketName" in wanted
        self._buckets: dict[str, Mapping[str, str]] = {}

    def of_plans(self, plans: Sequence[Plan]) -> list[Change]:
        """Return the plans as changes."""
        return [Upsert(self._stream, plan.id, plan_record(plan, self._wanted)) for plan in plans]

    def of_page(
        self, plan: Plan, resources: Sequence[Resource]
    ) -> tuple[list[Change], list[RecordProblem]]:
        """Return the changes of a page of buckets or tasks, and what has no id to know it by.

        A task whose details went away while they were read is gone itself, and left out.
        """
        known = [resource for resource in resources if resource.get("id")]
        text = "Planner sent something without an id; it cannot be synced."
        problems = [
            RecordProblem(stream=self._stream, key="", message=text)
            for _ in range(len(resources) - len(known))
        ]
        return list(self._upserts(known, lambda _: plan.title).values()), problems

    def of_keys(self, keys: Sequence[str]) -> list[Change]:
        """Return what there is at these ids now, an Upsert or a Delete for each in its order."""
        known = [key for key in dict.fromkeys(keys) if ID.fullmatch(key)]
        answers = self._api.get_many([self._path(key) for key in known])
        if self._stream not in {BUCKETS, TASKS}:
            plans = {
                key: Plan(id=key, title=str(data.get("title") or ""), data=data)
                for key, data in zip(known, answers, strict=True)
                if data is not None
            }
            found = {str(change.key): change for change in self._plan_changes(plans)}
        else:
            there = [answer for answer in answers if answer is not None]
            titles = self._plan_titles(there)
            found = self._upserts(there, lambda plan: titles.get(plan, ""))
        return [found.get(key) or Delete(self._stream, key) for key in keys]

    def _plan_changes(self, plans: Mapping[str, Plan]) -> list[Upsert]:
        return [
            Upsert(self._stream, key, plan_record(plan, self._wanted))
            for key, plan in plans.items()
        ]

    def _plan_titles(self, resources: Sequence[Resource]) -> Mapping[str, str]:
        if "planTitle" not in self._wanted:
            return {}
        ids = sorted({str(resource.get("planId") or "") for resource in resources} - {""})
        plans = self._api.get_many([f"/planner/plans/{quote(id_, safe='')}" for id_ in ids])
        return {
            id_: str((plan or {}).get("title") or "") for id_, plan in zip(ids, plans, strict=True)
        }

    def _upserts(self, resources: Sequence[Resource], title_of: _Lookup) -> dict[str, Upsert]:
        """Return the changes of buckets or tasks by id."""
        details = self._details(resources) if self._needs_details else {}
        found: dict[str, Upsert] = {}
        for resource in resources:
            id_, plan_id = str(resource["id"]), str(resource.get("planId") or "")
            if self._stream == BUCKETS:
                record = bucket_record(resource, plan_title=title_of(plan_id), wanted=self._wanted)
            else:
                of_task = details.get(id_, {})
                if of_task is None:
                    continue
                record = task_record(
                    resource,
                    of_task,
                    plan_title=title_of(plan_id),
                    bucket_name=self._bucket_name(plan_id, str(resource.get("bucketId") or "")),
                    wanted=self._wanted,
                )
            found[id_] = Upsert(self._stream, id_, record)
        return found

    def _details(self, tasks: Sequence[Resource]) -> Mapping[str, Resource | None]:
        """Return the details of the tasks that have any, None where the task is gone by now.

        Raise TransientError for one that is there without them: left out, it would look deleted.
        """
        ids = [str(task["id"]) for task in tasks if has_details(task)]
        answers = self._api.get_many([f"{self._path(id_)}/details" for id_ in ids])
        found = dict(zip(ids, answers, strict=True))
        lost = [id_ for id_, details in found.items() if details is None]
        if any(self._api.get_many([self._path(id_) for id_ in lost])):
            raise TransientError(
                "Planner does not show the details of a task it lists. Try again later."
            )
        return found

    def _path(self, key: str) -> str:
        return f"/planner/{self._stream}/{quote(key, safe='')}"

    def _bucket_name(self, plan_id: str, bucket_id: str) -> str:
        if not self._needs_buckets or not plan_id or not bucket_id:
            return ""
        if plan_id not in self._buckets:
            self._buckets[plan_id] = self._api.bucket_names(plan_id)
        return self._buckets[plan_id].get(bucket_id, "")
