"""What Planner keeps, each thing with a version of its own and the etag it makes."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

CONTEXT = "https://graph.microsoft.com/v1.0/$metadata#planner"


@dataclass(slots=True, kw_only=True)
class Item:
    """A resource; `seq` is its place in every list. `is_new`: made since the start."""

    kind: str
    seq: int
    data: dict[str, Any]
    version: int = 1
    is_new: bool = False

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.data["id"])

    @property
    def etag(self) -> str:
        """The etag of its version."""
        raw = f"1-{self.kind}{self.version:>12}".encode()
        return f'W/"{base64.b64encode(raw).decode()}"'

    def to_json(self) -> dict[str, Any]:
        """Return the wire form."""
        return {"@odata.etag": self.etag, **self.data}


@dataclass(slots=True, kw_only=True)
class Group:
    """A group and its members' ids; only a Microsoft 365 group (`is_unified`) owns plans."""

    id: str
    name: str
    members: set[str] = field(default_factory=set)
    is_unified: bool = True

    def to_json(self) -> Mapping[str, Any]:
        """Return the wire form."""
        return {
            "@odata.type": "#microsoft.graph.group",
            "id": self.id,
            "displayName": self.name,
            "groupTypes": ["Unified"] if self.is_unified else [],
        }


@dataclass(slots=True, kw_only=True)
class Limits:
    """How much fits. Microsoft names the limits and not their numbers; these are ours."""

    tasks_in_plan: int = 9_000
    active_tasks_in_plan: int = 3_000
    buckets_in_plan: int = 200
    checklist_items: int = 20
    references: int = 10
    assignees: int = 20
    page_size: int = 100


def identity(user_id: str, name: str | None = None) -> dict[str, Any]:
    """Return an identitySet of a user."""
    return {"user": {"displayName": name, "id": user_id}}


def now_text() -> str:
    """Return this instant as Graph writes it."""
    return to_text(datetime.now(UTC))


def to_text(moment: datetime) -> str:
    """Return an instant as Graph writes it: UTC, a fraction only where there is one."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def new_task(
    *, id_: str, plan: str, title: str, created: str, creator: dict[str, Any]
) -> dict[str, Any]:
    """Return a task with nothing but a title."""
    return {
        "id": id_,
        "planId": plan,
        "bucketId": None,
        "title": title,
        "orderHint": " !",
        "assigneePriority": "",
        "percentComplete": 0,
        "startDateTime": None,
        "createdDateTime": created,
        "dueDateTime": None,
        "hasDescription": False,
        "previewType": "automatic",
        "completedDateTime": None,
        "completedBy": None,
        "referenceCount": 0,
        "checklistItemCount": 0,
        "activeChecklistItemCount": 0,
        "conversationThreadId": None,
        "priority": 5,
        "createdBy": creator,
        "appliedCategories": {},
        "assignments": {},
    }


def new_details(id_: str) -> dict[str, Any]:
    """Return the details of a task that has none."""
    return {
        "id": id_,
        "description": "",
        "previewType": "automatic",
        "references": {},
        "checklist": {},
    }


def count_details(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a task says of its details."""
    checklist = details["checklist"].values()
    return {
        "hasDescription": bool(details["description"]),
        "referenceCount": len(details["references"]),
        "checklistItemCount": len(checklist),
        "activeChecklistItemCount": sum(not item["isChecked"] for item in checklist),
    }
