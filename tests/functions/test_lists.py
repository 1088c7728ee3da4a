"""Every list: pages without gap or repeat, filters, and cursors that are not ours."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.breakers import CircuitState
from shared.domain.changes import RecordProblem
from shared.domain.conflicts import ConflictStatus
from shared.domain.ids import new_id
from shared.domain.instances import Instance, InstanceStatus
from shared.domain.jobs import DeadLetter, DeadLetterState, Job, JobStatus
from shared.store.unit_of_work import UnitOfWork
from tests.factories import NOW, make_instance, make_job
from tests.functions.kit import Client, HttpWorld
from tests.store_kit import make_breaker, make_conflict, make_link, make_log
from tests.warehouse_access_kit import make_warehouse

COUNT = 23
FOR_ADMINS = ["dead-letters", "breakers"]
FILTERED = ["instances", "jobs", "logs", "conflicts", *FOR_ADMINS]
LISTS = ["records", "warehouses", *FILTERED]


class Rows:
    """COUNT rows in each list, in pairs of the same moment, two providers by turns.

    Every fifth is in another status than the rest.
    """

    def __init__(self, world: HttpWorld) -> None:
        self.world = world
        profile_id = world.ada.get("me").json["id"]
        self.ids: dict[str, list[str]] = {name: [] for name in LISTS}
        with world.app.open_uow() as uow:
            for number in range(COUNT):
                self._add(uow, profile_id, number)
            uow.logs.add_records(
                self.ids["logs"][0],
                [RecordProblem(stream="deals", key=str(n), message="bad") for n in range(COUNT)],
                cap=COUNT,
                now=NOW,
            )
            uow.commit()
        self.path = {
            "records": f"logs/{self.ids['logs'][0]}/records",
            **{name: f"admin/{name}" for name in FOR_ADMINS},
        }

    def _add(self, uow: UnitOfWork, profile_id: str, number: int) -> None:
        moment = NOW + timedelta(minutes=number // 2)
        times: dict[str, Any] = {"created_at": moment, "updated_at": moment}
        is_odd = number % 5 == 0
        instance: Instance = make_instance(
            profile_id=profile_id,
            provider=("fake", "depot")[number % 2],
            connection_key=str(number),
            status=InstanceStatus.PAUSED if is_odd else InstanceStatus.ACTIVE,
            **times,
        )
        uow.instances.add(instance)
        status = JobStatus.FAILED if is_odd else JobStatus.SUCCESS
        job: Job = make_job(instance_id=instance.id, status=status, **times)
        uow.jobs.add(job)
        log = make_log(job, provider=instance.provider, status=status.value, **times)
        uow.logs.start(log)
        letter = DeadLetter(
            id=new_id(),
            job_id=job.id,
            attempt=1,
            body_hash="",
            queue="sync-manual",
            body="",
            error_class="",
            error="",
            state=DeadLetterState.DISCARDED if is_odd else DeadLetterState.OPEN,
            **times,
        )
        uow.dead_letters.upsert(letter)
        warehouse = make_warehouse(profile_id=profile_id, **times)
        uow.warehouses.add(warehouse)
        self.ids["warehouses"].append(warehouse.id)
        link = make_link(instance.id, str(number))
        uow.links.save_many([link])
        conflict = make_conflict(instance, link.id, **times)
        uow.conflicts.record([conflict], now=moment)
        if is_odd:
            settled = ConflictStatus.SETTLED_LINKHUB
            uow.conflicts.settle(conflict.id, settled, settled_by="ada", now=moment)
        state = CircuitState.OPEN if is_odd else CircuitState.CLOSED
        breaker = make_breaker(
            provider=instance.provider, account=str(number), state=state, **times
        )
        uow.breakers.add(breaker)
        made = (instance.id, job.id, log.id, conflict.id, letter.id, breaker.id)
        for name, row_id in zip(FILTERED, made, strict=True):
            self.ids[name].append(row_id)

    def client(self, name: str) -> Client:
        return self.world.admin if name in FOR_ADMINS else self.world.ada

    def get(self, name: str, **params: str) -> Any:
        return self.client(name).get(self.path.get(name, name), **params)

    def items(self, name: str, **params: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(name, limit="200", **params).json["items"]
        return found

    def pages(self, name: str, **params: str) -> list[list[Any]]:
        return self.client(name).walk(self.path.get(name, name), **params)


@pytest.fixture
def rows(world: HttpWorld) -> Rows:
    return Rows(world)


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("limit", [1, 4, 23, 24])
def test_pages_hold_every_row_once_newest_first(rows: Rows, name: str, limit: int) -> None:
    """Whatever the size of a page, rows of one moment on both sides of its end included."""
    pages = rows.pages(name, limit=str(limit))
    found = [item for page in pages for item in page]
    assert len({item["id"] for item in found}) == len(found) == COUNT
    keys = [(item["createdAt"], item["id"]) for item in found]
    assert keys == sorted(keys, reverse=True)
    assert all(len(page) == limit for page in pages[:-1])
    assert len(pages) == -(-COUNT // limit)


@pytest.mark.parametrize("name", LISTS)
def test_a_row_that_comes_meanwhile_moves_no_page(rows: Rows, name: str) -> None:
    """A new row at the top is neither in a later page nor a reason for a repeat or a gap."""
    first = rows.get(name, limit="10").json
    profile_id = rows.world.ada.get("me").json["id"]
    with rows.world.app.open_uow() as uow:
        rows._add(uow, profile_id, 99)
        uow.commit()
    rest = rows.get(name, limit="50", cursor=first["nextCursor"]).json
    ids = [item["id"] for item in first["items"] + rest["items"]]
    assert len(set(ids)) == len(ids) == COUNT
    assert rest["nextCursor"] is None


@pytest.mark.parametrize("name", FILTERED)
def test_filters_by_status(rows: Rows, name: str) -> None:
    """Only rows in that status, all of them, over as many pages as it takes."""
    odd = {
        "instances": "paused",
        "conflicts": "settled_linkhub",
        "dead-letters": "discarded",
        "breakers": "open",
    }
    status = odd.get(name, "failed")
    found = [item["id"] for page in rows.pages(name, limit="2", status=status) for item in page]
    assert sorted(found) == sorted(rows.ids[name][::5])


@pytest.mark.parametrize("name", FILTERED)
def test_an_unknown_status_is_refused_with_those_there_are(rows: Rows, name: str) -> None:
    """A typo must not look like an empty list."""
    found = rows.get(name, status="bogus").problem(400, "invalid-input")
    assert "bogus" in found["detail"]
    assert "failed" in found["detail"] or "open" in found["detail"] or "paused" in found["detail"]


@pytest.mark.parametrize("name", FILTERED)
def test_filters_by_provider(rows: Rows, name: str) -> None:
    """Only rows of that provider; of an unknown one there are none."""
    found = [item["id"] for page in rows.pages(name, limit="5", provider="fake") for item in page]
    assert sorted(found) == sorted(rows.ids[name][::2])
    assert rows.items(name, provider="nobody") == []


@pytest.mark.parametrize("name", FILTERED)
def test_filters_by_time(rows: Rows, name: str) -> None:
    """`from` is inclusive and `to` is not, in any zone and as a bare date."""
    start, end = NOW + timedelta(minutes=3), NOW + timedelta(minutes=7)
    wanted = sorted(rows.ids[name][6:14])
    for times in (
        {"from": start.isoformat(), "to": end.isoformat()},
        {"from": "2026-11-21T09:03:00+01:00", "to": "2026-11-21T08:07:00Z"},
        {"from": "2026-11-21T09:03:00 01:00", "to": "2026-11-21T08:07:00"},
    ):
        found = [item["id"] for page in rows.pages(name, limit="3", **times) for item in page]
        assert sorted(found) == wanted, times
    assert len(rows.items(name, **{"from": "2026-11-21", "to": "2026-11-22"})) == COUNT
    assert rows.items(name, **{"from": "2026-11-22"}) == []


def test_jobs_filter_by_instance(rows: Rows) -> None:
    """`instanceId` narrows the jobs to one instance; nobody else's can be looked at with it."""
    found = rows.items("jobs", instanceId=rows.ids["instances"][3])
    assert [item["id"] for item in found] == [rows.ids["jobs"][3]]
    found = rows.world.bob.get("jobs", instanceId=rows.ids["instances"][3]).json["items"]
    assert found == []


