from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.backends.oidc import OidcTokenVerifier
from shared.errors import PermanentError, UnauthenticatedError
from tests.issuer_kit import (
    AUDIENCE,
    Issuer,
    ec_entry,
    ec_key,
    hmac_token,
    rsa_entry,
    rsa_key,
    running_issuer,
    unsigned_token,
)


@pytest.fixture(scope="module")
def shared_issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture
def issuer(shared_issuer: Issuer) -> Issuer:
    shared_issuer.keys = [rsa_entry("k1", rsa_key())]
    return shared_issuer


def make_verifier(issuer: Issuer, /, **changes: Any) -> OidcTokenVerifier:
    options: dict[str, Any] = {
        "issuer": issuer.url,
        "audience": AUDIENCE,
        "admin_role": "integrator.admin",
    }
    return OidcTokenVerifier(**{**options, **changes})


def reason(issuer: Issuer, token: str) -> str:
    """Return why a token is refused."""
    with pytest.raises(UnauthenticatedError) as caught:
        make_verifier(issuer).verify(token)
    return str(caught.value)


def test_valid_token_names_the_caller(issuer: Issuer) -> None:
    """Issuer, subject, name and mail come from the token."""
    caller = make_verifier(issuer).verify(issuer.token(name="Ada", email="ada@example.org"))
    assert (caller.issuer, caller.subject) == (issuer.url, "user-1")
    assert (caller.name, caller.email, caller.is_admin) == ("Ada", "ada@example.org", False)


def test_elliptic_keys_are_taken(issuer: Issuer) -> None:
    """ES256 with a listed P-256 key is as good as RS256."""
    issuer.keys = [ec_entry("e1", ec_key())]
    token = issuer.token(key=ec_key(), kid="e1", algorithm="ES256")
    assert make_verifier(issuer).verify(token).subject == "user-1"


@pytest.mark.parametrize(
    ("roles", "is_admin"),
    [
        (["integrator.admin"], True),
        (["reader", "integrator.admin"], True),
        ("integrator.admin", True),
        ("reader integrator.admin", True),
        (["integrator.administrator"], False),
        ("integrator.admin.not", False),
        ([["integrator.admin"]], False),
        ({"integrator.admin": True}, False),
        (None, False),
    ],
)
def test_role_claim_makes_an_admin(issuer: Issuer, roles: Any, is_admin: bool) -> None:
    """Only the exact role, in a list or among the words of a text, makes an admin."""
    assert make_verifier(issuer).verify(issuer.token(roles=roles)).is_admin is is_admin


def test_several_audiences_are_fine(issuer: Issuer) -> None:
    """A token for several audiences counts if ours is one of them."""
    token = issuer.token(aud=["other", AUDIENCE])
    assert make_verifier(issuer).verify(token).subject == "user-1"


def test_clocks_may_differ_by_a_minute(issuer: Issuer) -> None:
    """A token that ended, or begins, half a minute from now still counts."""
    now = int(time.time())
    changes: list[dict[str, Any]] = [{"exp": now - 30}, {"nbf": now + 30}, {"iat": now + 30}]
    for change in changes:
        assert make_verifier(issuer).verify(issuer.token(**change)).subject == "user-1"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda: {"exp": int(time.time()) - 120}, "has expired"),
        (lambda: {"nbf": int(time.time()) + 120}, "not valid yet"),
        (lambda: {"iat": int(time.time()) + 120}, "not valid yet"),
        (lambda: {"aud": "other"}, "another audience"),
        (lambda: {"iss": "https://evil.example"}, "another issuer"),
        (lambda: {"exp": None}, "no claim 'exp'"),
        (lambda: {"aud": None}, "no claim 'aud'"),
        (lambda: {"iss": None}, "no claim 'iss'"),
        (lambda: {"sub": None}, "no claim 'sub'"),
        (lambda: {"sub": ""}, "'sub'"),
        (lambda: {"sub": "trailing "}, "'sub'"),
        (lambda: {"sub": "x" * 256}, "'sub'"),
        (lambda: {"exp": float("inf")}, "cannot be read"),
        (lambda: {"exp": "soon"}, "cannot be read"),
    ],
)
def test_bad_claims_are_refused(
    issuer: Issuer, change: Callable[[], dict[str, Any]], expected: str
) -> None:
    """Each claim that does not fit is refused with its own reason."""
    assert expected in reason(issuer, issuer.token(**change()))


def test_subject_that_is_no_text_is_refused(issuer: Issuer) -> None:
    """A number as subject, which some libraries write, is not taken for a text."""
    token = jwt.PyJWS().encode(
        json.dumps(issuer.claims(sub=7)).encode(), rsa_key(), "RS256", headers={"kid": "k1"}
    )
    assert reason(issuer, token)


