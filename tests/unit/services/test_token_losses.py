from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import httpx
import pytest

from shared.domain.instances import InstanceStatus, StatusReason
from shared.domain.oauth import TokenSet
from shared.errors import AuthError, ConflictError, LeaseLostError, TransientError
from shared.services.refresh_leases import COOLDOWN
from shared.services.token_refresh import PATIENCE
from tests.fakes import FakeVault
from tests.sign_in_kit import (
    CLIENT_SECRET,
    SignedIn,
    everything_in,
    refusal,
    signed_in,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SignedIn]:
    made = signed_in(tmp_path)
    yield made
    made.database.dispose()


def test_refused_for_good(world: SignedIn) -> None:
    """The person is told to reconnect, once; nobody asks the provider again."""
    world.expire()
    world.issuer.is_revoked = True
    tokens = world.tokens()
    with pytest.raises(AuthError, match=r"unknown or revoked.*Connect the instance again"):
        tokens.token()
    with pytest.raises(AuthError, match="unknown or revoked"):
        world.tokens().token()
    assert world.issuer.refreshes == 1
    broken = world.read()
    assert broken.status is InstanceStatus.ERROR
    assert broken.status_reason == StatusReason.NEEDS_RECONNECT
    assert "earlier refresh" not in world.state.refresh_problem


@pytest.mark.parametrize("lost", [httpx.ReadTimeout("late"), httpx.ReadError("cut")])
def test_a_lost_answer_is_no_refusal(world: SignedIn, lost: Exception) -> None:
    """It is a wait; once the old token is refused, the person hears why, and only then."""
    world.expire()
    world.issuer.lose = lost
    tokens = world.tokens()
    with pytest.raises(TransientError):
        tokens.token()
    assert world.issuer.refreshes == 1, "a token request is never repeated blindly"
    assert world.read().status is InstanceStatus.ACTIVE
    world.issuer.lose = None
    world.clock.move(seconds=COOLDOWN.total_seconds())
    with pytest.raises(AuthError, match="answer to an earlier refresh never arrived"):
        tokens.token()
    assert world.read().status_reason == StatusReason.NEEDS_RECONNECT


def test_a_lost_answer_of_a_forgiving_provider_costs_nothing(world: SignedIn) -> None:
    """Where the old refresh token still works, the next attempt goes through."""
    world.expire()
    world.issuer.rotates = False
    world.issuer.lose = httpx.ReadTimeout("late")
    tokens = world.tokens()
    with pytest.raises(TransientError):
        tokens.token()
    world.issuer.lose = None
    world.clock.move(seconds=COOLDOWN.total_seconds())
    assert tokens.token() == "access-canary-2"
    assert world.state.refresh_sent_at is None


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500, text="oops"),
        httpx.Response(429, headers={"Retry-After": "900"}),
        httpx.Response(400, text="<html>a proxy</html>"),
        httpx.Response(403, text="blocked"),
        httpx.Response(200, json={"token_type": "bearer"}),
        refusal("temporarily_unavailable", "later"),
        refusal("invalid_client", "the secret has expired", status=401),
    ],
    ids=["500", "429", "html-400", "html-403", "no-token", "busy", "our-secret"],
)
def test_what_says_nothing_about_the_grant_is_a_wait(
    world: SignedIn, answer: httpx.Response
) -> None:
    """None of these breaks the instance; after one, nobody asks for half a minute."""
    world.expire()
    world.issuer.answer = lambda _form: answer
    with pytest.raises(TransientError) as first:
        world.tokens().token()
    asked = len(world.issuer.asked)
    with pytest.raises(TransientError) as second:
        world.tokens().token()
    assert len(world.issuer.asked) == asked
    assert second.value.retry_after
    assert CLIENT_SECRET not in str(first.value)
    assert world.read().status is InstanceStatus.ACTIVE
    world.issuer.answer = lambda _form: None
    world.clock.move(minutes=5)
    assert world.tokens().token() == "access-canary-1"


def test_a_token_that_still_works_outlives_a_bad_moment(world: SignedIn) -> None:
    """Within the margin the old token serves while the token endpoint is down."""
    world.clock.move(minutes=57)
    world.issuer.answer = lambda _form: httpx.Response(503)
    tokens = world.tokens()
    assert tokens.token() == "access-canary-0"
    assert world.tokens().token() == "access-canary-0"
    world.clock.move(minutes=4)
    with pytest.raises(TransientError):
        tokens.token()


def test_a_dead_holder_is_outlived(world: SignedIn) -> None:
    """Its lease ends by time; whoever waits goes on after it."""
    world.expire()
    assert world.keeper.leases.take(world.instance.id) is not None
    assert world.tokens().token() == "access-canary-1"
    assert 59 < sum(world.slept) < PATIENCE


