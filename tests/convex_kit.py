"""Convex in tests: exports of any making, an emulator that serves them, connections to it."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import orjson
import uvicorn

from adapters.convex import PROVIDER
from adapters.convex.values import decode_document
from local.sandbox.convex import DEPLOY_KEY, convex_app, error_body
from local.sandbox.convex.archive import write_export
from local.sandbox.door import Door, Requests
from local.sandbox.faults import Fault, Faults
from shared.domain.changes import Change, Page
from shared.domain.checkpoints import Checkpoint
from shared.ports.provider import Connection, ConnectRequest, Credentials

_START_SECONDS = 120


def documents(count: int, *, table: str = "t", **fields: Any) -> list[dict[str, Any]]:
    """Return `count` small documents."""
    return [
        {"_id": f"{table}{n:031d}", "_creationTime": 1e12 + n, "n": n, **fields}
        for n in range(count)
    ]


def small_export(path: Path) -> dict[str, int]:
    """Write an export with two tables, an empty one and a component; return its counts."""
    return write_export(
        path,
        {"cars": documents(7, table="c"), "empty": [], "wheels": documents(3, table="w")},
        components={"shop": {"cars": documents(2, table="s")}, "shop/till": {"bills": []}},
    )


def write_zip(path: Path, entries: Mapping[str, bytes | Iterable[bytes]]) -> Path:
    """Write a ZIP with exactly these entries, deflated; an iterable is written as it comes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            with archive.open(name, "w", force_zip64=True) as file:
                for piece in [content] if isinstance(content, bytes) else content:
                    file.write(piece)
    return path


@dataclass(slots=True, kw_only=True)
class Server:
    """A running emulator."""

    url: str
    faults: Faults
    requests: Requests
    waits: list[float] = field(default_factory=list)
    opened: list[Connection] = field(default_factory=list)

    def fault(self, kind: str, **options: Any) -> None:
        """Switch a fault on, once unless `count` says otherwise."""
        self.faults.add(
            Fault.model_validate({"provider": "convex", "fault": kind, "count": 1, **options})
        )

    def connect(self, work_dir: Path, **changes: Any) -> Connection:
        """Return a connection that never really waits and is closed with the server."""
        connection = connect(self.url, work_dir, sleep=self.waits.append, **changes)
        self.opened.append(connection)
        return connection

    def settle(self, **settings: Any) -> None:
        """Set the plan (`pro` has data syncs) and the limits of a page."""
        call(self.url, "PUT", "/_settings", json=settings).raise_for_status()

    def mutate(self, *operations: dict[str, Any], seed: int = 0, count: int = 0) -> dict[str, Any]:
        """Commit these operations together, then so many random ones of a seed."""
        body: dict[str, Any] = {"operations": operations}
        if count:
            body["random"] = {"seed": seed, "count": count}
        done: dict[str, Any] = (
            call(self.url, "POST", "/_mutate", json=body).raise_for_status().json()
        )
        return done

    def expire(self) -> None:
        """Let every data sync be as if nobody had called it for three days."""
        call(self.url, "POST", "/_expire").raise_for_status()

    def lines(self, stream: str) -> list[bytes]:
        """Return a table's documents as they are now, as exports write them."""
        component, _, table = stream.rpartition("/")
        place = {"component": component, "table": table}
        answer = call(self.url, "GET", "/_documents", params=place).raise_for_status()
        lines: list[bytes] = answer.content.splitlines()
        return lines

    def documents(self, stream: str) -> dict[str, dict[str, Any]]:
        """Return a table's documents as they are now, by id, decoded as the adapter does it."""
        found = {}
        for line in self.lines(stream):
            document = orjson.loads(line)
            decode_document(document)
            found[document["_id"]] = document
        return found

    def streams(self) -> set[str]:
        """Return the tables that exist."""
        return set(call(self.url, "GET", "/_state").json()["tables"])

    def answered(self, path: str) -> list[int]:
        """Return the status of every answer to paths that contain `path`."""
        report = self.requests.report().get("convex", {"requests": []})
        return [
            row["status"]
            for row in report["requests"]
            for _ in range(row["count"])
            if path in row["path"]
        ]


def connect(
    url: str,
    work_dir: Path,
    *,
    key: str = DEPLOY_KEY,
    source: str = "auto",
    selection: Mapping[str, Sequence[str]] | None = None,
    allow_private_hosts: bool = True,
    **changes: Any,
) -> Connection:
    """Return a connection to the deployment at `url`."""
    return PROVIDER.connect(
        ConnectRequest(
            credentials=Credentials(values={"api_key": key}),
            options={"deployment_url": url, "source": source},
            selection=selection or {},
            work_dir=work_dir,
            allow_private_hosts=allow_private_hosts,
            **{"sleep": time.sleep, **changes},
        )
    )


@contextmanager
def serve(
    *, state_dir: Path, zip_file: Path | None, clock: Callable[[], float] = time.time
) -> Iterator[Server]:
    """Run an emulator on a free port of the loopback until the block ends."""
    faults, requests = Faults(), Requests()
    app = Door(
        convex_app(state_dir=state_dir, zip_file=zip_file, faults=faults, clock=clock),
        provider="convex",
        faults=faults,
        requests=requests,
        error_body=error_body,
    )
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_config=None, date_header=False, lifespan="on"
    )
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    running = None
    try:
        until = time.monotonic() + _START_SECONDS
        while not server.started:
            assert thread.is_alive(), "the emulator did not start"
            assert time.monotonic() < until, "the emulator does not answer"
            time.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        running = Server(url=f"http://127.0.0.1:{port}", faults=faults, requests=requests)
        yield running
    finally:
        for connection in running.opened if running else ():
            connection.close()
        server.should_exit = True
        thread.join()


def read_all(
    connection: Connection, checkpoint: Checkpoint | None = None
) -> tuple[list[Page], list[Change]]:
    """Return every page of a read and all of their changes in order."""
    pages = list(connection.read("*", checkpoint))
    return pages, [change for page in pages for change in page.changes]


def call(url: str, method: str, path: str, *, key: str = DEPLOY_KEY, **options: Any) -> Any:
    """Return the emulator's raw answer."""
    headers = {"Authorization": f"Convex {key}", **options.pop("headers", {})}
    with httpx.Client(trust_env=False) as client:
        return client.request(method, f"{url}{path}", headers=headers, timeout=60, **options)
