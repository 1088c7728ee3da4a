"""Where a warehouse may be."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from shared.errors import PermanentError, TransientError
from shared.http.egress import is_allowed, read_networks
from shared.sinks.warehouse.access.guard import Guard, OwnDatabase, opener
from tests.odbc_kit import FakeOdbc
from tests.warehouse_access_kit import make_target

OWN_URL = "mssql+pyodbc://app-sql.example.com:1433/Integrator?driver=x"
PUBLIC, OFFICE = "20.50.60.70", "10.20.0.4"


@pytest.mark.parametrize(
    "url",
    [
        OWN_URL,
        "mssql+pyodbc://APP-SQL.example.com./integrator",
        "mssql+pyodbc://?odbc_connect=Server%3Dtcp%3Aapp-sql.example.com%2C1433%3BDatabase%3Dintegrator",
        "mssql+pyodbc://?odbc_connect=server%3D%7Bapp-sql.example.com%7D%3Bdatabase%3DIntegrator",
    ],
)
def test_the_apps_own_database_is_known_by_any_url(url: str) -> None:
    """Names are compared as DNS and SQL Server do."""
    own = OwnDatabase(host="app-sql.example.com", port=1433, database="integrator")
    assert OwnDatabase.of(url) == own


@pytest.mark.parametrize("url", ["", "sqlite:///app.db"])
def test_an_embedded_database_is_on_no_server(url: str) -> None:
    """There is nothing to keep customers out of."""
    assert OwnDatabase.of(url) is None


@pytest.mark.parametrize(
    "host", ["app-sql.example.com", "APP-SQL.example.com", "alias.example.com"]
)
def test_the_apps_own_database_is_refused(host: str) -> None:
    """By its name in any case, and by another name of the same address."""
    guard = Guard(own=OwnDatabase.of(OWN_URL), resolve=lambda _host, _port: [PUBLIC])
    target = make_target(host=host, database="INTEGRATOR")
    with pytest.raises(PermanentError, match="itself works in"):
        guard.check(target, guard.find(target))


@pytest.mark.parametrize("name", ["INTEGRATOR", "integrator ", "\uff49ntegrator"])
def test_the_apps_own_database_is_known_by_any_spelling(name: str) -> None:
    """SQL Server's usual collations fold case and width, and ignore blanks at the end."""
    guard = Guard(own=OwnDatabase.of(OWN_URL))
    with pytest.raises(PermanentError, match="itself works in"):
        guard.check(make_target(host="app-sql.example.com", database=name), [PUBLIC])


def test_a_login_that_names_the_apps_own_server_is_refused() -> None:
    """Azure's gateways go by `login@server`, whichever server's name they were reached by."""
    own = OwnDatabase.of("mssql+pyodbc://ours.database.windows.net/integrator")
    guard = Guard(own=own, resolve=lambda _host, _port: [OFFICE])
    for login in ("me@ours", "me@OURS.database.windows.net"):
        target = make_target(host="theirs.database.windows.net", database="integrator", login=login)
        with pytest.raises(PermanentError, match="itself works in"):
            guard.check(target, [PUBLIC])
    there = make_target(
        host="theirs.database.windows.net", database="integrator", login="me@theirs"
    )
    guard.check(there, [PUBLIC])


def test_another_database_of_that_server_is_open() -> None:
    """Only the database itself is the app's."""
    guard = Guard(own=OwnDatabase.of(OWN_URL), resolve=lambda _host, _port: [PUBLIC])
    for target in (
        make_target(host="app-sql.example.com", database="reports"),
        make_target(host="app-sql.example.com", database="integrator", port=1434),
    ):
        guard.check(target, [PUBLIC])


def test_azure_servers_share_addresses() -> None:
    """There a name tells servers apart: another customer's `integrator` is not ours."""
    own = OwnDatabase.of("mssql+pyodbc://ours.database.windows.net/integrator")
    guard = Guard(own=own, resolve=lambda _host, _port: [PUBLIC])
    guard.check(make_target(host="theirs.database.windows.net", database="integrator"), [PUBLIC])
    with pytest.raises(PermanentError):
        guard.check(make_target(host="ours.database.windows.net", database="integrator"), [PUBLIC])


def test_private_networks_are_refused_unless_opened() -> None:
    """An operator opens an office's network; the others stay closed."""
    target = make_target()
    with pytest.raises(PermanentError, match="WAREHOUSE_NETWORKS"):
        Guard().check(target, [OFFICE])
    office = Guard(networks=read_networks("10.20.0.0/16, 192.168.4.0/24"))
    office.check(target, [OFFICE, "192.168.4.9", PUBLIC])
    with pytest.raises(PermanentError):
        office.check(target, [OFFICE, "10.21.0.4"])
    Guard(allow_private_hosts=True).check(target, ["127.0.0.1"])


@pytest.mark.parametrize("address", ["169.254.169.254", "168.63.129.16", "0.1.2.3", "fe80::1"])
def test_the_platforms_own_addresses_are_never_open(address: str) -> None:
    """Not even where somebody opened every network there is."""
    everything = read_networks("0.0.0.0/0,::/0")
    assert not is_allowed(address, allow_private_hosts=True, networks=everything)


@pytest.mark.parametrize("text", ["10.20.0.1/16", "office", "10.0.0.0/33"])
def test_a_list_of_networks_is_checked(text: str) -> None:
    """A slip must not open what was not meant."""
    with pytest.raises(PermanentError, match="CIDR"):
        read_networks(text)
    assert read_networks("") == ()


def test_each_connection_is_checked_anew() -> None:
    """A name that has moved inside meanwhile is not connected to."""
    answers = [[PUBLIC], [OFFICE]]
    guard = Guard(resolve=lambda _host, _port: answers.pop(0))
    tell = opener(make_target(), guard, driver_module=FakeOdbc())
    assert "sql.example.com" in tell()
    with pytest.raises(PermanentError, match="not open"):
        tell()


def test_a_name_that_is_gone_is_tried_again_later() -> None:
    """A run waits for the name server."""

    def nobody(host: str, _port: int) -> Sequence[str]:
        raise TransientError(f"{host} cannot be found.")

    with pytest.raises(TransientError):
        opener(make_target(), Guard(resolve=nobody), driver_module=FakeOdbc())()
