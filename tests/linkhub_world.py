"""Jobs run by the service into the sandbox's LinkHub; only the provider is a fake."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from shared.domain.changes import Change, Delete, Page, Upsert
from shared.domain.checkpoints import Checkpoint
from shared.domain.ids import new_id
from shared.domain.instances import Instance
from shared.domain.jobs import Job, LogRecord
from shared.domain.links import RecordLink
from shared.domain.paging import ListQuery
from shared.ports.sink import Sink
from shared.services.reruns import replay_record, request_undo, retry_job
from shared.services.runs import RunPorts, SinkRequest
from shared.sinks.linkhub import LinkHubSink
from shared.sinks.linkhub.client import UpsertInput
from shared.store.unit_of_work import UnitOfWork
from tests.fakes import FakeSource
from tests.linkhub_kit import make_client
from tests.sandbox_kit import Running
from tests.store_kit import make_database
from tests.world import World


@dataclass
class Numbers(FakeSource):
    """A provider of numbered records with `names`; those of `broken` cannot be mapped.

    Every read is a full one. `fail_at` lasts until it is taken away.
    """

    names: dict[int, str] = field(default_factory=dict)
    broken: set[int] = field(default_factory=set)
    asked: list[Sequence[str]] = field(default_factory=list)

    def record(self, number: int) -> Mapping[str, Any]:
        return {"n": None if number in self.broken else self.names[number]}

    def read(self, scope: str, checkpoint: Checkpoint | None) -> Generator[Page]:
        self.reads.append(checkpoint)
        numbers = sorted(self.names)
        first = checkpoint.resume or 0 if checkpoint is not None else 0
        for start in range(first, max(len(numbers), 1), self.page_size):
            if start in self.fail_at:
                raise self.fail_at[start]
            end = start + self.page_size
            is_last = end >= len(numbers)
            yield Page(
                changes=[Upsert(scope, str(n), self.record(n)) for n in numbers[start:end]],
                checkpoint=Checkpoint(resume=None if is_last else end),
                totals={scope: len(numbers)} if is_last else {},
            )

    def get(self, stream: str, keys: Sequence[str]) -> Sequence[Change]:
        self.asked.append(keys)
        return [
            Upsert(stream, key, self.record(int(key)))
            if int(key) in self.names
            else Delete(stream, key)
            for key in keys
        ]


class LinkHubWorld(World):
    """A world whose sinks write to LinkHub; `cut` is called before a sink is opened."""

    running: Running
    owner: Instance
    numbers: Numbers
    cut: Callable[[], None]
    cut_uow: Callable[[], None]

    @classmethod
    @contextmanager
    def opened(
        cls, folder: Path, running: Running, *, percent: int = 100
    ) -> Iterator[LinkHubWorld]:
        database = make_database("file", folder)
        world = cls(database=database, work_dir=folder)
        world.running = running
        world.cut = world.cut_uow = lambda: None
        world.numbers = Numbers(0, names={n: f"Number {n}" for n in range(6)})
        world.source = world.numbers
        world.make_sink = world.linkhub_sink
        # the sandbox keeps what the tests before have left: another profile each time
        profile_id = world.add_profile(id=new_id())
        world.owner = world.add_instance(
            profile_id=profile_id, policies={"deleteApprovalPercent": percent}
        )
        yield world
        database.dispose()

    @property
    def ports(self) -> RunPorts:
        """Hand runs units of work that `cut_uow` is called before, where they write."""
        return replace(super().ports, open_uow=self._open_uow)

    def _open_uow(self, *, read_only: bool = False) -> AbstractContextManager[UnitOfWork]:
        if not read_only:
            self.cut_uow()
        return self.database.open_uow(read_only=read_only)

    def linkhub_sink(self, request: SinkRequest) -> Sink:
        assert request.mapper is not None
        self.cut()
        return LinkHubSink(
            client=make_client(self.running, self.owner.profile_id),
            open_uow=self._open_uow,
            instance=request.set_up.instance,
            job_id=request.job.id,
            run_id=request.job.run_id,
            mapper=request.mapper,
            lease_until=request.run_log.lease_until,
            now=self.clock,
            approved_deletes=request.job.approved_deletes,
            keeps_checkpoints=not request.job.target_record_id,
        )

    def sync(self, **values: Any) -> Job:
        """Run a new job to its end and return it; time goes by."""
        self.clock.move(minutes=1)
        moment = self.clock()
        job = self.add_job(self.owner, created_at=moment, updated_at=moment, **values)
        return self.settled(job)

    def settled(self, job: Job) -> Job:
        self.run(job)
        return self.job(job.id)

    def undo(self, job: Job) -> Job:
        """Ask for an undo of the job and return what was queued."""
        return request_undo(job.id, **self._asked)

    def retry(self, job: Job) -> Job:
        return retry_job(job.id, **self._asked)

    def replay(self, record_id: str) -> Job:
        find = self.connector.find_provider
        return replay_record(record_id, find_provider=find, **self._asked)

    @property
    def _asked(self) -> dict[str, Any]:
        return {
            "caller": self.caller,
            "open_uow": self.database.open_uow,
            "queue": self.queue,
            "now": self.clock,
        }

    def names_in_linkhub(self) -> dict[int, str]:
        """Return the names LinkHub has, by number."""
        client = make_client(self.running, self.owner.profile_id)
        keys = [f"deals/{number}" for number in range(20)]
        try:
            found = client.get("initiatives", source=self.owner.id, external_keys=keys)
            return {
                int(record.external_key.removeprefix("deals/")): record.fields["name"]
                for record in found
            }
        finally:
            client.close()

    def links(self) -> dict[str, RecordLink]:
        """Return the live links, by external id."""
        keys = [str(number) for number in range(20)]
        with self.database.open_uow(read_only=True) as uow:
            found = uow.links.get_many(self.owner.id, "deals", keys)
        return {key: link for key, link in found.items() if link.deleted_at is None}

    def edit(self, number: int, name: str) -> None:
        """Rename a record as a person in LinkHub might."""
        client = make_client(self.running, self.owner.profile_id)
        change = UpsertInput(f"deals/{number}", f'{{"name":"{name}"}}')
        try:
            list(client.upsert("initiatives", source=self.owner.id, inputs=[change], salt=new_id()))
        finally:
            client.close()

    def problems(self, job: Job) -> list[tuple[str, str, str]]:
        """Return what the job's log tells of records: id, severity and text."""
        return [(record.external_id, record.severity, record.error) for record in self.records(job)]

    def records(self, job: Job) -> Sequence[LogRecord]:
        with self.database.open_uow(read_only=True) as uow:
            return uow.logs.list_records_page(self.log(job.id).id, ListQuery()).items
