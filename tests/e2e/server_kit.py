"""A stack with databases of its own on the SQL Server to test with: the app's, and a warehouse.

The server's URL names a login that may make databases and logins.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
from sqlalchemy import URL, make_url, text

from local.stack.client import ApiClient
from local.stack.stack import Stack
from shared.domain.warehouse_grants import grant_sql
from shared.store.database import Database
from tests.conftest import SQLSERVER_URL
from tests.e2e.kit import JOB_SECONDS, STEP_SECONDS, eventually
from tests.sqlserver_kit import drop_foreign_keys, is_babelfish

SCHEMA = "linkhub"
CROWD = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Both databases, empty at first, and who may load into the second one."""

    app_url: str
    warehouse_url: str
    login: str
    password: str

    @property
    def warehouse(self) -> dict[str, Any]:
        """The body that saves the warehouse over the API."""
        url = make_url(self.warehouse_url)
        return {
            "name": "Entrepôt 東京 🏭",
            "host": url.host,
            "port": url.port or 1433,
            "database": url.database,
            "schema": SCHEMA,
            "login": self.login,
            "password": self.password,
            "trustServerCertificate": True,
        }

    def settle_app(self) -> None:
        """Make the migrated database usable where the server is Babelfish."""
        with opened(self.app_url) as database:
            if is_babelfish(database):
                drop_foreign_keys(database)

    def app(self, statement: str, **values: Any) -> Sequence[Any]:
        """Run a statement in the app's database; return the rows it has."""
        return run(self.app_url, statement, **values)

    def rows(self, table: str) -> dict[str, dict[str, Any]]:
        """Return a warehouse table's rows by id, as its view shows them."""
        found = run(self.warehouse_url, f"SELECT * FROM {SCHEMA}.{table}_view")  # noqa: S608  ours
        return {row["_id"]: dict(row) for row in found}


@dataclass(frozen=True, slots=True, kw_only=True)
class OnServer:
    """The running stack and its databases."""

    stack: Stack
    server: Server
    sandbox: httpx.Client

    def token(self, subject: str, *roles: str) -> str:
        claims = {"sub": subject, "name": subject, "email": f"{subject}@x.test", "roles": roles}
        answer = self.sandbox.post("/issuer/dev/token", json=claims).raise_for_status()
        return str(answer.json()["access_token"])

    @contextmanager
    def person(self, subject: str) -> Iterator[ApiClient]:
        """Give the API as somebody new calls it."""
        with ApiClient(self.stack.api, self.token(subject)) as api:
            me = {"name": f"{subject} 😀", "email": f"{subject}@x.test", "timeZone": "Europe/Rome"}
            api.call("PUT", "me", me)
            yield api

    @contextmanager
    def http(self, subject: str) -> Iterator[httpx.Client]:
        """Give the API to somebody who wants refusals as they are."""
        headers = {"Authorization": f"Bearer {self.token(subject)}"}
        limits = httpx.Limits(max_connections=CROWD)
        address = f"{self.stack.api}/v1/"
        with httpx.Client(
            base_url=address, headers=headers, timeout=STEP_SECONDS, limits=limits
        ) as client:
            yield client

    def run_function(self, name: str, given: Any = None) -> None:
        """Start one of the app's functions that no request starts."""
        url = f"{self.stack.api.removesuffix('/api')}/admin/functions/{name}"
        httpx.post(url, json={"input": given}, timeout=STEP_SECONDS).raise_for_status()

    def convex(self, api: ApiClient, **more: str) -> str:
        """Make an instance of Convex whose tables go to the warehouse, saved just now."""
        entry = self.stack.directory["convex"]
        warehouse = api.call("POST", "warehouses", self.server.warehouse)
        instance = api.connect(
            "convex",
            api_key=entry["deployKey"],
            options={"deploymentUrl": entry["url"], **more},
            destination=warehouse["id"],
        )
        return str(instance["id"])

    def hubspot(self, api: ApiClient) -> str:
        """Make an instance of HubSpot by its key."""
        key = self.stack.directory["hubspot"]["token"]
        return str(api.connect("hubspot", api_key=key)["id"])

    def sync(self, api: ApiClient, instance: str, *, mode: str = "full") -> dict[str, Any]:
        """Return a sync's job once it was a success."""
        job = api.wait(api.start(instance, mode=mode)["id"], seconds=JOB_SECONDS)
        assert (job["status"], job["counts"]["error"]) == ("success", 0), job
        return job

    def source(self, table: str, component: str = "") -> dict[str, dict[str, Any]]:
        """Return a Convex table's documents by id, as the deployment has them now."""
        url = f"{self.stack.directory['convex']['url']}/_documents"
        found = httpx.get(url, params={"table": table, "component": component}, timeout=60)
        listed = map(orjson.loads, found.raise_for_status().text.splitlines())
        return {document["_id"]: document for document in listed}

    def mutate(self, *operations: Mapping[str, Any]) -> None:
        """Change the deployment's documents."""
        url = f"{self.stack.directory['convex']['url']}/_mutate"
        httpx.post(url, json={"operations": operations}, timeout=60).raise_for_status()

    def notes(self, table: str) -> dict[str, Any]:
        """Return the note of each row of a warehouse table."""
        return {id_: row["note"] for id_, row in self.server.rows(table).items()}

    def mails(self, address: str) -> Sequence[Mapping[str, Any]]:
        """Return the mails somebody got."""
        found = httpx.get(f"{self.stack.mailbox}/messages", timeout=60).raise_for_status().json()
        return [mail for mail in found["messages"] if address in mail["to"]]


