"""The function app called in-process: real composition, store, vault and token checks.

Only the queue and the providers are stand-ins. A call goes through the function the worker would
index for its method and route, found here by a router as small as the real host's is large.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import azure.functions as func

from functions import BLUEPRINTS
from functions.bootstrap import App
from functions.http_support import PROBLEM_TYPE
from shared.domain.instances import InstanceStatus, SetupStep
from shared.domain.providers import AuthType, ConnectionOption, ProviderSpec, SinkKind, Stream
from shared.errors import AuthError, NotFoundError
from shared.ports.provider import CheckResult, Connection, ConnectRequest, ProviderDefinition
from shared.services.connections import Connector
from shared.services.runs import SinkRequest
from tests.fakes import DEALS, FakeQueue, FakeSink, FakeSource, FakeStore
from tests.functions.answers_kit import check_answer
from tests.issuer_kit import Issuer
from tests.store_kit import make_spec
from tests.world import MAPPINGS, Clock

GOOD_KEY = "key-canary-5d1f0c7be2"
OTHER_KEY = "key-canary-e0a94417d3"
"""Another one that is taken."""
ADMIN = "integrator.admin"
PUBLIC = {"health", "ready", "get_openapi", "come_back"}
SPECS = (
    make_spec(api_key_label="API key"),
    make_spec(
        slug="depot",
        name="Depot",
        sink=SinkKind.WAREHOUSE,
        several_instances=True,
        options=(
            ConnectionOption(name="deployment_url", label="Deployment URL", required=True),
            ConnectionOption(name="region", label="Region", default="eu"),
        ),
    ),
    make_spec(slug="ledger", name="Ledger", auth_type=AuthType.BASIC),
    make_spec(slug="sign-in", name="Sign in", auth_type=AuthType.OAUTH2),
    make_spec(slug="hidden", name="Hidden", is_public=False),
)


@dataclass(frozen=True, slots=True)
class Indexed:
    """One HTTP function as the worker sees it."""

    name: str
    method: str
    route: str
    call: Any

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """Return the route's parameters in this path, None where it is another's."""
        words, given = self.route.split("/"), path.split("/")
        if method != self.method or len(words) != len(given):
            return None
        pairs = list(zip(words, given, strict=True))
        if any(word != part for word, part in pairs if not word.startswith("{")):
            return None
        return {word.strip("{}"): part for word, part in pairs if word.startswith("{")}

    @property
    def example(self) -> str:
        """The route with something in place of each parameter."""
        return "/".join("some-id" if "{" in word else word for word in self.route.split("/"))


@lru_cache(maxsize=1)
def indexed_functions() -> Sequence[Any]:
    """Return every function of the blueprints, as the worker indexes them."""
    app = func.FunctionApp()
    for blueprint in BLUEPRINTS:
        app.register_functions(blueprint)
    return app.get_functions()


@lru_cache(maxsize=1)
def http_functions() -> Sequence[Indexed]:
    """Return every HTTP function, once for each of its methods."""
    found = []
    for function in indexed_functions():
        trigger = function.get_trigger().get_dict_repr()
        if trigger["type"] == "httpTrigger":
            found += [
                Indexed(
                    function.get_function_name(),
                    method.value,
                    trigger["route"],
                    function.get_user_function(),
                )
                for method in trigger["methods"]
            ]
    return found


@dataclass(frozen=True, slots=True)
class Answer:
    """What a function answered."""

    status: int
    headers: Mapping[str, str]
    mimetype: str
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def problem(self, status: int, kind: str) -> dict[str, Any]:
        """Return the problem document, after a look at the form all of them have."""
        assert self.status == status, self.body
        assert self.mimetype == "application/problem+json"
        found: dict[str, Any] = self.json
        assert found["type"] == PROBLEM_TYPE + kind
        assert found["status"] == status
        assert found["title"]
        assert found["detail"]
        return found


@dataclass(frozen=True, slots=True)
class Client:
    """A caller of the API; `token` None sends no Authorization header."""

    token: str | None

    def get(self, path: str, **params: str) -> Answer:
        return self.call("GET", path, params=params)

    def post(self, path: str, body: Any = None) -> Answer:
        return self.call("POST", path, body=body)

    def put(self, path: str, body: Any = None) -> Answer:
        return self.call("PUT", path, body=body)

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path)

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        raw: bytes | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Call `/api/v1/<path>`, or `/<path>` where it is whole already."""
        full = path if path.startswith(("api/", "oauth/callback/")) else f"api/v1/{path}"
        sent = {"Authorization": f"Bearer {self.token}"} if self.token is not None else {}
        content = b"" if body is None else json.dumps(body).encode()
        for function in http_functions():
            parts = function.match(method, full)
            if parts is not None:
                response = function.call(
                    func.HttpRequest(
                        method,
                        f"http://api.test/{full}",
                        headers={**sent, **(headers or {})},
                        params=dict(params or {}),
                        route_params=parts,
                        body=content if raw is None else raw,
                    )
                )
                check_answer(function.route, method, response)
                told = (response.status_code, response.headers, response.mimetype)
                return Answer(*told, response.get_body())
        raise LookupError(f"no function serves {method} {full}")

    def walk(self, path: str, **params: str) -> list[list[Any]]:
        """Return all pages of a list, following `nextCursor` to the end."""
        pages: list[list[Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.get(path, **params, **cursor).json
            pages.append(page["items"])
            if page["nextCursor"] is None:
                return pages
            assert len(pages) < 100, "the cursor leads in circles"
            cursor = {"cursor": page["nextCursor"]}


@dataclass
class Providers:
    """The adapters of the tests; they take `GOOD_KEY` and `OTHER_KEY` unless `error` is set."""

    error: Exception | None = None
    opened: list[ConnectRequest] = field(default_factory=list)
    streams: Sequence[Stream] = (DEALS,)
    account: str = "acme-1"
    meanwhile: Callable[[], object] = lambda: None
    """Called whenever a provider is asked something, as if somebody else were faster."""

    def find(self, slug: str) -> ProviderDefinition:
        for spec in SPECS:
            if spec.slug == slug:
                mappings = MAPPINGS if spec.sink is SinkKind.LINKHUB else ()
                return ProviderDefinition(
                    spec=spec,
                    connect=partial(self._connect, spec),
                    default_mappings=mappings,
                )
        raise NotFoundError(f"There is no provider {slug!r}.")

    def _connect(self, spec: ProviderSpec, request: ConnectRequest) -> Connection:
        self.opened.append(request)
        values = request.credentials.values
        key = values["password"] if spec.auth_type is AuthType.BASIC else values["api_key"]
        refused = AuthError(f"{spec.name} answered 401 to GET /check.")
        return _Asked(4, asked=self, error=self.error if key in {GOOD_KEY, OTHER_KEY} else refused)


@dataclass(kw_only=True)
class _Asked(FakeSource):
    asked: Providers
    error: Exception | None

    def check(self) -> CheckResult:
        if self.error is not None:
            raise self.error
        self.asked.meanwhile()
        return CheckResult(account=self.asked.account, label="Acme")

    def discover(self) -> Sequence[Stream]:
        if self.error is not None:
            raise self.error
        self.asked.meanwhile()
        return self.asked.streams


@dataclass
class HttpWorld:
    """The app behind the functions, its edges, and callers for it."""

    app: App
    issuer: Issuer
    folder: Path
    clock: Clock
    queue: FakeQueue = field(default_factory=FakeQueue)
    providers: Providers = field(default_factory=Providers)
    store: FakeStore = field(default_factory=FakeStore)
    bad_keys: frozenset[str] = frozenset()
    """Records the sink rejects."""
    sink_error: Exception | None = None
    """What every run ends with while it is set."""

    def __post_init__(self) -> None:
        """Put the stand-ins where the app would make the real ones."""
        self.app.__dict__.update(
            now=self.clock,
            queue=self.queue,
            connector=Connector(find_provider=self.providers.find, work_dir=self.folder),
            open_sink=self._open_sink,
        )
        with self.app.open_uow() as uow:
            for spec in SPECS:
                uow.providers.upsert(spec, now=self.clock())
            uow.commit()

    @property
    def ada(self) -> Client:
        """A customer with a profile."""
        return self.customer("ada")

    @property
    def bob(self) -> Client:
        """Another one."""
        return self.customer("bob")

    @property
    def admin(self) -> Client:
        """An admin without a profile."""
        return self.caller("grace", roles=[ADMIN])

    @property
    def nobody(self) -> Client:
        """Somebody without a token."""
        return Client(None)

    def caller(self, subject: str, **claims: Any) -> Client:
        """Return somebody signed in who has no profile yet."""
        return Client(self.issuer.token(sub=subject, **claims))

    def customer(self, subject: str) -> Client:
        """Return somebody with a profile."""
        client = self.caller(subject)
        if client.get("me").status == 404:
            assert client.put("me", {"name": subject.title()}).status == 200
        return client

    def connected(self, client: Client, provider: str = "fake", **values: Any) -> str:
        """Return the id of a new, active instance that has no job yet.

        It is connected by the API; the steps after that are skipped, for their own tests to walk.
        """
        instance_id = self.at_connection(client, provider, **values)
        with self.app.open_uow() as uow:
            instance = uow.instances.get(instance_id, profile_id=None)
            done = replace(instance, setup_step=SetupStep.COMPLETED, status=InstanceStatus.ACTIVE)
            uow.instances.save(done, expected_version=instance.config_version)
            uow.commit()
        return instance_id

    def at_connection(self, client: Client, provider: str = "fake", **values: Any) -> str:
        """Return the id of a new instance whose first step is done."""
        made = client.post("instances", {"provider": provider, **values})
        assert made.status == 201, made.body
        options = {"deploymentUrl": "https://depot.test"} if provider == "depot" else {}
        instance_id: str = made.json["id"]
        body = {"apiKey": GOOD_KEY, "options": options}
        assert client.put(f"instances/{instance_id}/connection", body).status == 200
        return instance_id

    def start(self, client: Client, instance_id: str) -> str:
        """Return the id of the instance's job, started by its owner."""
        answer = client.post(f"instances/{instance_id}/jobs")
        assert answer.status == 202, answer.body
        job_id: str = answer.json["id"]
        return job_id

    def _open_sink(self, request: SinkRequest) -> FakeSink:
        if self.sink_error is not None:
            raise self.sink_error
        return FakeSink(self.store, run_id=request.job.run_id, bad_keys=self.bad_keys)

    def trigger(self, name: str, argument: Any) -> None:
        """Run a queue or timer function as the host would."""
        function = next(f for f in indexed_functions() if f.get_function_name() == name)
        function.get_user_function()(argument)

    def run(self, job_id: str) -> None:
        """Deliver the job's message."""
        body = json.dumps({"v": 1, "jobId": job_id}).encode()
        self.trigger("sync_manual", func.QueueMessage(body=body))
