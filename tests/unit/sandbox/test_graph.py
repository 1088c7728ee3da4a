"""Graph's Planner calls: who may ask, lists, versions, and what a body may say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.planner import PROVIDER
from local.sandbox.entra.scopes import GRAPH, POWER_BI
from local.sandbox.graph.app import DEVELOPER
from shared.ports.provider import ConnectRequest, Credentials
from tests.http_kit import Sleeps
from tests.oauth_kit import App
from tests.planner_kit import TOKEN, FakeGraph
from tests.sandbox_kit import PATIENCE, Running

PERSON = "0b6e5a52-9d0c-4d6b-8f0a-3f5c1f9a0001"
OUTSIDER = "0b6e5a52-9d0c-4d6b-8f0a-3f5c1f9a0003"


@pytest.fixture(scope="module")
def shared_graph() -> FakeGraph:
    return FakeGraph(tasks=400)


@pytest.fixture
def graph(shared_graph: FakeGraph) -> Iterator[FakeGraph]:
    yield shared_graph
    shared_graph.faults.clear()
    shared_graph.control("/_limits", method="PUT")


@pytest.fixture
def task(graph: FakeGraph) -> Any:
    """Create a task of our own."""
    body = {"planId": graph.busiest, "title": "Mine"}
    made = graph.call("POST", "/planner/tasks", json=body)
    assert made.status_code == 201
    return made.json()


def patch(graph: FakeGraph, task: Any, etag: str | None = None, **body: Any) -> httpx.Response:
    headers = {"If-Match": etag or task["@odata.etag"]}
    return graph.call("PATCH", f"/planner/tasks/{task['id']}", json=body, headers=headers)


def patch_details(graph: FakeGraph, id_: str, **body: Any) -> httpx.Response:
    headers = {"If-Match": graph.details(id_)["@odata.etag"]}
    return graph.call("PATCH", f"/planner/tasks/{id_}/details", json=body, headers=headers)


def walk(graph: FakeGraph, path: str) -> list[list[Any]]:
    """Return a collection's pages."""
    pages, address = [], f"/v1.0{path}"
    while address:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        page = graph.ask("GET", address, headers=headers).raise_for_status().json()
        pages.append(page["value"])
        address = page.get("@odata.nextLink", "")
    return pages


def test_contents_are_the_same_at_every_start() -> None:
    """Two emulators hold the same tasks, of as many as were asked for."""
    first, second = FakeGraph(tasks=50), FakeGraph(tasks=50)
    assert first.ask("GET", "/_state").json()["tasks"] == 50
    assert first.tasks(first.busiest) == second.tasks(second.busiest)


def test_ids_differ_in_case_alone(shared_graph: FakeGraph) -> None:
    """A client that compares ids without regard to case mixes two tasks up."""
    ids = [t["id"] for plan in shared_graph.plans for t in shared_graph.tasks(plan["id"])]
    assert all(len(id_) == 28 for id_ in ids)
    assert len({id_.lower() for id_ in ids}) < len(set(ids))


