from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 350
IMPORTS_ACROSS = {
    "shared/domain/broken.py": ("import shared.services.jobs", "Inside shared"),
    "shared/store/broken.py": ("import shared.services.jobs", "The store knows"),
    "shared/services/broken.py": ("import shared.sinks", "Only bootstrap and ops"),
    "shared/engine/broken.py": ("import sqlalchemy", "Heavy SDKs"),
    "adapters/hubspot/broken.py": ("import adapters.convex", "Adapters never import each other"),
    "adapters/convex/broken.py": ("import shared.settings", "Adapters know only"),
    "adapters/broken.py": ("import functions.jobs", "Driving side"),
    "ops/broken.py": ("import local.azurite", "Nothing in the product imports the local stack"),
}


def tracked(*patterns: str) -> list[Path]:
    """Return what git tracks or would; outside a checkout, every file."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for line in done.stdout.splitlines() if (path := ROOT / line).is_file()]


def test_no_file_is_longer_than_a_person_reads_at_once() -> None:
    """Source files stay under the house's limit of lines."""
    long = {
        str(path.relative_to(ROOT)): lines
        for path in tracked("*.py")
        if "migrations/versions" not in str(path)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST
    }
    assert long == {}


def test_nothing_names_this_machine_or_a_registry() -> None:
    """No committed text carries an absolute path of a developer's machine or a registry's host."""
    found = re.compile(r"/(?:home|Users|work)/\w|pypi\.org|registry\.npmjs|files\.pythonhosted")
    here = Path(__file__).resolve()
    offenders = []
    for path in tracked():
        if path.resolve() == here or path.suffix in {".png", ".ico", ".zip"}:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if found.search(line):
                offenders.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert offenders == []


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_import_contracts_hold() -> None:
    """Imports point one way, as pyproject.toml draws it."""
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def copy_of_the_house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house")
    for path in tracked("*.py", "pyproject.toml"):
        relative = path.relative_to(ROOT)
        if relative.parts[0] in {"tests", "benchmarks"}:
            continue
        target = folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return folder


@pytest.mark.parametrize("place", IMPORTS_ACROSS)
def test_a_forbidden_import_is_found(copy_of_the_house: Path, place: str) -> None:
    """Each contract fails when it is broken on purpose, and names itself."""
    statement, contract = IMPORTS_ACROSS[place]
    broken = copy_of_the_house / place
    broken.write_text(f'"""Broken on purpose."""\n\n{statement}\n', encoding="utf-8")
    try:
        done = lint_imports(copy_of_the_house)
    finally:
        broken.unlink()
    assert done.returncode != 0
    kept_or_broken = {line for line in done.stdout.splitlines() if "BROKEN" in line}
    assert any(contract in line for line in kept_or_broken), done.stdout
