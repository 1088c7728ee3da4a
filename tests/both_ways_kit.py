"""A provider and LinkHub with an instance between them that syncs both ways: real adapter, real
sinks, both emulators. `Pair` is what is the same for all providers, `BothWays` is Planner's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from adapters.planner import PROVIDER
from functions.bootstrap import App
from shared.domain.conflicts import Conflict
from shared.domain.field_mappings import FieldMapping
from shared.domain.ids import new_id
from shared.domain.jobs import Job, SyncLog
from shared.domain.links import RecordLink
from shared.domain.policies import ConflictPolicy, Policies
from shared.domain.providers import Direction
from shared.ports.provider import Connection, ConnectRequest, Credentials, ProviderDefinition
from shared.services.connections import Connector
from shared.services.runs import RunPorts, run_job
from shared.settings import Settings
from shared.sinks.linkhub import LinkHubClient
from shared.store.database import Database
from shared.store.unit_of_work import UnitOfWork
from tests.http_kit import Sleeps
from tests.linkhub_kit import make_client
from tests.planner_kit import TOKEN, FakeGraph
from tests.sandbox_kit import Running
from tests.store_kit import make_database
from tests.world import SECRET, World

INITIATIVES = "initiatives"


class Pair:
    """One instance, its jobs, and what is on LinkHub's side.

    The provider is reached over `transport` with `credentials`.
    """

    def __init__(
        self,
        folder: Path,
        running: Running,
        *,
        provider: ProviderDefinition,
        transport: httpx.BaseTransport,
        credentials: Mapping[str, str],
        options: Mapping[str, str],
        mappings: Sequence[FieldMapping] = (),
        direction: Direction = Direction.BIDIRECTIONAL,
        policy: ConflictPolicy = ConflictPolicy.EXTERNAL,
        percent: int = 100,
        profile_id: str = "",
    ) -> None:
        self.running = running
        self._provider = provider
        self._transport = transport
        self._credentials = credentials
        database = make_database("file", folder)
        self.world = World(database=database, work_dir=folder, spec=provider.spec)
        policies = Policies(on_conflict=policy, delete_approval_percent=percent)
        profile_id = self.world.add_profile(id=profile_id or new_id(), subject=new_id())
        self.instance = self.world.add_instance(
            profile_id=profile_id,
            provider=provider.spec.slug,
            sync_direction=direction,
            policies=policies.to_json(),
            options=dict(options),
        )
        with database.open_uow() as uow:
            rules = mappings or provider.default_mappings
            uow.mappings.replace(self.instance.id, rules, now=self.world.clock())
            uow.commit()
        self.cut: Callable[[str], None] = lambda _step: None
        """Called with each step that leaves a trace, before and after it is done."""
        self.app = _App(self, database)
        self.client = make_client(running, profile_id)

    def close(self) -> None:
        self.client.close()
        self.world.database.dispose()

    def sync(self, job: Job | None = None) -> SyncLog:
        """Run a job to its end and return its log."""
        chosen = job or self.world.add_job(self.instance)
        run_job(chosen.id, ports=self.ports())
        return self.world.log(chosen.id)

    def ports(self) -> RunPorts:
        """Return what a run is handed."""
        return replace(
            self.world.ports,
            open_uow=self.app.open_uow,
            connector=Connector(find_provider=self._find, work_dir=self.world.work_dir),
            open_sink=self.app.open_sink,
            open_export=self.app.open_export,
        )

    def _find(self, _slug: str) -> ProviderDefinition:
        return replace(self._provider, connect=self._connect)

    def _connect(self, request: ConnectRequest) -> Connection:
        assert request.credentials.values["api_key"] == SECRET
        credentials = Credentials(values=self._credentials)
        sleep = Sleeps()
        return self._provider.connect(
            replace(request, credentials=credentials, transport=self._transport, sleep=sleep)
        )

    def set_policy(self, policy: ConflictPolicy) -> None:
        """Choose another way to end conflicts, as a person does in the wizard."""
        with self.world.database.open_uow() as uow:
            found = uow.instances.get(self.instance.id, profile_id=None)
            policies = replace(Policies.from_json(found.policies), on_conflict=policy)
            changed = replace(found, policies=policies.to_json())
            uow.instances.save(changed, expected_version=found.config_version)
            uow.commit()

    def edit(self, **edits: Any) -> Any:
        """Do in LinkHub what a person does there."""
        body = {"profile": self.instance.profile_id, "entity": INITIATIVES, **edits}
        answer = self.running.control.post("/linkhub/_edits", json=body)
        return answer.raise_for_status().json()

    def add_record(self, name: str, /, **fields: Any) -> str:
        """Make a native record."""
        (id_,) = self.edit(create=[{"name": name, "status": "ON_TIME", **fields}])["created"]
        return str(id_)

    def edit_record(self, name: str, /, **fields: Any) -> None:
        self.edit(patch=[{"id": self.records()[name].id, "fields": fields}])

    def records(self) -> dict[str, Any]:
        """Return LinkHub's live records by name."""
        found = self.client.changes(INITIATIVES).changes
        return {record.fields["name"]: record for record in found if not record.deleted}

    def links(self) -> dict[str, RecordLink]:
        """Return the live links by LinkHub's id."""
        ids = [record.id for record in self.records().values()]
        with self.world.database.open_uow(read_only=True) as uow:
            found = uow.links.find_by_linkhub_ids(self.instance.id, INITIATIVES, ids)
        return {id_: link for id_, link in found.items() if link.deleted_at is None}

    def conflicts(self) -> list[Conflict]:
        """Return the open conflicts."""
        with self.world.database.open_uow(read_only=True) as uow:
            ids = [link.id for link in self.links().values()]
            return list(uow.conflicts.open_for(self.instance.id, ids))