def test_no_token_or_a_wrong_one(graph: FakeGraph) -> None:
    """Both are 401 in Graph's form."""
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        answer = graph.ask("GET", "/v1.0/me", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "InvalidAuthenticationToken"
        assert answer.json()["error"]["innererror"]["request-id"]


def test_links_are_good_only_as_they_were_given(graph: FakeGraph) -> None:
    """Pages hold everything once; a link that was taken apart and put together is a 400."""
    graph.control("/_limits", method="PUT", page_size=7)
    path = f"/planner/plans/{graph.busiest}/tasks"
    pages = walk(graph, path)
    ids = [task["id"] for page in pages for task in page]
    assert {len(page) for page in pages[:-1]} == {7}
    assert len(set(ids)) == len(ids)
    link = str(graph.get(path)["@odata.nextLink"])
    for rebuilt in (link.replace("%3d", "%3D"), link.replace("$", "%24"), link + "&$top=5"):
        answer = graph.ask("GET", rebuilt, headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 400


def test_a_page_once_rendered_shows_changes(graph: FakeGraph, task: Any) -> None:
    """Kept pages are as old as the last change, never older."""
    before = graph.tasks(graph.busiest)
    assert graph.tasks(graph.busiest) == before
    patch(graph, task, title="Other").raise_for_status()
    assert graph.task(task["id"])["title"] == "Other"
    assert {t["id"] for t in graph.tasks(graph.busiest)} == {t["id"] for t in before}


def test_only_members_see_a_groups_plans(graph: FakeGraph) -> None:
    """The plan, its tasks and the group's list are 403 to everybody else; nothing lists them."""
    groups = graph.get("/me/memberOf/microsoft.graph.group")["value"]
    mine = [group["id"] for group in groups if group["groupTypes"]]
    plan = next(p for p in graph.plans if p["container"]["containerId"] in mine)
    group, me = plan["container"]["containerId"], graph.get("/me")["id"]
    graph.control("/_planner", leave=[{"group": group, "user": me}])
    refused = [
        graph.call("GET", f"/groups/{group}/planner/plans"),
        graph.call("GET", f"/planner/plans/{plan['id']}"),
        graph.call("GET", f"/planner/plans/{plan['id']}/tasks"),
        graph.call("GET", f"/users/{OUTSIDER}/planner/plans"),
    ]
    graph.control("/_planner", join=[{"group": group, "user": me}])
    assert [answer.status_code for answer in refused] == [403] * 4
    assert graph.call("GET", f"/planner/plans/{plan['id']}").status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/planner/tasks/short", 400),
        (f"/planner/tasks/{'A' * 28}", 404),
        (f"/planner/plans/{'A' * 28}/tasks", 404),
        ("/groups/none/planner/plans", 404),
        ("/planner/roster", 404),
    ],
)
def test_what_is_not_there(graph: FakeGraph, path: str, status: int) -> None:
    """An id of the wrong form is a 400, an unknown one a 404."""
    answer = graph.call("GET", path)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_a_write_names_the_version(graph: FakeGraph, task: Any) -> None:
    """Without `If-Match`, or with an old one, nothing is written: 412."""
    path = f"/planner/tasks/{task['id']}"
    assert graph.call("PATCH", path, json={"title": "x"}).status_code == 412
    assert graph.call("DELETE", path).status_code == 412
    assert patch(graph, task, title="One").status_code == 204
    assert patch(graph, task, title="Two").status_code == 412
    assert graph.task(task["id"])["title"] == "One"


def test_a_representation_is_given_on_wish(graph: FakeGraph, task: Any) -> None:
    """204 by default; 200 with the new version where `Prefer` asks for it."""
    answer = graph.call(
        "PATCH",
        f"/planner/tasks/{task['id']}",
        json={"percentComplete": 100},
        headers={"If-Match": task["@odata.etag"], "Prefer": "return=representation"},
    )
    now = answer.json()
    assert (answer.status_code, now["percentComplete"]) == (200, 100)
    assert now["@odata.etag"] != task["@odata.etag"]
    assert now["completedDateTime"]


def test_details_have_a_version_of_their_own(graph: FakeGraph, task: Any) -> None:
    """The task's version moves only with what it says of its details."""
    id_ = task["id"]
    patch_details(graph, id_, description="One").raise_for_status()
    first = graph.task(id_)
    assert first["hasDescription"]
    assert first["@odata.etag"] != task["@odata.etag"]
    patch_details(graph, id_, description="Two").raise_for_status()
    assert graph.task(id_)["@odata.etag"] == first["@odata.etag"]


