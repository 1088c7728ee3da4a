"""A store, a job and a sink to write into the sandbox's LinkHub with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from shared.domain.changes import Change, Upsert
from shared.domain.checkpoints import Checkpoint, SavedCheckpoint, Stage
from shared.domain.ids import new_id
from shared.domain.jobs import Job, JobStatus
from shared.domain.links import RecordLink
from shared.domain.mapping import FieldMapping, RecordMapper
from shared.domain.providers import AuthType, Direction, ProviderSpec, SinkKind
from shared.domain.tallies import Tally
from shared.ports.sink import FinishResult, WriteResult
from shared.sinks.linkhub import LinkHubClient, LinkHubSink
from shared.store.database import Database
from shared.store.tables import metadata
from tests.factories import NOW, make_instance, make_job, make_profile, make_saved
from tests.fakes import PowerCutError
from tests.sandbox_kit import PATIENCE, Running

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork

LEASE = timedelta(minutes=3)
RULES = {"dealname": "name", "stage": "status", "amount": "budget"}


def make_mapper(rules: Mapping[str, str] = RULES, *, entity: str = "initiatives") -> RecordMapper:
    return RecordMapper.compile(
        FieldMapping(stream="deals", external_field=external, entity=entity, field=field)
        for external, field in rules.items()
    )


def deal(key: str, **values: Any) -> Upsert:
    return Upsert(
        "deals", key, {"dealname": f"Deal {key}", "stage": "ON_TIME", "amount": "10"} | values
    )


def make_client(
    running: Running,
    profile_id: str,
    *,
    sleep: Callable[[float], None] = lambda _: None,
    transport: httpx.BaseTransport | None = None,
) -> LinkHubClient:
    entry = running.directory["linkhub"]
    return LinkHubClient(
        base_url=entry["url"],
        api_key=entry["key"],
        profile_id=profile_id,
        sleep=sleep,
        transport=transport,
    )


class Bench:
    """One instance and its running job over a real store, with sinks for its runs."""

    def __init__(self, database: Database, running: Running) -> None:
        self.database = database
        self.running = running
        self.opened_uows = 0
        self._writes_left: int | None = None
        self._sinks: list[LinkHubSink] = []
        profile = make_profile(subject=new_id())
        self.instance = make_instance(profile_id=profile.id, provider="fake")
        self.run_id = new_id()
        spec = ProviderSpec(
            slug="fake",
            name="Fake",
            description="",
            categories=(),
            directions=(Direction.IMPORT,),
            sink=SinkKind.LINKHUB,
            auth_type=AuthType.API_KEY,
            docs_url="",
        )
        self.job = make_job(instance_id=self.instance.id)
        with database.open_uow() as uow:
            uow.providers.upsert(spec, now=NOW)
            uow.profiles.add(profile)
            uow.instances.add(self.instance)
            uow.jobs.add(self.job)
            uow.commit()
        self.claim()

    def claim(self) -> Job:
        """Give the job to a new run: the one before has lost its lease."""
        self.run_id = new_id()
        with self.open_uow() as uow:
            now = NOW + LEASE * 2
            claimed = uow.jobs.claim(
                self.job.id, run_id=self.run_id, now=now, lease_until=NOW + LEASE
            )
            assert claimed is not None
            uow.commit()
        return claimed

    @contextmanager
    def open_uow(self, *, read_only: bool = False) -> Iterator[UnitOfWork]:
        """Open a unit of work, and count it while it is open."""
        if not read_only and self._writes_left is not None:
            if self._writes_left == 0:
                raise PowerCutError
            self._writes_left -= 1
        with self.database.open_uow(read_only=read_only) as uow:
            self.opened_uows += 1
            try:
                yield uow
            finally:
                self.opened_uows -= 1

    def sink(
        self,
        *,
        mapper: RecordMapper | None = None,
        transport: httpx.BaseTransport | None = None,
        approved: int = 0,
        begins: bool = True,
    ) -> LinkHubSink:
        """Return the present run's sink; it has taken the scope unless it `begins` nothing."""
        sink = LinkHubSink(
            client=make_client(self.running, self.instance.profile_id, transport=transport),
            open_uow=self.open_uow,
            instance=self.instance,
            job_id=self.job.id,
            run_id=self.run_id,
            mapper=mapper or make_mapper(),
            lease_until=lambda: NOW + LEASE,
            now=lambda: NOW,
            approved_deletes=approved,
        )
        self._sinks.append(sink)
        if not begins:
            return sink
        saved = sink.load("deals") or self.saved()
        if saved.job_id != self.job.id:  # as the engine goes on with what an earlier job left
            saved = replace(saved, job_id=self.job.id, tally=Tally())
        sink.begin("deals", saved)
        return sink

    def close(self) -> None:
        """Close every sink that was made."""
        for sink in self._sinks:
            sink.close()

    def set_policies(self, **policies: Any) -> None:
        """Let the sinks to come follow these policies."""
        self.instance = replace(self.instance, policies=policies)

    def cut_after(self, *, writes: int | None) -> None:
        """Cut the power before what would be the next but that many transaction that writes."""
        self._writes_left = writes

    def sync(
        self, *changes: Change, mapper: RecordMapper | None = None, approved: int = 0
    ) -> WriteResult:
        """Write and commit one batch with a sink of its own."""
        sink = self.sink(mapper=mapper, approved=approved)
        result = sink.write("deals", changes)
        sink.commit("deals", self.saved(tally=result.tally))
        return result

    def next_job(self, **values: Any) -> Job:
        """End the job, whose run did all it could, and run another one."""
        with self.open_uow() as uow:
            uow.jobs.finish(self.job.id, self.run_id, status=JobStatus.SUCCESS, now=NOW)
            self.job = make_job(instance_id=self.instance.id, **values)
            uow.jobs.add(self.job)
            uow.commit()
        return self.claim()

    def read_all(
        self,
        *pages: Sequence[Change],
        total: int | None = None,
        unread: frozenset[str] = frozenset(),
        approved: int = 0,
    ) -> FinishResult:
        """Bring a full read of `deals` in, page by page, as the engine does, and settle it.

        `total` is what the source counted, by default as many as it showed.
        """
        sink = self.sink(approved=approved)
        saved = self.saved()
        sink.begin("deals", saved)
        for number, page in enumerate(pages, start=1):
            tally = saved.tally + sink.write("deals", page).tally
            is_last = number == len(pages)
            saved = replace(
                saved,
                checkpoint=Checkpoint(resume=None if is_last else number),
                stage=Stage.READ if is_last else Stage.READING,
                tally=tally,
            )
            sink.commit("deals", saved)
        shown = {change.key for page in pages for change in page if isinstance(change, Upsert)}
        saved = replace(
            saved,
            stage=Stage.FINISHED,
            totals={"deals": len(shown) if total is None else total},
            unread=unread,
        )
        return sink.finish("deals", saved, saved.totals)

    def saved(self, **values: Any) -> SavedCheckpoint:
        return make_saved(job_id=self.job.id, **values)

    def links(self, *keys: str) -> dict[str, RecordLink]:
        with self.open_uow(read_only=True) as uow:
            return uow.links.get_many(self.instance.id, "deals", keys)

    def linkhub_fields(self, *keys: str) -> dict[str, Mapping[str, Any]]:
        """Return what LinkHub has of these records."""
        client = make_client(self.running, self.instance.profile_id)
        wanted = [f"deals/{key}" for key in keys]
        try:
            found = client.get("initiatives", source=self.instance.id, external_keys=wanted)
            return {record.external_key.removeprefix("deals/"): record.fields for record in found}
        finally:
            client.close()

    def versions(self, *keys: str) -> Sequence[int]:
        """Return how often LinkHub has written each of these records."""
        client = make_client(self.running, self.instance.profile_id)
        wanted = [f"deals/{key}" for key in keys]
        try:
            found = client.get("initiatives", source=self.instance.id, external_keys=wanted)
            return [record.version for record in found]
        finally:
            client.close()

    def requests(self) -> int:
        """Return how many calls LinkHub got since it was healed last."""
        report = httpx.get(f"{self.running.url}/_requests", timeout=PATIENCE).json()
        return int(report.get("linkhub", {}).get("total", 0))


@contextmanager
def open_store(path: Path) -> Iterator[Database]:
    """Give a fresh SQLite store with every table."""
    database = Database(f"sqlite:///{path}")
    metadata.create_all(database.engine)
    try:
        yield database
    finally:
        database.dispose()
