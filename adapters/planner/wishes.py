"""What a record asks of a resource, field by field, and how that meets what is there by now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from adapters.planner.api import Resource
from adapters.planner.fields import (
    PRIORITIES,
    STATUSES,
    TITLE_LENGTH,
    assignees_of,
    categories_of,
    checklist_line,
    checklist_of,
    checklist_text,
    priority_of,
    status_of,
)
from shared.domain.conversions import (
    format_instant,
    is_empty,
    quote,
    read_date,
    read_instant,
    read_number,
    read_text,
)
from shared.errors import RecordError

_DAY_LENGTH = len("2026-01-31")
_DAY_AT = time(10, tzinfo=UTC)
"""A day is written as Planner's own pages do: at this hour it is the same day nearly everywhere."""
_DONE = "[x]"
_OPEN = "[ ]"


class Part(StrEnum):
    """Which resource holds a field: details have an address and an etag of their own."""

    MAIN = "main"
    DETAILS = "details"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What one field should be. `seen` reads what a resource says of it, in a form that compares;
    `is_met` judges that; `body` is the patch that makes it so.
    """

    field: str
    part: Part = Part.MAIN
    seen: Callable[[Resource], Any]
    is_met: Callable[[Any], bool]
    body: Callable[[Resource], Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """A three-way merge: the patch for what only we changed, the fields both sides changed."""

    body: Mapping[str, Any]
    conflicts: Sequence[str]


def merge(wishes: Sequence[Wish], *, base: Resource | None, theirs: Resource) -> Merge:
    """Return what is left to do where a resource says `theirs` by now and said `base` before.

    `base` None: what it said when the record was made is not known, only that it was otherwise.
    """
    body: dict[str, Any] = {}
    conflicts = []
    for wish in wishes:
        now = wish.seen(theirs)
        if wish.is_met(now):
            continue
        if base is None or wish.seen(base) != now:
            conflicts.append(wish.field)
        else:
            body |= wish.body(theirs)
    return Merge(body=body, conflicts=conflicts)


def task_wishes(record: Mapping[str, Any], bucket_id_of: Callable[[str], str]) -> list[Wish]:
    """Return what a record asks of a task; fields that cannot be written ask for nothing.

    `bucket_id_of` finds a bucket by its name. Raise RecordError naming the field whose value
    Planner cannot take.
    """
    wishes: list[Wish] = []
    for name, (fields, make) in _TASK_WISHES.items():
        if any(field in record for field in fields):
            wishes += _named(name, make, record)
    bucket_id = record.get("bucketId")
    if is_empty(bucket_id) and not is_empty(record.get("bucketName")):
        bucket_id = bucket_id_of(read_text(record["bucketName"]))
    if not is_empty(bucket_id):
        wishes.append(_plain("bucketId", read_text(bucket_id)))
    return wishes


def bucket_wishes(record: Mapping[str, Any]) -> list[Wish]:
    """Return what a record asks of a bucket."""
    if "name" not in record:
        return []
    return list(_named("name", lambda field, data: _title(field, data[field]), record))


Maker = Callable[[str, Mapping[str, Any]], Iterator[Wish]]


def _named(field: str, make: Maker, record: Mapping[str, Any]) -> list[Wish]:
    try:
        return list(make(field, record))
    except RecordError as error:
        raise RecordError(error.message, field=error.field or field) from None


def _plain(field: str, value: Any) -> Wish:
    return Wish(
        field=field,
        seen=lambda resource: resource.get(field),
        is_met=lambda now: now == value,
        body=lambda _: {field: value},
    )


def _title(field: str, value: Any) -> Iterator[Wish]:
    if is_empty(value):
        raise RecordError("Planner needs a name here; it is empty.")
    text = read_text(value)
    if len(text) > TITLE_LENGTH:
        raise RecordError(f"{quote(text)} is too long: Planner takes {TITLE_LENGTH} characters.")
    yield _plain(field, text)


def _whole(value: Any, highest: int) -> int:
    number = read_number(value)
    if number != int(number) or not 0 <= number <= highest:
        raise RecordError(f"{quote(value)} is no whole number from 0 to {highest}.")
    return int(number)


def _progress(field: str, record: Mapping[str, Any]) -> Iterator[Wish]:
    """Yield one wish of percentage and status; where they disagree, the status decides."""
    status, percent = record.get("status"), record.get("percentComplete")
    number = None if is_empty(percent) else _whole(percent, STATUSES["completed"])
    if is_empty(status):
        if number is not None:
            yield _number(field, "percentComplete", number)
        return
    if status not in STATUSES:
        raise RecordError(f"{quote(status)} is none of {', '.join(STATUSES)}.", field="status")
    if number is not None and status_of(number) == status:
        yield _number(field, "percentComplete", number)
    else:
        yield _banded(field, "percentComplete", str(status), STATUSES, status_of)


def _priority(field: str, record: Mapping[str, Any]) -> Iterator[Wish]:
    """Yield one wish of number and band; where they disagree, the band decides."""
    label, priority = record.get("priorityLabel"), record.get("priority")
    number = None if is_empty(priority) else _whole(priority, 10)
    if is_empty(label):
        if number is not None:
            yield _number(field, "priority", number)
        return
    if label not in PRIORITIES:
        text = f"{quote(label)} is none of {', '.join(PRIORITIES)}."
        raise RecordError(text, field="priorityLabel")
    if number is not None and priority_of(number) == label:
        yield _number(field, "priority", number)
    else:
        yield _banded(field, "priority", str(label), PRIORITIES, priority_of)


def _number(field: str, name: str, value: int) -> Wish:
    return Wish(
        field=field,
        seen=lambda task: int(task.get(name) or 0),
        is_met=lambda now: now == value,
        body=lambda _: {name: value},
    )


def _banded(
    field: str, name: str, band: str, written: Mapping[str, int], band_of: Callable[[int], str]
) -> Wish:
    """Return the wish for a band: any number of it will do."""
    return Wish(
        field=field,
        seen=lambda task: int(task.get(name) or 0),
        is_met=lambda now: band_of(now) == band,
        body=lambda _: {name: written[band]},
    )


def _moment(field: str, record: Mapping[str, Any]) -> Iterator[Wish]:
    """Yield a wish that any hour of a wanted day meets, but only the very instant of another."""
    value = record[field]
    if is_empty(value):
        met, text = (lambda now: now is None), None
    elif _is_day(value):
        day = read_date(value, UTC)
        met = lambda now: now is not None and now.date() == day  # noqa: E731  as its two siblings
        text = format_instant(datetime.combine(day, _DAY_AT))
    else:
        instant = read_instant(value, UTC)
        met = lambda now: now == instant  # noqa: E731  likewise
        text = format_instant(instant)
    yield Wish(
        field=field,
        seen=lambda task: None if is_empty(task.get(field)) else read_instant(task[field], UTC),
        is_met=met,
        body=lambda _: {field: text},
    )


def _is_day(value: Any) -> bool:
    if isinstance(value, str):
        return len(value.strip()) == _DAY_LENGTH and value.strip()[4:5] == "-"
    return isinstance(value, date) and not isinstance(value, datetime)


def _assignees(field: str, record: Mapping[str, Any]) -> Iterator[Wish]:
    wanted = _names(record[field])

    def body(task: Resource) -> Mapping[str, Any]:
        there = assignees_of(task)
        added = dict.fromkeys(sorted(wanted - there), _ASSIGNMENT)
        return {"assignments": {**added, **dict.fromkeys(sorted(there - wanted))}}

    yield Wish(field=field, seen=assignees_of, is_met=lambda now: now == wanted, body=body)


def _categories(field: str, record: Mapping[str, Any]) -> Iterator[Wish]:
    wanted = _names(record[field])

    def body(task: Resource) -> Mapping[str, Any]:
        named = sorted(wanted | categories_of(task))
        return {"appliedCategories": {name: name in wanted for name in named}}

    yield Wish(field=field, seen=categories_of, is_met=lambda now: now == wanted, body=body)


def _description(field: str, record: Mapping[str, Any]) -> Iterator[Wish]:
    text = "" if is_empty(record[field]) else read_text(record[field])
    yield Wish(
        field=field,
        part=Part.DETAILS,
        seen=lambda details: _lines(details.get("description")),
        is_met=lambda now: now == _lines(text),
        body=lambda _: {"description": text},
    )


def _checklist(field: str, record: Mapping[str, Any]) -> Iterator[Wish]:
    text = "" if is_empty(record[field]) else read_text(record[field])
    wanted = [_item(line) for line in text.splitlines() if line.strip()]
    wanted_text = "\n".join(checklist_line(title, is_done=done) for title, done in wanted)

    def body(details: Resource) -> Mapping[str, Any]:
        """Items keep their ids by title; an id made here is the same when made again."""
        there = dict(checklist_of(details))
        patch: dict[str, Any] = {}
        for number, (title, is_done) in enumerate(wanted):
            id_ = next((id_ for id_, i in there.items() if _title_of(i) == title), None)
            if id_ is None:
                id_ = str(uuid5(NAMESPACE_URL, f"{details.get('id')}/{number}/{title}"))
            elif bool(there.pop(id_).get("isChecked")) is is_done:
                continue
            patch[id_] = {**_CHECKLIST_ITEM, "title": title, "isChecked": is_done}
        return {"checklist": {**dict.fromkeys(there), **patch}}

    yield Wish(
        field=field,
        part=Part.DETAILS,
        seen=lambda details: sorted(checklist_text(details).splitlines()),
        is_met=lambda now: now == sorted(wanted_text.splitlines()),
        body=body,
    )


def _item(line: str) -> tuple[str, bool]:
    text = line.strip()
    is_done = text.lower().startswith(_DONE)
    if is_done or text.startswith(_OPEN):
        text = text[len(_DONE) :]
    return " ".join(text.split()), is_done


def _title_of(item: Mapping[str, Any]) -> str:
    return " ".join(str(item.get("title") or "").split())


def _names(value: Any) -> frozenset[str]:
    text = "" if is_empty(value) else read_text(value)
    return frozenset(name.strip() for name in text.split(",")) - {""}


def _lines(text: Any) -> str:
    """Return text with the line ends every system agrees on; Planner's pages write others."""
    return str(text or "").replace("\r\n", "\n").replace("\r", "\n")


_ASSIGNMENT = {"@odata.type": "#microsoft.graph.plannerAssignment", "orderHint": " !"}
_CHECKLIST_ITEM = {"@odata.type": "#microsoft.graph.plannerChecklistItem"}

_TASK_WISHES: Mapping[str, tuple[tuple[str, ...], Maker]] = {
    "title": (("title",), lambda field, record: _title(field, record[field])),
    "percentComplete": (("percentComplete", "status"), _progress),
    "priority": (("priority", "priorityLabel"), _priority),
    "startDateTime": (("startDateTime",), _moment),
    "dueDateTime": (("dueDateTime",), _moment),
    "assignees": (("assignees",), _assignees),
    "appliedCategories": (("appliedCategories",), _categories),
    "description": (("description",), _description),
    "checklist": (("checklist",), _checklist),
}
"""By the field a problem is told of: the fields a wish is made of, and how."""
