"""Both main syncs through the real stack, at full size: 25,000 deals and all of the sample export.

The tests share one stack. Each leaves LinkHub in step with HubSpot and no fault switched on, so
they may run in any order.
"""

from __future__ import annotations

import base64
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import httpx
import orjson
import pytest

from local.stack.stack import StackOptions
from tests.e2e.kit import STEP_SECONDS, World, counts_of, running_world

FEW = 100
"""More than the overlap of an incremental read holds, and far less than everything."""
EVERY = {"flights": 97, "weather": 13}
"""Of these large tables every so many documents are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """The stack after the first sync of each kind."""

    world: World
    hubspot_job: dict[str, Any]
    convex_job: dict[str, Any]


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synced]:
    with running_world(StackOptions(state=tmp_path_factory.mktemp("stack"))) as world:
        jobs = [world.start(world.hubspot), world.start(world.convex)]
        hubspot_job, convex_job = (world.wait(job) for job in jobs)
        yield Synced(world=world, hubspot_job=hubspot_job, convex_job=convex_job)


@pytest.fixture
def world(synced: Synced) -> World:
    return synced.world


def test_both_first_syncs_succeed(synced: Synced) -> None:
    """Each job ends as a success, its log says so too, and the counts add up."""
    for job in (synced.hubspot_job, synced.convex_job):
        counts = counts_of(job)
        assert (job["status"], job["mode"], job["attempts"]) == ("success", "full", 0), job
        assert counts["error"] == 0
        assert counts["processed"] == counts["success"] + counts["warning"] + counts["error"]
        with synced.world.api() as api:
            logs = api.call("GET", "logs?limit=200")["items"]
        [log] = [log for log in logs if log["id"] == job["logId"]]
        assert (log["status"], log["success"]) == ("success", True)
        assert counts_of(log) == counts


def test_linkhub_holds_every_live_deal(synced: Synced) -> None:
    """As many were processed as HubSpot has, and each stands in LinkHub once under its own key."""
    world = synced.world
    hubspot = world.sandbox.get("/hubspot/_state").json()
    linkhub = world.sandbox.get("/linkhub/_state").json()
    assert counts_of(synced.hubspot_job)["processed"] == 25_000
    assert linkhub == {"indicators": 0, "initiatives": hubspot["deals"], "values": 0}
    assert linkhub_keys(world) == sorted(f"deals/{key}" for key in world.deal_ids())


def test_a_deal_arrives_as_the_mapping_says(world: World) -> None:
    """Name, stage, dates and amount of a deal are an initiative's, in LinkHub's own types."""
    deal = next(
        deal
        for deal in list_deals(world, "dealname,dealstage,createdate,closedate,amount")
        if deal["dealstage"] == "closedwon" and deal["amount"] and not deal["dealname"].isascii()
    )
    [row] = world.linkhub(
        "SELECT * FROM initiatives WHERE external_key = ?", f"deals/{deal['hs_object_id']}"
    )
    assert row["name"] == deal["dealname"]
    assert row["status"] == "FINISHED"
    assert row["start_date"] == deal["createdate"][:10]
    assert row["end_date"] == deal["closedate"][:10]
    assert row["budget"] == f"{float(deal['amount']):.2f}"


def test_every_warehouse_table_has_the_rows_of_its_source(synced: Synced) -> None:
    """COUNT(*) of each table is what the deployment says, over 300,000 rows in all."""
    world = synced.world
    tables = source_tables(world)
    assert warehouse_counts(world) == {
        stream.replace("/", "__"): count for stream, count in tables.items()
    }
    total = sum(tables.values())
    assert total > 300_000
    assert counts_of(synced.convex_job)["processed"] == total


def test_warehouse_rows_equal_the_documents(world: World) -> None:
    """Integers, floats, text beyond ASCII, nested values and missing ones come out as they were."""
    for stream in ("airlines", "airports", "planes", "weather", "flights"):
        select = f"SELECT * FROM {stream}"  # noqa: S608  names of this test's own
        rows = {row["_id"]: dict(row) for row in world.warehouse(select)}
        for document in islice(documents(world, stream), 0, None, EVERY.get(stream, 1)):
            row = rows[document["_id"]]
            assert row.pop("_linkhub_extra") is None
            assert isinstance(row.pop("_linkhub_hash"), int)
            assert {name: plain(value) for name, value in document.items()} == {
                name: value for name, value in row.items() if value is not None
            }
            assert all(type(row[name]) is type(plain(document[name])) for name in document)


def test_columns_are_typed_by_their_values(world: World) -> None:
    """Integers and floats are told apart; nested values have a JSON column."""
    types = {row["name"]: row["type"] for row in world.warehouse("PRAGMA table_info(flights)")}
    assert types.pop("_id") == "TEXT"
    wanted = {"_creationTime": "REAL", "dep_delay": "REAL", "dep_time": "BIGINT", "carrier": "TEXT"}
    assert wanted.items() <= types.items()
    assert {"meta", "tags", "remark"} <= types.keys()


def test_a_column_first_seen_late_is_complete(world: World) -> None:
    """A field that the first thousands of documents lack has all of its values."""
    wanted = {d["_id"]: d["remark"] for d in documents(world, "flights") if "remark" in d}
    found = world.warehouse("SELECT _id, remark FROM flights WHERE remark IS NOT NULL")
    assert {row["_id"]: row["remark"] for row in found} == wanted
    assert any("東京" in remark for remark in wanted.values())


def test_what_no_column_can_hold_is_kept_beside_it(world: World) -> None:
    """A component's bytes and large integers are exact; NaN and -0.0 are kept as JSON."""
    rows = {row["_id"]: row for row in world.warehouse("SELECT * FROM billing__invoices")}
    seen = set()
    for document in documents(world, "billing/invoices"):
        row = rows[document["_id"]]
        assert row["number"] == document["number"]
        assert {"$bytes": base64.b64encode(row["seal"]).decode()} == document["seal"]
        assert json.loads(row["payload"]) == document["payload"]
        amount, extra = document["amount"], json.loads(row["_linkhub_extra"] or "{}")
        if "amount" in extra:
            assert extra["amount"] == amount
            seen.add(json.dumps(amount))
        elif isinstance(amount, float):
            assert row["amount"] == amount
    assert "-0.0" in seen
    assert len(seen) == 2


