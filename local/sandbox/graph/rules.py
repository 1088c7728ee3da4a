"""What a body may say: which properties, of which form, with which types of open types.

Source: learn.microsoft.com/graph/api/plannertask-update and plannertaskdetails-update.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from local.sandbox.graph.book import Book, quota
from local.sandbox.graph.errors import GraphError
from local.sandbox.graph.items import identity, now_text, to_text

_CATEGORY = re.compile(r"category([1-9]|1\d|2[0-5])")
_HINT = re.compile(r"[\x20-\x7e]* [\x20-\x7e]*!")
_PREVIEWS = ("automatic", "noPreview", "checklist", "description", "reference")
_TITLE = 255
_DESCRIPTION = 32_767


def invalid(message: str) -> GraphError:
    """Return the 400 of a body that is not as it should be."""
    return GraphError(400, message)


def task_changes(
    book: Book, body: Mapping[str, Any], *, now: Mapping[str, Any], user: str
) -> dict[str, Any]:
    """Return what a body changes of a task that says `now`."""
    readers: Mapping[str, Callable[[str, Any], Any]] = {
        "title": lambda name, value: _text(name, value, longest=_TITLE, is_required=True),
        "percentComplete": lambda name, value: _number(name, value, highest=100),
        "priority": lambda name, value: _number(name, value, highest=10),
        "startDateTime": _moment,
        "dueDateTime": _moment,
        "bucketId": lambda _, value: _bucket(book, value, plan=now["planId"]),
        "planId": lambda _, value: _same_plan(value, now["planId"]),
        "assignments": lambda name, value: _assignments(value, now[name], book=book, user=user),
        "appliedCategories": lambda name, value: _categories(value, now[name]),
        "orderHint": _hint,
        "assigneePriority": _hint,
    }
    changes: dict[str, Any] = {}
    for name, value in _properties(body):
        if name not in readers:
            raise invalid(f"The property '{name}' is read-only or does not exist.")
        changes[name] = readers[name](name, value)
    both = {**now, **changes}
    start, due = both["startDateTime"], both["dueDateTime"]
    if start and due and datetime.fromisoformat(start) > datetime.fromisoformat(due):
        raise invalid("The start date must not be later than the due date.")
    return changes


def details_changes(
    book: Book, body: Mapping[str, Any], *, now: Mapping[str, Any], user: str
) -> dict[str, Any]:
    """Return what a body changes of the details that say `now`."""
    changes: dict[str, Any] = {}
    for name, value in _properties(body):
        match name:
            case "description":
                changes[name] = _text(name, value or "", longest=_DESCRIPTION)
            case "previewType":
                if value not in _PREVIEWS:
                    raise invalid(f"The previewType must be one of {', '.join(_PREVIEWS)}.")
                changes[name] = value
            case "checklist":
                changes[name] = _merged(
                    name, value, now[name], "plannerChecklistItem", _checklist_item(user)
                )
                if len(changes[name]) > book.limits.checklist_items:
                    raise quota("MaximumChecklistItemsOnTask")
            case "references":
                changes[name] = _merged(
                    name, value, now[name], "plannerExternalReference", _reference(user)
                )
                if len(changes[name]) > book.limits.references:
                    raise quota("MaximumReferencesOnTask")
            case _:
                raise invalid(f"The property '{name}' is read-only or does not exist.")
    return changes


def bucket_changes(body: Mapping[str, Any], *, now: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a body changes of a bucket that says `now`."""
    changes: dict[str, Any] = {}
    for name, value in _properties(body):
        match name:
            case "name":
                changes[name] = _text(name, value, longest=_TITLE, is_required=True)
            case "orderHint":
                changes[name] = _hint(name, value)
            case "planId" if value == now["planId"]:
                pass
            case _:
                raise invalid(f"The property '{name}' is read-only or does not exist.")
    return changes


def _properties(body: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in body.items() if not name.startswith("@odata.")]


def _text(name: str, value: Any, *, longest: int, is_required: bool = False) -> str:
    if not isinstance(value, str) or len(value) > longest or (is_required and not value.strip()):
        raise invalid(f"The property '{name}' must be text of at most {longest} characters.")
    return value


