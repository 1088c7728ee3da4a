"""The product as it stands in production: its own database and a warehouse on SQL Server.

The tests share one stack, each has a person of its own, and they may run in any order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import make_url

from local.sandbox.convex.sample import write_export
from local.stack.client import ApiClient
from local.stack.stack import Stack, StackOptions
from tests.convex_kit import documents
from tests.e2e.kit import JOB_SECONDS, STEP_SECONDS, World, eventually
from tests.e2e.server_kit import CROWD, OnServer, made_server
from tests.e2e.test_both_ways import Person

pytestmark = pytest.mark.sqlserver

DEALS = 30
WHEELS = 40
WRITES = 150
"""A person's writes in one go; a burst of more is refused."""
NOTE = "Zürich 東京 🚗\u200d🏭 'quoted' \\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnServer]:
    folder = tmp_path_factory.mktemp("sqlserver")
    write_export(
        folder / "own.zip",
        {"cars": documents(120, table="c", note=NOTE), "wheels": documents(WHEELS, table="w")},
        components={"shop": {"bills": documents(7, table="b", note=NOTE)}},
    )
    with made_server() as server:
        options = StackOptions(
            state=folder / "state",
            deals=DEALS,
            convex_zip=folder / "own.zip",
            mailbox_port=0,
            settings={
                "DATABASE_URL": server.app_url,
                "WAREHOUSE_URL": "",
                "WRITES_BURST": str(WRITES),
                "WRITES_PER_MINUTE": "6",
            },
        )
        with (
            Stack(options) as stack,
            httpx.Client(base_url=stack.sandbox, timeout=STEP_SECONDS) as sandbox,
        ):
            server.settle_app()
            url = f"{stack.directory['convex']['url']}/_settings"
            httpx.put(url, json={"plan": "pro"}, timeout=60).raise_for_status()
            yield OnServer(stack=stack, server=server, sandbox=sandbox)


def test_each_hop_on_the_way_to_a_warehouse_says_what_is_wrong(world: OnServer) -> None:
    """The first one that fails does so with words of its own, and nothing is kept."""
    sandbox_port = httpx.URL(world.stack.sandbox).port
    own = str(make_url(world.server.app_url).database)
    wrong: Mapping[str, tuple[dict[str, Any], str]] = {
        "address": ({"database": own.upper()}, "LinkHub Integrator itself works in"),
        "port": ({"port": 1}, "Nothing listens"),
        "tls": ({"port": sandbox_port}, "does not speak as SQL Server does"),
        "login": ({"password": "Wrong-12345"}, "password is wrong"),
        "database": ({"database": "nowhere"}, "There is no database nowhere"),
        "permission": ({"schema": "nobodys"}, "grant script"),
    }
    with world.person("hops") as api:
        for hop, (change, words) in wrong.items():
            found = api.call("POST", "warehouses/test", world.server.warehouse | change)
            (failed,) = (each for each in found["hops"] if each["state"] == "failed")
            assert failed["hop"] == hop
            assert words in failed["message"]
        right = api.call("POST", "warehouses/test", world.server.warehouse)
        assert {hop["state"] for hop in right["hops"]} == {"ok"}
        assert api.call("GET", "warehouses")["items"] == []


def test_deals_arrive_by_sign_in(world: OnServer) -> None:
    """A person signs in at HubSpot, syncs, and syncs again: nothing is sent twice."""
    with world.person("Ada") as api:
        instance = api.sign_in("hubspot")["id"]
        assert world.sync(api, instance)["counts"]["success"] == DEALS
        again = world.sync(api, instance)["counts"]
        assert (again["processed"], again["unchanged"]) == (DEALS, DEALS)
        assert api.call("GET", "me")["name"] == "Ada 😀"


