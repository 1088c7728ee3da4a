"""Who looks at warehouses in earnest, and where no password is ever found."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from shared.errors import PermanentError
from shared.sinks.warehouse.access.guard import Guard
from shared.sinks.warehouse.access.hops import SqlServerProbe
from tests.e2e.canary_kit import found_in
from tests.functions.kit import HttpWorld
from tests.functions.test_warehouses import OTHER_PASSWORD, made
from tests.odbc_kit import FakeOdbc, odbc_error
from tests.warehouse_access_kit import (
    PASSWORD,
    WAREHOUSE,
    Certificate,
    listening,
    make_certificate,
    tds_server,
    trusting,
)


@pytest.fixture
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def test_the_real_probe_keeps_out_of_our_own_house(world: HttpWorld) -> None:
    """Wired as in production, it refuses a private address and the app's own database."""
    del world.app.__dict__["warehouse_probe"]
    found = world.ada.post("warehouses/test", {**WAREHOUSE, "host": "127.0.0.1"}).json
    assert found["failedHop"] == "address"
    world.app.settings = replace(
        world.app.settings,
        database_url="mssql+pyodbc://127.0.0.1/Reports?driver=x",
        allow_private_hosts=True,
    )
    for part in ("warehouse_probe", "warehouse_guard"):
        world.app.__dict__.pop(part, None)
    found = world.ada.post("warehouses/test", {**WAREHOUSE, "host": "127.0.0.1"}).json
    assert found["failedHop"] == "address"
    assert "itself works in" in found["hops"][1]["message"]


def test_networks_that_cannot_be_read_are_named(world: HttpWorld) -> None:
    """The operator's slip opens nothing."""
    world.app.settings = replace(world.app.settings, warehouse_networks="10.0.0.1/8")
    with pytest.raises(PermanentError, match="WAREHOUSE_NETWORKS"):
        _ = world.app.warehouse_guard


def test_no_password_is_anywhere(
    world: HttpWorld, caplog: pytest.LogCaptureFixture, certificate: Certificate
) -> None:
    """Neither an answer, nor the log, nor a file of the app holds one, however it is written."""
    caplog.set_level(logging.DEBUG)
    odbc = FakeOdbc()
    guard = Guard(allow_private_hosts=True)
    with listening(tds_server(certificate)) as port:
        world.app.__dict__["warehouse_probe"] = SqlServerProbe(
            guard=guard, driver_module=odbc, context=trusting(certificate)
        )
        place = {"host": "localhost", "port": port, "name": "marked"}
        path = made(world.ada, **place)
        odbc.refusals = [odbc_error("28000", 18456, f"Login failed with {PASSWORD}")] * 3
        body = {**WAREHOUSE, **place}
        answers = [
            world.ada.post(f"{path}/test"),
            world.ada.post("warehouses/test", body),
            world.ada.put(path, {**body, "password": OTHER_PASSWORD}),
            world.ada.get(path),
            world.ada.get("warehouses"),
        ]
    assert [answer.status for answer in answers] == [200, 200, 400, 200, 200]
    assert sum(PASSWORD.replace("}", "}}") in text for text, _ in odbc.connects) == 3
    places = {str(at): answer.body for at, answer in enumerate(answers)}
    places["log"] = caplog.text.encode()
    places |= {file.name: file.read_bytes() for file in world.folder.iterdir() if file.is_file()}
    assert [name for name, kept in places.items() if b"marked" in kept]
    for password in (PASSWORD, OTHER_PASSWORD):
        assert [name for name, kept in places.items() if found_in(kept, password)] == []