@contextmanager
def made_server() -> Iterator[Server]:
    """Make both databases and the loader's login; leave nothing of them."""
    base = make_url(os.environ[SQLSERVER_URL])
    mark = secrets.token_hex(4)
    # With what could break out of a connection string.
    login, password = f"linkhub_loader_{mark}", f"}} ;{{{secrets.token_urlsafe(12)}-1aA"
    with ExitStack() as made:
        admin = made.enter_context(opened(str_of(base)))
        urls = []
        for use in ("app", "warehouse"):
            name = f"linkhub_{use}_{mark}"
            _administer(admin, f"CREATE DATABASE [{name}]")
            made.callback(_drop, admin, name)
            if not is_babelfish(admin):  # as Azure SQL has it; Babelfish knows nothing else
                _administer(admin, f"ALTER DATABASE [{name}] SET READ_COMMITTED_SNAPSHOT ON")
            urls.append(str_of(base.set(database=name)))
        _administer(admin, f"CREATE LOGIN [{login}] WITH PASSWORD = N'{password}'")
        made.callback(_administer, admin, f"DROP LOGIN [{login}]")
        with opened(urls[1]) as warehouse:
            script = grant_sql(schema=SCHEMA, login=login)
            if is_babelfish(warehouse):
                # It has no such grant: there a schema's owner may do all of that.
                script = script.replace(f"GRANT CREATE TABLE, CREATE VIEW TO [{login}];", "")
            _administer(warehouse, script)
        yield Server(app_url=urls[0], warehouse_url=urls[1], login=login, password=password)


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """Give a database that no connection is left of."""
    database = Database(url)
    try:
        yield database
    finally:
        database.dispose()


def run(url: str, statement: str, **values: Any) -> Sequence[Any]:
    """Run a statement, committed; return the rows it has."""
    with opened(url) as database, database.engine.begin() as connection:
        found = connection.execute(text(statement), values)
        return found.mappings().all() if found.returns_rows else ()


def str_of(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def _administer(database: Database, statement: str) -> None:
    """Run a statement that no transaction may be around."""
    with closing(database.engine.raw_connection()) as connection:
        driver: Any = connection.driver_connection
        driver.autocommit = True
        driver.execute(statement)
        driver.autocommit = False


def _drop(admin: Database, name: str) -> None:
    """Drop a database; who still lets go of it is waited for."""

    def is_gone() -> bool:
        with suppress(Exception):
            _administer(admin, f"DROP DATABASE [{name}]")
            return True
        return False

    eventually(is_gone, seconds=STEP_SECONDS, what=f"nobody in {name}")