@pytest.mark.parametrize(
    "body",
    [
        {"title": ""},
        {"title": "x" * 256},
        {"percentComplete": 101},
        {"percentComplete": "50"},
        {"priority": 11},
        {"startDateTime": "2026-05-02T00:00:00Z", "dueDateTime": "2026-05-01T00:00:00Z"},
        {"dueDateTime": "2026-05-01T00:00:00"},
        {"bucketId": "A" * 28},
        {"planId": "A" * 28},
        {"assignments": {OUTSIDER: {"orderHint": " !"}}},
        {"assignments": {OUTSIDER: {"@odata.type": "#microsoft.graph.plannerAssignment"}}},
        {"appliedCategories": {"category26": True}},
        {"orderHint": "first"},
        {"createdDateTime": "2026-05-01T00:00:00Z"},
        {"colour": "red"},
    ],
)
def test_bodies_that_are_not_right(graph: FakeGraph, task: Any, body: dict[str, Any]) -> None:
    """Each is a 400 and changes nothing; the one without an order hint gets one."""
    status = 204 if "plannerAssignment" in str(body) else 400
    assert patch(graph, task, **body).status_code == status
    assert graph.task(task["id"])["title"] == "Mine"


def test_open_types_are_patched_by_key(graph: FakeGraph, task: Any) -> None:
    """What is null goes, what is not named stays."""
    item = {"@odata.type": "#microsoft.graph.plannerChecklistItem", "title": "one"}
    patch_details(graph, task["id"], checklist={"a": item, "b": item}).raise_for_status()
    patch_details(graph, task["id"], checklist={"a": None}).raise_for_status()
    assert set(graph.details(task["id"])["checklist"]) == {"b"}
    assert graph.task(task["id"])["activeChecklistItemCount"] == 1
    assert patch_details(graph, task["id"], checklist={"c": {"title": "x"}}).status_code == 400


def test_what_does_not_fit_any_more(graph: FakeGraph, task: Any) -> None:
    """Each limit has its code, and nothing is kept of what goes beyond."""
    graph.control("/_limits", method="PUT", tasks_in_plan=0, buckets_in_plan=0, checklist_items=0)
    before = graph.ask("GET", "/_state").json()
    item = {"@odata.type": "#microsoft.graph.plannerChecklistItem", "title": "one"}
    new = {"planId": graph.busiest, "title": "x", "name": "x"}
    answers = [
        graph.call("POST", "/planner/tasks", json=new),
        graph.call("POST", "/planner/buckets", json=new),
        patch_details(graph, task["id"], checklist={"a": item}),
    ]
    assert [a.status_code for a in answers] == [403] * 3
    assert [a.json()["error"]["code"] for a in answers] == [
        "MaximumTasksInProject",
        "MaximumBucketsInProject",
        "MaximumChecklistItemsOnTask",
    ]
    assert graph.ask("GET", "/_state").json() == before


def test_a_refused_task_is_not_kept(graph: FakeGraph) -> None:
    """A create with one wrong property creates nothing."""
    before = graph.ask("GET", "/_state").json()
    body = {"planId": graph.busiest, "title": "x", "priority": 99}
    assert graph.call("POST", "/planner/tasks", json=body).status_code == 400
    assert graph.ask("GET", "/_state").json() == before


def test_batches(graph: FakeGraph, task: Any) -> None:
    """Each request has its own answer, in no order to rely on; twenty fit."""
    good = {"id": "a", "method": "GET", "url": f"/planner/tasks/{task['id']}"}
    wish = {"id": "b", "method": "GET", "url": f"/planner/tasks/{'A' * 28}"}
    edit = {
        **good,
        "id": "c",
        "method": "PATCH",
        "headers": {"If-Match": task["@odata.etag"], "Content-Type": "application/json"},
        "body": {"title": "By batch"},
    }
    answer = graph.call("POST", "/$batch", json={"requests": [good, wish, edit]}).json()
    found = {item["id"]: item for item in answer["responses"]}
    assert {id_: item["status"] for id_, item in found.items()} == {"a": 200, "b": 404, "c": 204}
    assert found["a"]["body"]["title"] == "Mine"
    assert graph.task(task["id"])["title"] == "By batch"
    for wrong in ([], [good] * 2, [{**good, "id": str(n)} for n in range(21)]):
        assert graph.call("POST", "/$batch", json={"requests": wrong}).status_code == 400


