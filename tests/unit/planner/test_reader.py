from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from shared.domain.changes import Delete, Upsert
from shared.domain.checkpoints import Checkpoint
from shared.errors import AuthError, PermanentError, TransientError
from tests.http_kit import Script, answer
from tests.planner_kit import HOST, FakeGraph, body_of, connect, read, records_of

SLIM = {"tasks": ["title"], "plans": ["title"], "buckets": ["name"]}


@pytest.fixture
def graph() -> FakeGraph:
    server = FakeGraph()
    server.control("/_limits", method="PUT", page_size=10)
    return server


def test_every_plan_is_read_once(graph: FakeGraph) -> None:
    """Plans of groups and of the person come together; one that is in both comes once."""
    pages = read(graph, "plans")
    listed = records_of(pages)
    assert sorted(listed) == [plan["id"] for plan in graph.plans]
    assert pages[-1].totals == {"plans": len(listed)}
    assert {record["containerType"] for record in listed.values()} == {"group", "roster"}


def test_buckets_know_their_plan(graph: FakeGraph) -> None:
    """A bucket's record names its plan."""
    titles = {plan["id"]: plan["title"] for plan in graph.plans}
    found = records_of(read(graph, "buckets")).values()
    assert found
    assert all(record["planTitle"] == titles[record["planId"]] for record in found)


def test_tasks_have_their_details(graph: FakeGraph) -> None:
    """Notes, checklist and attachments stand in the task's record as text."""
    found = records_of(read(graph))
    for plan in graph.plans:
        for task in graph.tasks(plan["id"]):
            record = found[task["id"]]
            details = graph.details(task["id"])
            assert (record["description"] or "") == details["description"]
            assert len((record["checklist"] or "").splitlines()) == len(details["checklist"])
            assert len((record["references"] or "").splitlines()) == len(details["references"])
            assert record["etag"] == task["@odata.etag"]


def test_only_details_that_hold_something_are_asked_for(graph: FakeGraph) -> None:
    """Details come twenty at a time, and not at all where no mapping wants them."""
    everything = records_of(read(graph, selection={"tasks": ["description"]}))
    asked = [
        item["url"]
        for request in graph.sent("POST", "$batch")
        for item in body_of(request)["requests"]
    ]
    wanted = [url for url in asked if url.endswith("/details")]
    assert 0 < len(wanted) < len(everything)
    assert all(len(body_of(r)["requests"]) <= 20 for r in graph.sent("POST", "$batch"))
    graph.calls.clear()
    read(graph, selection=SLIM)
    assert not any("/details" in str(r.content) for r in graph.sent("POST", "$batch"))


def test_links_are_followed_as_they_were_given(graph: FakeGraph) -> None:
    """The next page's address is sent to the last character as Graph named it."""
    read(graph, selection=SLIM)
    given = {
        answer.json()["@odata.nextLink"]
        for _, answer in graph.calls
        if "@odata.nextLink" in answer.json()
    }
    followed = {
        f"{HOST}{request.url.raw_path.decode()}"
        for request, _ in graph.calls
        if request.url.query
        and b"skiptoken" in request.url.query
        and request.url.host == "graph.microsoft.com"
    }
    assert followed == given
    assert len(given) > 3


def test_a_link_to_elsewhere_is_not_followed() -> None:
    """Credentials go nowhere a link leads outside Graph."""
    elsewhere = {"value": [], "@odata.nextLink": "https://evil.test/x"}
    server = Script(answer(id="u"), httpx.Response(200, json=elsewhere))
    with pytest.raises(PermanentError, match="sent us on"):
        read(server, "plans")


def test_a_link_that_ended_leads_back_to_the_plans_start(graph: FakeGraph) -> None:
    """Resuming with a link too old reads its plan again: nothing is lost, the count stays right."""
    pages = read(graph, selection=SLIM)
    stale = next(page for page in pages if page.checkpoint.resume["link"])
    graph.fault("expired_link", count=1, path="/tasks")
    rest = read(graph, after=stale.checkpoint, selection=SLIM)
    changes = {c for p in pages[: pages.index(stale) + 1] for c in map(_key, p.changes)}
    assert changes | {key for page in rest for key in map(_key, page.changes)} == {
        key for page in pages for key in map(_key, page.changes)
    }
    assert rest[-1].totals == pages[-1].totals


def _key(change: Any) -> str:
    return str(change.key)


def test_a_plan_that_goes_away_is_passed_over(graph: FakeGraph) -> None:
    """A plan deleted after it was listed has no tasks; the others are read."""

    def vanish(request: httpx.Request) -> None:
        if request.url.path.endswith(f"{graph.busiest}/tasks") and not gone:
            gone.append(graph.busiest)
            graph.control("/_planner", delete=[graph.busiest])

    gone: list[str] = []
    assert graph.busiest
    graph.meddle = vanish
    found = records_of(read(graph, selection={"tasks": ["planId"]}))
    assert found
    assert graph.busiest not in {record["planId"] for record in found.values()}


def test_resuming_in_a_plan_that_is_gone_goes_on_behind_it(graph: FakeGraph) -> None:
    """What was read of the plan still counts; what it held is not looked for."""
    pages = read(graph, selection=SLIM)
    inside = next(page for page in pages if page.checkpoint.resume["link"])
    graph.control("/_planner", delete=[inside.checkpoint.resume["plan"]])
    rest = read(graph, after=inside.checkpoint, selection=SLIM)
    resume = inside.checkpoint.resume
    counted = sum(len(page.changes) for page in rest) + resume["before"] + resume["seen"]
    assert rest[-1].totals == {"tasks": counted}