def test_tables_arrive_change_and_come_back(world: OnServer) -> None:
    """A full load, an incremental one, and one that waits for a person and is taken back."""
    with world.person("Tables") as api:
        instance = world.convex(api)
        path = f"instances/{instance}/tables"
        look = api.call("POST", f"{path}/discover")
        assert api.wait(look["id"], seconds=JOB_SECONDS)["status"] == "success"
        tables = {table["table"] for table in api.call("GET", path)["tables"]}
        assert tables == {"cars", "wheels", "bills"}
        world.sync(api, instance)
        assert world.notes("cars") == dict.fromkeys(world.source("cars"), NOTE)
        assert world.notes("shop__bills") == dict.fromkeys(world.source("bills", "shop"), NOTE)

        patched, deleted = sorted(world.source("cars"))[:2]
        world.mutate(
            {"op": "insert", "table": "cars", "document": {"note": "neu 🚀"}},
            {"op": "patch", "table": "cars", "id": patched, "document": {"note": "anders"}},
            {"op": "delete", "table": "cars", "id": deleted},
        )
        job = world.sync(api, instance, mode="incremental")
        assert job["mode"] == "incremental"
        now = {id_: document["note"] for id_, document in world.source("cars").items()}
        assert world.notes("cars") == now
        assert now[patched] == "anders"

        world.mutate(
            {"op": "patch", "table": "cars", "id": patched, "document": {"note": "x"}},
            {"op": "clear", "table": "wheels"},
        )
        job_id = api.start(instance)["id"]

        def waits() -> bool:
            return bool(api.call("GET", f"jobs/{job_id}")["status"] == "waiting_approval")

        eventually(waits, seconds=STEP_SECONDS, what="a question whether so much may go")
        assert world.notes("cars") == now
        world.server.app("UPDATE outbox SET not_before = '2026-01-01T00:00:00'")
        world.run_function("tick")
        eventually(lambda: world.mails("Tables@x.test"), seconds=STEP_SECONDS, what="a mail of it")
        api.call("POST", f"jobs/{job_id}/approve")
        assert api.wait(job_id, seconds=JOB_SECONDS)["status"] == "success"
        assert (world.server.rows("wheels"), world.notes("cars")[patched]) == ({}, "x")

        undo = api.call("POST", f"jobs/{job_id}/undo")
        assert api.wait(undo["id"], seconds=JOB_SECONDS)["status"] == "success"
        assert (len(world.server.rows("wheels")), world.notes("cars")) == (WHEELS, now)


def test_both_ways_with_a_conflict(world: OnServer) -> None:
    """Edits of both sides meet; of two of one field a person chooses one."""
    with world.person("Both") as api:
        instance = world.hubspot(api)
        profile = api.call("GET", "me")["id"]
        config = {
            "direction": "bidirectional",
            "frequency": "manual",
            "policies": {"onConflict": "ask"},
        }
        api.call("PUT", f"instances/{instance}/sync-config", config)
        world.sync(api, instance)
        token = world.token("Both")
        both = World(
            stack=world.stack, token=token, hubspot=instance, convex="", sandbox=world.sandbox
        )
        person = Person(world=both, profile=profile, instance=instance)
        person.assert_in_step()
        id_ = min(person.deals())
        (record,) = (
            key
            for key, found in person.records().items()
            if found["external_key"] == f"deals/{id_}"
        )
        person.edit(
            patch=[{"id": record, "fields": {"name": "Unser 🏠", "end_date": "2026-12-24"}}]
        )
        both.change_deals(patch=[{"id": id_, "properties": {"dealname": "Ihres ß"}}])
        person.sync()
        (conflict,) = api.call("GET", "conflicts?status=open")["items"]
        assert (conflict["externalValue"], conflict["linkhubValue"]) == ("Ihres ß", "Unser 🏠")
        assert person.deals()[id_]["closedate"].startswith("2026-12-24")
        api.call("POST", f"conflicts/{conflict['id']}", {"choice": "linkhub"})
        person.sync()
        assert person.deals()[id_]["dealname"] == "Unser 🏠"
        person.assert_in_step()


def test_a_schedule_starts_its_sync(world: OnServer) -> None:
    """The timer finds what is due, once, and says when it is due again."""
    with world.person("Clock") as api:
        instance = world.hubspot(api)
        world.sync(api, instance)
        new_year = {"expression": "0 5 1 1 *"}  # far from when a test may run
        config = {"direction": "import", "frequency": "cron", "frequencyDetails": new_year}
        api.call("PUT", f"instances/{instance}/sync-config", config)
        due = (
            "UPDATE instance_state SET next_sync_at = '2026-01-01T00:00:00' WHERE instance_id = :i"
        )
        world.server.app(due, i=instance)
        path = f"jobs?instanceId={instance}"
        for _ in range(2):
            world.run_function("tick")

        def ran() -> bool:
            latest = api.call("GET", path)["items"][0]
            return (latest["trigger"], latest["status"]) == ("scheduled", "success")

        eventually(ran, seconds=STEP_SECONDS, what="a sync by schedule")
        triggers = [job["trigger"] for job in api.call("GET", path)["items"]]
        assert triggers == ["scheduled", "manual"]