def test_a_second_full_sync_sends_nothing(world: World) -> None:
    """Every deal is read and known: all unchanged, not one call that writes."""
    deals = world.sandbox.get("/hubspot/_state").json()["deals"]
    with world.counted() as answers:
        job = world.sync(world.hubspot)
        assert answers("linkhub", "/batch/upsert") == {}
        assert answers("linkhub", "/batch/delete") == {}
        assert sum(answers("hubspot", "/deals").values()) >= deals / 100
    assert (job["status"], job["mode"]) == ("success", "full")
    assert counts_of(job) == {
        "processed": deals,
        "success": deals,
        "warning": 0,
        "error": 0,
        "unchanged": deals,
    }


def test_an_incremental_sync_reads_only_the_overlap(world: World) -> None:
    """With nothing changed a few deals are looked at again, and none is sent."""
    with world.counted() as answers:
        job = world.sync(world.hubspot, mode="incremental")
        assert answers("linkhub", "/batch/upsert") == {}
        assert 0 < sum(answers("hubspot", "/deals/search").values()) <= 2
    counts = counts_of(job)
    assert (job["status"], job["mode"]) == ("success", "incremental")
    assert counts["processed"] < FEW
    assert counts["unchanged"] == counts["processed"]


def test_an_incremental_sync_brings_exactly_what_changed(world: World) -> None:
    """Deals created, renamed and archived arrive; one only touched is read and not sent."""
    renamed, archived = islice(sorted(world.deal_ids()), 1000, 1005), sorted(world.deal_ids())[-3:]
    names = {key: f"Umbenannt № {key}" for key in renamed}
    [last] = world.linkhub("SELECT max(sequence) AS sequence FROM records")
    created = world.change_deals(
        create=[{"properties": {"dealname": "Neu: Zürich 東京", "amount": "12.5"}}] * 2,
        patch=[{"id": key, "properties": {"dealname": name}} for key, name in names.items()],
        archive=archived,
        touch=1,
    )["created"]

    job = world.sync(world.hubspot, mode="incremental")

    changed = {
        row["external_key"].removeprefix("deals/"): json.loads(row["fields"])
        for row in world.linkhub(
            "SELECT * FROM records WHERE sequence > ? AND NOT deleted", last["sequence"]
        )
    }
    gone = world.linkhub(
        "SELECT external_key FROM records WHERE sequence > ? AND deleted", last["sequence"]
    )
    assert {key: fields["name"] for key, fields in changed.items()} == names | dict.fromkeys(
        created, "Neu: Zürich 東京"
    )
    assert {changed[key]["budget"] for key in created} == {"12.50"}
    assert sorted(row["external_key"] for row in gone) == [f"deals/{key}" for key in archived]
    assert (job["status"], job["counts"]["deleted"]) == ("success", 3)
    counts = counts_of(job)
    assert counts["processed"] - counts["unchanged"] == len(names) + len(created) + len(archived)
    assert 0 < counts["unchanged"] < FEW
    assert linkhub_keys(world) == sorted(f"deals/{key}" for key in world.deal_ids())


