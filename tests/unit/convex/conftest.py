from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.convex_kit import Server, serve, small_export


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Return an emulator whose exports are the small one."""
    small_export(tmp_path / "export.zip")
    with serve(state_dir=tmp_path / "state", zip_file=tmp_path / "export.zip") as running:
        yield running


@pytest.fixture
def work_dir(tmp_path: Path) -> Path:
    return tmp_path / "work"
