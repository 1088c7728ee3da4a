"""The wizard over HTTP: its order, its versions, and those who attack both."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from shared.errors import AuthError, TransientError
from shared.store.tables import audit_events
from tests.functions.kit import GOOD_KEY, OTHER_KEY, Answer, Client, HttpWorld

RULES: list[dict[str, Any]] = [
    {"stream": "deals", "externalField": "n", "entity": "initiatives", "field": "name"},
    {
        "stream": "deals",
        "externalField": "n",
        "entity": "initiatives",
        "field": "status",
        "transform": {"type": "constant", "value": "ON_TIME"},
    },
]
LATE = {**RULES[1], "transform": {"type": "constant", "value": "LATE"}}
CONFIG = {"frequency": "daily", "frequencyDetails": {"time": "06:30"}, "timeZone": "Europe/Rome"}
STEPS: list[tuple[str, str, Any]] = [
    ("PUT", "mappings", {"mappings": RULES}),
    ("PUT", "sync-config", CONFIG),
    ("POST", "activate", None),
]


def put_rules(client: Client, instance_id: str, rules: Any = RULES) -> Answer:
    return client.put(f"instances/{instance_id}/mappings", {"mappings": rules})


def at_last_step(world: HttpWorld) -> str:
    """Return the id of an instance that waits for its activation only."""
    instance_id = world.at_connection(world.ada)
    assert put_rules(world.ada, instance_id).status == 200
    assert world.ada.put(f"instances/{instance_id}/sync-config", CONFIG).status == 200
    return instance_id


def acts(world: HttpWorld) -> list[str]:
    """Return what was written down in the audit, by name."""
    with world.app.database.engine.connect() as connection:
        columns = audit_events.c
        return sorted(connection.scalars(audit_events.select().with_only_columns(columns.action)))


def test_the_whole_way(world: HttpWorld) -> None:
    """Four steps lead to an active instance whose first job is full; each is one audit event."""
    ada, steps = world.ada, []
    made = ada.post("instances", {"provider": "fake"})
    path = f"instances/{made.json['id']}"
    calls = [("PUT", "connection", {"apiKey": GOOD_KEY}), *STEPS]
    for version, (method, name, body) in enumerate(calls, start=2):
        answer = ada.call(method, f"{path}/{name}", body=body)
        assert answer.status == 200, answer.body
        assert answer.headers["ETag"] == f'"{version}"'
        steps.append(answer.json["instance"]["setupStep"])
    assert steps == ["connection", "mapping", "sync_config", "completed"]
    job = answer.json["job"]
    assert (job["mode"], job["kind"], job["status"]) == ("full", "sync", "pending")
    assert world.queue.sent == [(job["id"], False, 0)]
    world.run(job["id"])
    assert ada.get(f"jobs/{job['id']}").json["status"] == "success"
    assert acts(world) == [
        "instance.activate",
        "instance.connect",
        "instance.create",
        "instance.map",
        "instance.schedule",
        "profile.save",
    ]


@pytest.mark.parametrize(("method", "name", "body"), STEPS, ids=lambda value: str(value)[:20])
def test_steps_before_the_connection_are_conflicts(
    world: HttpWorld, method: str, name: str, body: Any
) -> None:
    """409 says that the connection is missing; nothing is stored and no provider asked."""
    made = world.ada.post("instances", {"provider": "fake"}).json
    answer = world.ada.call(method, f"instances/{made['id']}/{name}", body=body)
    assert "connect it" in answer.problem(409, "conflict")["detail"]
    assert world.ada.get(f"instances/{made['id']}").json == made
    assert world.providers.opened == []


@pytest.mark.parametrize("name", ["jobs", "pause", "resume", "activate"])
def test_what_needs_a_finished_set_up_says_what_is_missing(world: HttpWorld, name: str) -> None:
    """An instance that is only connected neither syncs nor pauses nor becomes active."""
    instance_id = world.at_connection(world.ada)
    found = world.ada.post(f"instances/{instance_id}/{name}").problem(409, "conflict")
    assert "confirm what is synced" in found["detail"]
    assert world.queue.sent == []


def test_reads_before_the_connection_are_conflicts_too(world: HttpWorld) -> None:
    """There is no stream to tell of, and no record to preview."""
    made = world.ada.post("instances", {"provider": "fake"}).json
    path = f"instances/{made['id']}"
    world.ada.get(f"{path}/streams").problem(409, "conflict")
    world.ada.post(f"{path}/mappings/preview", {}).problem(409, "conflict")


def test_the_default_mapping_is_a_starting_point(world: HttpWorld) -> None:
    """Once connected, an instance holds rules that can be confirmed as they are."""
    instance_id = world.at_connection(world.ada)
    answer = world.ada.get(f"instances/{instance_id}/mappings")
    assert [rule["field"] for rule in answer.json["mappings"]] == ["name", "status"]
    assert answer.headers["ETag"] == '"2"'
    assert put_rules(world.ada, instance_id, answer.json["mappings"]).status == 200


def test_each_step_again_changes_nothing(world: HttpWorld) -> None:
    """The same request twice, as after a lost answer, gives the same answer, version and job."""
    path = f"instances/{world.at_connection(world.ada)}"
    for method, name, body in STEPS:
        first = world.ada.call(method, f"{path}/{name}", body=body)
        count = len(acts(world))
        again = world.ada.call(method, f"{path}/{name}", body=body)
        assert again.json == first.json | (
            {"job": again.json["job"]} if "job" in first.json else {}
        )
        assert len(acts(world)) == count
    assert again.json["job"]["id"] == first.json["job"]["id"]
    assert len(world.queue.sent) == 1


def test_a_job_is_found_again_after_it_ran(world: HttpWorld) -> None:
    """Whoever activates late learns of the job the first activation started."""
    path = f"instances/{at_last_step(world)}"
    job_id = world.ada.post(f"{path}/activate").json["job"]["id"]
    world.run(job_id)
    assert world.ada.post(f"{path}/activate").json["job"]["id"] == job_id
    assert len(world.ada.get("jobs").json["items"]) == 1


def test_going_back_makes_later_steps_due_again(world: HttpWorld) -> None:
    """Before it is active, an instance whose mapping changes must be configured again."""
    instance_id = at_last_step(world)
    changed = [RULES[0], LATE]
    assert put_rules(world.ada, instance_id, changed).json["instance"]["setupStep"] == "mapping"
    found = world.ada.post(f"instances/{instance_id}/activate").problem(409, "conflict")
    assert "sync-config" in found["detail"]


def test_a_changed_mapping_keeps_an_active_instance_active(world: HttpWorld) -> None:
    """It goes on, and what it reads next is everything, whatever mode was asked for."""
    path = f"instances/{at_last_step(world)}"
    world.run(world.ada.post(f"{path}/activate").json["job"]["id"])
    changed = [RULES[0], LATE]
    instance = put_rules(world.ada, path.removeprefix("instances/"), changed).json["instance"]
    assert (instance["setupStep"], instance["status"]) == ("completed", "active")
    job = world.ada.post(f"{path}/jobs", {"mode": "incremental"}).json
    world.run(job["id"])
    assert world.ada.get(f"jobs/{job['id']}").json["mode"] == "full"


@pytest.mark.parametrize(
    ("method", "name", "body"),
    [
        ("PUT", "connection", {"apiKey": GOOD_KEY}),
        *STEPS,
        ("POST", "pause", None),
        ("POST", "resume", None),
        ("DELETE", "connection", None),
        ("DELETE", "", None),
    ],
    ids=lambda value: str(value)[:20],
)
@pytest.mark.parametrize("etag", ['"1"', 'W/"5"', '"x"', '"1", "2"', "5"])
def test_a_stale_version_is_refused(
    world: HttpWorld, method: str, name: str, body: Any, etag: str
) -> None:
    """With If-Match, no step goes through on an instance that somebody changed; 412 says so."""
    instance_id = at_last_step(world)
    world.ada.post(f"instances/{instance_id}/activate")
    before = world.ada.get(f"instances/{instance_id}").json
    assert before["configVersion"] == 5
    path = f"instances/{instance_id}/{name}".rstrip("/")
    answer = world.ada.call(method, path, body=body, headers={"If-Match": etag})
    assert "version 5" in answer.problem(412, "precondition-failed")["detail"]
    assert world.ada.get(f"instances/{instance_id}").json == before


@pytest.mark.parametrize("etag", ['"2"', '"1", "2"', "*"])
def test_the_version_that_is_there_passes(world: HttpWorld, etag: str) -> None:
    """If-Match may name several versions, or any."""
    path = f"instances/{world.at_connection(world.ada)}/mappings"
    answer = world.ada.call("PUT", path, body={"mappings": RULES}, headers={"If-Match": etag})
    assert answer.status == 200
    assert answer.headers["ETag"] == '"3"'


def test_two_tabs_cannot_both_win(world: HttpWorld) -> None:
    """What one tab saves while the other's provider is being asked is not overwritten."""
    instance_id = world.at_connection(world.ada)
    ada, path = world.ada, f"instances/{instance_id}"
    other = [RULES[0], LATE]
    answers: list[Answer] = []

    def meanwhile() -> None:
        world.providers.meanwhile = lambda: None
        answers.append(put_rules(ada, instance_id, other))

    world.providers.meanwhile = meanwhile
    put_rules(ada, instance_id).problem(409, "conflict")
    assert [answer.status for answer in answers] == [200]
    values = [rule["transform"] for rule in ada.get(f"{path}/mappings").json["mappings"]]
    assert values[1] == {"type": "constant", "value": "LATE"}


