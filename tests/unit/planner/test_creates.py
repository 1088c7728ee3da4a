from __future__ import annotations

from typing import Any

import httpx
import pytest

from shared.domain.changes import Delete, Upsert
from shared.errors import TransientError
from shared.ports.provider import PushResult
from tests.http_kit import Sleeps
from tests.planner_kit import NEW, FakeGraph, body_of, push

RECORD = {
    "title": "From LinkHub",
    "status": "inProgress",
    "dueDateTime": "2026-12-24",
    "description": "Two lines\nof notes",
}


@pytest.fixture
def graph() -> FakeGraph:
    return FakeGraph()


def create(graph: FakeGraph, key: str = NEW, **changes: Any) -> PushResult:
    record = {"planId": graph.busiest, **RECORD, **changes}
    (result,) = push(graph, Upsert("tasks", key, record))
    return result


def count(graph: FakeGraph) -> int:
    return int(graph.ask("GET", "/_state").json()["tasks"])


def test_a_key_of_another_form_creates(graph: FakeGraph) -> None:
    """The result gives Planner's id for the caller's key; details are written after the task."""
    before = count(graph)
    result = create(graph)
    task, details = graph.task(result.external_id), graph.details(result.external_id)
    assert (result.key, result.outcome, result.etag) == (NEW, "created", task["@odata.etag"])
    assert (task["title"], task["percentComplete"]) == ("From LinkHub", 50)
    assert task["dueDateTime"] == "2026-12-24T10:00:00Z"
    assert details["description"] == RECORD["description"]
    assert count(graph) == before + 1


def test_creating_the_same_again_finds_the_first(graph: FakeGraph) -> None:
    """A retry whose first answer nobody kept makes no second task."""
    first = create(graph)
    before = count(graph)
    again = create(graph)
    assert (again.outcome, again.external_id) == ("unchanged", first.external_id)
    assert count(graph) == before


def test_a_lost_answer_is_looked_for_at_once(graph: FakeGraph) -> None:
    """The task was made though the connection broke; it is found and finished."""
    before = count(graph)
    graph.lose = lambda request: request.url.path.endswith("/planner/tasks")
    result = create(graph)
    assert result.outcome == "created"
    assert graph.details(result.external_id)["description"] == RECORD["description"]
    assert count(graph) == before + 1


def test_a_task_without_its_notes_is_finished_later(graph: FakeGraph) -> None:
    """A crash between the task and its notes leaves a twin that the retry completes."""
    graph.lose = lambda request: request.url.path.endswith("/details")
    with pytest.raises(TransientError):
        create(graph)
    graph.lose = lambda _: False
    before = count(graph)
    result = create(graph)
    assert graph.details(result.external_id)["description"] == RECORD["description"]
    assert count(graph) == before


def test_a_request_that_never_arrived_is_retried_later(graph: FakeGraph) -> None:
    """With nothing to be found the push ends as a lost connection does."""

    def cut(request: httpx.Request) -> None:
        if request.url.path.endswith("/planner/tasks"):
            raise httpx.ReadError("cut", request=request)

    graph.meddle = cut
    with pytest.raises(TransientError):
        create(graph)


def test_two_records_that_say_the_same_are_two_tasks(graph: FakeGraph) -> None:
    """Within a push no task stands for two records."""
    record = {"planId": graph.busiest, **RECORD}
    first, second = push(graph, Upsert("tasks", NEW, record), Upsert("tasks", "k2", record))
    assert [first.outcome, second.outcome] == ["created", "created"]
    assert first.external_id != second.external_id


def test_a_task_named_in_the_push_is_no_twin(graph: FakeGraph) -> None:
    """What another change is about is spoken for."""
    first = create(graph)
    record = {"planId": graph.busiest, **RECORD}
    results = push(graph, Upsert("tasks", first.external_id, RECORD), Upsert("tasks", "k2", record))
    assert [result.outcome for result in results] == ["unchanged", "created"]


def test_what_others_made_or_changed_is_no_twin(graph: FakeGraph) -> None:
    """Neither a task of somebody else nor one with other notes is taken."""
    body = {"title": RECORD["title"], "percentComplete": 50}
    body["dueDateTime"] = "2026-12-24T10:00:00Z"
    others = graph.control("/_planner", create=[{"planId": graph.busiest, "task": body}])["created"]
    first = create(graph)
    assert first.external_id not in others
    graph.edit(first.external_id, details={"description": "Rewritten"})
    assert create(graph).outcome == "created"


def test_what_does_not_show_yet_is_waited_for(graph: FakeGraph) -> None:
    """404 right after a create is tried again, briefly."""
    graph.fault("late_create", count=2)
    sleep = Sleeps()
    record = {"planId": graph.busiest, **RECORD}
    (result,) = push(graph, Upsert("tasks", NEW, record), sleep=sleep)
    assert (result.outcome, result.problem) == ("created", None)
    assert sleep.waits == [0.5, 1.0]


def test_notes_that_do_not_fit_are_a_warning(graph: FakeGraph) -> None:
    """The task is there; what is missing of it is told."""
    graph.control("/_limits", method="PUT", checklist_items=1)
    result = create(graph, checklist="one\ntwo")
    assert result.outcome == "created"
    assert result.problem is not None
    assert result.problem.severity == "warning"
    assert "checklist has as many items as fit" in result.problem.message


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"planId": None}, "planId"), ({"planId": "P" * 28}, "planId"), ({"title": None}, "title")],
)
def test_what_cannot_be_created(graph: FakeGraph, changes: dict[str, Any], field: str) -> None:
    """A task needs a plan that exists and a title; it is the record's problem."""
    result = create(graph, **changes)
    assert (result.outcome, result.external_id) == ("rejected", "")
    assert result.problem is not None
    assert result.problem.field == field


def test_a_full_plan_is_the_records_problem(graph: FakeGraph) -> None:
    """The quota is told, and not tried again."""
    graph.control("/_limits", method="PUT", tasks_in_plan=0)
    result = create(graph)
    assert result.problem is not None
    assert "the plan has as many tasks as fit" in result.problem.message
    assert len(graph.sent("POST", "/planner/tasks")) == 1


def test_the_connection_names_a_plan_for_new_tasks(graph: FakeGraph) -> None:
    """A record without a plan goes there."""
    (result,) = push(graph, Upsert("tasks", NEW, RECORD), options={"plan": graph.busiest})
    assert graph.task(result.external_id)["planId"] == graph.busiest
    assert body_of(graph.sent("POST", "/planner/tasks")[0])["planId"] == graph.busiest


def test_deleting_what_never_was_is_nothing(graph: FakeGraph) -> None:
    """A key that names nothing in Planner has nothing to delete there."""
    (result,) = push(graph, Delete("tasks", NEW))
    assert result.outcome == "unchanged"
