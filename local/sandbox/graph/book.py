"""All of Planner in memory: groups, plans, buckets, tasks and their details."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from local.sandbox.graph.errors import GraphError
from local.sandbox.graph.items import (
    Group,
    Item,
    Limits,
    count_details,
    identity,
    new_details,
    new_task,
    now_text,
)

ID_LENGTH = 28
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"


class Book:
    """The state. `version` moves with every change, so that rendered pages know their age."""

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {}
        self.plans: dict[str, Item] = {}
        self.buckets: dict[str, Item] = {}
        self.tasks: dict[str, Item] = {}
        self.details: dict[str, Item] = {}
        self.members: dict[str, set[str]] = {}
        """Who may see a plan that belongs to a roster, by plan."""
        self.limits = Limits()
        self.version = 0
        self._seq = 0
        self._parts: dict[tuple[str, str], dict[str, Item]] = {}

    def next_seq(self) -> int:
        """Return the place of something new: the last one."""
        self._seq += 1
        self.version += 1
        return self._seq

    def add_plan(self, data: dict[str, Any], members: set[str] | None = None) -> Item:
        """Keep a plan; `members` are those of its roster, None where a group owns it."""
        item = Item(kind="Plan", seq=self.next_seq(), data=data)
        self.plans[item.id] = item
        if members is not None:
            self.members[item.id] = members
        return item

    def add_bucket(self, data: dict[str, Any], *, is_new: bool = False) -> Item:
        """Keep a bucket."""
        item = Item(kind="Bucket", seq=self.next_seq(), data=data, is_new=is_new)
        self.buckets[item.id] = item
        self._parts.setdefault(("buckets", data["planId"]), {})[item.id] = item
        return item

    def add_task(
        self, data: dict[str, Any], details: dict[str, Any], *, is_new: bool = False
    ) -> Item:
        """Keep a task with its details."""
        data |= count_details(details)
        item = Item(kind="Task", seq=self.next_seq(), data=data, is_new=is_new)
        self.tasks[item.id] = item
        self.details[item.id] = Item(kind="TaskDetails", seq=item.seq, data=details, is_new=is_new)
        self._parts.setdefault(("tasks", data["planId"]), {})[item.id] = item
        return item

    def create_task(self, plan: str, title: str, *, user: str, name: str) -> Item:
        """Create an empty task, made by a user now."""
        id_ = secrets.token_urlsafe(ID_LENGTH)[:ID_LENGTH]
        data = new_task(
            id_=id_, plan=plan, title=title, created=now_text(), creator=identity(user, name)
        )
        return self.add_task(data, new_details(id_), is_new=True)

    def parts(self, kind: str, plan: str) -> list[Item]:
        """Return the buckets or tasks of a plan, in their order."""
        return list(self._parts.get((kind, plan), {}).values())

    def touch(self, item: Item) -> None:
        """Give an item a new version after a change of it."""
        item.version += 1
        self.version += 1

    def update_task(self, task: Item, changes: Mapping[str, Any], *, user: str) -> None:
        """Change a task, and what Planner itself notes of it."""
        was_done = task.data["percentComplete"] == 100  # noqa: PLR2004  all of it
        task.data |= changes
        is_done = task.data["percentComplete"] == 100  # noqa: PLR2004
        if is_done != was_done:
            task.data["completedDateTime"] = now_text() if is_done else None
            task.data["completedBy"] = identity(user) if is_done else None
        self.touch(task)

    def update_details(self, id_: str, changes: Mapping[str, Any]) -> None:
        """Change details; the task's own etag moves only where what it says of them does."""
        item, task = self.details[id_], self.tasks[id_]
        item.data |= changes
        self.touch(item)
        counts = count_details(item.data)
        if any(task.data[name] != value for name, value in counts.items()):
            task.data |= counts
            self.touch(task)

    def delete(self, item: Item) -> None:
        """Delete a task with its details, a bucket with its tasks, or a plan with everything."""
        self.version += 1
        if item.kind == "Plan":
            for kind in ("tasks", "buckets"):
                for part in self.parts(kind, item.id):
                    self.delete(part)
            del self.plans[item.id]
            return
        plan = item.data["planId"]
        if item.kind == "Bucket":
            for task in self.parts("tasks", plan):
                if task.data["bucketId"] == item.id:
                    self.delete(task)
            del self.buckets[item.id], self._parts["buckets", plan][item.id]
            return
        del self.tasks[item.id], self.details[item.id], self._parts["tasks", plan][item.id]

    def can_see(self, plan: Item, user: str) -> bool:
        """Tell whether a person is a member of what owns the plan."""
        if plan.id in self.members:
            return user in self.members[plan.id]
        group = self.groups.get(plan.data["container"]["containerId"])
        return group is not None and user in group.members

    def check_room(self, plan: str, kind: str) -> None:
        """Raise the 403 of a quota where nothing more fits into the plan."""
        items, limits = self.parts(kind, plan), self.limits
        if kind == "buckets":
            if len(items) >= limits.buckets_in_plan:
                raise quota("MaximumBucketsInProject")
            return
        if len(items) >= limits.tasks_in_plan:
            raise quota("MaximumTasksInProject")
        active = sum(item.data["percentComplete"] < 100 for item in items)  # noqa: PLR2004
        if active >= limits.active_tasks_in_plan:
            raise quota("MaximumActiveTasksInProject")


def quota(code: str) -> GraphError:
    """Return the refusal of a quota."""
    return GraphError(403, "The request would go beyond a limit of Planner.", code=code)