@pytest.mark.parametrize(
    ("name", "bodies"),
    [
        ("mappings", ({"mappings": [RULES[0], LATE]}, {"mappings": RULES[::-1]})),
        ("sync-config", ({**CONFIG, "timeZone": "Asia/Tokyo"}, {"frequency": "manual"})),
        ("connection", ({"apiKey": OTHER_KEY}, {"apiKey": OTHER_KEY})),
    ],
)
def test_of_two_tabs_at_the_same_moment_one_wins(
    world: HttpWorld, name: str, bodies: tuple[Any, Any]
) -> None:
    """Both saw the same version and save in parallel; the other one is told to read again."""
    path = f"instances/{at_last_step(world)}"
    ada, etag = world.ada, world.ada.get(path).headers["ETag"]
    together = Barrier(len(bodies))

    def save(body: Any) -> Answer:
        together.wait(timeout=120)
        return ada.call("PUT", f"{path}/{name}", body=body, headers={"If-Match": etag})

    with ThreadPoolExecutor(len(bodies)) as tabs:
        answers = sorted(tabs.map(save, bodies), key=lambda answer: answer.status)
    assert answers[0].status == 200, answers[0].body
    assert answers[1].status in {409, 412}, answers[1].body
    assert ada.get(path).json["configVersion"] == answers[0].json["instance"]["configVersion"]


