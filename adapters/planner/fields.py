"""Streams and their fields, and how Graph's resources become records.

Source: learn.microsoft.com/graph/api/resources/plannertask, plannertaskdetails, plannerbucket and
plannerplan. Bands of `percentComplete` and `priority` are those Planner's own pages show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from adapters.planner import BUCKETS, PLANS, TASKS
from adapters.planner.api import ETAG, Plan, Resource
from shared.domain.fields import Field, FieldType, Option
from shared.domain.providers import Stream

TITLE_LENGTH = 255
DETAIL_FIELDS = frozenset({"description", "checklist", "references", "detailsEtag"})

STATUSES = {"notStarted": 0, "inProgress": 50, "completed": 100}
"""What Planner's own pages write for each status."""
PRIORITIES = {"urgent": 1, "important": 3, "medium": 5, "low": 9}
"""What Planner's own pages write for each band."""

_BANDS = ("urgent",) * 2 + ("important",) * 3 + ("medium",) * 3 + ("low",) * 3


def _text(name: str, label: str, *, read_only: bool = True, description: str = "") -> Field:
    return Field(
        name=name,
        label=label,
        type=FieldType.STRING,
        read_only=read_only,
        description=description,
    )


def _time(name: str, label: str, *, read_only: bool = True) -> Field:
    return Field(name=name, label=label, type=FieldType.DATETIME, read_only=read_only)


def _count(name: str, label: str) -> Field:
    return Field(name=name, label=label, type=FieldType.INTEGER, read_only=True)


def _choice(name: str, label: str, values: Mapping[str, str]) -> Field:
    options = tuple(Option(value=value, label=text) for value, text in values.items())
    return Field(name=name, label=label, type=FieldType.ENUMERATION, options=options)


_TASK_FIELDS = (
    Field(name="id", label="Id", type=FieldType.STRING, read_only=True, unique=True),
    Field(
        name="title",
        label="Title",
        type=FieldType.STRING,
        required=True,
        max_length=TITLE_LENGTH,
    ),
    _choice(
        "status",
        "Progress",
        {"notStarted": "Not started", "inProgress": "In progress", "completed": "Completed"},
    ),
    Field(
        name="percentComplete",
        label="Percent complete",
        type=FieldType.INTEGER,
        minimum=0,
        maximum=100,
        description="0 is not started, 100 is completed.",
    ),
    _choice(
        "priorityLabel",
        "Priority",
        {"urgent": "Urgent", "important": "Important", "medium": "Medium", "low": "Low"},
    ),
    Field(
        name="priority",
        label="Priority number",
        type=FieldType.INTEGER,
        minimum=0,
        maximum=10,
        description="0 and 1 are urgent, 2 to 4 important, 5 to 7 medium, 8 to 10 low.",
    ),
    _time("startDateTime", "Start date", read_only=False),
    _time("dueDateTime", "Due date", read_only=False),
    _text("description", "Notes", read_only=False),
    _text(
        "checklist",
        "Checklist",
        read_only=False,
        description='One item a line, "[x] " in front of those that are done, "[ ] " else.',
    ),
    _text("references", "Attachments", description="One address a line."),
    _text("planId", "Plan id", read_only=False, description="Fixed once the task exists."),
    _text("planTitle", "Plan"),
    _text("bucketId", "Bucket id", read_only=False),
    _text("bucketName", "Bucket", read_only=False),
    _text(
        "assignees",
        "Assigned to (user ids)",
        read_only=False,
        description="Ids of users, with commas between them.",
    ),
    _text(
        "appliedCategories",
        "Labels",
        read_only=False,
        description="category1 to category25, with commas between them.",
    ),
    _time("createdDateTime", "Created at"),
    _text("createdBy", "Created by (user id)"),
    _time("completedDateTime", "Completed at"),
    _text("completedBy", "Completed by (user id)"),
    Field(name="hasDescription", label="Has notes", type=FieldType.BOOLEAN, read_only=True),
    _count("checklistItemCount", "Checklist items"),
    _count("activeChecklistItemCount", "Open checklist items"),
    _count("referenceCount", "Attachments (number)"),
    _text("previewType", "Preview on the card"),
    _text("orderHint", "Order hint"),
    _text("etag", "Version"),
    _text("detailsEtag", "Version of the notes and the checklist"),
)

_BUCKET_FIELDS = (
    Field(name="id", label="Id", type=FieldType.STRING, read_only=True, unique=True),
    Field(name="name", label="Name", type=FieldType.STRING, required=True, max_length=TITLE_LENGTH),
    _text("planId", "Plan id", read_only=False, description="Fixed once the bucket exists."),
    _text("planTitle", "Plan"),
    _text("orderHint", "Order hint"),
    _text("etag", "Version"),
)

_PLAN_FIELDS = (
    Field(name="id", label="Id", type=FieldType.STRING, read_only=True, unique=True),
    _text("title", "Title"),
    _text("containerId", "Container id", description="Of the group that owns the plan."),
    _text("containerType", "Container"),
    _time("createdDateTime", "Created at"),
    _text("createdBy", "Created by (user id)"),
    _text("etag", "Version"),
)

