"""A pinned address changes nothing about TLS: the name is what the certificate must be for."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.errors import PermanentError
from shared.http.client import HttpClient
from shared.http.transport import GuardedTransport
from tests.http_kit import Sleeps


def write_certificate(folder: Path, name: str) -> Path:
    """Write a self-signed certificate for a DNS name, with its key, as one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / f"{name}.pem"
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


class Hello(http.server.BaseHTTPRequestHandler):
    """Answers every GET with an empty JSON object."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@contextmanager
def tls_server(certificate: Path) -> Iterator[int]:
    """Serve on loopback with this certificate; give the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def client_of(name: str, *, served: str, folder: Path) -> Iterator[HttpClient]:
    """Give a client of https://name whose server presents a trusted certificate for `served`."""
    certificate = write_certificate(folder, served)
    trusted = ssl.create_default_context(cafile=str(certificate))
    with tls_server(certificate) as port:
        transport = GuardedTransport(
            allow_private_hosts=True,
            resolve=lambda _host, _port: ["127.0.0.1"],
            inner=httpx.HTTPTransport(verify=trusted),
        )
        base_url = f"https://{name}:{port}"
        client = HttpClient(name="Acme", base_url=base_url, sleep=Sleeps(), transport=transport)
        try:
            yield client
        finally:
            client.close()


def test_the_name_is_checked_against_the_certificate(tmp_path: Path) -> None:
    """A certificate for the name is accepted although the connection went to an address."""
    with client_of("good.test", served="good.test", folder=tmp_path) as client:
        assert client.get_json("/") == {}


def test_a_certificate_for_another_name_is_final(tmp_path: Path) -> None:
    """A trusted certificate of somebody else ends the call, and is not tried again."""
    with (
        client_of("good.test", served="other.test", folder=tmp_path) as client,
        pytest.raises(PermanentError, match=r"certificate of good\.test"),
    ):
        client.get_json("/")
