"""Ways to a SQL Server for tests: one made of words, and a socket that says the first ones."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.domain.ids import new_id
from shared.domain.warehouses import (
    Hop,
    HopResult,
    HopState,
    Warehouse,
    WarehouseCheck,
    WarehouseTarget,
)
from tests.factories import NOW

PASSWORD = "warehouse-canary-91c0f4d27b; } {x}"  # it would break out if anything could
WAREHOUSE = {
    "host": "sql.example.com",
    "database": "reports",
    "schema": "linkhub",
    "login": "linkhub",
    "password": PASSWORD,
}
HOST = "localhost"


def make_target(**values: Any) -> WarehouseTarget:
    defaults: dict[str, Any] = {
        "host": "sql.example.com",
        "port": 1433,
        "database": "reports",
        "schema": "linkhub",
        "login": "linkhub",
        "password": PASSWORD,
    }
    return WarehouseTarget(**{**defaults, **values})


def make_warehouse(**values: Any) -> Warehouse:
    defaults: dict[str, Any] = {
        "id": new_id(),
        "profile_id": new_id(),
        "name": "Reports",
        "host": "sql.example.com",
        "port": 1433,
        "database_name": "reports",
        "schema_name": "linkhub",
        "login": "linkhub",
        "secret_ref": "warehouse-1",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Warehouse(**{**defaults, **values})


@dataclass
class FakeProbe:
    """Finds every hop fine, or `failing` not to be."""

    failing: Hop | None = None
    asked: list[WarehouseTarget] = field(default_factory=list)

    def __call__(self, target: WarehouseTarget) -> WarehouseCheck:
        self.asked.append(target)
        results, state = [], HopState.OK
        for hop in Hop:
            if state is HopState.FAILED:
                state = HopState.NOT_TRIED
            if hop is self.failing:
                state = HopState.FAILED
            results.append(HopResult(hop=hop, state=state, message=f"{hop} is {state}."))
        return WarehouseCheck(hops=results)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate, its key, and what signed it, in one file each."""

    file: Path
    authority: Path


def make_certificate(folder: Path, *, name: str = HOST, days: int = 30) -> Certificate:
    """Return a certificate for `name`, signed by an authority of its own."""
    now = datetime.now(UTC)
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])

    def built(subject: x509.Name, public: Any) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + timedelta(days=days))
        )

    authority = (
        built(authority_name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ip_address("::1"))])
    own = (
        built(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key())
        .add_extension(names, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(own.public_bytes(pem) + secret)
    (folder / "authority.pem").write_bytes(authority.public_bytes(pem))
    return Certificate(file=folder / "server.pem", authority=folder / "authority.pem")


def trusting(certificate: Certificate) -> Callable[[], ssl.SSLContext]:
    """Return what makes contexts that know the certificate's authority."""
    return lambda: ssl.create_default_context(cafile=str(certificate.authority))


Talk = Callable[[socket.socket], None]


@contextmanager
def listening(talk: Talk) -> Iterator[int]:
    """Serve each connection by `talk` in a thread; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ends = threading.Event()
        server.settimeout(0.05)

        def serve() -> None:
            while not ends.is_set():
                try:
                    connected, _ = server.accept()
                except TimeoutError:
                    continue
                connected.settimeout(60)
                with connected, suppress(OSError, ssl.SSLError, struct.error):
                    talk(connected)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ends.set()
            thread.join(60)


def packet(payload: bytes, *, kind: int = 0x04, status: int = 1) -> bytes:
    return struct.pack(">BBHHBB", kind, status, 8 + len(payload), 0, 1, 0) + payload


def read_packet(connected: socket.socket) -> bytes:
    head = _exactly(connected, 8)
    return _exactly(connected, struct.unpack(">BBHHBB", head)[2] - 8)


def tds_server(certificate: Certificate, *, encryption: int = 1, split: int = 4088) -> Talk:
    """Return a talk that says PRELOGIN and shakes hands, its packets at most `split` bytes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.file)

    def talk(connected: socket.socket) -> None:
        read_packet(connected)
        answer = struct.pack(">BHHBHHB", 0, 11, 6, 1, 17, 1, 0xFF) + bytes(6) + bytes([encryption])
        connected.sendall(packet(answer))
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        secured = context.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                secured.do_handshake()
            except ssl.SSLWantReadError:
                _send(connected, outgoing.read(), split)
                incoming.write(read_packet(connected))
            else:
                _send(connected, outgoing.read(), split)
                return

    return talk


def _send(connected: socket.socket, data: bytes, split: int) -> None:
    for start in range(0, len(data), split):
        part = data[start : start + split]
        is_last = start + split >= len(data)
        connected.sendall(packet(part, kind=0x12, status=int(is_last)))


def _exactly(connected: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = connected.recv(count - len(found))
        if not part:
            raise OSError
        found += part
    return found