def _number(name: str, value: Any, *, highest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= highest:
        raise invalid(f"The property '{name}' must be a whole number from 0 to {highest}.")
    return value


def _moment(name: str, value: Any) -> str | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise invalid(f"The property '{name}' must be an ISO 8601 time with its offset.")
    return to_text(moment)


def _same_plan(value: Any, plan: str) -> str:
    if value != plan:
        raise invalid("A task stays in its plan.")
    return plan


def _bucket(book: Book, value: Any, *, plan: str) -> str | None:
    if value is None:
        return None
    bucket = book.buckets.get(value) if isinstance(value, str) else None
    if bucket is None or bucket.data["planId"] != plan:
        raise invalid("The bucketId names no bucket of the task's plan.")
    return str(value)


def _hint(name: str, value: Any) -> str:
    """Return where something stands; `prev next!` asks for a place between two others."""
    if not isinstance(value, str) or not _HINT.fullmatch(value):
        raise invalid(f"The property '{name}' must be an order hint of the form 'prev next!'.")
    return value


def _assignments(value: Any, now: Mapping[str, Any], *, book: Book, user: str) -> dict[str, Any]:
    def assign(item: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
        given = {"assignedBy": identity(user), "assignedDateTime": now_text(), **(before or {})}
        hint = _hint("orderHint", item.get("orderHint", " !"))
        return {"@odata.type": "#microsoft.graph.plannerAssignment", **given, "orderHint": hint}

    found = _merged("assignments", value, now, "plannerAssignment", assign)
    if len(found) > book.limits.assignees:
        raise quota("MaximumAssigneesInTasks")
    return found


def _checklist_item(user: str) -> Callable[..., dict[str, Any]]:
    def make(item: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
        both = {"title": "", "isChecked": False, "orderHint": " !", **(before or {}), **item}
        if not isinstance(both["isChecked"], bool):
            raise invalid("The property 'isChecked' must be true or false.")
        return {
            "@odata.type": "#microsoft.graph.plannerChecklistItem",
            "title": _text("title", both["title"], longest=_TITLE, is_required=True),
            "isChecked": both["isChecked"],
            "orderHint": _hint("orderHint", both["orderHint"]),
            "lastModifiedBy": identity(user),
            "lastModifiedDateTime": now_text(),
        }

    return make


def _reference(user: str) -> Callable[..., dict[str, Any]]:
    def make(item: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
        both = {"alias": None, "type": "Other", **(before or {}), **item}
        return {
            "@odata.type": "#microsoft.graph.plannerExternalReference",
            "alias": both["alias"],
            "type": both["type"],
            "lastModifiedBy": identity(user),
            "lastModifiedDateTime": now_text(),
        }

    return make


def _merged(
    name: str,
    value: Any,
    now: Mapping[str, Any],
    type_: str,
    make: Callable[[Mapping[str, Any], Mapping[str, Any] | None], dict[str, Any]],
) -> dict[str, Any]:
    """Return an open type after a patch: what is null goes, what is not named stays."""
    if not isinstance(value, dict):
        raise invalid(f"The property '{name}' must be an object.")
    found = dict(now)
    for key, item in value.items():
        if key.startswith("@odata."):
            continue
        if item is None:
            found.pop(key, None)
            continue
        if not isinstance(item, dict) or item.get("@odata.type") != f"#microsoft.graph.{type_}":
            raise invalid(f'\'{name}\' needs "@odata.type": "#microsoft.graph.{type_}".')
        found[key] = make({k: v for k, v in item.items() if k[0] != "@"}, now.get(key))
    return found


def _categories(value: Any, now: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid("The property 'appliedCategories' must be an object.")
    found = dict(now)
    for key, is_on in value.items():
        if key.startswith("@odata."):
            continue
        if not _CATEGORY.fullmatch(key) or not (is_on is None or isinstance(is_on, bool)):
            raise invalid("Categories are category1 to category25, each true, false or null.")
        if is_on:
            found[key] = True
        else:
            found.pop(key, None)
    return found
