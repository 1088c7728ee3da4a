"""What the contract checks are run on: a provider, its emulator, and how it is tested."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx

from shared.domain.changes import Change, Delete, Page, Upsert
from shared.domain.checkpoints import Checkpoint
from shared.domain.providers import Direction
from shared.errors import SyncError
from shared.ports.provider import Connection, ConnectRequest, Credentials, ProviderDefinition
from tests.sandbox_kit import Running

NEW_KEY = "0193a5e0-7c1e-7000-8000-00000000{:04x}"
"""Keys of records LinkHub has and the provider has not: ids of LinkHub's own form."""

Act = Literal["read", "incremental", "get", "discover", "push"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """A provider's emulator that answers on loopback, and the way into it.

    `fault(kind, **options)` switches a fault on, `heal()` all of them off. `kinds()` are those it
    declares, the common ones included, and `has_struck(kind)` tells whether one that was switched
    on met a request.
    """

    credentials: Mapping[str, str]
    options: Mapping[str, str]
    fault: Callable[..., None]
    heal: Callable[[], None]
    kinds: Callable[[], set[str]]
    has_struck: Callable[[str], bool]

    @classmethod
    def of(
        cls,
        sandbox: Running,
        name: str,
        *,
        credentials: Mapping[str, str],
        options: Mapping[str, str],
    ) -> Emulator:
        """Return the emulator of that name in a running sandbox."""

        def listing() -> dict[str, Any]:
            found: dict[str, Any] = sandbox.control.get("/_faults").json()
            return found

        def has_struck(kind: str) -> bool:
            active = [one for one in listing()["active"] if one["fault"] == kind]
            return all(one["struck"] for one in active)  # one that is spent is active no more

        def fault(kind: str, **options: Any) -> None:
            sandbox.fault(name, kind, **options)

        return cls(
            credentials=credentials,
            options=options,
            fault=fault,
            heal=sandbox.heal,
            kinds=lambda: set(listing()["kinds"][name]),
            has_struck=has_struck,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultCase:
    """A bad day: what is switched on, what is done meanwhile, and what that ends in.

    `ends_in` None: it comes through, with what `alters` makes of what a good day gives: the same,
    as a rule. `act` "get" asks for the first two records, "discover" for the streams; "push" makes
    a record, changes it and deletes it, and `outcomes` are what comes of that.
    """

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    ends_in: type[SyncError] | None = None
    act: Act = "read"
    alters: Callable[[list[Change]], list[Change]] = list
    outcomes: tuple[str, ...] = ("created", "updated", "deleted")

    @property
    def id(self) -> str:
        """A name for people."""
        end = self.ends_in.__name__ if self.ends_in else "recovers"
        act = () if self.act == "read" else (self.act,)
        return "-".join([self.kind, *act, *map(str, self.options.values()), end])


@dataclass(frozen=True, slots=True, kw_only=True)
class PushCase:
    """How a provider that exports is written to.

    `make(records)` is a new record of `stream`, given what a read brought, and `change` the fields
    an update gives other values.
    """

    stream: str
    make: Callable[[Sequence[Upsert]], Mapping[str, Any]]
    change: Mapping[str, Any]


Document = Callable[[Sequence[tuple[httpx.Request, httpx.Response]]], Sequence[str]]
"""Holds exchanges against a vendor's own document; returns what is wrong with them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCase:
    """How the suite tests one provider, or one way of reading it.

    `start(folder)` runs its emulator, with data for at least `least_pages` pages. `bad_credentials`
    have the right form but open nothing. `can_get`: single records can be read; where not, `get` is
    refused with PermanentError. `incremental`: reads end with a watermark; None: as the spec says.
    `variant` names one of several ways to read the provider. `faults` are the emulator's own and
    the common ones with other ends than usual; 401, 429, 503, slow and cut answers are tested for
    every provider anyway; `sign_in_faults` are tried by `test_sign_ins.py`. `push` is there where
    the provider exports; `is_only_read` where it does, but never this stream. `document` checks
    what travels by the vendor's own document, None where there is none beside the checkout.
    `definition`, of `module`, stands for what is found by the slug.
    """

    slug: str
    scope: str
    start: Callable[[Path], AbstractContextManager[Emulator]]
    bad_credentials: Mapping[str, str]
    least_pages: int = 3
    can_get: bool = True
    incremental: bool | None = None
    variant: str = ""
    faults: tuple[FaultCase, ...] = ()
    sign_in_faults: frozenset[str] = frozenset()
    push: PushCase | None = None
    is_only_read: bool = False
    document: Document | None = None
    definition: ProviderDefinition | None = None
    module: str = ""

    @property
    def id(self) -> str:
        """A name for tests and tables."""
        return "-".join(filter(None, (self.slug, self.variant)))

    @property
    def provider(self) -> ProviderDefinition:
        """The adapter."""
        from adapters import find_provider

        return self.definition or find_provider(self.slug)

    @property
    def exports(self) -> bool:
        """Records are written to the provider too."""
        return set(self.provider.spec.directions) != {Direction.IMPORT}


class PowerCutError(Exception):
    """The process ended here: no adapter expects it."""


class Recorder(httpx.BaseTransport):
    """Sends requests as they are and keeps them with their answers.

    With `dies_at`, the process ends before the answer to that request that may write comes in.
    """

    def __init__(self, *, dies_at: int | None = None) -> None:
        self.exchanges: list[tuple[httpx.Request, httpx.Response]] = []
        self._dies_at = dies_at
        self._writes = 0
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer, read to its end."""
        request.read()
        answer = self._inner.handle_request(request)
        answer.read()
        answer.close()
        answer.request = request
        self.exchanges.append((request, answer))
        self._writes += request.method != "GET"
        if self._writes == self._dies_at:
            raise PowerCutError
        plain = [
            (name, value)
            for name, value in answer.headers.raw
            if name.lower() not in {b"content-encoding", b"content-length", b"transfer-encoding"}
        ]
        return httpx.Response(
            answer.status_code, headers=plain, stream=httpx.ByteStream(answer.content)
        )

    def close(self) -> None:
        """Close all connections."""
        self._inner.close()


class Bench:
    """One provider with its emulator; opens connections that wait only on paper."""

    def __init__(
        self,
        case: ProviderCase,
        emulator: Emulator,
        folder: Path,
        *,
        siblings: Sequence[ProviderCase] = (),
    ) -> None:
        self.case = case
        self.emulator = emulator
        self.provider = case.provider
        self.siblings = siblings or (case,)
        """All cases of the provider."""
        self.waits: list[float] = []
        self.left: Sequence[Delete] = ()
        """What a check made and did not delete yet."""
        self._folder = folder
        self._opened: list[Connection] = []
        self._made = 0

    @property
    def is_incremental(self) -> bool:
        """Reads end with a watermark."""
        can = self.case.incremental
        return self.provider.spec.incremental if can is None else can

    def connect(self, **changes: Any) -> Connection:
        """Return an opened connection; `rest` closes it."""
        defaults: dict[str, Any] = {
            "credentials": Credentials(values=self.emulator.credentials),
            "options": self.emulator.options,
            "work_dir": self._folder,
            "sleep": self.waits.append,
            "allow_private_hosts": True,
        }
        connection = self.provider.connect(ConnectRequest(**{**defaults, **changes}))
        self._opened.append(connection)
        return connection

    def read(self, checkpoint: Checkpoint | None = None) -> list[Page]:
        """Return all pages after a checkpoint, read by a connection of its own."""
        return list(self.connect().read(self.case.scope, checkpoint))

    def upserts(self) -> list[Upsert]:
        """Return all records of a full read."""
        return [change for change in changes_of(self.read()) if isinstance(change, Upsert)]

    def new_key(self) -> str:
        """Return LinkHub's id of a record that is nowhere else yet."""
        self._made += 1
        return NEW_KEY.format(self._made)

    def rest(self) -> None:
        """Close connections and forget faults and waits."""
        for connection in self._opened:
            connection.close()
        self._opened.clear()
        self.waits.clear()
        self.emulator.heal()


def changes_of(pages: Sequence[Page]) -> list[Change]:
    """Return the changes of all pages in order."""
    return [change for page in pages for change in page.changes]


def through_json(checkpoint: Checkpoint) -> Checkpoint:
    """Return what another process is handed of a checkpoint."""
    return Checkpoint(
        resume=json.loads(json.dumps(checkpoint.resume)),
        watermark=json.loads(json.dumps(checkpoint.watermark)),
    )


@contextmanager
def captured_logs() -> Iterator[list[str]]:
    """Collect what every logger says, at DEBUG."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(f"{record.getMessage()} {record.exc_info} {record.__dict__}")

    root, listener = logging.getLogger(), Listener()
    level = root.level
    root.addHandler(listener)
    root.setLevel(logging.DEBUG)
    try:
        yield said
    finally:
        root.removeHandler(listener)
        root.setLevel(level)
