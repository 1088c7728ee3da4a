"""Codes and tokens over time and under many hands, without a server."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count

import pytest
from pydantic import ValidationError

from local.sandbox.oauth.grants import Grants
from local.sandbox.oauth.settings import Settings
from local.sandbox.oauth.tokens import Account, RefreshToken, Refusal, RefusedError
from tests.oauth_kit import challenge_of, new_verifier

HERE = "https://app.example/callback"
WHO = Account(id="1", label="One")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(clock: Clock, **settings: object) -> Grants[Account]:
    numbers = count(1)
    return Grants(
        Settings.model_validate(settings),
        new_token=lambda kind: f"{kind}-{next(numbers)}",
        clock=clock,
    )


def first_token(grants: Grants[Account]) -> RefreshToken[Account]:
    code = grants.allow(WHO, scopes=["a"], redirect_uri=HERE)
    return grants.redeem(code, redirect_uri=HERE, verifier="")


def refused(call: Callable[[], object]) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        call()
    return caught.value.reason


def test_code_is_for_once_and_soon(clock: Clock) -> None:
    """A code dies after its seconds; one that comes again ends what it gave."""
    grants = make(clock, code_seconds=60)
    late = grants.allow(WHO, scopes=["a"], redirect_uri=HERE)
    clock.now += 60
    assert refused(lambda: grants.redeem(late, redirect_uri=HERE, verifier="")) == "expired_code"
    code = grants.allow(WHO, scopes=["a"], redirect_uri=HERE)
    token = grants.redeem(code, redirect_uri=HERE, verifier="")
    assert grants.is_alive(token)
    assert refused(lambda: grants.redeem(code, redirect_uri=HERE, verifier="")) == "used_code"
    assert not grants.is_alive(token)
    assert refused(lambda: grants.refresh(token.text)) == "revoked"


def test_code_belongs_to_its_redirect_uri_and_verifier(clock: Clock) -> None:
    """A thief with the code alone gets nothing, and the rightful client still its tokens."""
    grants, verifier = make(clock), new_verifier()
    challenge = challenge_of(verifier)
    code = grants.allow(WHO, scopes=["a"], redirect_uri=HERE, challenge=challenge)
    for uri, given, reason in [
        (f"{HERE}/", verifier, Refusal.OTHER_REDIRECT_URI),
        (HERE, new_verifier(), Refusal.WRONG_VERIFIER),
        (HERE, "", Refusal.WRONG_VERIFIER),
        (HERE, challenge, Refusal.WRONG_VERIFIER),
    ]:
        again = partial(grants.redeem, code, redirect_uri=uri, verifier=given)
        assert refused(again) == reason
    assert grants.redeem(code, redirect_uri=HERE, verifier=verifier)


def test_verifier_without_challenge(clock: Clock) -> None:
    """A verifier for a code that had no challenge is refused: PKCE was taken away on the way."""
    grants = make(clock)
    code = grants.allow(WHO, scopes=["a"], redirect_uri=HERE)
    assert refused(lambda: grants.redeem(code, redirect_uri=HERE, verifier="v" * 43)) == (
        Refusal.WRONG_VERIFIER
    )


def test_refresh_token_that_stays(clock: Clock) -> None:
    """Without rotation the same refresh token works for ever."""
    grants = make(clock)
    token = first_token(grants)
    for _ in range(3):
        clock.now += 10_000_000
        assert grants.refresh(token.text) is token
    assert grants.report()["refreshes"] == 3


@pytest.mark.parametrize(
    ("reuse", "old", "new"),
    [
        ("accept", None, None),
        ("refuse", "replaced_refresh", None),
        ("revoke_family", "replaced_refresh", "revoked"),
    ],
)
def test_reuse_of_a_replaced_token(
    clock: Clock, reuse: str, old: str | None, new: str | None
) -> None:
    """A replaced token works on, is refused, or ends the family, as the settings say."""
    grants = make(clock, rotate=True, reuse=reuse)
    token = first_token(grants)
    successor = grants.refresh(token.text)
    assert successor.text != token.text
    for text, reason in [(token.text, old), (successor.text, new)]:
        if reason is None:
            assert grants.refresh(text)
        else:
            assert refused(partial(grants.refresh, text)) == reason
    family = grants.report()["families"][0]
    assert family["reuses"] == 1
    assert family["revoked"] == ("reuse" if reuse == "revoke_family" else None)


def test_grace(clock: Clock) -> None:
    """Within the grace a replaced token still works, counted from its first use."""
    grants = make(clock, rotate=True, reuse="revoke_family", grace_seconds=10)
    token = first_token(grants)
    grants.refresh(token.text)
    clock.now += 9
    newest = grants.refresh(token.text)
    assert grants.report()["reuses"] == 0
    clock.now += 1
    assert refused(lambda: grants.refresh(token.text)) == Refusal.REPLACED_REFRESH
    assert refused(lambda: grants.refresh(newest.text)) == Refusal.REVOKED


def test_refresh_token_expires_when_not_used(clock: Clock) -> None:
    """Each refresh token lives its own seconds; using it in time gives one that lives on."""
    grants = make(clock, rotate=True, refresh_token_seconds=100)
    token = first_token(grants)
    clock.now += 99
    successor = grants.refresh(token.text)
    clock.now += 99
    successor = grants.refresh(successor.text)
    clock.now += 100
    assert refused(lambda: grants.refresh(successor.text)) == Refusal.EXPIRED_REFRESH


def test_many_refresh_at_once(clock: Clock) -> None:
    """Of fifty threads with the same token exactly one refreshes; all others are reuse."""
    grants = make(clock, rotate=True, reuse="refuse")
    token = first_token(grants)

    def refresh(_: int) -> bool:
        try:
            grants.refresh(token.text)
        except RefusedError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(refresh, range(50)))
    assert outcomes.count(True) == 1
    report = grants.report()
    assert (report["refreshes"], report["reuses"]) == (1, 49)


def test_access_token_ends(clock: Clock) -> None:
    """An access token ends by time, by itself, or with its family."""
    grants = make(clock, access_token_seconds=30)
    family = first_token(grants).family
    by_time, alone, together = (grants.add_access(t, family, scopes=["a"]) for t in "xyz")
    grants.revoke_token("y")
    assert grants.is_revoked(alone)
    assert not grants.is_revoked(together)
    grants.revoke(family.id)
    assert grants.is_revoked(together)
    clock.now += 30
    assert not grants.is_alive(by_time)
    assert grants.find_access("x") is by_time


@pytest.mark.parametrize(
    "uri",
    [
        "http://app.example/callback",
        "/callback",
        "https://app.example/cb#part",
        "javascript:alert(1)",
        "",
    ],
)
def test_redirect_uris(uri: str) -> None:
    """Only https, or http on loopback, can be registered, and nothing with a fragment."""
    settings = Settings(redirect_uris=["http://127.0.0.1:7071/cb"])
    with pytest.raises(ValidationError):
        settings.change({"redirect_uris": [uri]})
    assert settings.redirect_uris == ["http://127.0.0.1:7071/cb"]
