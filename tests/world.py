"""A small world for service tests: a real SQLite store, fakes at every other edge."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.domain.instances import Instance
from shared.domain.jobs import Job, SyncLog
from shared.domain.mapping import FieldMapping
from shared.domain.profiles import Caller
from shared.domain.providers import ProviderSpec
from shared.domain.sync_rules import SyncRules
from shared.errors import AuthError, NotFoundError
from shared.ports.provider import CheckResult, Connection, ConnectRequest, ProviderDefinition
from shared.ports.sink import Sink
from shared.services.connections import Connector
from shared.services.run_ports import Export, OpenExport
from shared.services.runs import RunLimits, RunPorts, SinkRequest, run_job
from shared.store.database import Database
from tests.factories import NOW, make_caller, make_instance, make_job, make_profile
from tests.fakes import FakeQueue, FakeSink, FakeSource, FakeStore, FakeVault
from tests.store_kit import make_database, make_spec

SECRET = "pat-canary-7f3a91"
MAPPINGS = (
    FieldMapping(stream="deals", external_field="n", entity="initiatives", field="name"),
    FieldMapping(
        stream="deals",
        external_field="n",
        entity="initiatives",
        field="status",
        transform={"type": "constant", "value": "ON_TIME"},
    ),
)


@dataclass
class Clock:
    """The present, moved by hand."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class World:
    """Everything a service is handed, and what it left behind."""

    database: Database
    work_dir: Path
    queue: FakeQueue = field(default_factory=FakeQueue)
    vault: FakeVault = field(default_factory=FakeVault)
    clock: Clock = field(default_factory=Clock)
    source: FakeSource = field(default_factory=lambda: FakeSource(4))
    store: FakeStore = field(default_factory=FakeStore)
    spec: ProviderSpec = field(default_factory=make_spec)
    connect_error: Exception | None = None
    sink_error: Exception | None = None
    make_sink: Callable[[SinkRequest], Sink] | None = None
    make_export: OpenExport | None = None

    @property
    def caller(self) -> Caller:
        return make_caller()

    @property
    def connector(self) -> Connector:
        return Connector(find_provider=self._find, work_dir=self.work_dir)

    @property
    def ports(self) -> RunPorts:
        return RunPorts(
            open_uow=self.database.open_uow,
            queue=self.queue,
            vault=self.vault,
            connector=self.connector,
            open_sink=self._open_sink,
            open_export=self._open_export,
            limits=RunLimits(
                lease_seconds=180,
                heartbeat_seconds=60,
                budget_seconds=600,
                record_error_limit=10,
                records_cap=5,
            ),
            now=self.clock,
        )

    def add_profile(self, **values: Any) -> str:
        profile = make_profile(**values)
        with self.database.open_uow() as uow:
            uow.providers.upsert(self.spec, now=self.clock())
            uow.profiles.add(profile)
            uow.commit()
        return profile.id

    def add_instance(self, **values: Any) -> Instance:
        """Add a profile with a connected instance that maps one field."""
        if "profile_id" not in values:
            values["profile_id"] = self.add_profile()
        instance = make_instance(**values)
        with self.database.open_uow() as uow:
            uow.instances.add(instance)
            state = uow.instances.get_state(instance.id)
            from dataclasses import replace

            uow.instances.save_state(replace(state, secret_ref="s1"), now=self.clock())
            uow.mappings.replace(instance.id, MAPPINGS, now=self.clock())
            uow.commit()
        self.vault.put("s1", {"api_key": SECRET})
        return instance

    def add_job(self, instance: Instance | None = None, **values: Any) -> Job:
        owner = instance or self.add_instance()
        job = make_job(instance_id=owner.id, **values)
        with self.database.open_uow() as uow:
            uow.jobs.add(job)
            uow.commit()
        return job

    def run(self, job: Job) -> None:
        run_job(job.id, ports=self.ports)

    def job(self, job_id: str) -> Job:
        with self.database.open_uow(read_only=True) as uow:
            return uow.jobs.get(job_id)

    def log(self, job_id: str) -> SyncLog:
        with self.database.open_uow(read_only=True) as uow:
            log = uow.logs.find_by_job(job_id)
        assert log is not None
        return log

    def instance(self, instance_id: str) -> Instance:
        with self.database.open_uow(read_only=True) as uow:
            return uow.instances.get(instance_id, profile_id=None)

    def _find(self, slug: str) -> ProviderDefinition:
        if slug != self.spec.slug:
            raise NotFoundError(f"There is no provider {slug!r}.")
        return ProviderDefinition(spec=self.spec, connect=self._connect, default_mappings=MAPPINGS)

    def _connect(self, request: ConnectRequest) -> Connection:
        if self.connect_error is not None:
            raise self.connect_error
        if request.credentials.values["api_key"] != SECRET:
            return _Refusing(0)
        return self.source

    def _open_export(
        self, request: SinkRequest, rules: SyncRules, connection: Connection
    ) -> Export:
        assert self.make_export is not None, "this world exports nothing"
        return self.make_export(request, rules, connection)

    def _open_sink(self, request: SinkRequest) -> Sink:
        if self.sink_error is not None:
            raise self.sink_error
        if self.make_sink is not None:
            return self.make_sink(request)
        return FakeSink(self.store, run_id=request.job.run_id)


class _Refusing(FakeSource):
    def check(self) -> CheckResult:
        raise AuthError("the key is not known here")


@pytest.fixture
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        database = make_database("file", Path(folder))
        yield World(database=database, work_dir=Path(folder))
        database.dispose()
