"""What an adapter is: a `ProviderDefinition` that opens a `Connection`.

An adapter raises TransientError, AuthError or PermanentError for a call that failed, and puts
what is wrong with one record into its page's `problems` (or a `PushResult`); never anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from shared.domain.changes import Change, Page, RecordProblem
from shared.domain.checkpoints import Checkpoint
from shared.domain.platform_options import PlatformOption
from shared.domain.providers import ProviderSpec, Stream

if TYPE_CHECKING:
    import httpx

    from shared.domain.mapping import FieldMapping
    from shared.domain.oauth import OAuthSpec
    from shared.http.auth import TokenSource
    from shared.http.rate import Rate


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Credentials:
    """Secrets of one instance, as the vault gave them; never printed.

    `values` holds "api_key", or "access_token" for OAuth, or "username" and "password".
    `instance_id` is whose they are, '' while they are only tried.
    """

    values: Mapping[str, str]
    instance_id: str = ""

    def __repr__(self) -> str:
        """Return the names only."""
        return f"Credentials({', '.join(sorted(self.values))})"


class Budgets(Protocol):
    """The request limits of one account, shared by all who call it."""

    def __call__(self, name: str, *, requests: int, seconds: float) -> Rate:
        """Return the limit of this name: at most `requests` in any `seconds`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectRequest:
    """All an adapter needs to open a connection; it reads no settings of its own.

    `options`: the provider's connection options and the platform's by name, defaults filled in.
    `selection`: the external fields wanted of each stream; one with no entry wants all of them.
    `whole`: the streams of `selection` of which an incremental read brings everything too, begun by
    a Truncate. `work_dir`: a folder for files that may be lost at any time. `sleep` is called for
    every wait, so that a waiting run keeps its lease and a test does not wait. `interactive`:
    somebody is looking; give up after 5 seconds of retries. `allow_private_hosts`: the egress guard
    lets loopback and private ranges pass. `tokens(resource)`: where an OAuth connection's access
    tokens come from, refreshed as needed ('' is the provider's usual resource); adapters reach it,
    or the token of `credentials`, by `shared.http.auth.token_source`. `budgets`: where request
    limits of the account come from that others keep too; adapters reach it by
    `shared.http.rate.paced`.
    """

    credentials: Credentials
    tokens: Callable[[str], TokenSource] | None = None
    budgets: Budgets | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    selection: Mapping[str, Sequence[str]] = field(default_factory=dict)
    whole: frozenset[str] = frozenset()
    work_dir: Path
    sleep: Callable[[float], None]
    interactive: bool = False
    allow_private_hosts: bool = False
    transport: httpx.BaseTransport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The credentials work; `account` is the provider's own id ('' if it tells none)."""

    account: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PushResult:
    """What the provider did with one pushed change: created, updated, deleted, unchanged or
    rejected.
    """

    key: str
    external_id: str
    outcome: str
    etag: str = ""
    problem: RecordProblem | None = None


class Source(Protocol):
    """What a sync reads from."""

    def read(self, scope: str, checkpoint: Checkpoint | None) -> Iterator[Page]:
        """Yield pages whose last has a checkpoint with `resume` None.

        None: enumerate everything. `resume` set: exactly what comes after it. Only `watermark` set:
        what changed since.
        """

    def close(self) -> None:
        """Release sockets and files."""


class Connection(Source, Protocol):
    """An opened instance. Used by one thread at a time; close it when done."""

    def check(self) -> CheckResult:
        """Prove with one cheap live call that the credentials work."""

    def discover(self) -> Sequence[Stream]:
        """Return the streams with their fields as the provider has them now."""

    def get(self, stream: str, keys: Sequence[str]) -> Sequence[Change]:
        """Return an Upsert for each key that exists and a Delete for each that does not."""

    def push(self, stream: str, changes: Sequence[Change]) -> Iterator[PushResult]:
        """Write changes to the provider; pushing the same ones again changes nothing.

        A key of the provider's own form names what exists. Any other one, LinkHub's id, asks for
        something new, and pushed again finds what was made for it. A record holds the fields to
        write, and the version fields of the record they were compared with: where that is not the
        present version, a field somebody else changed meanwhile is rejected, not overwritten.
        Raise PermanentError where the provider is import only.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderDefinition:
    """An adapter. `validate_mapping` returns (external field, message) pairs beyond what types
    tell; `default_transform(stream, external_field)` is the transform used where a mapping has
    none. By stream: `version_fields` tell a record's version (what `get` gave of them is handed
    back to `push`), `changed_at` is the field that says when a record was changed last. `oauth`:
    how people sign in, None where they cannot. `keeps_for`: how long after a sync its source keeps
    what the next one goes on from, None for ever. `platform`: the options the platform decides,
    which the environment sets by the rule of `shared/domain/platform_options.py`.
    """

    spec: ProviderSpec
    oauth: OAuthSpec | None = None
    platform: Sequence[PlatformOption] = ()
    connect: Callable[[ConnectRequest], Connection]
    keeps_for: timedelta | None = None
    default_mappings: Sequence[FieldMapping] = ()
    version_fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    changed_at: Mapping[str, str] = field(default_factory=dict)
    validate_mapping: Callable[[Sequence[FieldMapping]], Sequence[tuple[str, str]]] = lambda _: ()
    default_transform: Callable[[str, str], Mapping[str, Any] | None] = lambda _stream, _field: None