def test_a_group_that_may_not_be_read_ends_the_read(graph: FakeGraph) -> None:
    """Leaving it out would make its tasks look deleted."""
    (group,) = {p["container"]["containerId"] for p in graph.plans if p["id"] == graph.busiest}
    graph.control("/_planner", leave=[{"group": group, "user": _me(graph)}])
    with pytest.raises(AuthError, match="member of the group"):
        read(graph, "plans", options={"groups": group})


def test_groups_can_be_chosen(graph: FakeGraph) -> None:
    """The option names the groups whose plans are read, and none of the person's own."""
    owned = [plan for plan in graph.plans if plan["container"]["type"] == "group"]
    group = owned[0]["container"]["containerId"]
    found = records_of(read(graph, "plans", options={"groups": f" {group}, "}))
    expected = {p["id"] for p in owned if p["container"]["containerId"] == group}
    assert set(found) == expected


def test_an_application_needs_its_groups_named() -> None:
    """Where nobody is signed in there is no /me to start from."""
    refusal = answer(400, error={"code": "BadRequest", "message": "delegated flow only"})
    with pytest.raises(PermanentError, match="name the ids of the groups"):
        read(Script(refusal), "plans")


def test_nothing_to_read_is_one_empty_page() -> None:
    """A person without plans has no tasks; that is a complete read of none."""
    pages = read(Script(answer(id="u"), answer(value=[])))
    assert [(page.changes, page.checkpoint, page.totals) for page in pages] == [
        ([], Checkpoint(), {"tasks": 0})
    ]


def test_a_task_without_an_id_is_a_problem() -> None:
    """There is nothing to know it by; the page goes on."""
    plan = {"id": "P" * 28, "title": "One"}
    server = Script(
        answer(id="u"),
        answer(value=[plan]),
        answer(value=[]),
        answer(value=[{"title": "x"}, {"id": "T" * 28, "title": "y", "planId": plan["id"]}]),
    )
    (page,) = read(server, selection=SLIM)
    assert [problem.severity for problem in page.problems] == ["error"]
    assert [change.key for change in page.changes if isinstance(change, Upsert)] == ["T" * 28]


def test_details_that_do_not_show_are_waited_for(graph: FakeGraph) -> None:
    """A task left out would look deleted: while it is there, its details must be too."""

    def hide(request: httpx.Request) -> None:
        if b"/details" in request.content:
            graph.faults.clear()
            graph.fault("late_create", count=1)

    make_new(graph)
    graph.meddle = hide
    with pytest.raises(TransientError, match="does not show the details"):
        read(graph)


def test_a_task_that_goes_away_before_its_details_is_left_out(graph: FakeGraph) -> None:
    """It is gone, and no problem; the others come."""

    def remove(request: httpx.Request) -> None:
        if b"/details" in request.content and not gone:
            gone.append(body_of(request)["requests"][0]["url"].split("/")[3])
            graph.control("/_planner", delete=gone)

    gone: list[str] = []
    graph.meddle = remove
    found = records_of(read(graph))
    assert gone[0] not in found
    assert len(found) > 50


def make_new(graph: FakeGraph) -> None:
    """Create a task through the API, which the emulator may hide for a while."""
    body = {"planId": graph.busiest, "title": "New"}
    task = graph.call("POST", "/planner/tasks", json=body).raise_for_status().json()
    graph.call(
        "PATCH",
        f"/planner/tasks/{task['id']}/details",
        json={"description": "Something"},
        headers={"If-Match": graph.details(task["id"])["@odata.etag"]},
    ).raise_for_status()


def test_a_checkpoint_of_another_kind_is_refused(graph: FakeGraph) -> None:
    """What cannot be read as a position says what to do."""
    with pytest.raises(PermanentError, match="Start a full sync"):
        read(graph, after=Checkpoint(resume={"plan": "x"}))


def test_unknown_names_are_refused(graph: FakeGraph) -> None:
    """A stream or a field that Planner does not have is told by name."""
    with pytest.raises(PermanentError, match="no stream 'cards'"):
        read(graph, "cards")
    with pytest.raises(PermanentError, match="no field named colour"):
        read(graph, selection={"tasks": ["colour"]})


@pytest.mark.parametrize("stream", ["plans", "buckets", "tasks"])
def test_get_gives_what_a_read_gives(graph: FakeGraph, stream: str) -> None:
    """One record looks the same however it was had; what is not there is a Delete."""
    found = records_of(read(graph, stream))
    keys = [*list(found)[:3], "no id of Planner", "A" * 28]
    changes = connect(graph).get(stream, keys)
    assert changes[:3] == [Upsert(stream, key, found[key]) for key in keys[:3]]
    assert changes[3:] == [Delete(stream, key) for key in keys[3:]]


def test_check_names_the_person(graph: FakeGraph) -> None:
    """The account is the person's id: somebody else sees other plans."""
    result = connect(graph).check()
    assert result.account == _me(graph)
    assert "priya.raman@alder.example" in result.label
    assert replace(result, label="").label == ""


def _me(graph: FakeGraph) -> str:
    return str(graph.get("/me")["id"])
