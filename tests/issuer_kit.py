"""An OpenID Connect issuer on loopback whose keys and health a test controls."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

AUDIENCE = "linkhub-integrator"


@cache
def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return a key that is the same for the same number; making one takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key(number: int = 0) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def rsa_entry(kid: str, key: rsa.RSAPrivateKey, **extra: str) -> dict[str, Any]:
    """Return the key as a JWKS entry."""
    entry = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**entry, "kid": kid, "use": "sig", **extra}


def ec_entry(kid: str, key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    entry = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**entry, "kid": kid, "use": "sig"}


@dataclass(slots=True, kw_only=True)
class Issuer:
    """The issuer's state: the keys it lists, what it answers, what it was asked."""

    url: str = ""
    keys: list[dict[str, Any]] = field(default_factory=lambda: [rsa_entry("k1", rsa_key())])
    discovery: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    asked: list[str] = field(default_factory=list)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return valid claims with the changes in; a claim changed to None is left out."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "user-1",
            "iat": now,
            "exp": now + 600,
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(
        self, *, key: Any = None, kid: str = "k1", algorithm: str = "RS256", **changes: Any
    ) -> str:
        """Return a signed token; valid unless something is changed."""
        return jwt.encode(
            self.claims(**changes), key or rsa_key(), algorithm=algorithm, headers={"kid": kid}
        )


def unsigned_token(
    issuer: Issuer, header: dict[str, Any], signature: bytes = b"", **changes: Any
) -> str:
    """Return a token whose header is not what a library would write."""
    claims = json.dumps(issuer.claims(**changes)).encode()
    parts = (json.dumps(header).encode(), claims, signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def hmac_token(issuer: Issuer, **changes: Any) -> str:
    """Return a token signed by HS256 with the issuer's public key as the shared secret."""
    public = (
        rsa_key()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    head, payload, _ = unsigned_token(issuer, {"alg": "HS256", "kid": "k1"}, **changes).split(".")
    made = hmac.new(public, f"{head}.{payload}".encode(), hashlib.sha256).digest()
    return f"{head}.{payload}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    """Serve an issuer on loopback until the block ends."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            if self.path == "/.well-known/openid-configuration":
                own = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/jwks"}
                answer: dict[str, Any] = {**own, **issuer.discovery}
            else:
                answer = {"keys": issuer.keys}
            data = json.dumps(answer).encode()
            self.send_response(issuer.status)
            if issuer.status in {301, 302}:
                self.send_header("Location", f"{issuer.url}/elsewhere")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