def test_two_tabs_activate_once(world: HttpWorld) -> None:
    """One activation wins; the other is told so, and there is one job."""
    instance_id = at_last_step(world)
    answers: list[Answer] = []

    def meanwhile() -> None:
        world.providers.meanwhile = lambda: None
        answers.append(world.ada.post(f"instances/{instance_id}/activate"))

    world.providers.meanwhile = meanwhile
    world.ada.post(f"instances/{instance_id}/activate").problem(409, "conflict")
    assert [answer.status for answer in answers] == [200]
    assert len(world.queue.sent) == 1


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (AuthError("Fake answered 401."), 409, "conflict"),
        (TransientError("Fake is busy.", retry_after=9), 503, "unavailable"),
    ],
)
def test_a_connection_that_broke_is_not_activated(
    world: HttpWorld, error: Exception, status: int, kind: str
) -> None:
    """The last live test decides; the instance stays where it was and no job is made."""
    instance_id = at_last_step(world)
    world.providers.error = error
    found = world.ada.post(f"instances/{instance_id}/activate").problem(status, kind)
    assert str(error) in found["detail"]
    assert world.ada.get(f"instances/{instance_id}").json["setupStep"] == "sync_config"
    assert world.queue.sent == []


def test_a_field_that_went_away_is_not_activated(world: HttpWorld) -> None:
    """The provider is asked anew: what was valid when it was saved may not be any more."""
    instance_id = at_last_step(world)
    world.providers.streams = ()
    found = world.ada.post(f"instances/{instance_id}/activate").problem(400, "invalid-input")
    assert found["errors"][0]["where"] == "mappings.0"
    assert world.queue.sent == []
