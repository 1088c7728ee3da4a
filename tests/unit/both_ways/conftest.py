from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.both_ways_kit import BothWays, both_ways
from tests.sandbox_kit import Running, running_sandbox


@pytest.fixture(scope="package")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), deals=1, tasks=1) as running:
        yield running


@pytest.fixture
def pair(tmp_path: Path, sandbox: Running) -> Iterator[BothWays]:
    with both_ways(tmp_path, sandbox) as made:
        yield made