def test_a_broken_export_changes_no_table(world: World) -> None:
    """A damaged ZIP fails the job with a sentence that says so; what was there is untouched."""
    before = warehouse_state(world)
    with world.counted():
        world.fault("convex", "corrupt", count=1)
        job = world.sync(world.convex)
    assert (job["status"], job["errorClass"]) == ("failed", "permanent")
    assert "damaged" in job["errorMessage"] or "not JSON" in job["errorMessage"]
    assert "documents.jsonl" in job["errorMessage"]
    assert warehouse_state(world) == before
    with world.api() as api:
        instance = api.call("GET", f"instances/{world.convex}")
    assert (instance["status"], instance["statusReason"]) == ("error", "sync_failed")


def test_a_storm_of_passing_failures_ends_in_success(world: World) -> None:
    """Answers 429 and 503 and a cut download are retried until everything is through."""
    world.change_deals(patch=patches(world, 600))
    with world.counted() as answers:
        for provider, path in (("hubspot", "/deals"), ("linkhub", "/batch"), ("convex", "/api")):
            world.fault(provider, "rate_limit", path=path, count=2, retry_after=1)
            world.fault(provider, "server_error", path=path, skip=1, count=2)
        world.fault("convex", "truncated", path="/api/export/zip", count=1)
        started = [world.start(world.hubspot), world.start(world.convex)]
        jobs = [world.wait(job) for job in started]
        for provider in ("hubspot", "linkhub", "convex"):
            seen = answers(provider, "/")
            assert (seen[429], seen[503]) == (2, 2), provider
        assert world.struck() == []
    assert [job["status"] for job in jobs] == ["success", "success"]
    assert linkhub_keys(world) == sorted(f"deals/{key}" for key in world.deal_ids())
    assert jobs[1]["counts"]["processed"] == sum(source_tables(world).values())
    with world.api() as api:
        instance = api.call("GET", f"instances/{world.convex}")
    assert instance["status"] == "active"


def list_deals(world: World, properties: str) -> list[dict[str, Any]]:
    """Return a page of deals as HubSpot shows them."""
    entry = world.stack.directory["hubspot"]
    answer = world.sandbox.get(
        "/hubspot/crm/objects/2026-03/deals",
        params={"limit": 100, "properties": properties},
        headers={"Authorization": f"Bearer {entry['token']}"},
    )
    return [deal["properties"] for deal in answer.raise_for_status().json()["results"]]


def patches(world: World, count: int) -> list[dict[str, Any]]:
    """Return changes that give so many deals a new name."""
    keys = sorted(world.deal_ids())[:count]
    return [{"id": key, "properties": {"dealname": f"Sturm {key}"}} for key in keys]


def linkhub_keys(world: World) -> list[str]:
    """Return the external keys of all initiatives, doubled ones as often as they are there."""
    return [
        row["external_key"]
        for row in world.linkhub("SELECT external_key FROM initiatives ORDER BY external_key")
    ]


def source_tables(world: World) -> dict[str, int]:
    """Return the documents of each stream, as the deployment counts them."""
    url = world.stack.directory["convex"]["url"]
    tables: dict[str, int] = httpx.get(f"{url}/_state", timeout=STEP_SECONDS).json()["tables"]
    return tables


def warehouse_counts(world: World) -> dict[str, int]:
    """Return COUNT(*) of every table that is not the sink's own or a previous generation."""
    names = world.warehouse(
        r"SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\_%' ESCAPE '\' "
        r"AND name NOT LIKE '%\_\_prev' ESCAPE '\'"
    )
    return {
        name: world.warehouse(f'SELECT COUNT(*) FROM "{name}"')[0][0]  # noqa: S608  what is there
        for (name,) in names
    }


def warehouse_state(world: World) -> tuple[dict[str, int], list[tuple[Any, ...]]]:
    """Return what tells whether a table was loaded again: counts and generations."""
    live = world.warehouse(
        "SELECT stream, table_name, generation, job_id, loaded_at FROM _linkhub_tables "
        "WHERE role = 'live' ORDER BY stream"
    )
    return warehouse_counts(world), [tuple(row) for row in live]


def documents(world: World, stream: str) -> Iterator[dict[str, Any]]:
    """Yield a stream's documents as the export holds them."""
    component, _, table = stream.rpartition("/")
    folder = f"_components/{component}/{table}" if component else table
    with (
        zipfile.ZipFile(world.stack.state / "sandbox" / "convex" / "sample.zip") as archive,
        archive.open(f"{folder}/documents.jsonl") as lines,
    ):
        yield from map(orjson.loads, lines)


def plain(value: Any) -> Any:
    """Return what a column shows of a value: nested ones as the same JSON, compactly."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return value
