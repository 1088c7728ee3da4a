"""Refreshes under the strictest server: it rotates, and a token used twice ends the sign-in.

Real processes, threads, SQLite, vault file and HTTP; HubSpot's sandbox is the server.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from shared.backends.local_vault import LocalVault
from shared.domain.instances import InstanceStatus
from shared.domain.oauth import TokenGrant, TokenSet
from shared.domain.times import utc_now
from shared.errors import AuthError
from shared.store.database import Database
from tests.e2e.kit import ROOT, STEP_SECONDS
from tests.e2e.refresher import Setup
from tests.oauth_kit import App
from tests.sandbox_kit import Running, running_sandbox
from tests.store_kit import make_database, seed_instance

CALLBACK = "http://127.0.0.1:7071/oauth/callback/hubspot"
SCOPE = "oauth crm.objects.deals.read crm.schemas.deals.read"
PROCESSES, THREADS = 4, 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A server of the strictest kind, and stores that several processes share."""

    sandbox: Running
    app: App
    setup: Setup
    database: Database

    def sign_in(self) -> str:
        """Return the id of a new instance with tokens of its own; its access token has ended."""
        instance = seed_instance(self.database, provider="hubspot")
        given = self.app.connect()
        grant = TokenGrant(
            access_token=given["access_token"],
            refresh_token=given["refresh_token"],
            lifetime=given["expires_in"],
        )
        tokens = TokenSet(provider="hubspot", instance_id=instance.id)
        ended = tokens.with_grant(grant, resource="", asked_at=utc_now() - timedelta(hours=1))
        name = f"instance-{instance.id}"
        LocalVault(Path(self.setup.vault)).put(name, ended.to_secret())
        with self.database.open_uow() as uow:
            state = uow.instances.get_state(instance.id)
            uow.instances.save_state(replace(state, secret_ref=name), now=utc_now())
            uow.commit()
        return instance.id

    def end_lease(self, instance_id: str) -> None:
        """Let the time go by after which the lease of a holder that died is over."""
        with self.database.open_uow() as uow:
            state = uow.instances.get_state(instance_id)
            if state.refresh_lease_id:
                ended = replace(state, refresh_lease_expires_at=utc_now())
                uow.instances.save_state(ended, now=utc_now())
                uow.commit()

    def opens(self, token: str) -> bool:
        """Return whether HubSpot takes the token."""
        headers = {"Authorization": f"Bearer {token}"}
        answer = self.app.client.get("/crm/objects/2026-03/deals", headers=headers)
        return answer.status_code == 200

    @property
    def family(self) -> dict[str, Any]:
        """What the server has counted for the latest consent."""
        found: dict[str, Any] = self.app.client.get("/oauth/_state").json()["families"][-1]
        return found


@contextmanager
def opened_bench(folder: Path) -> Iterator[Bench]:
    with ExitStack() as opened:
        sandbox = opened.enter_context(running_sandbox(folder / "sandbox", deals=5))
        entry = sandbox.directory["hubspot"]
        client = opened.enter_context(httpx.Client(base_url=entry["url"], timeout=STEP_SECONDS))
        strictest = {"redirect_uris": [CALLBACK], "rotate": True, "reuse": "revoke_family"}
        client.put("/oauth/_settings", json=strictest).raise_for_status()
        database = make_database("file", folder)
        opened.callback(database.dispose)
        setup = Setup(
            database_url=f"sqlite:///{folder / 'app.db'}",
            vault=str(folder / "vault"),
            base_url=entry["url"],
            client_id=entry["oauth"]["clientId"],
            client_secret=entry["oauth"]["clientSecret"],
        )
        app = App.of(client, entry["oauth"], redirect_uri=CALLBACK, scope=SCOPE)
        yield Bench(sandbox=sandbox, app=app, setup=setup, database=database)


class Worker:
    """A process that asks for tokens when it is told to."""

    def __init__(self, setup: Setup) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.refresher", setup.to_json()],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_ready(self) -> None:
        assert self._line() == "ready\n"

    def order(self, order: Mapping[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{json.dumps(order)}\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._line())
        return found

    def close(self) -> None:
        self.process.communicate()
        assert self.process.returncode == 0

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


def test_many_threads_in_several_processes_refresh_once(tmp_path: Path) -> None:
    """All need a token at once, first because it ended, then because it was refused.

    Each time one refresh happens, everybody gets what it brought, and nobody fails.
    """
    with opened_bench(tmp_path) as bench, ExitStack() as opened:
        instance_id = bench.sign_in()
        workers = [Worker(bench.setup) for _ in range(PROCESSES)]
        for worker in workers:
            opened.callback(worker.close)
        for worker in workers:
            worker.wait_ready()
        refused = ""
        for round_number in (1, 2, 3):
            order = {"threads": THREADS, "instance": instance_id, "refused": refused}
            for worker in workers:
                worker.order(order)
            got = [token for worker in workers for token in worker.answer()["got"]]
            assert len(got) == PROCESSES * THREADS
            assert len(set(got)) == 1, set(got)
            assert got[0] != refused
            assert bench.opens(got[0])
            family = bench.family
            assert (family["refreshes"], family["reuses"]) == (round_number, 0)
            assert family["revoked"] is None
            refused = got[0]


def test_a_refresh_killed_at_every_step(tmp_path: Path) -> None:
    """SIGKILL before and after each write, read and request of a refresh.

    Afterwards the instance works, except where the server's answer died with the process: then a
    person is told to reconnect, and why.
    """
    with opened_bench(tmp_path) as bench, ExitStack() as opened:
        worker = Worker(bench.setup)
        opened.callback(worker.close)
        worker.wait_ready()
        worker.order({"die_at": 0, "instance": bench.sign_in()})
        whole = worker.answer()
        assert whole["signal"] == 0
        steps: list[str] = whole["steps"]
        answered, stored = steps.index("after request"), steps.index("after put")
        assert steps.index("before commit") < steps.index("before request") < answered < stored
        for number, name in enumerate(steps, start=1):
            instance_id = bench.sign_in()
            worker.order({"die_at": number, "instance": instance_id})
            died = worker.answer()
            assert (died["signal"], died["steps"][-1]) == (signal.SIGKILL, name)
            bench.end_lease(instance_id)
            is_lost = answered < number <= stored
            assert ending_of(bench, instance_id) == ("reconnect" if is_lost else "works"), name
            assert bench.family["refreshes"] <= 2


def ending_of(bench: Bench, instance_id: str) -> str:
    """Return what the next who needs a token meets: `works`, or `reconnect` said clearly."""
    try:
        token = bench.setup.tokens(instance_id).token()
    except AuthError as error:
        said = str(error)
    else:
        assert bench.opens(token)
        return "works"
    assert "Connect the instance again" in said
    assert "answer to an earlier refresh never arrived" in said
    with bench.database.open_uow(read_only=True) as uow:
        instance = uow.instances.get(instance_id, profile_id=None)
    assert instance.status is InstanceStatus.ERROR
    assert instance.status_reason == "needs_reconnect"
    return "reconnect"
