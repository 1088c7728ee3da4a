"""Providers stand alone: no code outside their own names one.

A new provider is its adapter, its emulator, its case and its pages. Where code names a slug all the
same, the place and the reason stand here. Comments and docstrings may name a vendor as the source
of a fact.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from adapters import known_slugs
from tests.test_architecture import ROOT, tracked

ALLOWED: Mapping[str, str] = {
    "functions/openapi/document.py": "the API's introduction says what the product is for",
    "functions/openapi/examples.py": "examples in the OpenAPI document",
    "functions/openapi/parameters.py": "examples in the OpenAPI document",
    "shared/domain/suggestions.py": "a prefix of field names that says nothing",
    "shared/http/entra.py": "the resources Entra guards, which several providers share",
    "shared/http/errors.py": "the header a vendor gives its correlation id in",
    "local/stack/__main__.py": "a snapshot of one's own for the demo",
    "local/stack/demo.py": "the demo shows one provider of each kind",
    "local/stack/stack.py": "a snapshot of one's own for the demo, and its port",
    "local/sandbox/__main__.py": "the sandbox's command line: how much data, which ports",
    "local/sandbox/emulators.py": "the sandbox's command line",
    "local/sandbox/server.py": "the sandbox's command line",
}
"""Where code names a provider, and why a new provider has no business there."""

PLACES = ("adapters", "functions", "local", "ops", "shared", "function_app.py", "dev.py")
OWN = re.compile(r"adapters/\w+(/|\.py$)|local/sandbox/\w+/")
"""Where a provider and its emulator live. `adapters/__init__.py` is nobody's own."""


def words(path: Path) -> Iterator[str]:
    """Yield every name and every text of a file's code, its docstrings aside."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    told = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.arg | ast.keyword):
            yield node.arg or ""
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.alias | ast.FunctionDef | ast.ClassDef):
            yield node.name


def naming() -> dict[str, list[str]]:
    """Return the files that name a provider, each with what it says."""
    slug = re.compile("|".join(re.escape(one).replace(r"\-", "[-_ ]?") for one in known_slugs()))
    found = {}
    for path in tracked(*PLACES):
        name = path.relative_to(ROOT).as_posix()
        if path.suffix != ".py" or (OWN.match(name) and name != "adapters/__init__.py"):
            continue
        said = [word for word in words(path) if slug.search(word.lower())]
        if said:
            found[name] = said
    return found


def test_no_code_names_a_provider_but_its_own() -> None:
    """What is named anywhere else would have to be touched for the next provider too."""
    others = {name: said for name, said in naming().items() if name not in ALLOWED}
    assert others == {}


def test_every_exception_is_needed() -> None:
    """A place that names none any more loses its leave."""
    assert sorted(ALLOWED) == sorted(naming())


@pytest.mark.parametrize("name", ["settings", "services/platform", "domain/platform_options"])
def test_what_reads_the_options_names_no_provider(name: str) -> None:
    """The rule of names needs no list of providers."""
    assert f"shared/{name}.py" not in ALLOWED


def test_deployments_name_no_provider() -> None:
    """The Bicep files know one object of settings; only the example fills it."""
    for path in (ROOT / "infra").rglob("*.bicep"):
        text = re.sub(r"@description\('.*'\)|//.*", "", path.read_text(encoding="utf-8"))
        assert not [slug for slug in known_slugs() if slug in text.lower()]
