"""The fixtures of the function tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from functions import bootstrap
from shared.store.tables import metadata
from tests.functions.kit import HttpWorld
from tests.functions.oauth_kit import Desk, opened_desk
from tests.issuer_kit import AUDIENCE, Issuer, running_issuer
from tests.sandbox_kit import Running, running_sandbox
from tests.warehouse_access_kit import FakeProbe
from tests.world import Clock


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    with running_issuer() as issuer:
        yield issuer


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, issuer: Issuer) -> Iterator[HttpWorld]:
    """Yield the app of this process, made from the environment over empty stores."""
    settings = {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'app.db'}",
        "LOCAL_VAULT_PATH": str(tmp_path / "vault"),
        "OIDC_ISSUER": issuer.url,
        "OIDC_AUDIENCE": AUDIENCE,
        "WORK_DIR": str(tmp_path),
        "WAREHOUSE_URL": f"sqlite:///{tmp_path / 'warehouse.db'}",
        "KEY_VAULT_URL": "",
        # The clock of these tests stands still: no token would ever come back.
        "WRITES_BURST": "1000000",
        "READS_BURST": "1000000",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    bootstrap.app.cache_clear()
    made = bootstrap.app()
    metadata.create_all(made.database.engine)
    made.__dict__["warehouse_probe"] = FakeProbe()
    yield HttpWorld(app=made, issuer=issuer, folder=tmp_path, clock=Clock())
    made.database.dispose()
    bootstrap.app.cache_clear()


@pytest.fixture(scope="session")
def oauth_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), deals=20) as running:
        yield running


@pytest.fixture
def desk(
    oauth_sandbox: Running, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Desk]:
    """Yield the app with its real adapters, over the sandbox."""
    with opened_desk(oauth_sandbox, monkeypatch, request) as opened:
        yield opened


@pytest.fixture
def hubspot_id(desk: Desk) -> str:
    """Return Ada's new HubSpot instance, not connected yet."""
    return desk.new_instance(desk.world.ada)
