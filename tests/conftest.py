"""What every test gets: no network but loopback, the same dice, SQL Server where there is one."""

from __future__ import annotations

import ipaddress
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import chance

SQLSERVER_URL = "TEST_SQLSERVER_URL"
VENDOR_DOCUMENTS = Path(__file__).resolve().parents[2] / "shared" / "specs"
"""The vendors' own API documents, which may not be shipped; some checkouts have them beside."""

settings.register_profile(
    "exploring", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile(
    "steady", settings.get_profile("exploring"), derandomize=True, database=None
)
settings.load_profile("steady")
"""What is drawn is the same each time, and no clock decides. Who hunts for more says
`--hypothesis-profile exploring`.
"""
chance.overlook_constants()


class NetworkBlockedError(Exception):
    """A test tried to leave this machine."""


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else None
        if host not in (None, "localhost") and not _is_allowed(str(host)):
            raise NetworkBlockedError(f"tests reach loopback only, not {host}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def _same_dice(request: pytest.FixtureRequest) -> None:
    chance.throw_same_dice(request.node.nodeid)


def _is_allowed(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback or _is_sql_server(host)
    except ValueError:
        return False


def _is_sql_server(host: str) -> bool:
    return host in os.environ.get(SQLSERVER_URL, "")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if fault := chance.fault_of(item):
            raise pytest.UsageError(f"{item.nodeid} may fail by bad luck: {fault}.")
    if not VENDOR_DOCUMENTS.is_dir():
        absent = [item for item in items if item.get_closest_marker("vendor_documents")]
        config.hook.pytest_deselected(items=absent)
        items[:] = [item for item in items if item not in absent]
    if os.environ.get(SQLSERVER_URL):
        return
    skip = pytest.mark.skip(reason=f"needs a SQL Server: set {SQLSERVER_URL}")
    for item in items:
        if item.get_closest_marker("sqlserver"):
            item.add_marker(skip)
