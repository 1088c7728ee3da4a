"""Every hop to a server, made to fail by itself."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from shared.domain.warehouses import Hop, HopState, WarehouseCheck
from shared.errors import TransientError
from shared.sinks.warehouse.access.guard import Guard
from shared.sinks.warehouse.access.hops import SqlServerProbe
from tests.odbc_kit import MICROSOFT, FakeOdbc, odbc_error
from tests.warehouse_access_kit import (
    HOST,
    PASSWORD,
    Certificate,
    Talk,
    listening,
    make_certificate,
    make_target,
    read_packet,
    tds_server,
    trusting,
)

LOOPBACK = ["127.0.0.1"]
PATIENCE = 60.0
"""Seconds for a hop that is expected to end well, on the slowest of machines."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def port(certificate: Certificate) -> Iterator[int]:
    with listening(tds_server(certificate)) as port:
        yield port


def probe(**values: Any) -> SqlServerProbe:
    guard = Guard(allow_private_hosts=True, resolve=lambda _host, _port: LOOPBACK)
    defaults = {"guard": guard, "driver_module": FakeOdbc(), "seconds": PATIENCE}
    return SqlServerProbe(**{**defaults, **values})


def look(
    port: int, certificate: Certificate, *, target: dict[str, Any] | None = None, **values: Any
) -> WarehouseCheck:
    values.setdefault("context", trusting(certificate))
    return probe(**values)(make_target(**{"host": HOST, "port": port, **(target or {})}))


def failing(check: WarehouseCheck, hop: Hop) -> str:
    """Return what is said of the one hop that failed, after a look at all the others."""
    order = list(Hop)
    assert [one.hop for one in check.hops] == order
    at = order.index(hop)
    states = [one.state for one in check.hops]
    not_tried = [HopState.NOT_TRIED] * (len(order) - at - 1)
    assert states == [HopState.OK] * at + [HopState.FAILED] + not_tried, check.hops
    assert check.failed is not None
    assert PASSWORD not in str(check)
    assert check.failed.message.endswith((".", ")"))
    return check.failed.message


def test_every_hop_is_fine(port: int, certificate: Certificate) -> None:
    """All are said to be; the trial is rolled back and the connection closed."""
    odbc = FakeOdbc()
    check = look(port, certificate, driver_module=odbc)
    assert check.failed is None
    assert [one.hop.value for one in check.hops] == [
        *("name", "address", "port", "tls", "login", "database", "permission"),
    ]
    assert all(one.state is HopState.OK and one.message for one in check.hops)
    assert odbc.statements[-2:] == ["ROLLBACK", "CLOSE"]
    assert "COMMIT" not in odbc.statements


def test_a_name_nobody_knows(certificate: Certificate) -> None:
    """Said as such, before anything else is tried."""

    def nobody(host: str, _port: int) -> Sequence[str]:
        raise TransientError(f"The host {host} cannot be found.")

    check = look(1, certificate, guard=Guard(resolve=nobody))
    assert "cannot be found" in failing(check, Hop.NAME)
    check = look(1, certificate, guard=Guard(resolve=lambda _host, _port: []))
    assert "no address" in failing(check, Hop.NAME)


def test_a_name_server_that_hangs(certificate: Certificate) -> None:
    """The look ends all the same."""
    ends = threading.Event()

    def hang(_host: str, _port: int) -> Sequence[str]:
        ends.wait(PATIENCE)
        return LOOPBACK

    check = look(1, certificate, guard=Guard(resolve=hang), seconds=0.05)
    ends.set()
    assert "No name server answers" in failing(check, Hop.NAME)


def test_a_private_address(port: int, certificate: Certificate) -> None:
    """Nothing is sent there, and the address itself is not told."""
    guard = Guard(resolve=lambda _host, _port: ["10.1.2.3"])
    message = failing(look(port, certificate, guard=guard), Hop.ADDRESS)
    assert "not open to calls" in message
    assert "10.1.2.3" not in message


