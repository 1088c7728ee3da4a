from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from shared.backends.oidc import OidcTokenVerifier
from shared.backends.oidc_keys import fetch_document, is_safe_url
from shared.errors import TransientError, UnauthenticatedError
from tests.issuer_kit import AUDIENCE, Issuer, rsa_entry, rsa_key, running_issuer


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture
def verifier(issuer: Issuer, clock: Clock) -> OidcTokenVerifier:
    return OidcTokenVerifier(issuer=issuer.url, audience=AUDIENCE, admin_role="x", clock=clock)


def test_keys_are_fetched_once(issuer: Issuer, verifier: OidcTokenVerifier) -> None:
    """Many tokens cost one discovery and one list of keys; making the verifier costs none."""
    assert issuer.asked == []
    for _ in range(3):
        verifier.verify(issuer.token())
    assert issuer.asked == ["/.well-known/openid-configuration", "/jwks"]


def test_rotated_key_is_found(issuer: Issuer, verifier: OidcTokenVerifier, clock: Clock) -> None:
    """A token signed with a new key counts without a restart, and the old key is gone."""
    verifier.verify(issuer.token())
    issuer.keys = [rsa_entry("k2", rsa_key(1))]
    clock.now += 61
    assert verifier.verify(issuer.token(key=rsa_key(1), kid="k2")).subject == "user-1"
    with pytest.raises(UnauthenticatedError, match="does not list"):
        verifier.verify(issuer.token())


def test_unknown_keys_ask_once_a_minute(
    issuer: Issuer, verifier: OidcTokenVerifier, clock: Clock
) -> None:
    """Made-up key ids cannot make this app flood the issuer."""
    verifier.verify(issuer.token())
    clock.now += 61
    for number in range(5):
        with pytest.raises(UnauthenticatedError, match="does not list"):
            verifier.verify(issuer.token(kid=f"made-up-{number}"))
    assert issuer.asked.count("/jwks") == 2
    clock.now += 61
    with pytest.raises(UnauthenticatedError, match="does not list"):
        verifier.verify(issuer.token(kid="made-up"))
    assert issuer.asked.count("/jwks") == 3


def test_withdrawn_key_ends_within_the_hour(
    issuer: Issuer, verifier: OidcTokenVerifier, clock: Clock
) -> None:
    """A key the issuer no longer lists stops counting when the list is an hour old."""
    verifier.verify(issuer.token())
    issuer.keys = [rsa_entry("k2", rsa_key(1))]
    clock.now += 3601
    with pytest.raises(UnauthenticatedError, match="does not list"):
        verifier.verify(issuer.token())


@pytest.mark.parametrize("status", [404, 500, 302])
def test_issuer_down_is_transient(
    issuer: Issuer, verifier: OidcTokenVerifier, clock: Clock, status: int
) -> None:
    """Without keys nobody is refused for good, and the next try soon afterwards may work."""
    issuer.status = status
    for _ in range(3):
        with pytest.raises(TransientError, match="identity provider"):
            verifier.verify(issuer.token())
    assert len(issuer.asked) == 1
    issuer.status = 200
    clock.now += 6
    assert verifier.verify(issuer.token()).subject == "user-1"


def test_unreachable_issuer_is_transient(clock: Clock) -> None:
    """An issuer that is not there at all is transient too."""
    with running_issuer() as gone:
        token = gone.token()
    verifier = OidcTokenVerifier(issuer=gone.url, audience=AUDIENCE, admin_role="x", clock=clock)
    with pytest.raises(TransientError, match="identity provider"):
        verifier.verify(token)


def test_known_keys_outlive_an_outage_of_a_day(
    issuer: Issuer, verifier: OidcTokenVerifier, clock: Clock
) -> None:
    """While the issuer is down its known keys count on for a day, and then no more."""
    verifier.verify(issuer.token())
    issuer.status = 503
    clock.now += 12 * 3600
    assert verifier.verify(issuer.token()).subject == "user-1"
    with pytest.raises(TransientError):
        verifier.verify(issuer.token(kid="k2"))
    clock.now += 13 * 3600
    with pytest.raises(TransientError):
        verifier.verify(issuer.token())


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://evil.example"},
        {"jwks_uri": "http://evil.example/jwks"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": None},
    ],
)
def test_discovery_must_fit(
    issuer: Issuer, verifier: OidcTokenVerifier, discovery: dict[str, Any]
) -> None:
    """A document of another issuer, or one that leads to an unsafe address, is not used."""
    issuer.discovery = discovery
    with pytest.raises(TransientError):
        verifier.verify(issuer.token())
    assert "/jwks" not in issuer.asked


def test_unusable_keys_are_left_out(issuer: Issuer, verifier: OidcTokenVerifier) -> None:
    """Keys for encryption, of other kinds, too short or broken do not disturb the good one."""
    issuer.keys = [
        {"kty": "oct", "kid": "secret", "k": "AAAA"},
        {"kty": "RSA", "kid": "broken"},
        {"kty": "martian", "kid": "odd"},
        rsa_entry("enc", rsa_key(1), use="enc"),
        rsa_entry("short", rsa_key(2, bits=1024)),
        rsa_entry("k1", rsa_key()),
    ]
    assert verifier.verify(issuer.token()).subject == "user-1"
    for kid in ("enc", "broken", "short", "secret", "odd"):
        with pytest.raises(UnauthenticatedError, match="does not list"):
            verifier.verify(issuer.token(key=rsa_key(1), kid=kid))


@pytest.mark.parametrize("keys", [[], None, "text"])
def test_issuer_without_keys_is_transient(
    issuer: Issuer, verifier: OidcTokenVerifier, keys: Any
) -> None:
    """A list of keys that holds none is an issuer out of order."""
    issuer.keys = keys
    with pytest.raises(TransientError):
        verifier.verify(issuer.token())


def test_large_documents_are_refused(issuer: Issuer) -> None:
    """No more than a megabyte is taken in."""
    issuer.keys = [{"x": "y" * 1_100_000}]
    with pytest.raises(ValueError, match="too large"):
        fetch_document(f"{issuer.url}/jwks")


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        ("https://login.example/v2.0", True),
        ("http://127.0.0.1:8080", True),
        ("http://localhost", True),
        ("http://[::1]:80", True),
        ("http://localhost.evil.example", False),
        ("http://10.0.0.1", False),
        ("https://", False),
        ("https://[broken", False),
        ("//host", False),
    ],
)
def test_safe_addresses(url: str, is_safe: bool) -> None:
    """Only https, or http to this machine, counts as safe."""
    assert is_safe_url(url) is is_safe
