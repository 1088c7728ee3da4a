"""One entry per provider: all the contract suite needs to know of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from local.sandbox.convex import DEPLOY_KEY
from local.sandbox.oauth import delivery
from shared.domain.changes import Change, Delete, Upsert
from shared.errors import AuthError, PermanentError, TransientError
from tests import convex_kit, powerbi_kit
from tests.contract import documents
from tests.contract.bench import Emulator, FaultCase, ProviderCase, PushCase
from tests.sandbox_kit import PATIENCE, running_sandbox


@contextmanager
def _hubspot(folder: Path, *, deals: int = 300) -> Iterator[Emulator]:
    with running_sandbox(folder, deals=deals) as sandbox:
        entry = sandbox.directory["hubspot"]
        unlimited = {"search_per_second": 0}  # the suite does not really wait
        httpx.put(f"{entry['url']}/_limits", json=unlimited, timeout=PATIENCE).raise_for_status()
        yield Emulator.of(
            sandbox,
            "hubspot",
            credentials={"api_key": entry["token"]},
            options={"base_url": entry["url"]},
        )


@contextmanager
def _convex(folder: Path, *, source: str, plan: str) -> Iterator[Emulator]:
    export = folder / "export.zip"
    convex_kit.small_export(export)
    with convex_kit.serve(state_dir=folder, zip_file=export) as server:
        server.settle(plan=plan, pageRows=4)

        def fault(kind: str, *, count: int | None = None, **options: Any) -> None:
            server.fault(kind, count=count, **options)

        def has_struck(kind: str) -> bool:
            return all(one.struck for one in server.faults.active() if one.fault == kind)

        yield Emulator(
            credentials={"api_key": DEPLOY_KEY},
            options={"deployment_url": server.url, "source": source},
            fault=fault,
            heal=server.faults.clear,
            kinds=lambda: set(server.faults.kinds()["convex"]),
            has_struck=has_struck,
        )


@contextmanager
def _powerbi(folder: Path) -> Iterator[Emulator]:
    with running_sandbox(folder, deals=1) as sandbox:
        entry = sandbox.directory["powerbi"]
        unlimited = {"per_minute": 0}  # the suite does not really wait
        httpx.put(f"{entry['url']}/_limits", json=unlimited, timeout=PATIENCE).raise_for_status()
        yield Emulator.of(
            sandbox,
            "powerbi",
            credentials={"access_token": entry["token"]},
            options={"base_url": f"{entry['url']}/v1.0/myorg", "page_rows": "900"},
        )


@contextmanager
def _planner(folder: Path) -> Iterator[Emulator]:
    with running_sandbox(folder, deals=1, tasks=160) as sandbox:
        entry = sandbox.directory["graph"]
        httpx.put(
            f"{entry['url']}/_limits", json={"page_size": 12}, timeout=PATIENCE
        ).raise_for_status()
        yield Emulator.of(
            sandbox,
            "graph",
            credentials={"access_token": entry["token"]},
            options={"base_url": entry["url"]},
        )


def _new_task(records: Sequence[Upsert]) -> Mapping[str, Any]:
    return {
        "planId": records[0].record["planId"],
        "title": "Made by the suite",
        "description": "Notes",
    }


def _new_deal(records: Sequence[Upsert]) -> Mapping[str, Any]:
    known = records[0].record
    kept = {name: known[name] for name in ("pipeline", "dealstage", "hubspot_owner_id")}
    return {"dealname": "Made by the suite", "amount": "12.50", **kept}


def _first_is_gone(found: list[Change]) -> list[Change]:
    first, *others = found
    assert isinstance(first, Upsert)
    return [Delete(first.stream, first.key), *others]


_NO_HUBSPOT_TOKEN = {"api_key": "pat-na1-00000000-0000-0000-0000-000000000000"}

CASES = (
    ProviderCase(
        slug="hubspot",
        scope="deals",
        start=_hubspot,
        bad_credentials=_NO_HUBSPOT_TOKEN,
        least_pages=6,
        sign_in_faults=frozenset(delivery.KINDS),
        push=PushCase(
            stream="deals",
            make=_new_deal,
            change={"dealname": "Changed by the suite", "amount": "99", "hubspot_owner_id": None},
        ),
        faults=(
            FaultCase(kind="repeated_after", ends_in=PermanentError),
            FaultCase(kind="malformed", options={"count": 2}),
            FaultCase(kind="search_lag", act="incremental"),
            FaultCase(kind="multi_status", act="get", alters=_first_is_gone),
            FaultCase(
                kind="multi_status",
                options={"category": "INTERNAL_ERROR"},
                act="get",
                ends_in=TransientError,
            ),
            FaultCase(
                kind="multi_status",
                options={"count": 1, "path": "upsert"},
                act="push",
                outcomes=("rejected/created",),
            ),
            FaultCase(kind="half_written", options={"count": 1}, act="push"),
            FaultCase(kind="shuffled", act="push"),
            FaultCase(kind="daily_limit", ends_in=TransientError),
            FaultCase(kind="daily_limit", act="push", ends_in=TransientError),
            FaultCase(kind="server_error", options={"status": 502, "count": 3}),
            FaultCase(kind="server_error", options={"status": 477}, ends_in=TransientError),
            FaultCase(kind="server_error", options={"status": 414}, ends_in=PermanentError),
            FaultCase(kind="server_error", options={"status": 403}, ends_in=AuthError),
        ),
    ),
    ProviderCase(
        slug="hubspot",
        variant="companies",
        scope="companies",
        start=partial(_hubspot, deals=1200),
        bad_credentials=_NO_HUBSPOT_TOKEN,
        push=PushCase(
            stream="companies",
            make=lambda _: {"name": "Made by the suite", "domain": "suite.example"},
            change={"name": "Changed by the suite", "numberofemployees": "12"},
        ),
    ),
    ProviderCase(
        slug="hubspot",
        variant="contacts",
        scope="contacts",
        start=_hubspot,
        bad_credentials=_NO_HUBSPOT_TOKEN,
        least_pages=2,
        push=PushCase(
            stream="contacts",
            make=lambda _: {"firstname": "Made by the suite", "email": "suite@mail.example"},
            change={"firstname": "Changed by it", "lastname": "Too"},
        ),
        faults=(FaultCase(kind="search_lag", act="incremental"),),
    ),
    ProviderCase(
        slug="hubspot",
        variant="owners",
        scope="owners",
        start=_hubspot,
        bad_credentials=_NO_HUBSPOT_TOKEN,
        least_pages=2,
        incremental=False,
        is_only_read=True,
    ),
    ProviderCase(
        slug="hubspot",
        variant="pipelines",
        scope="pipelines",
        start=_hubspot,
        bad_credentials=_NO_HUBSPOT_TOKEN,
        least_pages=1,
        incremental=False,
        is_only_read=True,
    ),
    ProviderCase(
        slug="convex",
        variant="data-sync",
        scope="*",
        start=partial(_convex, source="sync", plan="pro"),
        bad_credentials={"api_key": "prod:sandbox-animal-123|00000000"},
        can_get=False,
        document=documents.convex,
        faults=(
            FaultCase(kind="malformed", options={"count": 2, "path": "/api/v1/data/sync"}),
            FaultCase(kind="cursor_expired", ends_in=TransientError),
            FaultCase(kind="cursor_invalid", ends_in=TransientError),
            FaultCase(kind="no_data_sync", ends_in=PermanentError),
            FaultCase(kind="no_column_names", act="discover"),
            FaultCase(kind="no_system_queries", act="discover"),
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
            FaultCase(kind="wrong_length", options={"count": 1}, ends_in=PermanentError),
            FaultCase(kind="corrupt", options={"count": 1}, ends_in=PermanentError),
        ),
    ),
    ProviderCase(
        slug="powerbi",
        scope=f"{powerbi_kit.AVIATION}/{powerbi_kit.FLIGHTS}/planes",
        start=_powerbi,
        bad_credentials={"access_token": "pbi-00000000-0000-0000-0000-000000000000"},
        least_pages=4,
        document=documents.powerbi,
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
        ),
    ),
    ProviderCase(
        slug="planner",
        scope="tasks",
        start=_planner,
        bad_credentials={"access_token": "graph-00000000-0000-0000-0000-000000000000"},
        least_pages=8,
        document=documents.planner,
        push=PushCase(stream="tasks", make=_new_task, change={"title": "Changed by the suite"}),
        faults=(
            FaultCase(kind="repeated_link", ends_in=PermanentError),
            FaultCase(kind="expired_link", ends_in=PermanentError),
            FaultCase(kind="batch_throttled", options={"count": 3}),
            FaultCase(kind="batch_throttled", ends_in=TransientError),
            FaultCase(kind="forbidden", ends_in=AuthError),
            FaultCase(kind="malformed", options={"count": 2}),
            FaultCase(kind="malformed", options={"count": 2, "path": "/$batch"}),
            FaultCase(kind="truncated", options={"count": 2, "path": "/$batch"}),
            FaultCase(kind="server_error", options={"status": 504, "count": 3}),
            FaultCase(kind="server_error", options={"status": 403}, ends_in=AuthError),
            FaultCase(kind="server_error", options={"status": 400}, ends_in=PermanentError),
            FaultCase(kind="conflict", options={"count": 2}, act="push"),
            FaultCase(kind="edited", options={"count": 1, "fields": {"priority": 9}}, act="push"),
            FaultCase(kind="quota", act="push", outcomes=("rejected",)),
            FaultCase(kind="late_create", options={"count": 2}, act="push"),
        ),
    ),
)