def test_a_closed_port(certificate: Certificate) -> None:
    """A refused connection says that nothing listens."""
    with socket.socket() as taken:  # so that nobody else can listen there
        taken.bind(("127.0.0.1", 0))
        closed = taken.getsockname()[1]
        assert "Nothing listens" in failing(look(closed, certificate), Hop.PORT)


def test_a_port_without_an_answer(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence is most often a firewall; every address is tried."""
    tried = []

    def silent(address: tuple[str, int], timeout: float) -> socket.socket:
        tried.append(address[0])
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", silent)
    addresses = ["127.0.0.1", "127.0.0.2"]
    guard = Guard(allow_private_hosts=True, resolve=lambda _host, _port: addresses)
    assert "firewall" in failing(look(1433, certificate, guard=guard), Hop.PORT)
    assert tried == addresses


def test_a_way_that_is_not_there(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that cannot be reached is another thing than a closed port."""

    def unreachable(*_: Any, **__: Any) -> socket.socket:
        raise OSError(113, "No route to host")

    monkeypatch.setattr(socket, "create_connection", unreachable)
    assert "no way to" in failing(look(1433, certificate), Hop.PORT)


def test_a_certificate_nobody_vouches_for(port: int, certificate: Certificate) -> None:
    """Refused, with the choice there is; chosen, the connection is encrypted and goes on."""
    default = ssl.create_default_context
    message = failing(look(port, certificate, context=default), Hop.TLS)
    assert "trustServerCertificate" in message
    trusted = look(port, certificate, context=default, target={"trust_server_certificate": True})
    assert trusted.failed is None
    assert "not checked, as you chose" in trusted.hops[3].message


@pytest.mark.parametrize(
    ("values", "told"), [({"name": "other"}, "Hostname"), ({"days": -1}, "exp")]
)
def test_a_certificate_for_another_name_or_time(
    tmp_path: Path, values: dict[str, Any], told: str
) -> None:
    """A known authority is not enough, and what is wrong is said."""
    wrong = make_certificate(tmp_path, **values)
    with listening(tds_server(wrong)) as port:
        assert told in failing(look(port, wrong), Hop.TLS)


def test_a_server_without_encryption(certificate: Certificate) -> None:
    """Nothing is sent in clear, not even where the certificate would be trusted."""
    with listening(tds_server(certificate, encryption=2)) as port:
        check = look(port, certificate, target={"trust_server_certificate": True})
    assert "no encryption" in failing(check, Hop.TLS)


def test_packets_in_pieces(certificate: Certificate) -> None:
    """A handshake over many small packets is the same handshake."""
    with listening(tds_server(certificate, split=100)) as port:
        assert look(port, certificate).failed is None


def ends_at_once(connected: socket.socket) -> None:
    read_packet(connected)


def speaks_http(connected: socket.socket) -> None:
    connected.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def floods(connected: socket.socket) -> None:
    while True:
        connected.sendall(b"\x04\x00\x7f\xff\0\0\0\0" + bytes(0x7FFF - 8))


@pytest.mark.parametrize("talk", [ends_at_once, speaks_http, floods])
def test_a_port_of_something_else(certificate: Certificate, talk: Talk) -> None:
    """Whatever it answers, it is said not to be SQL Server."""
    with listening(talk) as port:
        message = failing(look(port, certificate), Hop.TLS)
    assert "does not speak as SQL Server" in message


def test_a_port_that_accepts_and_says_nothing(certificate: Certificate) -> None:
    """The look ends in time."""
    ends = threading.Event()
    with listening(lambda _connected: (ends.wait(PATIENCE), None)[1]) as port:
        message = failing(look(port, certificate, seconds=1.0), Hop.TLS)
        ends.set()
    assert "does not speak as SQL Server" in message


@pytest.mark.parametrize(
    ("state", "number", "told"),
    [
        ("28000", 18456, "login or its password is wrong"),
        ("28000", 0, "login or its password is wrong"),
        ("28000", 18470, "disabled"),
        ("28000", 18486, "locked"),
        ("28000", 18487, "expired"),
        ("28000", 18488, "new password first"),
        ("28000", 18452, "mixed mode"),
        ("42000", 40615, "firewall"),
        ("42000", 40532, "check the host"),
        ("HYT00", 0, "too long"),
        ("08001", 10054, "error 10054"),
    ],
)
def test_a_login_that_is_not_let_in(
    port: int, certificate: Certificate, state: str, number: int, told: str
) -> None:
    """Each reason has its own words; the driver's are not repeated."""
    odbc = FakeOdbc()
    odbc.refusals = [odbc_error(state, number, f"Login failed for {PASSWORD}")]
    message = failing(look(port, certificate, driver_module=odbc), Hop.LOGIN)
    assert told in message


@pytest.mark.parametrize("number", [4060, 4064, 916, 911])
def test_a_database_that_does_not_open(port: int, certificate: Certificate, number: int) -> None:
    """The login is right then: it is the database's name, or its user there."""
    odbc = FakeOdbc()
    text = "Cannot open database. The login failed. (4060) Login failed for user. (18456)"
    odbc.refusals = [odbc_error("42000", number, text)]
    check = look(port, certificate, driver_module=odbc)
    assert "no user in it" in failing(check, Hop.DATABASE)


def test_a_database_that_sleeps(port: int, certificate: Certificate) -> None:
    """A paused Azure SQL database wakes up by being asked."""
    odbc = FakeOdbc()
    odbc.refusals = [odbc_error("HY000", 40613)]
    check = look(port, certificate, driver_module=odbc)
    assert "try again in a minute" in failing(check, Hop.DATABASE)


@pytest.mark.parametrize(
    ("beginning", "number", "told"),
    [
        ("CREATE TABLE", 262, "may not create tables in the schema linkhub"),
        ("CREATE TABLE", 2760, "no schema linkhub"),
        ("CREATE VIEW", 262, "may not create views"),
        ("ALTER TABLE", 1088, "may not alter tables"),
        ("INSERT", 229, "may not insert rows"),
        ("UPDATE", 229, "may not update rows"),
        ("SELECT [n]", 229, "may not read rows"),
        ("DELETE", 229, "may not delete rows"),
        ("EXEC sp_rename", 15225, "may not rename tables"),
        ("DROP TABLE", 3701, "may not drop tables"),
        ("INSERT", 3906, "read-only"),
        ("INSERT", 9002, "log is full"),
    ],
)
def test_a_permission_that_lacks(
    port: int, certificate: Certificate, beginning: str, number: int, told: str
) -> None:
    """The step that is refused is named, with what to do; nothing of the trial stays."""
    odbc = FakeOdbc()
    odbc.refused = {beginning: odbc_error("42000", number, f"denied {PASSWORD}")}
    message = failing(look(port, certificate, driver_module=odbc), Hop.PERMISSION)
    assert told in message
    assert ("grant script" in message) is (number not in {3906, 9002})
    assert odbc.statements[-2:] == ["ROLLBACK", "CLOSE"]


def test_a_machine_without_a_driver(port: int, certificate: Certificate) -> None:
    """The customer is told whom to ask."""
    odbc = FakeOdbc(drivers=())
    message = failing(look(port, certificate, driver_module=odbc), Hop.LOGIN)
    assert "operator" in message


def test_a_login_is_bounded_in_time(port: int, certificate: Certificate) -> None:
    """The driver is told a limit, and never to commit by itself."""
    odbc = FakeOdbc(drivers=(MICROSOFT,))
    look(port, certificate, driver_module=odbc)
    ((_, options),) = odbc.connects
    assert options == {"timeout": PATIENCE, "autocommit": False}
