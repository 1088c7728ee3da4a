from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.store.database import Database
from tests.linkhub_kit import Bench, open_store
from tests.sandbox_kit import Running, running_sandbox


@pytest.fixture(scope="package")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), deals=1) as running:
        yield running


@pytest.fixture
def running(sandbox: Running) -> Running:
    """Give the sandbox, without faults and with its counters at nothing."""
    sandbox.heal()
    return sandbox


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_store(tmp_path / "app.db") as database:
        yield database


@pytest.fixture
def bench(database: Database, running: Running) -> Iterator[Bench]:
    bench = Bench(database, running)
    yield bench
    bench.close()
