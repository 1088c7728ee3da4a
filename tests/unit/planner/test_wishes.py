from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from adapters.planner.wishes import Merge, Part, merge, task_wishes


def patch_of(record: dict[str, Any], now: dict[str, Any], part: Part = Part.MAIN) -> Any:
    wishes = [wish for wish in task_wishes(record, str) if wish.part is part]
    return merge(wishes, base=now, theirs=now).body


@pytest.mark.parametrize(
    ("record", "now", "expected"),
    [
        ({"status": "completed"}, 40, 100),
        ({"status": "inProgress"}, 40, None),
        ({"status": "inProgress"}, 100, 50),
        ({"status": "notStarted"}, 0, None),
        ({"percentComplete": 41}, 40, 41),
        ({"percentComplete": "41"}, 41, None),
        ({"percentComplete": 80, "status": "inProgress"}, 40, 80),
        ({"percentComplete": 80, "status": "completed"}, 80, 100),
        ({"percentComplete": None, "status": None}, 40, None),
    ],
)
def test_status_and_percentage_are_one(
    record: dict[str, Any], now: int, expected: int | None
) -> None:
    """A status is met by any number of its band, and decides where the two disagree."""
    found = patch_of(record, {"percentComplete": now})
    assert found == ({} if expected is None else {"percentComplete": expected})


@pytest.mark.parametrize(
    ("record", "now", "expected"),
    [
        ({"priorityLabel": "urgent"}, 0, None),
        ({"priorityLabel": "urgent"}, 2, 1),
        ({"priorityLabel": "important"}, 5, 3),
        ({"priorityLabel": "medium"}, 8, 5),
        ({"priorityLabel": "low"}, 7, 9),
        ({"priorityLabel": "low", "priority": 8}, 9, 8),
        ({"priorityLabel": "low", "priority": 1}, 1, 9),
        ({"priority": 10}, 9, 10),
    ],
)
def test_priority_and_its_band_are_one(
    record: dict[str, Any], now: int, expected: int | None
) -> None:
    """The bands are 0 to 1, 2 to 4, 5 to 7 and 8 to 10; Planner's pages write 1, 3, 5 and 9."""
    found = patch_of(record, {"priority": now})
    assert found == ({} if expected is None else {"priority": expected})


@pytest.mark.parametrize(
    ("value", "now", "expected"),
    [
        ("2026-05-01", "2026-05-01T22:15:00Z", None),
        (date(2026, 5, 1), "2026-05-01T00:00:00Z", None),
        ("2026-05-02", "2026-05-01T22:15:00Z", "2026-05-02T10:00:00Z"),
        ("2026-05-01T12:00:00+02:00", "2026-05-01T10:00:00Z", None),
        ("2026-05-01T12:00:00Z", "2026-05-01T10:00:00Z", "2026-05-01T12:00:00Z"),
        (datetime.fromisoformat("2026-05-01T01:00:00+02:00"), None, "2026-04-30T23:00:00Z"),
        (None, "2026-05-01T10:00:00Z", None),
    ],
)
def test_a_day_is_not_a_moment(value: Any, now: str | None, expected: str | None) -> None:
    """A day leaves the hour alone that somebody chose; times are written in UTC."""
    found = patch_of({"dueDateTime": value}, {"dueDateTime": now})
    cleared = value is None and now is not None
    assert found == ({"dueDateTime": expected} if expected or cleared else {})


CHECKLIST = {
    "a": {"title": "Cut", "isChecked": False, "orderHint": "85!"},
    "b": {"title": "Glue", "isChecked": True, "orderHint": "86!"},
}


def test_checklist_items_keep_their_ids() -> None:
    """Items are told apart by title: ticked, added and removed ones are sent, the rest is not."""
    record = {"checklist": "[x] Cut\n[ ] Paint\n"}
    patch = patch_of(record, {"id": "t", "checklist": CHECKLIST}, Part.DETAILS)["checklist"]
    (new,) = patch.keys() - {"a", "b"}
    type_ = "#microsoft.graph.plannerChecklistItem"
    assert patch == {
        "a": {"@odata.type": type_, "title": "Cut", "isChecked": True},
        "b": None,
        new: {"@odata.type": type_, "title": "Paint", "isChecked": False},
    }
    again = patch_of(record, {"id": "t", "checklist": CHECKLIST}, Part.DETAILS)["checklist"]
    assert again == patch


def test_a_checklist_that_says_the_same_is_left_alone() -> None:
    """Neither the order of the lines nor missing marks of open items make a change."""
    record = {"checklist": "[X]  Glue\nCut"}
    assert patch_of(record, {"checklist": CHECKLIST}, Part.DETAILS) == {}


def test_line_ends_do_not_make_notes_differ() -> None:
    """Planner's own pages write CRLF."""
    record = {"description": "one\ntwo"}
    assert patch_of(record, {"description": "one\r\ntwo"}, Part.DETAILS) == {}


def test_merge_knows_three_sides() -> None:
    """Ours where they left it, nothing where they did the same, a conflict where they differ."""
    wishes = task_wishes({"title": "Ours", "priority": 1, "percentComplete": 50}, str)
    base = {"title": "Base", "priority": 5, "percentComplete": 0}
    theirs = {"title": "Base", "priority": 1, "percentComplete": 80}
    expected = Merge(body={"title": "Ours"}, conflicts=["percentComplete"])
    assert merge(wishes, base=base, theirs=theirs) == expected


def test_without_a_base_every_difference_is_a_conflict() -> None:
    """Who changed what is not known then."""
    wishes = task_wishes({"title": "Ours", "priority": 1}, str)
    found = merge(wishes, base=None, theirs={"title": "Base", "priority": 1})
    assert (dict(found.body), found.conflicts) == ({}, ["title"])


def test_what_cannot_be_written_asks_for_nothing() -> None:
    """Read-only fields may stand in a record that is pushed back."""
    record = {"id": "x", "createdBy": "y", "hasDescription": True, "orderHint": "z", "etag": "w"}
    assert task_wishes(record, str) == []