def test_an_answer_that_comes_late_never_overwrites_a_newer_token(world: SignedIn) -> None:
    """A holder whose lease ran out drops what it got where another has stored its own since."""
    world.expire()
    world.issuer.rotates = True
    newer = world.stored

    def slow(_form: object) -> None:
        world.clock.move(seconds=90)
        grant = newer.access[""]
        late = TokenSet(
            provider="fake",
            instance_id=world.instance.id,
            refresh_token="refresh-canary-newer",
            access={
                "": type(grant)(
                    text="access-canary-newer",
                    expires_at=world.clock() + timedelta(hours=1),
                    lifetime=3600,
                )
            },
        )
        world.keep(late)

    world.issuer.answer = slow
    assert world.tokens().token() == "access-canary-newer"
    assert world.stored.refresh_token == "refresh-canary-newer"


class StubbornVault(FakeVault):
    """Fails to store a number of times."""

    fails = 0
    error: Exception = TransientError("the vault is busy")

    def put(self, name: str, value: object) -> None:
        if self.fails:
            self.fails -= 1
            raise self.error
        super().put(name, value)  # type: ignore[arg-type]


def test_a_busy_vault_does_not_cost_the_new_token(tmp_path: Path) -> None:
    """What was got is stored again and again before it is given up."""
    vault = StubbornVault()
    world = signed_in(tmp_path, vault=vault)
    world.expire()
    vault.fails = 4
    assert world.tokens().token() == "access-canary-1"
    assert world.stored.refresh_token == "refresh-canary-1"
    world.database.dispose()


def test_a_token_that_could_not_be_stored_is_never_used(tmp_path: Path) -> None:
    """The run waits; the next refresh knows that the stored token may be worth nothing."""
    vault = StubbornVault()
    world = signed_in(tmp_path, vault=vault)
    world.expire()
    vault.fails = 99
    with pytest.raises(TransientError, match="vault"):
        world.tokens().token()
    assert world.state.refresh_sent_at is not None
    vault.fails = 0
    world.clock.move(minutes=1)
    with pytest.raises(AuthError, match="never arrived"):
        world.tokens().token()
    world.database.dispose()


def test_who_reconnected_meanwhile_keeps_the_new_sign_in(tmp_path: Path) -> None:
    """A refresh of the old tokens that ends after it writes nothing, and uses the new ones."""
    vault = StubbornVault()
    world = signed_in(tmp_path, vault=vault)
    world.expire()
    fresh = world.stored.access[""]

    def reconnect(_form: object) -> None:
        token = type(fresh)(
            text="access-canary-anew",
            expires_at=world.clock() + timedelta(hours=1),
            lifetime=3600,
        )
        anew = TokenSet(refresh_token="refresh-canary-anew", access={"": token})
        vault.put("sign-in-2", anew.to_secret())
        world.change_state(secret_ref="sign-in-2", refresh_lease_id="")
        vault.fails, vault.error = 1, ConflictError("deleted")

    world.issuer.answer = reconnect
    assert world.tokens().token() == "access-canary-anew"
    assert world.stored.refresh_token == "refresh-canary-anew"
    world.database.dispose()


def test_no_token_in_tables_logs_or_messages(
    world: SignedIn, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither a refresh that works nor one that is refused leaves one anywhere but in the vault."""
    caplog.set_level(logging.DEBUG)
    world.expire()
    world.tokens().token()
    world.expire()
    echo = "refresh-canary-1 access-canary-1"
    world.issuer.answer = lambda _form: refusal("temporarily_unavailable", echo)
    with pytest.raises(TransientError) as busy:
        world.tokens().token()
    world.clock.move(minutes=5)
    world.issuer.answer = lambda form: refusal("invalid_grant", f"no {form['refresh_token']}")
    with pytest.raises(AuthError) as refused:
        world.tokens().token()
    kept = everything_in(world.database)
    assert "[secret]" in kept, "the provider's words are kept without the token in them"
    for text in (kept, caplog.text, str(busy.value), str(refused.value)):
        assert "canary" not in text


@pytest.mark.parametrize("fails", ["sql", "sleep"])
def test_nothing_keeps_a_new_token_from_the_vault(tmp_path: Path, fails: str) -> None:
    """Once the answer is there it is stored first, though SQL is away or the job is lost."""
    vault = StubbornVault()
    world = signed_in(tmp_path, vault=vault)
    world.expire()
    tokens = world.tokens()

    def strike(_form: object) -> None:
        if fails == "sql":
            tokens._leases._open_uow = _away
        else:
            vault.fails = 2
            world.on_sleep = _lost

    world.issuer.answer = strike
    if fails == "sql":
        with pytest.raises(TransientError, match="SQL is away"):
            tokens.token()
    else:
        assert tokens.token() == "access-canary-1"
    assert world.stored.refresh_token == "refresh-canary-1"
    world.clock.move(minutes=2)
    assert world.tokens(knows=False).token() == "access-canary-1"
    assert world.issuer.refreshes == 1
    world.database.dispose()


def _away(*, read_only: bool = False) -> NoReturn:
    raise TransientError("SQL is away")


def _lost(_seconds: float) -> None:
    raise LeaseLostError("another run owns the job")
