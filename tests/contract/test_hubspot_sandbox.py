"""HubSpot's adapter against the emulator, where time matters."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters import find_provider
from shared.domain.changes import Delete, Page, Upsert
from shared.domain.checkpoints import Checkpoint
from shared.ports.provider import ConnectRequest, Credentials
from tests.sandbox_kit import Running, running_sandbox


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Running]:
    with running_sandbox(tmp_path, deals=1200) as running:
        yield running


def read(sandbox: Running, checkpoint: Checkpoint | None = None, **options: str) -> list[Page]:
    """Return all pages after the checkpoint; every wait is a real one."""
    entry = sandbox.directory["hubspot"]
    connection = find_provider("hubspot").connect(
        ConnectRequest(
            credentials=Credentials(values={"api_key": entry["token"]}),
            options={"base_url": entry["url"], **options},
            selection={"deals": ["dealname", "amount"]},
            work_dir=Path("unused"),
            sleep=time.sleep,
            allow_private_hosts=True,
        )
    )
    try:
        return list(connection.read("deals", checkpoint))
    finally:
        connection.close()


def keys_of(pages: list[Page], kind: type[Any] = Upsert) -> list[str]:
    return [c.key for page in pages for c in page.changes if isinstance(c, kind)]


def change(sandbox: Running, **changes: Any) -> Any:
    with sandbox.hubspot() as client:
        return client.post("/_deals", json=changes).raise_for_status().json()


def test_what_changes_between_two_reads_is_read_next(sandbox: Running) -> None:
    """Created, changed, archived and restored deals arrive as what they are."""
    first = read(sandbox)
    live, gone = keys_of(first), keys_of(first, Delete)
    created = change(
        sandbox,
        create=[{"properties": {"dealname": "New"}}],
        patch=[{"id": live[3], "properties": {"amount": "12.50"}}],
        archive=[live[5]],
        restore=[gone[0]],
    )["created"]
    second = read(sandbox, first[-1].checkpoint)
    assert {*created, live[3], gone[0]} <= set(keys_of(second))
    assert live[5] in keys_of(second, Delete)
    assert gone[0] not in keys_of(second, Delete)
    changed = [c for page in second for c in page.changes if isinstance(c, Upsert)]
    assert {c.key: c.record["amount"] for c in changed}[live[3]] == "12.50"


def test_what_the_search_shows_late_is_not_lost(sandbox: Running) -> None:
    """A read that came too early for the index leaves its watermark where the next one sees it."""
    end = read(sandbox)[-1].checkpoint
    change(sandbox, touch=1)
    sandbox.fault("hubspot", "search_lag", seconds=60)
    early = read(sandbox, end)
    sandbox.heal()
    late = read(sandbox, early[-1].checkpoint)
    assert len(keys_of(late)) == len(keys_of(early)) + 1


def test_searches_stay_within_five_a_second(sandbox: Running) -> None:
    """Reading many pages by search meets no 429 on its way."""
    pages = read(sandbox, Checkpoint(watermark=0), overlap_seconds="0")
    assert len(set(keys_of(pages))) == len(keys_of(pages)) == 1200
    with sandbox.hubspot() as client:
        report = client.get(f"{sandbox.url}/_requests").json()["hubspot"]["requests"]
    searches = {row["status"]: row["count"] for row in report if row["path"].endswith("/search")}
    assert list(searches) == [200]
    assert searches[200] > 5
