from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import VENDOR_DOCUMENTS
from tests.sandbox_kit import Running, running_sandbox

HUBSPOT_DOCUMENTS = Path(os.environ.get("HUBSPOT_DOCUMENTS") or VENDOR_DOCUMENTS / "hubspot")
"""Where a reader may have put HubSpot's documents, which nobody but HubSpot may pass on."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if HUBSPOT_DOCUMENTS.is_dir():
        return
    absent = [item for item in items if item.path.name == "test_hubspot_document.py"]
    config.hook.pytest_deselected(items=absent)
    items[:] = [item for item in items if item not in absent]


@pytest.fixture(scope="module")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture
def sandbox(shared_sandbox: Running) -> Iterator[Running]:
    yield shared_sandbox
    shared_sandbox.heal()


@pytest.fixture
def hubspot(sandbox: Running) -> Iterator[httpx.Client]:
    with sandbox.hubspot() as client:
        client.put("/_limits", json={"search_per_second": 0}).raise_for_status()
        yield client


@pytest.fixture
def linkhub(sandbox: Running) -> Iterator[httpx.Client]:
    with sandbox.linkhub("profile-1") as client:
        yield client
        client.delete("/_records").raise_for_status()
