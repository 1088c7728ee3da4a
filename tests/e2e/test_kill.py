"""The host dies by SIGKILL wherever a sync stands; another one brings the job to its end.

Leases are short here: two seconds for a message, less for a job; Azure and the settings give them
ten and three minutes.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from local.sandbox.convex.sample import write_export
from local.stack.stack import StackOptions
from tests.convex_kit import documents
from tests.e2e.kit import STEP_SECONDS, World, counts_of, eventually, joined, running_world

DEALS = 3_000
ROWS = {"cars": 30_000, "wheels": 15_000, "shop/bills": 5_000}
SETTINGS = {"LEASE_SECONDS": "1.5", "HEARTBEAT_SECONDS": "0.4"}
MESSAGE_LEASE = 2
DELIVERIES = 5
"""host.json's maxDequeueCount: a message that comes more often goes to the poison queue."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("kill")
    write_own_export(folder / "own.zip")
    options = StackOptions(
        state=folder / "state",
        deals=DEALS,
        convex_zip=folder / "own.zip",
        lease_seconds=MESSAGE_LEASE,
        settings=SETTINGS,
    )
    with running_world(options) as running:
        yield running


@pytest.fixture
def slow(world: World) -> Iterator[None]:
    """Make a sync take some seconds, most of them spent where a crash could hurt."""
    world.fault("hubspot", "slow", path="/deals", seconds=0.1)
    world.fault("linkhub", "slow", path="/batch", seconds=0.5)
    world.fault("convex", "slow", path="/api/export/zip", seconds=1)
    yield
    world.sandbox.delete("/_faults").raise_for_status()


class State(NamedTuple):
    """How a job stands: its status, its latest run, the records counted so far."""

    status: str
    run_id: str
    processed: int


