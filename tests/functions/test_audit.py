"""Who changed what is written down: every route that can change something, as one table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import azure.functions as func
import pytest

from shared.errors import ApprovalNeededError
from shared.store.tables import audit_events
from tests.functions.kit import GOOD_KEY, Answer, HttpWorld, http_functions
from tests.functions.oauth_kit import Desk
from tests.functions.records_kit import add_breaker, add_conflict, add_entry, add_record
from tests.warehouse_access_kit import WAREHOUSE

RULES: Final = [
    {
        "stream": "deals",
        "externalField": "n",
        "entity": "initiatives",
        "field": field,
        "transform": transform,
    }
    for field, transform in (("name", None), ("status", {"type": "constant", "value": "ON_TIME"}))
]


class Story:
    """What has to happen before a route has something to change."""

    def __init__(self, world: HttpWorld) -> None:
        self.world = world
        self.ada = world.ada

    def made(self) -> str:
        return f"instances/{self.ada.post('instances', {'provider': 'fake'}).json['id']}"

    def connected(self, provider: str = "fake") -> str:
        return f"instances/{self.world.at_connection(self.ada, provider)}"

    def mapped(self) -> str:
        path = self.connected()
        assert self.ada.put(f"{path}/mappings", {"mappings": RULES}).status == 200
        return path

    def configured(self) -> str:
        path = self.mapped()
        assert self.ada.put(f"{path}/sync-config", {}).status == 200
        return path

    def active(self) -> str:
        return f"instances/{self.world.connected(self.ada)}"

    def paused(self) -> str:
        path = self.active()
        assert self.ada.post(f"{path}/pause").status == 200
        return path

    def waiting(self) -> str:
        return f"jobs/{self.world.start(self.ada, self.world.connected(self.ada))}"

    def asking(self) -> str:
        """Return the path of a job that waits for an approval."""
        path = self.waiting()
        self.world.sink_error = ApprovalNeededError("40 of 100 records would be deleted.")
        self.world.run(path.removeprefix("jobs/"))
        self.world.sink_error = None
        return path

    def warehouse(self) -> str:
        return f"warehouses/{self.ada.post('warehouses', WAREHOUSE).json['id']}"

    def ended(self) -> str:
        """Return the path of a job that somebody cancelled."""
        path = self.waiting()
        assert self.ada.post(f"{path}/cancel").status == 200
        return path

    def changed(self) -> str:
        """Return the path of a sync that is over and wrote something."""
        path = self.ended()
        add_entry(self.world.app, path.removeprefix("jobs/"))
        return path

    def with_problem(self) -> str:
        path = self.waiting()
        job_id = path.removeprefix("jobs/")
        self.world.run(job_id)
        return add_record(self.world.app, job_id)

    def in_conflict(self) -> str:
        return f"conflicts/{add_conflict(self.world.app, self.world.connected(self.ada))}"

    def dead(self) -> str:
        """Return the path of a letter whose job met a bug until its message was poison."""
        job_id = self.waiting().removeprefix("jobs/")
        self.world.sink_error = KeyError("a bug")
        with pytest.raises(RuntimeError):
            self.world.run(job_id)
        self.world.sink_error = None
        body = json.dumps({"v": 1, "jobId": job_id}).encode()
        self.world.trigger("sync_manual_poison", func.QueueMessage(body=body))
        letter = self.world.admin.get("admin/dead-letters").json["items"][0]
        return f"admin/dead-letters/{letter['id']}"


Way = Callable[[Story], Answer]
# What each route leaves behind, and a call of it that changes something. A new route needs a row.
ACTS: Final[dict[str, tuple[str, Way]]] = {
    "put_me": ("profile.save", lambda on: on.ada.put("me", {"name": "Ada L."})),
    "create_instance": (
        "instance.create",
        lambda on: on.ada.post("instances", {"provider": "fake"}),
    ),
    "delete_instance": ("instance.delete", lambda on: on.ada.delete(on.made())),
    "put_connection": (
        "instance.connect",
        lambda on: on.ada.put(f"{on.made()}/connection", {"apiKey": GOOD_KEY}),
    ),
    "disconnect": (
        "instance.disconnect",
        lambda on: on.ada.delete(f"{on.connected()}/connection"),
    ),
    "put_mappings": (
        "instance.map",
        lambda on: on.ada.put(f"{on.connected()}/mappings", {"mappings": RULES}),
    ),
    "put_tables": (
        "instance.choose_tables",
        lambda on: on.ada.put(f"{on.connected('depot')}/tables", {"tables": [{"table": "a"}]}),
    ),
    "discover_tables": (
        "instance.discover",
        lambda on: on.ada.post(f"{on.connected('depot')}/tables/discover"),
    ),
    "put_sync_config": (
        "instance.schedule",
        lambda on: on.ada.put(f"{on.mapped()}/sync-config", {"frequency": "manual"}),
    ),
    "activate_instance": (
        "instance.activate",
        lambda on: on.ada.post(f"{on.configured()}/activate"),
    ),
    "pause_instance": ("instance.pause", lambda on: on.ada.post(f"{on.active()}/pause")),
    "resume_instance": ("instance.resume", lambda on: on.ada.post(f"{on.paused()}/resume")),
    "start_job": ("job.request", lambda on: on.ada.post(f"{on.active()}/jobs")),
    "cancel_job": ("job.cancel", lambda on: on.ada.post(f"{on.waiting()}/cancel")),
    "approve_job": ("job.approve", lambda on: on.ada.post(f"{on.asking()}/approve")),
    "reject_job": ("job.reject", lambda on: on.ada.post(f"{on.asking()}/reject")),
    "create_warehouse": ("warehouse.create", lambda on: on.ada.post("warehouses", WAREHOUSE)),
    "put_warehouse": (
        "warehouse.update",
        lambda on: on.ada.put(on.warehouse(), {**WAREHOUSE, "name": "Another"}),
    ),
    "delete_warehouse": ("warehouse.delete", lambda on: on.ada.delete(on.warehouse())),
    "retry_job": ("job.retry", lambda on: on.ada.post(f"{on.ended()}/retry")),
    "undo_job": ("job.undo", lambda on: on.ada.post(f"{on.changed()}/undo")),
    "replay_record": (
        "record.replay",
        lambda on: on.ada.post(f"records/{on.with_problem()}/replay"),
    ),
    "settle_conflict": (
        "conflict.settle",
        lambda on: on.ada.post(on.in_conflict(), {"choice": "linkhub"}),
    ),
    "replay_dead_letter": (
        "dead_letter.replay",
        lambda on: on.world.admin.post(f"{on.dead()}/replay"),
    ),
    "reset_breaker": (
        "breaker.reset",
        lambda on: on.world.admin.post(f"admin/breakers/{add_breaker(on.world.app)}/reset"),
    ),
}
SIGN_INS: Final = {"start_sign_in": "oauth.start", "complete_sign_in": "instance.connect"}
BY_ADMINS: Final = {"replay_dead_letter", "reset_breaker"}
OF_NOBODY: Final = {"reset_breaker"}
"""What is no single profile's."""
CHANGES_NOTHING: Final = {"preview_mappings", "test_new_warehouse", "test_warehouse"}


