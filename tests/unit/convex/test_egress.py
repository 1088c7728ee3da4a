"""The deployment's URL is a customer's: nothing of ours can be reached by it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.errors import IntegratorError, PermanentError
from tests.convex_kit import Server, connect

NAME = "happy-animal-123.convex.cloud"
KEY = "prod:happy-animal-123|c2VjcmV0"


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:3210",
        "https://[::1]",
        "https://169.254.169.254",
        "https://10.0.0.4",
        "https://localhost",
        "http://convex.example.org",
    ],
)
def test_addresses_of_our_own_are_refused(work_dir: Path, url: str) -> None:
    """Before anything is sent."""
    with pytest.raises(IntegratorError):
        connect(url, work_dir, key="name|01ab", allow_private_hosts=False).check()


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.4", "169.254.169.254", "::ffff:10.0.0.4"])
def test_a_name_of_an_address_of_our_own_is_refused(
    work_dir: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """The name of a public deployment may lead anywhere: where it leads counts."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def resolve(*_args: Any, **_options: Any) -> list[Any]:
        return [(family, socket.SOCK_STREAM, 6, "", (address, 443))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    connection = connect(
        f"https://{NAME}", work_dir, key=KEY, allow_private_hosts=False, sleep=lambda _: None
    )
    with pytest.raises(IntegratorError) as caught:
        connection.check()
    assert "c2VjcmV0" not in str(caught.value)


def test_a_name_that_changes_its_address_is_connected_where_it_was_checked(
    work_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One answer of the name server is checked and used; later ones are not asked for."""
    answers = [["8.8.8.8"], ["127.0.0.1"]]
    asked: list[str] = []
    reached: list[str] = []

    def resolve(host: str, *_args: Any, **_options: Any) -> list[Any]:
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 443)) for one in found]

    def answer(_self: Any, request: httpx.Request) -> httpx.Response:
        reached.append(f"{request.url.host} as {request.headers['host']}")
        return httpx.Response(200, content=b"null")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", answer)
    connection = connect(
        f"https://{NAME}",
        work_dir,
        key=KEY,
        source="sync",
        allow_private_hosts=False,
        sleep=lambda _: None,
    )
    for _ in range(3):
        connection.check()
    connection.close()
    assert asked == [NAME]
    assert reached == [f"8.8.8.8 as {NAME}"] * 3


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("there", ["http://169.254.169.254/x", "/api/elsewhere"])
def test_a_redirect_is_not_followed(
    server: Server, work_dir: Path, status: int, there: str
) -> None:
    """The deploy key goes to the deployment that was named, and nowhere else."""
    sent: list[httpx.Request] = []

    def move(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(status, headers={"location": there})

    for source in ("sync", "snapshot"):
        connection = server.connect(work_dir, source=source, transport=httpx.MockTransport(move))
        with pytest.raises(PermanentError):
            connection.check()
        with pytest.raises(PermanentError):
            list(connection.read("*", None))
    assert {request.url.host for request in sent} == {"127.0.0.1"}
    assert "elsewhere" not in {request.url.path for request in sent}
