from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.oauth import (
    AccessToken,
    TokenGrant,
    TokenSet,
    is_token_set,
    provider_of_state,
)
from shared.errors import AuthError
from tests.factories import NOW

TOKEN = AccessToken(text="a-1", expires_at=NOW + timedelta(hours=1), lifetime=3600)
TOKENS = TokenSet(
    provider="fake",
    instance_id="i-1",
    account="acme",
    refresh_token="r-1",
    access={"": TOKEN, "bi": AccessToken(text="a-2")},
)


def test_tokens_come_back_from_the_vault_as_they_were() -> None:
    """Each stands under a name of its own; what is no secret stands in `details`."""
    values = TOKENS.to_secret()
    assert TokenSet.from_secret(values) == TOKENS
    assert set(values) == {"refresh_token", "access_token", "access_token@bi", "details"}
    assert not {"a-1", "a-2", "r-1"} & set(values["details"].split('"'))
    assert is_token_set(values)
    assert not is_token_set({"api_key": "k"})


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"api_key": "k"},
        {"details": "{"},
        {"details": "[]"},
        {"details": "{}"},
        {**TOKENS.to_secret(), "details": '{"access": {"x": {}}, "account": ""}'},
        {name: text for name, text in TOKENS.to_secret().items() if name != "access_token"},
    ],
)
def test_another_secret_is_no_sign_in(values: dict[str, str]) -> None:
    """A key, or a damaged secret, is told as one to replace."""
    with pytest.raises(AuthError, match="Connect the instance again"):
        TokenSet.from_secret(values)


def test_no_token_in_a_repr() -> None:
    """What lands in a log by mistake tells nothing."""
    grant = TokenGrant(access_token="a-canary", refresh_token="r-canary", lifetime=60)
    tokens = TOKENS.with_grant(grant, resource="", asked_at=NOW)
    assert "canary" not in repr(grant) + repr(tokens) + repr(tokens.access)


def test_a_grant_without_a_refresh_token_keeps_the_old_one() -> None:
    """RFC 6749, section 6: the client goes on with what it has."""
    tokens = TOKENS.with_grant(
        TokenGrant(access_token="a-9", account="other"), resource="bi", asked_at=NOW
    )
    assert tokens.refresh_token == "r-1"
    assert tokens.access["bi"] == AccessToken(text="a-9")
    assert tokens.access[""] == TOKEN
    assert tokens.account == "acme"


def test_a_token_without_an_end_is_fresh() -> None:
    """A provider that tells no lifetime tells by a 401 when it is over."""
    token = AccessToken(text="a")
    assert token.is_fresh(NOW)
    assert token.is_alive(NOW)


@given(lifetime=st.integers(0, 10**7), age=st.integers(0, 10**7))
def test_a_fresh_token_is_alive(lifetime: int, age: int) -> None:
    """Whatever its life, a token is never used after its end."""
    token = AccessToken(text="a", expires_at=NOW + timedelta(seconds=lifetime), lifetime=lifetime)
    now = NOW + timedelta(seconds=age)
    if token.is_fresh(now):
        assert token.is_alive(now)
    if age >= lifetime:
        assert not token.is_alive(now)


@pytest.mark.parametrize(
    ("state", "provider"),
    [
        ("hubspot." + "A" * 43, "hubspot"),
        ("power-bi." + "_" * 43, "power-bi"),
        ("hubspot." + "A" * 42, None),
        ("hubspot." + "A" * 44, None),
        ("." + "A" * 43, None),
        ("Hubspot." + "A" * 43, None),
        ("hubspot." + "A" * 43 + "\n", None),
        ("hubspot.x." + "A" * 43, None),
        ("", None),
    ],
)
def test_the_provider_of_a_state(state: str, provider: str | None) -> None:
    """Only a state of the exact form is one."""
    assert provider_of_state(state) == provider
