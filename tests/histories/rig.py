"""The product between the application of `remote` and LinkHub's emulator.

Everything is real but the clock, the ids' chance, the wires and the thread that fetches ahead:
LinkHub's emulator is called in process, pages are fetched ahead in the run's own thread. So a
history is the same each time, and quick. Each call over a wire and each commit passes the `Steps`,
where a run can be ended, an answer be lost, or a person do something at just that moment.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

import local.sandbox.linkhub.records as linkhub_records
import shared.domain.ids as product_ids
import shared.engine.sync as engine
from functions.bootstrap import App
from local.sandbox.faults import Faults
from local.sandbox.linkhub.app import linkhub_app
from local.sandbox.linkhub.batches import Record
from shared.domain.changes import Page
from shared.domain.checkpoints import Mode
from shared.domain.conflicts import Conflict
from shared.domain.ids import new_id
from shared.domain.instances import Instance
from shared.domain.jobs import Job, JobStatus
from shared.domain.links import RecordLink
from shared.domain.policies import ConflictPolicy, Policies
from shared.domain.providers import Direction
from shared.errors import TransientError
from shared.ports.provider import ConnectRequest, ProviderDefinition
from shared.ports.sink import Sink
from shared.services.connections import Connector
from shared.services.run_ports import Export, SinkRequest
from shared.services.runs import RunLimits, run_job
from shared.settings import Settings
from shared.sinks.linkhub import LinkHubClient
from shared.store.database import Database
from shared.store.unit_of_work import UnitOfWork
from tests.factories import NOW
from tests.fakes import PowerCutError
from tests.histories.remote import MAPPINGS, SPEC, TICKETS, Remote, RemoteConnection
from tests.histories.wires import INITIATIVES, LinkHub, Steps, Wire
from tests.store_kit import make_database
from tests.world import Clock, World

KEY = "lhk-test"
_NO_END = 3600.0
_MOST_RUNS = 200


@dataclass
class House:
    """What all histories of a test session share: the app's database and LinkHub."""

    database: Database
    linkhub: LinkHub
    folder: Path
    clock: Clock = field(default_factory=Clock)
    chance: Random = field(default_factory=Random)
    begun: Counter[str] = field(default_factory=Counter)

    @classmethod
    @contextmanager
    def opened(cls, folder: Path) -> Iterator[House]:
        database = make_database("memory")
        app = linkhub_app(key=KEY, state_dir=folder, faults=Faults())
        house = cls(database=database, linkhub=LinkHub(app), folder=folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine, "prefetched", _fetched_ahead)
            patch.setattr(linkhub_records, "_now", house.now_text)
            patch.setattr(product_ids, "time", SimpleNamespace(time_ns=house.now_ns))
            patch.setattr(product_ids, "secrets", SimpleNamespace(randbits=house.randbits))
            yield house
        app.state.records.close()
        database.dispose()

    def begin(self, name: str) -> None:
        """Make the clock and the ids those of one history, told from others of its name."""
        self.clock.now = NOW
        self.begun[name] += 1
        self.chance.seed(f"{name} {self.begun[name]}")

    def remember(self) -> Callable[[], None]:
        """Return what makes everything here what it is now again."""
        app, linkhub = sqlite3.connect(":memory:"), sqlite3.connect(":memory:")
        records = self.linkhub.records
        moment, chance = self.clock.now, self.chance.getstate()
        sequence = records._sequence
        own = self.database.engine.raw_connection()
        own.driver_connection.backup(app)  # type: ignore[union-attr]
        own.close()
        records._db.backup(linkhub)

        def back() -> None:
            own = self.database.engine.raw_connection()
            app.backup(own.driver_connection)  # type: ignore[arg-type]
            own.close()
            linkhub.backup(records._db)
            records._sequence = sequence
            self.clock.now = moment
            self.chance.setstate(chance)

        return back

    def randbits(self, count: int) -> int:
        return self.chance.getrandbits(count)

    def now_ns(self) -> int:
        return int(self.clock().timestamp()) * 1_000_000_000

    def now_text(self) -> str:
        return self.clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def _fetched_ahead(source: Callable[[], Generator[Page]]) -> Iterator[Iterator[Page]]:
    """Have the next page fetched before the last one is handed over, as `prefetched` may."""

    def pages() -> Generator[Page]:
        found = source()
        waiting: list[Page] = []
        error: BaseException | None = None
        try:
            while error is None:
                try:
                    waiting.append(next(found))
                except (Exception, PowerCutError) as caught:  # noqa: BLE001  it is raised below
                    error = caught
                if len(waiting) > 1:
                    yield waiting.pop(0)
            yield from waiting
            if not isinstance(error, StopIteration):
                raise error
        finally:
            found.close()

    made = pages()
    try:
        yield made
    finally:
        made.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How an instance's jobs go: whose changes win, and how much goes in one page."""

    policy: ConflictPolicy
    page_size: int = 3
    batch_size: int = 3


