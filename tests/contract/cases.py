"""One entry per provider: all the contract suite needs to know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from local.sandbox.convex import DEPLOY_KEY
from shared.errors import AuthError, PermanentError, SyncError, TransientError
from tests import convex_kit, powerbi_kit
from tests.sandbox_kit import running_sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """A provider's emulator that answers on loopback, and the way into it.

    `fault(kind, **options)` switches a fault on, `heal()` all of them off.
    """

    credentials: Mapping[str, str]
    options: Mapping[str, str]
    fault: Callable[..., None]
    heal: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultCase:
    """A bad day: what is switched on, and what a read from the start ends in.

    `ends_in` None: the read comes through, with exactly what it gives on a good day.
    """

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    ends_in: type[SyncError] | None = None

    @property
    def id(self) -> str:
        """A name for the test's parameter."""
        end = self.ends_in.__name__ if self.ends_in else "recovers"
        return "-".join([self.kind, *(str(value) for value in self.options.values()), end])


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCase:
    """How the suite tests one provider, or one way of reading it.

    `start(folder)` runs its emulator, with data for at least `least_pages` pages. `bad_credentials`
    have the right form but open nothing. `can_get`: single records can be read; where not, `get`
    is refused with PermanentError. `incremental`: reads end with a watermark; None: as the spec
    says. `variant` names one of several ways to read the provider. `faults` are the emulator's own
    and the common ones with other ends than usual; 401, 429, 503, slow and cut answers are tested
    for every provider anyway.
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


@contextmanager
def _hubspot(folder: Path) -> Iterator[Emulator]:
    with running_sandbox(folder, deals=300) as sandbox:
        entry = sandbox.directory["hubspot"]
        unlimited = {"search_per_second": 0}  # the suite does not really wait
        httpx.put(f"{entry['url']}/_limits", json=unlimited).raise_for_status()
        yield Emulator(
            credentials={"api_key": entry["token"]},
            options={"base_url": entry["url"]},
            fault=lambda kind, **options: sandbox.fault("hubspot", kind, **options),
            heal=sandbox.heal,
        )


@contextmanager
def _convex(folder: Path, *, source: str, plan: str) -> Iterator[Emulator]:
    export = folder / "export.zip"
    convex_kit.small_export(export)
    with convex_kit.serve(state_dir=folder, zip_file=export) as server:
        server.settle(plan=plan, pageRows=4)

        def fault(kind: str, *, count: int | None = None, **options: Any) -> None:
            server.fault(kind, count=count, **options)

        yield Emulator(
            credentials={"api_key": DEPLOY_KEY},
            options={"deployment_url": server.url, "source": source},
            fault=fault,
            heal=server.faults.clear,
        )


@contextmanager
def _powerbi(folder: Path) -> Iterator[Emulator]:
    with running_sandbox(folder, deals=1) as sandbox:
        entry = sandbox.directory["powerbi"]
        unlimited = {"per_minute": 0}  # the suite does not really wait
        httpx.put(f"{entry['url']}/_limits", json=unlimited).raise_for_status()
        yield Emulator(
            credentials={"access_token": entry["token"]},
            options={"base_url": f"{entry['url']}/v1.0/myorg", "page_rows": "900"},
            fault=lambda kind, **options: sandbox.fault("powerbi", kind, **options),
            heal=sandbox.heal,
        )


@contextmanager
def _planner(folder: Path) -> Iterator[Emulator]:
    with running_sandbox(folder, deals=1, tasks=160) as sandbox:
        entry = sandbox.directory["graph"]
        httpx.put(f"{entry['url']}/_limits", json={"page_size": 12}).raise_for_status()
        yield Emulator(
            credentials={"access_token": entry["token"]},
            options={"base_url": entry["url"]},
            fault=lambda kind, **options: sandbox.fault("graph", kind, **options),
            heal=sandbox.heal,
        )


CASES = (
    ProviderCase(
        slug="hubspot",
        scope="deals",
        start=_hubspot,
        bad_credentials={"api_key": "pat-na1-00000000-0000-0000-0000-000000000000"},
        least_pages=6,
        faults=(
            FaultCase(kind="repeated_after", ends_in=PermanentError),
            FaultCase(kind="malformed", options={"count": 2}),
            FaultCase(kind="clock_skew", options={"seconds": 86_400}),
            FaultCase(kind="server_error", options={"status": 502, "count": 3}),
            FaultCase(kind="server_error", options={"status": 477}, ends_in=TransientError),
            FaultCase(kind="server_error", options={"status": 414}, ends_in=PermanentError),
            FaultCase(kind="server_error", options={"status": 403}, ends_in=AuthError),
        ),
    ),
    ProviderCase(
        slug="convex",
        variant="data-sync",
        scope="*",
        start=partial(_convex, source="sync", plan="pro"),
        bad_credentials={"api_key": "prod:sandbox-animal-123|00000000"},
        can_get=False,
        faults=(
            FaultCase(kind="malformed", options={"count": 2, "path": "/api/v1/data/sync"}),
            FaultCase(kind="cursor_expired", ends_in=TransientError),
            FaultCase(kind="cursor_invalid", ends_in=TransientError),
            FaultCase(kind="no_data_sync", ends_in=PermanentError),
            FaultCase(kind="forbidden", ends_in=AuthError),
            FaultCase(kind="server_error", options={"status": 503, "count": 3}),
        ),
    ),
    ProviderCase(
        slug="convex",
        variant="snapshot",
        scope="*",
        start=partial(_convex, source="auto", plan="free"),
        bad_credentials={"api_key": "prod:sandbox-animal-123|00000000"},
        can_get=False,
        incremental=False,
        faults=(
            FaultCase(kind="export_in_progress", options={"count": 2}),
            FaultCase(kind="malformed", options={"count": 2, "path": "/api/query"}),
            FaultCase(kind="export_failed", options={"count": 1}, ends_in=TransientError),
            FaultCase(kind="export_canceled", options={"count": 1}, ends_in=PermanentError),
            FaultCase(kind="export_slow", options={"polls": 4}),
            FaultCase(kind="forbidden", ends_in=AuthError),
            FaultCase(kind="expired", options={"count": 1}),
            FaultCase(kind="expired", ends_in=TransientError),
            FaultCase(kind="no_ranges"),
        ),
    ),
    ProviderCase(
        slug="powerbi",
        scope=f"{powerbi_kit.AVIATION}/{powerbi_kit.FLIGHTS}/planes",
        start=_powerbi,
        bad_credentials={"access_token": "pbi-00000000-0000-0000-0000-000000000000"},
        least_pages=4,
        faults=(
            FaultCase(kind="said_cut", options={"place": "top", "count": 1}),
            FaultCase(kind="said_cut", options={"place": "result", "count": 1}),
            FaultCase(kind="said_cut", options={"place": "table", "count": 1}),
            FaultCase(kind="said_cut", options={"place": "top"}, ends_in=PermanentError),
            FaultCase(kind="said_cut", options={"place": "result"}, ends_in=PermanentError),
            FaultCase(kind="said_cut", options={"place": "table"}, ends_in=PermanentError),
            FaultCase(kind="silent_cut"),
            FaultCase(kind="wrong_count", options={"count": 1}),
            FaultCase(kind="wrong_count", ends_in=PermanentError),
            FaultCase(kind="no_info_view", ends_in=PermanentError),
            FaultCase(kind="query_failed", ends_in=PermanentError),
            FaultCase(kind="empty_refusal", ends_in=AuthError),
            FaultCase(kind="empty_refusal", options={"status": 401}, ends_in=AuthError),
            FaultCase(kind="token_expired", ends_in=AuthError),
            FaultCase(kind="hidden", ends_in=PermanentError),
            FaultCase(kind="no_refresh_history"),
            FaultCase(kind="nulls_left_out"),
            FaultCase(kind="malformed", options={"count": 2, "path": "/executeQueries"}),
            FaultCase(kind="clock_skew", options={"seconds": 86_400}),
        ),
    ),
    ProviderCase(
        slug="planner",
        scope="tasks",
        start=_planner,
        bad_credentials={"access_token": "graph-00000000-0000-0000-0000-000000000000"},
        least_pages=8,
        faults=(
            FaultCase(kind="repeated_link", ends_in=PermanentError),
            FaultCase(kind="expired_link", ends_in=PermanentError),
            FaultCase(kind="batch_throttled", options={"count": 3}),
            FaultCase(kind="batch_throttled", ends_in=TransientError),
            FaultCase(kind="forbidden", ends_in=AuthError),
            FaultCase(kind="malformed", options={"count": 2}),
            FaultCase(kind="malformed", options={"count": 2, "path": "/$batch"}),
            FaultCase(kind="truncated", options={"count": 2, "path": "/$batch"}),
            FaultCase(kind="clock_skew", options={"seconds": 86_400}),
            FaultCase(kind="server_error", options={"status": 504, "count": 3}),
            FaultCase(kind="server_error", options={"status": 403}, ends_in=AuthError),
            FaultCase(kind="server_error", options={"status": 400}, ends_in=PermanentError),
            FaultCase(kind="conflict"),
            FaultCase(kind="edited"),
            FaultCase(kind="quota"),
            FaultCase(kind="late_create"),
        ),
    ),
)
