"""What a person chose for a warehouse reaches the tables: how much may go, how columns change."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import pytest

from shared.domain.changes import Page, Upsert
from shared.domain.checkpoints import Checkpoint
from shared.ports.provider import CheckResult, ConnectRequest, ProviderDefinition
from shared.services.connections import Connector
from tests.fakes import FakeSource
from tests.functions.kit import HttpWorld
from tests.functions.test_destinations import Depots


@dataclass(kw_only=True)
class _Source(FakeSource):
    """The same account, whatever its records hold beside their number."""

    more: dict[str, Any]

    def check(self) -> CheckResult:
        return CheckResult(account="acme-1", label="Acme")

    def read(self, scope: str, checkpoint: Checkpoint | None) -> Generator[Page]:
        for page in super().read(scope, checkpoint):
            changes = [
                Upsert(change.stream, change.key, {**change.record, **self.more})
                for change in page.changes
                if isinstance(change, Upsert)
            ]
            yield replace(page, changes=changes)


class _Shop(Depots):
    """Depots whose source holds `count` records with `more` in each, as a test says."""

    def __init__(self, world: HttpWorld) -> None:
        super().__init__(world)
        self.count = 3
        self.more: dict[str, Any] = {}
        self.whole: list[frozenset[str]] = []
        world.app.__dict__["connector"] = Connector(find_provider=self._find, work_dir=world.folder)

    def _find(self, slug: str) -> ProviderDefinition:
        definition = self.world.providers.find(slug)

        def connect(request: ConnectRequest) -> _Source:
            self.whole.append(request.whole)
            return _Source(self.count, page_size=50, more=self.more)

        return replace(definition, connect=connect)


@pytest.fixture
def shop(world: HttpWorld) -> _Shop:
    return _Shop(world)


def _load(shop: _Shop, path: str) -> dict[str, Any]:
    job_id = shop.ada.post(f"{path}/jobs", {"mode": "full"}).json["id"]
    shop.world.run(job_id)
    job: dict[str, Any] = shop.ada.get(f"jobs/{job_id}").json
    return job


def test_a_load_that_loses_rows_waits_for_a_person(shop: _Shop) -> None:
    """Nothing changes until somebody approves; then the same job swaps in what it had staged."""
    path = shop.instance()
    shop.count = 100
    shop.activate(path)
    shop.count = 80

    asking = _load(shop, path)
    assert asking["status"] == "waiting_approval"
    assert shop.tables("warehouse") == {"deals": 100}

    shop.count = 0  # which nobody reads
    assert shop.ada.post(f"jobs/{asking['id']}/approve").status in {200, 202}
    shop.world.run(asking["id"])
    assert shop.ada.get(f"jobs/{asking['id']}").json["status"] == "success"
    assert shop.tables("warehouse") == {"deals": 80}


def test_the_instance_says_how_much_may_go(shop: _Shop) -> None:
    """Its policy of deletes is the warehouse's too."""
    path = shop.instance()
    policies = {"policies": {"deleteApprovalPercent": 50}}
    assert shop.ada.put(f"{path}/sync-config", policies).status == 200
    shop.count = 100
    shop.activate(path)
    shop.count = 80
    assert _load(shop, path)["status"] == "success"
    assert shop.tables("warehouse") == {"deals": 80}


@pytest.mark.parametrize(("drift", "is_kept_beside"), [("evolve", False), ("freeze", True)])
def test_a_tables_drift_is_obeyed(shop: _Shop, drift: str, *, is_kept_beside: bool) -> None:
    """A field the table has not seen is a column after the next load, or not where it is frozen."""
    path = shop.instance()
    body = {"tables": [{"table": "deals", "drift": drift}]}
    assert shop.ada.put(f"{path}/tables", body).status == 200
    assert shop.ada.put(f"{path}/sync-config", {}).status == 200
    shop.activate(path)
    shop.more = {"late": True}

    job = _load(shop, path)

    assert job["status"] == "success"
    with closing(sqlite3.connect(shop.world.folder / "warehouse.db")) as opened:
        rows = opened.execute("SELECT * FROM deals").fetchall()
        columns = {row[1] for row in opened.execute("PRAGMA table_info(deals)")}
    assert len(rows) == 3
    assert ("late" not in columns) == is_kept_beside
    records = shop.ada.get(f"logs/{job['logId']}/records").json["items"]
    if is_kept_beside:
        assert sorted(record["externalId"] for record in records) == ["0", "1", "2"]
    else:
        (note,) = records
        assert (note["externalId"], note["field"], note["severity"]) == ("", "late", "info")