class Rig:
    """One instance with both of its sides."""

    def __init__(self, house: House, manner: Manner) -> None:
        self.house = house
        self.manner = manner
        self.clock = house.clock
        self.steps = Steps()
        self.remote = Remote(house.clock)
        self.world = World(
            database=house.database, work_dir=house.folder, spec=SPEC, clock=house.clock
        )
        self.subject = new_id()
        policies = Policies(on_conflict=manner.policy, delete_approval_percent=100)
        self.instance: Instance = self.world.add_instance(
            profile_id=self.world.add_profile(subject=self.subject),
            provider=SPEC.slug,
            sync_direction=Direction.BIDIRECTIONAL,
            policies=policies.to_json(),
        )
        with house.database.open_uow() as uow:
            uow.mappings.replace(self.instance.id, MAPPINGS, now=self.clock())
            uow.commit()
        self._app = _App(self)

    def remember(self) -> Callable[[], None]:
        """Return what makes both sides, and what the product knows of them, as they are now."""
        house_back = self.house.remember()
        rows, sequence = deepcopy(self.remote.rows), self.remote.sequence

        def back() -> None:
            house_back()
            self.remote.rows, self.remote.sequence = deepcopy(rows), sequence
            self.steps = Steps()

        return back

    def add_job(self, mode: Mode = Mode.INCREMENTAL) -> Job:
        return self.world.add_job(self.instance, mode=mode)

    def run(self, job: Job, *, budget: float = _NO_END) -> None:
        """Run a job once; whatever ends the run early leaves the job for another one."""
        limits = RunLimits(
            lease_seconds=180,
            heartbeat_seconds=3600,
            budget_seconds=budget,
            record_error_limit=10_000,
            records_cap=5,
        )
        ports = replace(
            self.world.ports,
            open_uow=self._app.open_uow,
            connector=Connector(find_provider=self._find, work_dir=self.house.folder),
            open_sink=self._app.open_sink,
            open_export=self._app.open_export,
            limits=limits,
        )
        self.clock.move(seconds=1)
        try:
            run_job(job.id, ports=ports)
        except PowerCutError:
            self.clock.move(minutes=4)
        except TransientError:
            self.clock.move(seconds=30)

    def finish(self, job: Job, *, budgets: Callable[[], float] = lambda: _NO_END) -> Job:
        """Run a job, as often as it takes."""
        for _ in range(_MOST_RUNS):
            self.steps.is_dead = False
            self.run(job, budget=budgets())
            found = self.world.job(job.id)
            if found.is_final:
                return found
        raise AssertionError(f"The job came to no end: {found}")

    def sync(self, mode: Mode = Mode.INCREMENTAL) -> Job:
        """Run a job of its own to its end, which must be a good one."""
        job = self.finish(self.add_job(mode))
        assert job.status in {JobStatus.SUCCESS, JobStatus.PARTIAL}, job
        return job

    def abandon(self, job: Job) -> None:
        """Give a job up whose run has died, as the reaper does in the end."""
        self.clock.move(minutes=4)
        with self.house.database.open_uow() as uow:
            uow.jobs.fail(job.id, error_class="bug", error_message="cut", now=self.clock())
            uow.commit()

    def records(self) -> list[Record]:
        """Return all records LinkHub has and had."""
        return self.house.linkhub.records.changes(
            self.instance.profile_id, INITIATIVES, since=0, limit=10_000
        )

    def edit_linkhub(self, **edits: Any) -> list[str]:
        return self.house.linkhub.edit(self.instance.profile_id, **edits)

    def open_conflicts(self) -> list[tuple[Conflict, RecordLink]]:
        with self.house.database.open_uow(read_only=True) as uow:
            ids = [record.id for record in self.records()]
            links = uow.links.find_by_linkhub_ids(self.instance.id, INITIATIVES, ids)
            by_id = {link.id: link for link in links.values()}
            found = uow.conflicts.open_for(self.instance.id, list(by_id))
        return [(conflict, by_id[conflict.record_link_id]) for conflict in found]

    def _find(self, _slug: str) -> ProviderDefinition:
        return ProviderDefinition(
            spec=SPEC,
            connect=self._connect,
            version_fields={TICKETS: ("etag",)},
            changed_at={TICKETS: "modified"},
        )

    def _connect(self, _request: ConnectRequest) -> RemoteConnection:
        return RemoteConnection(
            self.remote, self.steps.at_application, page_size=self.manner.page_size
        )


class _App(App):
    """The product as it is wired, over the test's database, clock and wires."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(Settings(linkhub_api_url="http://linkhub.test", linkhub_api_key=KEY))
        self.__dict__["database"] = rig.house.database
        self.now = rig.clock
        self._rig = rig

    @contextmanager
    def open_uow(self, *, read_only: bool = False) -> Iterator[UnitOfWork]:
        with self.database.open_uow(read_only=read_only) as uow:
            commit = uow.commit
            uow.__dict__["commit"] = lambda: self._rig.steps.cross(
                "commit", commit, lambda: TransientError("The database does not answer.")
            )
            yield uow

    def open_sink(self, request: SinkRequest) -> Sink:
        sink = super().open_sink(request)
        sink.batch_size = self._rig.manner.batch_size
        return sink

    def open_export(self, *request: Any) -> Export:
        export = super().open_export(*request)
        export.sink.batch_size = self._rig.manner.batch_size
        return export

    def _linkhub_client(
        self, profile_id: str, *, sleep: Callable[[float], None], interactive: bool = False
    ) -> LinkHubClient:
        del sleep
        return LinkHubClient(
            base_url="http://linkhub.test",
            api_key=KEY,
            profile_id=profile_id,
            sleep=lambda _: None,
            interactive=interactive,
            transport=Wire(self._rig.house.linkhub, self._rig.steps, self._rig.manner.page_size),
        )