@pytest.mark.parametrize("name", ["instances", "jobs", "logs"])
def test_lists_show_the_callers_own_only(rows: Rows, name: str) -> None:
    """Another profile sees nothing of all this, not even with a cursor out of it."""
    cursor = rows.get(name, limit="5").json["nextCursor"]
    assert rows.world.bob.get(name).json["items"] == []
    assert rows.world.bob.get(name, cursor=cursor).json["items"] == []


BROKEN: dict[str, Callable[[str], str]] = {
    "words": lambda _: "nonsense",
    "not base64": lambda _: "!!!!",
    "another script": lambda _: "курсор",
    "shortened": lambda cursor: cursor[:-4],
    "lengthened": lambda cursor: cursor + "AAAA",
    "with junk inside": lambda cursor: cursor[:8] + "!" + cursor[8:],
    "another page's offset": lambda _: encoded("50"),
    "JSON": lambda _: encoded('{"id": 1}'),
    "no time": lambda _: encoded("soon|019a0000-0000-7000-8000-000000000000"),
    "no zone": lambda _: encoded("2026-11-21T08:00:00|019a0000"),
    "another zone": lambda _: encoded("2026-11-21T08:00:00+01:00|019a0000"),
    "before all time": lambda _: encoded("0001-01-01T00:00:00+14:00|019a0000"),
    "no id": lambda _: encoded("2026-11-21T08:00:00+00:00|"),
    "an odd id": lambda _: encoded("2026-11-21T08:00:00+00:00|' OR 1=1"),
    "a long id": lambda _: encoded("2026-11-21T08:00:00+00:00|" + "x" * 500),
    "not UTF-8": lambda _: base64.urlsafe_b64encode(b"\xff\xfe|x").decode(),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_cursor_that_is_not_ours_is_refused(rows: Rows, name: str) -> None:
    """400 tells to pass `nextCursor` unchanged; it never means the first page, or a 500."""
    cursor = rows.get(name, limit="5").json["nextCursor"]
    for label, spoil in BROKEN.items():
        answer = rows.get(name, cursor=spoil(cursor))
        assert answer.status == 400, label
        assert "nextCursor" in answer.problem(400, "invalid-input")["detail"]


WRONG = [
    ("limit", "0"),
    ("limit", "201"),
    ("limit", "-1"),
    ("limit", "ten"),
    ("limit", "1.5"),
    ("limit", "9" * 5000),
    ("from", "yesterday"),
    ("from", "T"),
    ("from", "0001-01-01T00:00:00+14:00"),
    ("to", "2026-13-01"),
    ("to", "9999-12-31T23:59:59-14:00"),
]


@pytest.mark.parametrize("name", LISTS)
def test_wrong_parameters_are_named(rows: Rows, name: str) -> None:
    """The answer names the parameter at fault."""
    for parameter, value in WRONG:
        found = rows.get(name, **{parameter: value}).problem(400, "invalid-input")
        assert f"`{parameter}`" in found["detail"], value


@pytest.mark.parametrize("name", LISTS)
def test_without_a_limit_a_page_has_fifty(rows: Rows, name: str) -> None:
    """The default page holds all 23, and an empty parameter is as good as none."""
    plain = rows.get(name).json
    assert len(plain["items"]) == COUNT
    assert plain["nextCursor"] is None
    assert rows.get(name, cursor="", status="", provider="", **{"from": "", "to": ""}).json == plain