def test_wrong_signature_is_refused(issuer: Issuer) -> None:
    """A token signed by somebody else under a listed key id is refused."""
    assert "signature is wrong" in reason(issuer, issuer.token(key=rsa_key(1)))


def test_changed_payload_is_refused(issuer: Issuer) -> None:
    """Claims put under another token's signature are refused."""
    head, _, signature = issuer.token().split(".")
    _, payload, _ = issuer.token(sub="somebody-else").split(".")
    assert "signature is wrong" in reason(issuer, f"{head}.{payload}.{signature}")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "HS256", "HS512", "", "ES256K", 7])
def test_other_algorithms_are_refused(issuer: Issuer, algorithm: Any) -> None:
    """No signature, a shared secret or an unknown kind never counts."""
    token = unsigned_token(issuer, {"alg": algorithm, "kid": "k1"})
    assert "token" in reason(issuer, token)


def test_public_key_is_no_shared_secret(issuer: Issuer) -> None:
    """HS256 made with the issuer's public key as the secret is refused."""
    assert "of a kind not taken" in reason(issuer, hmac_token(issuer))


def test_pinned_key_takes_no_other_algorithm(issuer: Issuer) -> None:
    """A key that the issuer lists for RS256 does not check PS256."""
    issuer.keys = [rsa_entry("k1", rsa_key(), alg="RS256")]
    assert "does not list" in reason(issuer, issuer.token(algorithm="PS256"))


def test_key_of_another_kind_is_refused(issuer: Issuer) -> None:
    """An ES256 token that names an RSA key is refused, not an error of the library."""
    token = issuer.token(key=ec_key(), algorithm="ES256")
    assert "does not list" in reason(issuer, token)


def test_header_cannot_bring_its_own_key(issuer: Issuer) -> None:
    """A key or an address inside the token is never used."""
    token = jwt.encode(
        issuer.claims(),
        rsa_key(1),
        algorithm="RS256",
        headers={"kid": "own", "jwk": rsa_entry("own", rsa_key(1)), "jku": "http://evil.example"},
    )
    assert "does not list" in reason(issuer, token)


@pytest.mark.parametrize(
    "token", ["", "garbage", "a.b", "a.b.c", "..", "ä.ö.ü", "\x00", "e30.e30.", "=.=.="]
)
def test_garbage_is_refused(issuer: Issuer, token: str) -> None:
    """What is no token is refused in words."""
    assert "token" in reason(issuer, token)


@given(
    token=st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{0,60}(\.[A-Za-z0-9_-]{0,60}){2}")
)
@settings(max_examples=60, deadline=None)
def test_any_text_is_refused_in_words(token: str) -> None:
    """No text makes the check fail in another way than by refusing."""
    verifier = OidcTokenVerifier(
        issuer="https://issuer.example", audience=AUDIENCE, admin_role="x", fetch=lambda _: b""
    )
    with pytest.raises(UnauthenticatedError):
        verifier.verify(token)


def test_deeply_nested_header_is_refused(issuer: Issuer) -> None:
    """A header made to exhaust the parser is refused."""
    header = base64.urlsafe_b64encode(b"[" * 5000).rstrip(b"=").decode()
    assert "not a signed JWT" in reason(issuer, f"{header}.e30.AA")


def test_long_token_is_refused_unread(issuer: Issuer) -> None:
    """More than 8 KB are refused before anything is decoded or fetched."""
    before = len(issuer.asked)
    assert "longer than" in reason(issuer, issuer.token(extra="x" * 9000))
    assert len(issuer.asked) == before


def test_reasons_repeat_nothing_of_the_token(issuer: Issuer) -> None:
    """Claims of a refused token stay out of the message, which may be logged."""
    now = int(time.time())
    changes: list[dict[str, Any]] = [
        {"aud": "canary"},
        {"iss": "canary"},
        {"exp": now - 120, "sub": "canary"},
    ]
    for change in changes:
        assert "canary" not in reason(issuer, issuer.token(**change))


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "http://issuer.example"},
        {"issuer": "ftp://issuer.example"},
        {"issuer": "https://user:pass@issuer.example"},
        {"issuer": "issuer.example"},
        {"issuer": ""},
        {"audience": ""},
        {"admin_role": ""},
    ],
)
def test_wrong_settings_are_named(issuer: Issuer, changes: dict[str, str]) -> None:
    """An issuer that is not https, or a setting left out, is refused when the app starts."""
    with pytest.raises(PermanentError, match="OIDC_ISSUER"):
        make_verifier(issuer, **changes)