CATALOGUE = (
    Stream(name=PLANS, label="Plans", fields=_PLAN_FIELDS),
    Stream(name=BUCKETS, label="Buckets", fields=_BUCKET_FIELDS),
    Stream(name=TASKS, label="Tasks", fields=_TASK_FIELDS),
)
FIELDS: Mapping[str, Mapping[str, Field]] = {
    stream.name: {field.name: field for field in stream.fields} for stream in CATALOGUE
}


def status_of(percent: int) -> str:
    """Return the status a percentage stands for."""
    return (
        "notStarted"
        if percent <= 0
        else "completed"
        if percent >= STATUSES["completed"]
        else "inProgress"
    )


def priority_of(number: int) -> str:
    """Return the band a priority lies in."""
    return _BANDS[min(max(number, 0), len(_BANDS) - 1)]


def plan_record(plan: Plan, wanted: Iterable[str]) -> dict[str, Any]:
    """Return a plan's wanted fields."""
    data = plan.data
    container = data.get("container") or {}
    record = {
        "id": plan.id,
        "title": data.get("title"),
        "containerId": container.get("containerId") or data.get("owner"),
        "containerType": container.get("type"),
        "createdDateTime": data.get("createdDateTime"),
        "createdBy": _user(data.get("createdBy")),
        "etag": data.get(ETAG),
    }
    return {name: record[name] for name in wanted}


def bucket_record(bucket: Resource, *, plan_title: str, wanted: Iterable[str]) -> dict[str, Any]:
    """Return a bucket's wanted fields."""
    record = {
        "id": bucket.get("id"),
        "name": bucket.get("name"),
        "planId": bucket.get("planId"),
        "planTitle": plan_title,
        "orderHint": bucket.get("orderHint"),
        "etag": bucket.get(ETAG),
    }
    return {name: record[name] for name in wanted}


def task_record(
    task: Resource,
    details: Resource,
    *,
    plan_title: str,
    bucket_name: str,
    wanted: Iterable[str],
) -> dict[str, Any]:
    """Return a task's wanted fields; `details` is {} where it has none worth reading."""
    percent, priority = int(task.get("percentComplete") or 0), task.get("priority")
    record = {
        **{name: task.get(name) for name in FIELDS[TASKS]},
        "percentComplete": percent,
        "status": status_of(percent),
        "priorityLabel": None if priority is None else priority_of(int(priority)),
        "planTitle": plan_title,
        "bucketName": bucket_name or None,
        "assignees": listed(assignees_of(task)),
        "appliedCategories": listed(categories_of(task)),
        "createdBy": _user(task.get("createdBy")),
        "completedBy": _user(task.get("completedBy")),
        "description": details.get("description") or None,
        "checklist": checklist_text(details) or None,
        "references": "\n".join(sorted(map(unquote, details.get("references") or {}))) or None,
        "etag": task.get(ETAG),
        "detailsEtag": details.get(ETAG),
    }
    return {name: record[name] for name in wanted}


def has_details(task: Resource) -> bool:
    """Return whether a task says that its details hold anything."""
    return bool(
        task.get("hasDescription") or task.get("checklistItemCount") or task.get("referenceCount")
    )


def assignees_of(task: Resource) -> frozenset[str]:
    """Return the ids of the people a task is assigned to."""
    return frozenset(user for user, given in (task.get("assignments") or {}).items() if given)


def categories_of(task: Resource) -> frozenset[str]:
    """Return the labels a task carries."""
    return frozenset(
        name for name, is_on in (task.get("appliedCategories") or {}).items() if is_on is True
    )


def checklist_of(details: Resource) -> Mapping[str, Mapping[str, Any]]:
    """Return a checklist's items by their ids, in the order Planner shows them."""
    items = {
        str(id_): item
        for id_, item in (details.get("checklist") or {}).items()
        if isinstance(item, Mapping)
    }
    order = sorted(items, key=lambda id_: (str(items[id_].get("orderHint") or ""), id_))
    return {id_: items[id_] for id_ in order}


def checklist_text(details: Resource) -> str:
    """Return a checklist as lines."""
    return "\n".join(
        checklist_line(str(item.get("title") or ""), is_done=bool(item.get("isChecked")))
        for item in checklist_of(details).values()
    )


def checklist_line(title: str, *, is_done: bool) -> str:
    """Return an item's line; one line it is, whatever its title holds."""
    return f"[{'x' if is_done else ' '}] {' '.join(title.split())}"


def listed(names: Iterable[str]) -> str | None:
    """Return names in a settled order, None for none."""
    return ", ".join(sorted(names)) or None


def _user(identities: Any) -> str | None:
    user = identities.get("user") if isinstance(identities, Mapping) else None
    return user.get("id") if isinstance(user, Mapping) else None
