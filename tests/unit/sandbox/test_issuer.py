"""The issuer's tokens, seen by a library that had no part in making them."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from local.sandbox.issuer.keys import SigningKeys
from tests.sandbox_kit import Running


@pytest.fixture
def issuer(sandbox: Running) -> Iterator[httpx.Client]:
    with sandbox.issuer() as client:
        yield client


def token(issuer: httpx.Client, **wish: Any) -> str:
    answer = issuer.post("/dev/token", json=wish)
    answer.raise_for_status()
    return str(answer.json()["access_token"])


def verify(issuer: httpx.Client, text: str) -> dict[str, Any]:
    found = issuer.get("/.well-known/openid-configuration").json()
    keys = jwt.PyJWKSet.from_dict(issuer.get(found["jwks_uri"]).json())
    key = keys[jwt.get_unverified_header(text)["kid"]]
    claims: dict[str, Any] = jwt.decode(
        text, key, algorithms=["RS256"], audience="linkhub-integrator", issuer=found["issuer"]
    )
    return claims


def test_token_is_valid(issuer: httpx.Client) -> None:
    """A token says who it was asked for, and holds before every check of a verifier."""
    wish = {"sub": "u-1", "name": "Ana", "email": "ana@x.example", "roles": ["integrator.admin"]}
    claims = verify(issuer, token(issuer, **wish, expires_in=60))
    assert {name: claims[name] for name in wish} == wish
    assert claims["exp"] - claims["iat"] == 60
    assert claims["iss"] == str(issuer.base_url).rstrip("/")


@pytest.mark.parametrize(
    ("wish", "error"),
    [
        ({"expires_in": -60}, jwt.ExpiredSignatureError),
        ({"audience": "another"}, jwt.InvalidAudienceError),
        ({"claims": {"iss": "https://elsewhere.example"}}, jwt.InvalidIssuerError),
        ({"claims": {"aud": None}}, jwt.MissingRequiredClaimError),
        ({"claims": {"nbf": 4_000_000_000}}, jwt.ImmatureSignatureError),
        ({"header": {"kid": "unknown"}}, KeyError),
    ],
)
def test_odd_tokens(issuer: httpx.Client, wish: dict[str, Any], error: type[Exception]) -> None:
    """Claims and header can be had as a test needs them, and a verifier refuses each."""
    with pytest.raises(error):
        verify(issuer, token(issuer, **wish))


def test_rotation(issuer: httpx.Client) -> None:
    """After a rotation old tokens hold while their key is published, and not after."""
    old = token(issuer)
    issuer.post("/dev/rotate").raise_for_status()
    new = token(issuer)
    assert jwt.get_unverified_header(new)["kid"] != jwt.get_unverified_header(old)["kid"]
    assert verify(issuer, old)
    assert verify(issuer, new)
    issuer.post("/dev/rotate", json={"keep_old": False}).raise_for_status()
    with pytest.raises(KeyError):
        verify(issuer, old)


def test_unknown_wish(issuer: httpx.Client) -> None:
    """A wish the issuer does not know is refused, so that a typo is seen."""
    assert issuer.post("/dev/token", json={"role": "admin"}).status_code == 400
    assert issuer.post("/dev/rotate", json={"keep": 1}).status_code == 400


def test_keys_are_private_and_kept(tmp_path: Path) -> None:
    """The private key is in a file only its owner reads, and in nothing that is published."""
    path = tmp_path / "keys.json"
    published = SigningKeys(path).public()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SigningKeys(path).public() == published
    assert set(published["keys"][0]) == {"kty", "n", "e", "kid", "use", "alg"}
