from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from shared.domain.changes import Delete, Truncate, Upsert
from shared.errors import AuthError, PermanentError
from tests.http_kit import Sleeps
from tests.planner_kit import FakeGraph, body_of, push, push_one, read, records_of


@pytest.fixture
def graph() -> FakeGraph:
    return FakeGraph()


@pytest.fixture
def task(graph: FakeGraph) -> Any:
    """Return an open task of the busiest plan, with notes."""
    return next(
        task
        for task in graph.tasks(graph.busiest)
        if task["hasDescription"] and task["percentComplete"] == 0 and task["startDateTime"]
    )


def once(act: Callable[[], None], method: str = "PATCH") -> Callable[[httpx.Request], None]:
    """Return a meddler that acts before the first request of a method."""
    done: list[bool] = []

    def meddle(request: httpx.Request) -> None:
        if request.method == method and not done:
            done.append(True)
            act()

    return meddle


def test_only_what_differs_is_written_by_its_etag(graph: FakeGraph, task: Any) -> None:
    """A PATCH names the etag it is based on and holds just the fields that change."""
    result = push_one(graph, task["id"], title="Renamed", priority=task["priority"])
    (sent,) = graph.sent("PATCH")
    assert body_of(sent) == {"title": "Renamed"}
    assert sent.headers["If-Match"] == task["@odata.etag"]
    assert sent.headers["Prefer"] == "return=representation"
    now = graph.task(task["id"])
    assert (result.outcome, result.etag, now["title"]) == (
        "updated",
        now["@odata.etag"],
        "Renamed",
    )


def test_the_same_again_changes_nothing(graph: FakeGraph) -> None:
    """Records pushed back as they were read cost reads only."""
    found = records_of(read(graph))
    changes = [Upsert("tasks", key, record) for key, record in list(found.items())[:45]]
    results = push(graph, *changes)
    assert {result.outcome for result in results} == {"unchanged"}
    assert [result.external_id for result in results] == [change.key for change in changes]
    assert not graph.sent("PATCH")


def test_details_have_an_etag_of_their_own(graph: FakeGraph, task: Any) -> None:
    """Notes are written to the details; the result carries the task's etag after that."""
    before = graph.details(task["id"])
    result = push_one(graph, task["id"], title="New", description=None, checklist="[x] a\n[ ] b")
    patches = {r.url.path.rsplit("/", 1)[-1]: r for r in graph.sent("PATCH")}
    assert patches["details"].headers["If-Match"] == before["@odata.etag"]
    now, details = graph.task(task["id"]), graph.details(task["id"])
    assert (details["description"], now["hasDescription"]) == ("", False)
    assert [item["title"] for item in details["checklist"].values()] == ["a", "b"]
    assert (result.outcome, result.etag) == ("updated", now["@odata.etag"])


def test_fields_only_one_side_changed_are_merged(graph: FakeGraph, task: Any) -> None:
    """412: what somebody else changed stays, what only we changed is sent again."""
    graph.meddle = once(lambda: graph.edit(task["id"], priority=1))
    result = push_one(graph, task["id"], title="Ours", percentComplete=50)
    now = graph.task(task["id"])
    assert result.outcome == "updated"
    assert (now["title"], now["percentComplete"], now["priority"]) == ("Ours", 50, 1)


def test_a_field_both_sides_changed_is_a_conflict(graph: FakeGraph, task: Any) -> None:
    """Theirs is not overwritten, and the record's problem names the field."""
    graph.meddle = once(lambda: graph.edit(task["id"], title="Theirs"))
    result = push_one(graph, task["id"], title="Ours", percentComplete=50)
    assert result.outcome == "rejected"
    assert result.problem is not None
    assert result.problem.field == "title"
    now = graph.task(task["id"])
    assert (now["title"], now["percentComplete"]) == ("Theirs", 0)


def test_both_sides_may_want_the_same(graph: FakeGraph, task: Any) -> None:
    """A field that somebody else gave our value is no conflict."""
    graph.meddle = once(lambda: graph.edit(task["id"], title="Same"))
    result = push_one(graph, task["id"], title="Same", percentComplete=50)
    assert (result.outcome, graph.task(task["id"])["percentComplete"]) == ("updated", 50)


def test_notes_are_merged_too(graph: FakeGraph, task: Any) -> None:
    """Details somebody else changed meanwhile are not overwritten either."""
    graph.meddle = once(lambda: graph.edit(task["id"], details={"description": "Theirs"}))
    result = push_one(graph, task["id"], description="Ours")
    assert result.outcome == "rejected"
    assert graph.details(task["id"])["description"] == "Theirs"