def test_deleting_takes_along_what_is_inside(graph: FakeGraph, task: Any) -> None:
    """A bucket goes with its tasks."""
    bucket = graph.call(
        "POST", "/planner/buckets", json={"planId": graph.busiest, "name": "Box"}
    ).json()
    patch(graph, task, bucketId=bucket["id"]).raise_for_status()
    path = f"/planner/buckets/{bucket['id']}"
    assert len(graph.get(f"{path}/tasks")["value"]) == 1
    headers = {"If-Match": bucket["@odata.etag"]}
    assert graph.call("DELETE", path, headers=headers).status_code == 204
    assert graph.call("GET", f"/planner/tasks/{task['id']}").status_code == 404


def test_control_refuses_what_it_does_not_know(graph: FakeGraph) -> None:
    """Unknown ids and keys are a 400."""
    unknown: tuple[dict[str, Any], ...] = (
        {"delete": ["none"]},
        {"patch": [{"id": "none", "task": {"title": "x"}}]},
        {"paint": []},
    )
    for body in unknown:
        assert graph.ask("POST", "/_planner", json=body).status_code == 400
    assert graph.ask("PUT", "/_limits", json={"page_size": 0}).status_code == 400


@pytest.fixture
def entra(sandbox: Running) -> Iterator[App]:
    """Entra's one registered app, asking for the scope to be set by each test."""
    uri = "http://127.0.0.1:7071/oauth/callback/planner"
    entry = sandbox.directory["entra"]
    with httpx.Client(base_url=entry["url"], timeout=PATIENCE) as client:
        client.put("/oauth/_settings", json={"redirect_uris": [uri]}).raise_for_status()
        yield App.of(client, entry["oauth"], redirect_uri=uri, scope="")
        client.delete("/oauth/_settings").raise_for_status()
        client.delete("/oauth/_state").raise_for_status()


def test_tokens_of_entra(sandbox: Running, entra: App) -> None:
    """A token is good for its resource and its scopes only, until its consent is taken back."""
    url = sandbox.directory["graph"]["url"]

    def token(resource: str, *scopes: str) -> str:
        asked = " ".join(f"{resource}/{scope}" for scope in scopes)
        return str(entra.connect(account=PERSON, scope=asked)["access_token"])

    def status(text: str, method: str, path: str) -> int:
        headers = {"Authorization": f"Bearer {text}"}
        return entra.client.request(
            method, f"{url}/v1.0{path}", headers=headers, json={}
        ).status_code

    reader = token(GRAPH, "Tasks.Read", "User.Read")
    assert status(reader, "GET", "/me") == 200
    assert status(reader, "GET", "/me/planner/plans") == 200
    assert status(reader, "GET", "/me/memberOf/microsoft.graph.group") == 403
    assert status(reader, "POST", "/planner/tasks") == 403
    assert status(token(POWER_BI, "Dataset.Read.All"), "GET", "/me") == 401
    entra.client.post("/oauth/_grants", json={"action": "revoke"}).raise_for_status()
    assert status(reader, "GET", "/me") == 401


def test_planner_reads_with_what_its_sign_in_brings(sandbox: Running, entra: App) -> None:
    """The scopes the adapter asks for are enough, and both ways name the same account."""
    asked = " ".join(PROVIDER.spec.oauth_scopes)
    tokens = entra.connect(account=DEVELOPER.id, scope=asked)
    connection = PROVIDER.connect(
        ConnectRequest(
            credentials=Credentials(values={"access_token": tokens["access_token"]}),
            options={"base_url": sandbox.directory["graph"]["url"]},
            work_dir=Path("unused"),
            sleep=Sleeps(),
            allow_private_hosts=True,
        )
    )
    assert PROVIDER.oauth is not None
    assert connection.check().account == PROVIDER.oauth.account_of(tokens) == DEVELOPER.id
    assert list(connection.read("plans", None))[-1].totals["plans"] > 3
    connection.close()
