from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.sandbox_kit import Running, running_sandbox


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
