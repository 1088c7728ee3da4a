"""A provider added from outside: its adapter, its emulator and its case, and nothing else.

Copies of the Toybox's two files are put where adapters and emulators are looked for. Nothing in
the product, the sandbox or the stack was told of them.
"""

from __future__ import annotations

import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import adapters
import local.sandbox
from adapters import find_provider, known_slugs
from local.stack.stack import provider_settings
from ops import seed
from tests.contract.bench import Bench, Emulator
from tests.contract.checks import CHECKS, Check
from tests.functions.kit import HttpWorld
from tests.sandbox_kit import Running, running_sandbox
from tests.toy import adapter, emulator
from tests.toy.kit import TOY_CASE

TOYS = 14


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Put the files there, and take them away again."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("added")
        (folder / "adapters").mkdir()
        shutil.copy(str(adapter.__file__), folder / "adapters" / "toy.py")
        (folder / "sandbox" / "toy").mkdir(parents=True)
        shutil.copy(str(emulator.__file__), folder / "sandbox" / "toy" / "__init__.py")
        for package, place in ((adapters, "adapters"), (local.sandbox, "sandbox")):
            patch.setattr(package, "__path__", [*package.__path__, str(folder / place)])
        yield
        for name in ("adapters.toy", "local.sandbox.toy"):
            sys.modules.pop(name, None)
        for package in (adapters, local.sandbox):
            vars(package).pop("toy", None)


@pytest.fixture(scope="module")
def sandbox(added: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), deals=1, tasks=10) as running:
        yield running


@pytest.fixture
def toy_world(
    sandbox: Running,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> HttpWorld:
    """Return the app as the stack would set it up over this sandbox."""
    linkhub = sandbox.directory["linkhub"]
    settings = {
        **provider_settings(sandbox.directory),
        "LINKHUB_API_URL": linkhub["url"],
        "LINKHUB_API_KEY": linkhub["key"],
        "ALLOW_PRIVATE_HOSTS": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    found: HttpWorld = request.getfixturevalue("world")
    for name in ("connector", "open_sink"):  # the kit's; the real ones are made when next used
        del found.app.__dict__[name]
    seed.run(Namespace(), os.environ)
    return found


def test_a_sync_of_a_provider_nobody_was_told_of(toy_world: HttpWorld, sandbox: Running) -> None:
    """It is in the catalogue, connects, suggests its mapping and syncs, all through the API."""
    assert "toy" in known_slugs()
    ada = toy_world.ada
    assert "toy" in {item["slug"] for item in ada.get("providers").json["items"]}
    instance_id = ada.post("instances", {"provider": "toy"}).json["id"]
    path = f"instances/{instance_id}"
    key = sandbox.directory["toy"]["key"]
    connected = ada.put(f"{path}/connection", {"apiKey": key, "options": {}})
    assert connected.status == 200, connected.body
    rules = ada.get(f"{path}/mappings").json["mappings"]
    assert ada.put(f"{path}/mappings", {"mappings": rules}).status == 200
    assert ada.put(f"{path}/sync-config", {}).status == 200
    job_id = ada.post(f"{path}/activate").json["job"]["id"]
    toy_world.run(job_id)
    job = ada.get(f"jobs/{job_id}").json
    assert (job["status"], job["counts"]["success"]) == ("success", TOYS)
    assert sandbox.control.get("/linkhub/_state").json()["initiatives"] == TOYS


@pytest.mark.parametrize("check", [one for one in CHECKS if not one.absent(TOY_CASE)])
def test_its_case_is_enough_for_the_suite(check: Check, sandbox: Running, tmp_path: Path) -> None:
    """The contract suite runs on it as found by its slug, over the sandbox it was added to."""
    entry: dict[str, Any] = sandbox.directory["toy"]
    emulated = Emulator.of(
        sandbox,
        "toy",
        credentials={"api_key": entry["key"]},
        options={"base_url": entry["url"]},
    )
    bench = Bench(TOY_CASE, emulated, tmp_path)
    bench.provider = find_provider("toy")
    try:
        check.run(bench)
    finally:
        bench.rest()
