"""A worker that needs an instance's token: `python -m tests.e2e.refresher CONFIG`.

CONFIG is a JSON object (see `Setup`). Each line on stdin is one order, answered by one line:

    {"threads": n, "instance": id, "refused": ""}    n threads ask at once; answers what each got
    {"die_at": n, "instance": id}                    a fork of the worker asks, and is gone by
                                                     SIGKILL at the n-th step of its refresh (0: it
                                                     lives); answers the steps and how it ended

Nothing of the product knows of the killing: it is done by the vault, units of work and transport
that this worker hands it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx

from adapters.hubspot import PROVIDER
from shared.backends.local_vault import LocalVault
from shared.domain.times import utc_now
from shared.errors import IntegratorError
from shared.http.oauth import Registration
from shared.ports.vault import Vault
from shared.services.oauth_servers import OAuthServers
from shared.services.token_refresh import InstanceTokens, TokenKeeper
from shared.store.database import Database
from shared.store.unit_of_work import UnitOfWork

LEASE = timedelta(minutes=10)
"""Nobody here loses a lease to a machine that stands still; a test ends that of the dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What the workers of one test share."""

    database_url: str
    vault: str
    base_url: str
    client_id: str
    client_secret: str

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    def keeper(self, killer: Killer | None = None) -> TokenKeeper:
        """Return a keeper as the app makes it, its edges watched by `killer` where there is one."""
        database = Database(self.database_url)
        vault: Vault = LocalVault(Path(self.vault))
        registration = Registration(client_id=self.client_id, client_secret=self.client_secret)
        return TokenKeeper(
            open_uow=database.open_uow if killer is None else killer.open_uow(database),
            vault=vault if killer is None else KillingVault(vault, killer),
            servers=OAuthServers(
                find_provider=lambda _slug: PROVIDER,
                registrations={"hubspot": lambda: registration},
                public_url="http://127.0.0.1:7071",
                platform_options={"hubspot": {"base_url": self.base_url, "api_version": "2026-03"}},
                allow_private_hosts=True,
                transport=None if killer is None else KillingTransport(killer),
            ),
            now=utc_now,
            lease=LEASE,
        )

    def tokens(self, instance_id: str, killer: Killer | None = None) -> InstanceTokens:
        return InstanceTokens(
            self.keeper(killer),
            provider="hubspot",
            instance_id=instance_id,
            sleep=time.sleep,
            patience=LEASE.total_seconds(),
        )


@dataclass
class Killer:
    """Counts the steps of a refresh, tells each to `note`, and ends the process at one of them."""

    die_at: int
    note: Callable[[str], None]
    count: int = 0

    def step(self, name: str) -> None:
        self.count += 1
        self.note(name)
        if self.count == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def around(self, name: str) -> Iterator[None]:
        self.step(f"before {name}")
        yield
        self.step(f"after {name}")

    def open_uow(self, database: Database) -> Any:
        """Return the database's `open_uow`, every commit of which is a step."""

        @contextmanager
        def opened(*, read_only: bool = False) -> Iterator[UnitOfWork]:
            with database.open_uow(read_only=read_only) as uow:
                commit = uow.commit

                def watched() -> None:
                    with self.around("commit"):
                        commit()

                uow.commit = watched  # type: ignore[method-assign]
                yield uow

        return opened


class KillingVault:
    def __init__(self, inner: Vault, killer: Killer) -> None:
        self._inner = inner
        self._killer = killer

    def get(self, name: str) -> Mapping[str, str]:
        with self._killer.around("get"):
            return self._inner.get(name)

    def put(self, name: str, value: Mapping[str, str]) -> None:
        with self._killer.around("put"):
            self._inner.put(name, value)

    def delete(self, name: str) -> None:
        self._inner.delete(name)

    def ping(self) -> None:
        self._inner.ping()


class KillingTransport(httpx.BaseTransport):
    def __init__(self, killer: Killer) -> None:
        self._killer = killer
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with self._killer.around("request"):
            response = self._inner.handle_request(request)
            response.read()
        return response


def ask_at_once(setup: Setup, order: Mapping[str, Any]) -> dict[str, Any]:
    """Return what each of many threads got, all of which asked at the same moment."""
    threads: int = order["threads"]
    barrier = Barrier(threads)
    sources = [setup.tokens(order["instance"]) for _ in range(threads)]

    def ask(source: InstanceTokens) -> str | None:
        barrier.wait()
        try:
            if order["refused"]:
                return source.refreshed(after_401_of=order["refused"])
            return source.token()
        except IntegratorError as error:
            return f"{type(error).__name__}: {error}"

    with ThreadPoolExecutor(threads) as pool:
        return {"got": list(pool.map(ask, sources))}


def ask_and_die(setup: Setup, order: Mapping[str, Any]) -> dict[str, Any]:
    """Return the steps a fork went through, and the signal it ended by (0: none)."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        killer = Killer(order["die_at"], lambda name: _write(writer, f"{name}\n"))
        setup.tokens(order["instance"], killer).token()
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as steps:
        names = steps.read().split("\n")[:-1]
    _, status = os.waitpid(child, 0)
    return {"steps": names, "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}


def _write(pipe: int, text: str) -> None:
    os.write(pipe, text.encode())


def main() -> None:
    setup = Setup(**json.loads(sys.argv[1]))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        order = json.loads(line)
        answer = (ask_and_die if "die_at" in order else ask_at_once)(setup, order)
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