@dataclass(slots=True, kw_only=True)
class Killer:
    """Kills the host while it runs jobs, at points drawn from a fixed seed."""

    world: World
    sizes: Mapping[str, int]
    """How many records each job has to bring."""
    rng: random.Random
    hits: Counter[str] = field(default_factory=Counter)
    """By job, the kills that met it running."""
    killed: set[str] = field(default_factory=set)
    """Runs that are dead."""
    places: list[str] = field(default_factory=list)

    def look(self) -> dict[str, State]:
        """Return how each job stands."""
        rows = self.world.app(
            "SELECT j.id, j.status, j.run_id, coalesce(l.records_processed, 0) "
            "FROM sync_jobs j LEFT JOIN sync_logs l ON l.job_id = j.id"
        )
        return {job_id: State(*state) for job_id, *state in rows if job_id in self.sizes}

    def strike(self, *, longest: float) -> None:
        """Wait for a new run of any job, let it go on, kill, and start the next host.

        It goes on until any job has come so and so much further, or for up to `longest` seconds.
        """
        self.wait(
            lambda now: any(
                state.status == "running" and state.run_id not in self.killed
                for state in now.values()
            )
        )
        goals = {
            job: state.processed + self.rng.randrange(1, self.sizes[job] // 3)
            for job, state in self.look().items()
        }
        end = time.monotonic() + self.rng.uniform(0, longest)
        self.wait(
            lambda now: (
                time.monotonic() > end or any(now[job].processed >= goals[job] for job in now)
            )
        )
        self.kill()

    def kill(self) -> None:
        """Kill the host now; start another."""
        self.world.stack.kill_host()
        for job_id, state in self.look().items():
            self.hits[job_id] += state.status == "running"
            self.killed.add(state.run_id)
            self.places.append(f"{job_id[-4:]} {state.status} at {state.processed}")
        self.world.stack.start_host()

    def wait(self, is_there: Callable[[dict[str, State]], bool]) -> None:
        """Wait until it is there, or all jobs are over."""

        def look() -> bool:
            now = self.look()
            over = all(state.status not in {"pending", "running"} for state in now.values())
            return over or is_there(now)

        eventually(look, seconds=STEP_SECONDS, what="a run, or its progress")


def killer_of(world: World, sizes: Mapping[str, int], *, seed: int = 0) -> Killer:
    return Killer(world=world, sizes=sizes, rng=random.Random(seed))  # noqa: S311  dice


@pytest.mark.parametrize("seed", [1, 7])
@pytest.mark.usefixtures("slow")
def test_first_syncs_survive_random_kills(world: World, seed: int) -> None:
    """After kills anywhere every record is there once, written once and counted once."""
    customer = joined(world.stack, world.sandbox, subject=f"customer-{seed}")
    before = generations(world)
    deals, tables = customer.start(customer.hubspot), world.start(world.convex)
    killer = killer_of(world, {deals: DEALS, tables: sum(ROWS.values())}, seed=seed)
    for _ in range(DELIVERIES - 1):
        killer.strike(longest=3)

    job = customer.wait(deals)
    assert killer.hits[deals] >= 2, killer.places
    assert killer.hits[tables] >= 2, killer.places
    assert (job["status"], job["mode"]) == ("success", "full")
    assert counts_of(job) == all_written(world.sandbox.get("/hubspot/_state").json()["deals"])
    assert_in_step(customer)
    assert set(linkhub_records(customer, "version").values()) == {1}, "some were written twice"
    assert_loaded(world, tables, before)


def test_a_kill_between_linkhubs_answer_and_our_commit(world: World) -> None:
    """What LinkHub has taken and we have not noted is sent again and changes nothing."""
    customer = joined(world.stack, world.sandbox, subject="customer-between")
    world.fault("linkhub", "slow", path="/batch/upsert", seconds=60, skip=2, count=1)
    job_id = customer.start(customer.hubspot)
    eventually(
        lambda: world.struck() == [], seconds=STEP_SECONDS, what="an upsert taken, not answered"
    )
    killer = killer_of(world, {job_id: DEALS})
    killer.kill()

    job = customer.wait(job_id)
    assert killer.hits[job_id] == 1
    assert job["status"] == "success"
    assert counts_of(job) == all_written(world.sandbox.get("/hubspot/_state").json()["deals"])
    assert_in_step(customer)
    assert set(linkhub_records(customer, "version").values()) == {1}


def test_kills_while_tables_are_filled_and_swapped_in(world: World) -> None:
    """A crash at the last page leaves all tables new or all old; the next run settles it."""
    before, total = generations(world), sum(ROWS.values())
    job_id = world.start(world.convex)
    killer = killer_of(world, {job_id: total})
    for goal in (1, total // 2, total):
        killer.wait(lambda now: now[job_id].processed >= goal)  # noqa: B023  it ends in this turn
        killer.kill()
        after = generations(world)
        assert len({after.get(stream, 0) - before.get(stream, 0) for stream in ROWS}) == 1
    assert_loaded(world, job_id, before)
    assert killer.hits[job_id] >= 2, killer.places


def test_changes_survive_more_kills_than_a_message_has_deliveries(world: World) -> None:
    """Dead workers send a message to the poison queue; the job goes on and misses no change."""
    world.sync(world.hubspot)
    keys = sorted(world.deal_ids())
    names = {key: f"Anew {key}" for key in keys[:1500]}
    archived = keys[-40:]
    world.change_deals(
        patch=[{"id": key, "properties": {"dealname": name}} for key, name in names.items()],
        archive=archived,
    )
    world.fault("hubspot", "slow", path="/deals", seconds=0.5)
    job_id = world.start(world.hubspot, mode="incremental")
    killer = killer_of(world, {job_id: DEALS}, seed=3)
    for _ in range(DELIVERIES + 1):
        killer.strike(longest=0.5)
    world.sandbox.delete("/_faults").raise_for_status()

    job = world.wait(job_id)
    assert killer.hits[job_id] > DELIVERIES, killer.places
    assert (job["status"], job["mode"]) == ("success", "incremental"), job
    counts = counts_of(job)
    assert counts["processed"] - counts["unchanged"] == len(names) + len(archived)
    assert (job["counts"]["deleted"], counts["error"]) == (len(archived), 0)
    assert_in_step(world)
    assert linkhub_records(world, "name").items() >= names.items()
    versions = linkhub_records(world, "version")
    assert {key for key, version in versions.items() if version == 2} == names.keys()
    assert set(versions.values()) == {1, 2}


def write_own_export(path: Path) -> None:
    tables: dict[str, dict[str, Any]] = {}
    for stream, count in ROWS.items():
        component, _, table = stream.rpartition("/")
        rows = documents(count, table=table[0], name="Zürich", price=1.5, tags=["a", {"b": 1}])
        tables.setdefault(component, {})[table] = rows
    write_export(path, tables.pop(""), components=tables)


def linkhub_records(world: World, column: str) -> dict[str, Any]:
    """Return a column of this customer's live initiatives by deal id; a doubled one fails."""
    rows = world.linkhub(
        f"SELECT external_key, {column} FROM initiatives WHERE source = ?",  # noqa: S608  ours
        world.hubspot,
    )
    found = {row["external_key"].removeprefix("deals/"): row[column] for row in rows}
    assert len(found) == len(rows), "a deal stands in LinkHub twice"
    return found


def assert_in_step(world: World) -> None:
    assert linkhub_records(world, "id").keys() == world.deal_ids()


def generations(world: World) -> dict[str, int]:
    """Return the live generation of each stream; none before the first load."""
    if not world.warehouse_exists():
        return {}
    rows = world.warehouse("SELECT stream, generation FROM _linkhub_tables WHERE role = 'live'")
    return {row["stream"]: row["generation"] for row in rows}


def all_written(count: int) -> dict[str, int]:
    """Return the counts of a job that wrote so many records, each for the first time."""
    return {"processed": count, "success": count, "warning": 0, "error": 0, "unchanged": 0}


def assert_loaded(world: World, job_id: str, before: dict[str, int]) -> None:
    """Wait for the job; check that it loaded every table, once and whole, and left nothing else."""
    job = world.wait(job_id)
    assert (job["status"], job["mode"]) == ("success", "full"), job
    assert counts_of(job) == all_written(sum(ROWS.values()))
    assert generations(world) == {stream: before.get(stream, 0) + 1 for stream in ROWS}
    for stream, count in ROWS.items():
        ids = [row[0] for row in world.warehouse(f"SELECT _id FROM {table_of(stream)}")]  # noqa: S608  ours
        wanted = documents(count, table=stream.rpartition("/")[2][0])
        assert len(ids) == count
        assert set(ids) == {document["_id"] for document in wanted}
    noted = world.app("SELECT table_name FROM table_generations WHERE job_id = ?", job_id)
    assert sorted(row[0] for row in noted) == sorted(map(table_of, ROWS))
    assert staged(world) == []


def table_of(stream: str) -> str:
    return stream.replace("/", "__")


def staged(world: World) -> Sequence[str]:
    """Return the tables that are being loaded."""
    rows = world.warehouse(r"SELECT name FROM sqlite_master WHERE name LIKE '\_stg\_%' ESCAPE '\'")
    return [row[0] for row in rows]