def test_a_dead_letter_is_replayed(world: OnServer) -> None:
    """A job waits out a busy LinkHub; once it is given up, an admin brings it to its end."""
    with (
        world.person("Dead") as api,
        ApiClient(world.stack.api, world.token("grace", "integrator.admin")) as admin,
    ):
        instance = world.hubspot(api)
        fault = {"provider": "linkhub", "fault": "rate_limit", "path": "/batch", "count": 1}
        world.sandbox.post("/_faults", json=fault | {"retry_after": 3600}).raise_for_status()
        job_id = api.start(instance)["id"]

        def waits() -> bool:
            job = api.call("GET", f"jobs/{job_id}")
            return bool(job["notBefore"] and job["errorClass"] == "transient")

        eventually(waits, seconds=STEP_SECONDS, what="a job put off")
        bug = "UPDATE sync_jobs SET not_before = NULL, error_class = 'bug' WHERE id = :i"
        world.server.app(bug, i=job_id)
        for _ in range(2):
            world.run_function("sync_manual_poison", {"v": 1, "jobId": job_id})

        def letters() -> list[Any]:
            found = admin.call("GET", "admin/dead-letters?status=open")["items"]
            return [letter for letter in found if letter["jobId"] == job_id]

        (letter,) = eventually(letters, seconds=STEP_SECONDS, what="a dead letter")
        assert api.call("GET", f"instances/{instance}")["status"] == "error"
        replay = admin.call("POST", f"admin/dead-letters/{letter['id']}/replay")
        assert api.wait(replay["id"], seconds=JOB_SECONDS)["status"] == "success"
        assert api.call("GET", f"instances/{instance}")["status"] == "active"
        assert admin.call("GET", "admin/breakers?status=open")["items"] == []
        world.run_function("maintain")


def test_lists_go_page_by_page(world: OnServer) -> None:
    """Pages of one are the whole list, newest first, whatever it is narrowed by."""
    with world.person("Lists") as api:
        instance = world.hubspot(api)
        jobs = [world.sync(api, instance) for _ in range(4)]
        for name in ("jobs", "logs"):
            whole = api.call("GET", f"{name}?status=success&limit=200")["items"]
            assert len(whole) == len(jobs)
            assert page_by_page(api, f"{name}?status=success&limit=1") == whole
            assert api.call("GET", f"{name}?status=failed")["items"] == []
            assert api.call("GET", f"{name}?from=2026-01-01T00:00:00Z")["items"] == whole
            assert api.call("GET", f"{name}?to=2026-01-01T00:00:00Z")["items"] == []
        assert [job["id"] for job in jobs] == [
            job["id"] for job in reversed(api.call("GET", "jobs")["items"])
        ]


def page_by_page(api: ApiClient, path: str) -> list[Any]:
    found: list[Any] = []
    cursor = ""
    while True:
        page = api.call("GET", path + cursor)
        found += page["items"]
        if not page["nextCursor"]:
            return found
        cursor = f"&cursor={page['nextCursor']}"


def test_names_that_differ_in_case_or_in_a_blank_are_different_people(world: OnServer) -> None:
    """Who the issuer tells apart have profiles of their own, or are refused; nobody shares one."""
    profiles = []
    for subject in ("casey", "Casey", "CASEY", "\uff43asey", "casèy"):
        with world.person(subject) as api:
            profiles.append(api.call("GET", "me")["id"])
    assert len(set(profiles)) == len(profiles)
    with world.http("casey ") as client:
        assert client.get("me").status_code in {400, 401}


def test_a_crowd_is_served(world: OnServer) -> None:
    """Fifty at once make one profile and one instance, meet no fault, and then a limit."""
    with world.http("crowd") as client, ThreadPoolExecutor(CROWD) as threads:

        def put(n: int) -> int:
            return client.put("me", json={"name": f"{n}"}).status_code

        def make(_: int) -> int:
            return client.post("instances", json={"provider": "hubspot"}).status_code

        def read(n: int) -> int:
            return client.get(("me", "jobs", "logs", "instances", "providers")[n % 5]).status_code

        assert Counter(threads.map(put, range(CROWD))) == {200: CROWD}
        for _ in range(3):
            world.run_function("tick")
            world.run_function("maintain")
        made, seen = threads.map(make, range(CROWD)), threads.map(read, range(CROWD))
        assert Counter(made) == {201: 1, 409: CROWD - 1}
        assert Counter(seen) == {200: CROWD}
        beyond = Counter(threads.map(put, range(2 * CROWD)))
        assert beyond.keys() == {200, 429}
        who = "SELECT COUNT(*) AS n FROM integrator_profiles WHERE subject = 'crowd'"
        assert world.server.app(who)[0]["n"] == 1
