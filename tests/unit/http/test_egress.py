"""Which hosts a call may reach."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator, Sequence

import httpx
import pytest

from shared.errors import PermanentError, TransientError
from shared.http.egress import check_url, is_allowed, resolve_allowed
from shared.http.transport import GuardedTransport

PRIVATE = ["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "::1", "fd12::1"]
NEVER = [
    "169.254.169.254",
    "168.63.129.16",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "0.0.0.0",  # noqa: S104 - refused, not bound
    "224.0.0.1",
    "255.255.255.255",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
]
WRAPPED = [
    "::127.0.0.1",
    "::ffff:10.0.0.1",
    "2002:7f00:1::",
    "64:ff9b::7f00:1",
    "198.18.0.1",
    "192.0.0.8",
]


@pytest.mark.parametrize("address", [*PRIVATE, *WRAPPED, *NEVER])
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    """Private, local, shared and platform ranges are closed, also inside IPv6 forms of them."""
    assert not is_allowed(address, allow_private_hosts=False)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_open(address: str) -> None:
    """What anybody can reach, we may reach."""
    assert is_allowed(address, allow_private_hosts=False)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_ranges_open_where_the_setting_says_so(address: str) -> None:
    """Loopback and private ranges pass where private hosts are allowed."""
    assert is_allowed(address, allow_private_hosts=True)


@pytest.mark.parametrize("address", NEVER)
def test_platform_addresses_never_open(address: str) -> None:
    """Metadata services and ranges where no provider lives stay closed in any case."""
    assert not is_allowed(address, allow_private_hosts=True)


def test_one_private_address_closes_a_name() -> None:
    """A name with a public and a private address is refused as a whole."""
    with pytest.raises(PermanentError, match=r"two\.test"):
        resolve_allowed(
            "two.test",
            443,
            allow_private_hosts=False,
            resolve=lambda _h, _p: ["1.1.1.1", "10.0.0.1"],
        )


@pytest.mark.parametrize(
    "url",
    [
        "http://public.test",
        "ftp://public.test",
        "public.test",
        "https://",
        "https://user@public.test",
        "https://public.test?x=1",
        "https://public.test/#f",
        "https://public.test:port",
        "https://[::1",
        "",
    ],
)
def test_a_base_url_must_be_plain_https(url: str) -> None:
    """Other schemes, credentials, queries and fragments are refused."""
    with pytest.raises(PermanentError, match="URL"):
        check_url(url, allow_private_hosts=False)


def test_http_is_for_private_hosts_only() -> None:
    """A sandbox on loopback may speak plain http where private hosts are allowed."""
    check_url("http://127.0.0.1:8080/hubspot", allow_private_hosts=True)


class Hello(http.server.BaseHTTPRequestHandler):
    """Answers every GET with the Host header it got."""

    def do_GET(self) -> None:
        body = self.headers["Host"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture
def port() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_checked_address_is_the_one_connected_to(port: int) -> None:
    """A name server that changes its mind after the check changes nothing; Host keeps the name."""
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    transport = GuardedTransport(
        allow_private_hosts=True, resolve=lambda _host, _port: next(answers)
    )
    with httpx.Client(transport=transport) as client:
        bodies = [client.get(f"http://rebinding.test:{port}/").text for _ in range(3)]
    assert bodies == [f"rebinding.test:{port}"] * 3


class Recording(httpx.BaseTransport):
    """Refuses the first connection, answers the others; keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if len(self.requests) == 1:
            raise httpx.ConnectError("refused")
        return httpx.Response(200)


def test_after_a_failed_connection_the_next_address_is_tried() -> None:
    """The name is resolved again, and SNI keeps it while the URL has the address."""
    inner = Recording()
    addresses = ["1.1.1.1", "2606:4700::1111"]
    transport = GuardedTransport(
        allow_private_hosts=False, resolve=lambda _host, _port: addresses, inner=inner
    )
    request = httpx.Request("GET", "https://two.test/x?y=1")
    with pytest.raises(httpx.ConnectError):
        transport.handle_request(request)
    assert transport.handle_request(request).status_code == 200
    assert [str(r.url) for r in inner.requests] == [
        "https://1.1.1.1/x?y=1",
        "https://[2606:4700::1111]/x?y=1",
    ]
    assert {r.extensions["sni_hostname"] for r in inner.requests} == {"two.test"}


def test_a_refused_address_gets_no_connection() -> None:
    """Nothing is sent to a name whose address is closed."""
    inner = Recording()
    transport = GuardedTransport(
        allow_private_hosts=False, resolve=lambda _host, _port: ["127.0.0.1"], inner=inner
    )
    with pytest.raises(PermanentError, match=r"inside\.test"):
        transport.handle_request(httpx.Request("GET", "https://inside.test/"))
    assert inner.requests == []


def test_a_name_that_cannot_be_found_may_be_found_later() -> None:
    """A resolver that says nothing is a transient failure."""

    def fail(_host: str, _port: int) -> Sequence[str]:
        raise TransientError("no such host")

    with pytest.raises(TransientError):
        resolve_allowed("gone.test", 443, allow_private_hosts=False, resolve=fail)