def test_a_record_read_long_ago_overwrites_nothing(graph: FakeGraph, task: Any) -> None:
    """A record that names a version is written only to that version."""
    record = {"etag": task["@odata.etag"], "title": "Ours"}
    graph.edit(task["id"], priority=1)
    result = push_one(graph, task["id"], **record)
    assert result.outcome == "rejected"
    assert graph.task(task["id"])["title"] == task["title"]
    record["etag"] = graph.task(task["id"])["@odata.etag"]
    assert push_one(graph, task["id"], **record).outcome == "updated"


@pytest.mark.parametrize("kind", ["conflict", "edited"])
def test_a_few_conflicts_are_sat_out(graph: FakeGraph, task: Any, kind: str) -> None:
    """409 and 412 are tried again after a wait."""
    sleep = Sleeps()
    graph.fault(kind, count=1, fields={"priority": 9})
    changes = Upsert("tasks", task["id"], {"title": "Ours"})
    (result,) = push(graph, changes, sleep=sleep)
    assert (result.outcome, graph.task(task["id"])["title"]) == ("updated", "Ours")
    assert sleep.waits == [0.5]


def test_conflicts_without_end_are_a_problem(graph: FakeGraph, task: Any) -> None:
    """After five attempts the record is left, and the next one is written."""
    other = next(t for t in graph.tasks(graph.busiest) if t["id"] != task["id"])
    graph.fault("conflict", path=f"/planner/tasks/{task['id']}")
    first, second = push(
        graph,
        Upsert("tasks", task["id"], {"title": "Ours"}),
        Upsert("tasks", other["id"], {"title": "Ours too"}),
    )
    assert (first.outcome, second.outcome) == ("rejected", "updated")
    assert len(graph.sent("PATCH", task["id"])) == 5


def test_a_lost_answer_to_a_patch_is_found_out(graph: FakeGraph, task: Any) -> None:
    """Sent again, the patch meets its own new etag and sees that all is done."""
    lost: list[str] = []

    def lose(request: httpx.Request) -> bool:
        if request.method == "PATCH" and not lost:
            lost.append(request.url.path)
            return True
        return False

    graph.lose = lose
    result = push_one(graph, task["id"], title="Ours")
    assert (result.outcome, graph.task(task["id"])["title"]) == ("updated", "Ours")
    assert graph.task(task["id"])["@odata.etag"] == result.etag


@pytest.mark.parametrize(
    ("record", "field", "text"),
    [
        ({"title": ""}, "title", "needs a name"),
        ({"title": "x" * 256}, "title", "255"),
        ({"percentComplete": 101}, "percentComplete", "0 to 100"),
        ({"status": "late"}, "status", "notStarted, inProgress, completed"),
        ({"priorityLabel": "soon"}, "priorityLabel", "urgent"),
        ({"dueDateTime": "soon"}, "dueDateTime", "no date"),
        ({"planId": "P" * 28}, "planId", "another plan"),
        ({"bucketName": "Nowhere"}, "bucketName", "0 buckets"),
    ],
)
def test_values_planner_cannot_take(
    graph: FakeGraph, task: Any, record: dict[str, Any], field: str, text: str
) -> None:
    """Each is that record's problem, told of its field, and nothing is written."""
    result = push_one(graph, task["id"], **record)
    assert result.outcome == "rejected"
    assert result.problem is not None
    assert (result.problem.field, text in result.problem.message) == (field, True)
    assert not graph.sent("PATCH")


def test_a_start_behind_the_due_date_is_the_records_problem(graph: FakeGraph, task: Any) -> None:
    """Planner's own 400 becomes a problem with its words."""
    result = push_one(graph, task["id"], startDateTime="2026-05-02", dueDateTime="2026-05-01")
    assert result.problem is not None
    assert "later than the due date" in result.problem.message


def test_quotas_are_not_tried_again(graph: FakeGraph, task: Any) -> None:
    """A 403 that names a quota is one record's problem and one request; the push goes on."""
    graph.fault("quota", code="MaximumTasksAssignedToUser", count=1)
    other = next(t for t in graph.tasks(graph.busiest) if t["id"] != task["id"])
    first, second = push(
        graph,
        Upsert("tasks", task["id"], {"assignees": "0b6e5a52-9d0c-4d6b-8f0a-3f5c1f9a0001"}),
        Upsert("tasks", other["id"], {"title": "Next"}),
    )
    assert (first.outcome, second.outcome) == ("rejected", "updated")
    assert first.problem is not None
    assert "as many tasks as anybody may have" in first.problem.message
    assert len(graph.sent("PATCH", task["id"])) == 1