class BothWays(Pair):
    """Planner's pair."""

    def __init__(self, folder: Path, running: Running, **values: Any) -> None:
        self.graph = FakeGraph(tasks=0)
        self.plan = str(self.graph.plans[0]["id"])
        super().__init__(
            folder,
            running,
            provider=PROVIDER,
            transport=self.graph,
            credentials={"access_token": TOKEN},
            options={
                "groups": self.graph.plans[0]["container"]["containerId"],
                "plan": self.plan,
            },
            **values,
        )
        self.graph.meddle = lambda request: self._step("ask", request)
        self.graph.lose = self._lose

    def _step(self, when: str, request: httpx.Request) -> None:
        """Cut before or after a request that writes."""
        is_batch = "$batch" in request.url.path
        if request.method != "GET" and not is_batch and "_planner" not in request.url.path:
            self.cut(f"{when} {request.method} {request.url.path.split('/')[-1]}")

    def _lose(self, request: httpx.Request) -> bool:
        """Cut after a request that writes; no answer is lost else."""
        self._step("answer", request)
        return False

    def add_task(self, title: str, **task: Any) -> str:
        """Make a task as somebody does in Planner."""
        created = self.graph.control(
            "/_planner",
            create=[{"planId": self.plan, "task": {"title": title, **task}, "details": {}}],
        )
        return str(created["created"][0])

    def remove_task(self, id_: str) -> None:
        self.graph.control("/_planner", delete=[id_])

    def tasks(self) -> dict[str, Mapping[str, Any]]:
        """Return the tasks there are, by title."""
        return {task["title"]: task for task in self.graph.tasks(self.plan)}

    def place(self) -> tuple[int, str]:
        """Return what moves with every write: Planner's writes so far, LinkHub's cursor."""
        writes = [r for r in self.graph.sent() if r.method != "GET" and "$batch" not in r.url.path]
        return len(writes), self.client.changes(INITIATIVES).next_cursor

    def assert_quiet(self) -> None:
        """Check that one more job sends nothing either way."""
        before = self.place()
        log = self.sync()
        assert self.place() == before
        assert (log.tally.error, log.tally.warning) == (0, 0)

    def assert_in_step(self) -> None:
        """Check that both sides have the same records under the same names, and all are linked."""
        records = self.records()
        assert set(records) == set(self.tasks())
        links = self.links()
        for name, record in records.items():
            assert links[record.id].external_id == self.tasks()[name]["id"]
            assert (record.source, record.external_key) == (
                self.instance.id,
                f"tasks/{self.tasks()[name]['id']}",
            )


class _Cutting(httpx.HTTPTransport):
    """Sends to the sandbox; writes can be cut off before and after."""

    def __init__(self, pair: Pair) -> None:
        super().__init__()
        self._pair = pair

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        call = request.url.path.split("/")[-1]
        if call not in {"upsert", "delete"}:
            return super().handle_request(request)
        self._pair.cut(f"ask {call}")
        response = super().handle_request(request)
        response.read()
        self._pair.cut(f"answer {call}")
        return response


class _App(App):
    """The product as it is wired, over the test's database and clock."""

    def __init__(self, pair: Pair, database: Database) -> None:
        entry = pair.running.directory["linkhub"]
        super().__init__(Settings(linkhub_api_url=entry["url"], linkhub_api_key=entry["key"]))
        self.__dict__["database"] = database
        self.now = pair.world.clock
        self._pair = pair

    @contextmanager
    def open_uow(self, *, read_only: bool = False) -> Iterator[UnitOfWork]:
        """Open a unit of work whose commit can be cut off before and after."""
        with self.database.open_uow(read_only=read_only) as uow:
            commit = uow.commit

            def cut() -> None:
                self._pair.cut("commit")
                commit()
                self._pair.cut("committed")

            uow.__dict__["commit"] = cut
            yield uow

    def _linkhub_client(
        self, profile_id: str, *, sleep: Callable[[float], None], interactive: bool = False
    ) -> LinkHubClient:
        transport = _Cutting(self._pair)
        return make_client(self._pair.running, profile_id, sleep=sleep, transport=transport)


@contextmanager
def both_ways(folder: Path, running: Running, **values: Any) -> Iterator[BothWays]:
    made = BothWays(folder, running, **values)
    try:
        yield made
    finally:
        made.close()
