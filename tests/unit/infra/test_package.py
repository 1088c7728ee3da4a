"""What `func azure functionapp publish` packs: the app, and nothing of the workshop."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import PurePosixPath

import pytest

from tests.infra_kit import ROOT


def is_ignored(path: str) -> bool:
    """Return whether a pattern of .funcignore matches a part of the path, as git would match."""
    lines = (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    return any(fnmatch(part, pattern) for part in PurePosixPath(path).parts for pattern in patterns)


def test_the_whole_app_is_packed() -> None:
    """Every file that the deployed app imports or the host reads goes into the package."""
    needed = ["function_app.py", "host.json", "requirements.txt"]
    for folder in ("adapters", "functions", "shared"):
        found = [
            path.relative_to(ROOT).as_posix()
            for kind in ("*.py", "*.html")
            for path in (ROOT / folder).rglob(kind)
        ]
        assert found
        needed += found
    assert [path for path in needed if is_ignored(path)] == []


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".local/vault.bin",
        ".local/vault.bin.key",
        ".mypy_cache/x",
        ".venv/bin/python",
        "app.db",
        "dev.py",
        "docs/deploy.md",
        "functions/__pycache__/jobs.cpython-311.pyc",
        "infra/main.bicep",
        "local/host/__init__.py",
        "local.settings.json",
        "ops/migrate.py",
        "requirements-dev.txt",
        "tests/unit/infra/test_package.py",
    ],
)
def test_the_workshop_stays_at_home(path: str) -> None:
    """Secrets of a development machine, tests, documents and tools are not packed."""
    assert is_ignored(path)