def test_a_quota_with_a_new_name_is_known_as_one(graph: FakeGraph, task: Any) -> None:
    """All their codes begin alike."""
    graph.fault("quota", code="MaximumMoonsInProject")
    result = push_one(graph, task["id"], title="x")
    assert result.problem is not None
    assert "MaximumMoonsInProject" in result.problem.message


def test_another_403_needs_a_person(graph: FakeGraph, task: Any) -> None:
    """Who is no member (any more) may write nothing at all."""
    graph.fault("forbidden", method="PATCH")
    with pytest.raises(AuthError, match="member of the group"):
        push_one(graph, task["id"], title="x")


def test_what_is_gone_is_told(graph: FakeGraph, task: Any) -> None:
    """An update of what does not exist creates nothing."""
    assert push_one(graph, "A" * 28, title="x").outcome == "rejected"
    graph.meddle = once(lambda: graph.control("/_planner", delete=[task["id"]]))
    assert push_one(graph, task["id"], title="x").outcome == "rejected"
    assert not graph.sent("POST", "/planner/tasks")


def test_people_and_labels_come_and_go(graph: FakeGraph, task: Any) -> None:
    """Who is not named any more is removed by null; new ones carry their type and order hint."""
    ann, bob = "0b6e5a52-9d0c-4d6b-8f0a-3f5c1f9a0001", "0b6e5a52-9d0c-4d6b-8f0a-3f5c1f9a0002"
    push_one(graph, task["id"], assignees=f"{ann}", appliedCategories="category1")
    push_one(graph, task["id"], assignees=f"{bob}", appliedCategories="category2,category3")
    sent = body_of(graph.sent("PATCH")[-1])
    assert sent["assignments"] == {
        ann: None,
        bob: {"@odata.type": "#microsoft.graph.plannerAssignment", "orderHint": " !"},
    }
    now = graph.task(task["id"])
    assert (set(now["assignments"]), set(now["appliedCategories"])) == (
        {bob},
        {"category2", "category3"},
    )
    push_one(graph, task["id"], assignees=None)
    assert graph.task(task["id"])["assignments"] == {}


def test_a_bucket_can_be_named(graph: FakeGraph, task: Any) -> None:
    """The bucket of that name in the task's plan is meant."""
    result = push_one(graph, task["id"], bucketName="Done")
    bucket = graph.get(f"/planner/buckets/{graph.task(task['id'])['bucketId']}")
    assert (result.outcome, bucket["name"]) == ("updated", "Done")


def test_deleting_is_by_etag_and_repeatable(graph: FakeGraph, task: Any) -> None:
    """What is gone already counts as unchanged."""
    gone = Delete("tasks", task["id"])
    first, second = push(graph, gone)[0], push(graph, gone)[0]
    assert (first.outcome, second.outcome) == ("deleted", "unchanged")
    (sent,) = graph.sent("DELETE")
    assert sent.headers["If-Match"] == task["@odata.etag"]


def test_what_just_changed_is_not_deleted(graph: FakeGraph, task: Any) -> None:
    """An edit that nobody has seen is worth more than the delete."""
    graph.meddle = once(lambda: graph.edit(task["id"], title="Still needed"), "DELETE")
    (result,) = push(graph, Delete("tasks", task["id"]))
    assert result.outcome == "rejected"
    assert graph.task(task["id"])["title"] == "Still needed"


def test_a_conflict_without_an_edit_is_deleted_in_the_end(graph: FakeGraph, task: Any) -> None:
    """409 once, then it goes."""
    graph.fault("conflict", count=1)
    (result,) = push(graph, Delete("tasks", task["id"]))
    assert result.outcome == "deleted"


def test_buckets_are_written_too(graph: FakeGraph) -> None:
    """Created once, renamed by etag, deleted."""
    plan = graph.busiest
    record = {"name": "Review", "planId": plan}
    first, again = (push(graph, Upsert("buckets", "k1", record), stream="buckets")[0] for _ in "ab")
    assert (first.outcome, again.outcome) == ("created", "unchanged")
    assert first.external_id == again.external_id
    renamed = Upsert("buckets", first.external_id, {"name": "Check"})
    assert push(graph, renamed, stream="buckets")[0].outcome == "updated"
    gone = push(graph, Delete("buckets", first.external_id), stream="buckets")
    assert gone[0].outcome == "deleted"


def test_what_is_never_written(graph: FakeGraph) -> None:
    """Plans are refused at once, and so is emptying a stream."""
    with pytest.raises(PermanentError, match="Plans are read"):
        push(graph, stream="plans")
    with pytest.raises(PermanentError, match="emptied"):
        push(graph, Truncate("tasks"))