def events(world: HttpWorld) -> Sequence[Any]:
    """Return what was written down, in any order."""
    with world.app.database.engine.connect() as connection:
        return connection.execute(audit_events.select().order_by(audit_events.c.id)).all()


def actions(world: HttpWorld) -> Counter[str]:
    return Counter(event.action for event in events(world))


def test_every_route_that_can_change_something_has_a_row() -> None:
    """Nobody adds such a route without saying what it leaves in the audit."""
    writes = {function.name for function in http_functions() if function.method != "GET"}
    assert writes == ACTS.keys() | SIGN_INS.keys() | CHANGES_NOTHING


@pytest.mark.parametrize("name", ACTS)
def test_a_change_is_written_down(world: HttpWorld, name: str) -> None:
    """One event names the act, who did it and to what, and holds no secret."""
    action, call = ACTS[name]
    story = Story(world)
    before = actions(world)[action]
    answer = call(story)
    assert answer.status < 300, answer.body
    found = [event for event in events(world) if event.action == action]
    assert len(found) == before + 1
    subject = "grace" if name in BY_ADMINS else "ada"
    for event in found:
        assert event.actor == f"{world.issuer.url}|{subject}"
        assert bool(event.profile_id) is (name not in OF_NOBODY)
        assert event.target
        told = f"{event.before}{event.after}"
        assert GOOD_KEY not in told
        assert WAREHOUSE["password"] not in told


def test_signing_in_is_written_down(desk: Desk, hubspot_id: str) -> None:
    """Both halves are, by who asked for them; the way over the provider leaves nothing."""
    before = actions(desk.world)
    link = desk.link(desk.world.ada, hubspot_id)
    started = actions(desk.world)
    assert started - before == Counter([SIGN_INS["start_sign_in"]])
    handed = desk.consent(link)
    assert actions(desk.world) == started
    assert desk.world.ada.post("oauth/complete", handed).status == 200
    assert actions(desk.world) - started == Counter([SIGN_INS["complete_sign_in"]])


def test_what_changes_nothing_is_not_written_down(world: HttpWorld) -> None:
    """A preview, a refused change and another person's try leave no event."""
    on = Story(world)
    path = on.mapped()
    bob = world.bob
    before = events(world)
    on.ada.post(f"{path}/mappings/preview", {})
    on.ada.post(f"{path}/activate").problem(409, "conflict")
    on.ada.put(f"{path}/sync-config", {"frequency": "x"}).problem(400, "invalid-input")
    bob.delete(path).problem(404, "not-found")
    assert events(world) == before
