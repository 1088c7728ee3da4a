"""Packages that load their parts late. Fresh interpreters show what loading one part needs."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from shared import lazy

ROOT = Path(__file__).resolve().parents[2]
TABLES = sorted(
    path.stem
    for path in (ROOT / "shared" / "store" / "tables").glob("[!_]*.py")
    if path.stem != "base"
)
STATEMENTS = """
from importlib import import_module
from sqlalchemy import Table, delete, insert, select, update
from sqlalchemy.dialects import mssql, sqlite
loaded = vars(import_module("shared.store.tables.{module}")).values()
tables = [one for one in loaded if isinstance(one, Table)]
assert tables
for table in tables:
    for dialect in (mssql.dialect(), sqlite.dialect()):
        for make in (select, insert, update, delete):
            make(table).compile(dialect=dialect)
"""
REPOSITORIES = """
from shared.store.database import Database
with Database("sqlite://").open_uow(read_only=True) as uow:
    assert uow.{name} is uow.{name}
    assert uow.{name}
"""
WAREHOUSES = """
import shared.store.tables
shared.store.tables.table_generations  # its module has the name of another table
from sqlalchemy import Table
from shared.store.tables import warehouses
assert isinstance(warehouses, Table)
"""


def run(code: str) -> None:
    """Run the code in a fresh interpreter and expect it to end well."""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=300)


@pytest.mark.parametrize("module", TABLES)
def test_tables_of_one_module_stand_alone(module: str) -> None:
    """Every kind of statement compiles while no other module's tables are loaded."""
    run(STATEMENTS.format(module=module))


def test_a_table_named_like_its_module_is_the_table() -> None:
    """Python binds a loaded submodule to its package: the table must win."""
    run(WAREHOUSES)


def test_the_metadata_is_of_all_tables() -> None:
    """A migration compares with every table, whichever were used before."""
    run(
        "from shared.store.tables import outbox, metadata; import shared.store.tables as t;"
        "names = {name for names in t._NAMES.values() for name in names.split()} - {'metadata'};"
        "assert set(metadata.tables) == names, names ^ set(metadata.tables)"
    )


@pytest.mark.parametrize("name", ["providers", "jobs", "logs", "mappings"])
def test_a_repository_is_loaded_alone_and_made_once(name: str) -> None:
    """A unit of work gives the same repository each time it is asked."""
    run(REPOSITORIES.format(name=name))


@pytest.mark.parametrize(
    ("package", "typed"),
    [
        ("functions.schemas", "functions/schemas/__init__.py"),
        ("shared.store.repositories", "shared/store/repositories/__init__.py"),
        ("shared.store.tables", "shared/store/tables/__init__.py"),
    ],
)
def test_what_type_checkers_see_is_what_there_is(package: str, typed: str) -> None:
    """Each name in the imports for type checkers is found, and in that very module."""
    text = (ROOT / typed).read_text(encoding="utf-8")
    imports = re.findall(rf"from ({package}\.\w+) import \(?\s*(\w+) as", text)
    assert imports
    for module, name in imports:
        expected = getattr(import_module(module), name)
        assert getattr(import_module(package), name) is expected


def test_an_unknown_part_is_an_import_error() -> None:
    """A typing mistake is told at the import, as ever."""
    with pytest.raises(ImportError):
        exec("from shared.services import no_such_service", {})  # noqa: S102  an import that fails
    with pytest.raises(ImportError):
        exec("from functions.schemas import NoSuchSchema", {})  # noqa: S102  likewise


def test_a_late_module_behaves_as_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read from it, written to it or taken away is the module's own."""
    module = import_module("shared.services.readiness")
    late = lazy.submodules("shared.services")("readiness")
    assert late.check_readiness is module.check_readiness
    monkeypatch.setattr(late, "MARK", 1, raising=False)
    assert module.MARK == 1
    monkeypatch.undo()
    assert not hasattr(module, "MARK")
    assert vars(late) is vars(module)


def test_threads_may_use_a_late_module_first_together() -> None:
    """Two first requests at once both get the whole module."""
    run(
        "from threading import Barrier, Thread\n"
        "from shared.services import jobs\n"
        "gate, found = Barrier(8), []\n"
        "def use():\n"
        "    gate.wait()\n"
        "    found.append(jobs.cancel_job)\n"
        "threads = [Thread(target=use) for _ in range(8)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "assert len(found) == 8 and len(set(found)) == 1\n"
    )
