"""What an import loads. Each is watched in a fresh interpreter: here everything is loaded."""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import adapters

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "alembic",
    "azure.core",
    "azure.identity",
    "azure.keyvault",
    "azure.storage",
    "cryptography",
    "httpx",
    "jwt",
    "pydantic",
    "pyodbc",
    "smtplib",
    "sqlalchemy",
    "stamina",
)
ADAPTERS = sorted(module.name for module in pkgutil.iter_modules(adapters.__path__))
DOMAIN = sorted(path.stem for path in (ROOT / "shared" / "domain").glob("[!_]*.py"))


@cache
def loaded_by(*modules: str) -> frozenset[str]:
    """Return the modules in memory after importing these, without any setting present."""
    code = f"import sys, {', '.join(modules)}, json; print(json.dumps(sorted(sys.modules)))"
    kept = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
    shown = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=kept,
        stdout=subprocess.PIPE,
        check=True,
        timeout=300,
    )
    return frozenset(json.loads(shown.stdout))


def installed(modules: frozenset[str]) -> set[str]:
    """Return the packages among the modules that are not of the standard library."""
    names = {module.partition(".")[0] for module in modules} - set(sys.stdlib_module_names)
    # The standard library's one module whose name depends on the platform.
    return {name for name in names if not name.startswith("_sysconfigdata")}


@pytest.mark.parametrize("package", HEAVY)
def test_the_app_loads_no_heavy_package(package: str) -> None:
    """A cold start pays for an SDK only when a request needs it."""
    assert package not in loaded_by("function_app")


def test_the_app_adds_no_package_to_those_the_platform_loads() -> None:
    """What the Functions library loads itself (orjson where it is installed) is there already."""
    added = installed(loaded_by("function_app")) - installed(loaded_by("azure.functions"))
    assert added == {"function_app", "functions", "shared"}


@pytest.mark.parametrize("route", ["providers", "profiles"])
def test_an_answer_without_a_body_needs_no_pydantic(route: str) -> None:
    """The models of request bodies are loaded with the first body."""
    assert "pydantic" not in loaded_by(f"functions.{route}", "shared.settings")


def test_the_app_knows_no_adapter_before_one_is_needed() -> None:
    """The catalogue is read from the database."""
    assert not {name for name in loaded_by("function_app") if name.startswith("adapters")}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_catalogue_entry_loads_no_client(adapter: str) -> None:
    """Listing the adapters reads what they say of themselves, not how they talk."""
    assert not {"httpx", "orjson", "pydantic"} & loaded_by(f"adapters.{adapter}")


def test_there_are_adapters_to_look_at() -> None:
    """The parametrized test above is not empty."""
    assert {"convex", "hubspot"} <= set(ADAPTERS)


def test_the_domain_stands_on_the_standard_library() -> None:
    """Rules need nothing that has to be installed."""
    loaded = installed(loaded_by(*(f"shared.domain.{name}" for name in DOMAIN)))
    assert loaded == installed(loaded_by("shared"))