@pytest.mark.parametrize("mode", ["full", "incremental"])
def test_a_rejected_load_is_read_anew_by_the_next_sync(shop: _Shop, mode: str) -> None:
    """What was rejected is not asked about again: the next job looks at the source itself."""
    path = shop.instance()
    shop.count = 100
    shop.activate(path)
    shop.count = 80
    asking = _load(shop, path)
    assert asking["status"] == "waiting_approval"
    assert shop.ada.post(f"jobs/{asking['id']}/reject").status == 200
    assert shop.tables("warehouse") == {"deals": 100}

    shop.count = 120
    job_id = shop.ada.post(f"{path}/jobs", {"mode": mode}).json["id"]
    shop.world.run(job_id)
    assert shop.ada.get(f"jobs/{job_id}").json["status"] == "success"
    assert shop.tables("warehouse") == {"deals": 120}


def _staged(shop: _Shop) -> list[str]:
    with closing(sqlite3.connect(shop.world.folder / "warehouse.db")) as opened:
        names = opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return [name for (name,) in names if name.startswith("_stg_")]


@pytest.mark.parametrize("answer", ["reject", "cancel"])
def test_what_a_rejected_load_has_staged_is_dropped_at_once(shop: _Shop, answer: str) -> None:
    """By its own message, without a sync; what came before stays, and can go on incrementally."""
    path = shop.instance()
    shop.count = 100
    shop.activate(path)
    shop.count = 80
    asking = _load(shop, path)
    assert len(_staged(shop)) == 1
    sent = len(shop.world.queue.sent)
    assert shop.ada.post(f"jobs/{asking['id']}/{answer}").status == 200
    assert [message[0] for message in shop.world.queue.sent[sent:]] == [asking["id"]]
    shop.world.run(asking["id"])
    assert _staged(shop) == []
    assert shop.tables("warehouse") == {"deals": 100}
    assert shop.ada.get(f"jobs/{asking['id']}").json["status"] == "cancelled"
    shop.world.run(asking["id"])  # the same message, delivered again
    shop.count = 101
    shop.sync(path)
    assert shop.tables("warehouse") == {"deals": 101}


def test_the_message_of_a_rejected_load_takes_nothing_from_a_later_one(shop: _Shop) -> None:
    """It comes once the next load is done: that one's place in the source stays."""
    path = shop.instance()
    shop.count = 100
    shop.activate(path)
    shop.count = 80
    asking = _load(shop, path)
    assert shop.ada.post(f"jobs/{asking['id']}/reject").status == 200
    shop.count = 100
    assert _load(shop, path)["status"] == "success"
    shop.world.run(asking["id"])
    assert shop.sync(path)["mode"] == "incremental"


def test_the_message_of_a_rejected_load_leaves_the_next_job_alone(shop: _Shop) -> None:
    """It comes late: what another job has staged meanwhile is that one's."""
    path = shop.instance()
    shop.count = 100
    shop.activate(path)
    shop.count = 80
    asking = _load(shop, path)
    assert shop.ada.post(f"jobs/{asking['id']}/reject").status == 200
    second = _load(shop, path)
    assert second["status"] == "waiting_approval"
    shop.world.run(asking["id"])
    assert len(_staged(shop)) == 1
    assert shop.ada.post(f"jobs/{second['id']}/approve").status == 202
    shop.world.run(second["id"])
    assert shop.tables("warehouse") == {"deals": 80}


@pytest.mark.parametrize("mode", ["full", "incremental"])
def test_a_tables_mode_reaches_its_source(shop: _Shop, mode: str) -> None:
    """A table that was chosen whole is asked for whole by incremental jobs too."""
    path = shop.instance()
    body = {"tables": [{"table": "deals", "mode": mode}]}
    assert shop.ada.put(f"{path}/tables", body).status == 200
    assert shop.ada.put(f"{path}/sync-config", {}).status == 200
    shop.activate(path)
    shop.whole.clear()
    shop.sync(path)
    assert shop.whole == [frozenset({"deals"} if mode == "full" else ())]
