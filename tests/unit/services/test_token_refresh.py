from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from shared.errors import AuthError, TransientError
from tests.fakes import FakeVault
from tests.sign_in_kit import (
    SECRET_REF,
    SignedIn,
    make_oauth,
    signed_in,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SignedIn]:
    made = signed_in(tmp_path)
    yield made
    made.database.dispose()


def test_a_fresh_token_costs_nothing(world: SignedIn) -> None:
    """While the token lasts, neither the provider nor the vault nor SQL is asked."""
    tokens = world.tokens()
    world.vault = FakeVault()
    world.clock.move(minutes=54)
    assert tokens.token() == "access-canary-0"
    assert world.issuer.asked == []


def test_a_token_about_to_end_is_refreshed(world: SignedIn) -> None:
    """Less than five minutes are not enough for the call to come; what is new is in the vault."""
    tokens = world.tokens()
    world.clock.move(minutes=56)
    assert tokens.token() == "access-canary-1"
    assert world.stored.refresh_token == "refresh-canary-1"
    assert world.stored.access[""].text == "access-canary-1"
    state = world.state
    assert (state.refresh_lease_id, state.refresh_sent_at, state.refresh_not_before) == (
        "",
        None,
        None,
    )


@pytest.mark.parametrize(("lifetime", "seconds"), [(3600, 300), (1800, 180), (60, 6)])
def test_the_margin_is_five_minutes_or_a_tenth(
    world: SignedIn, lifetime: int, seconds: int
) -> None:
    """A token that lives a minute is not refreshed before every call."""
    world.issuer.lifetime = lifetime
    world.expire()
    tokens = world.tokens()
    assert tokens.token() == "access-canary-1"
    world.clock.move(seconds=lifetime - seconds)
    assert tokens.token() == "access-canary-1"
    world.clock.move(seconds=1)
    assert tokens.token() == "access-canary-2"


def test_another_process_refreshed_already(world: SignedIn) -> None:
    """What is in the vault is used before the provider is asked again."""
    first, second = world.tokens(), world.tokens()
    world.expire()
    assert first.token() == second.token() == "access-canary-1"
    assert world.issuer.refreshes == 1


def test_a_token_refused_in_mid_run_is_refreshed_once(world: SignedIn) -> None:
    """Two connections refused with the same token share one refresh; a second no is final."""
    first, second = world.tokens(), world.tokens()
    assert first.refreshed(after_401_of="access-canary-0") == "access-canary-1"
    assert second.refreshed(after_401_of="access-canary-0") == "access-canary-1"
    assert first.refreshed(after_401_of="access-canary-1") is None
    assert world.issuer.refreshes == 1
    world.clock.move(minutes=10)  # it did work, and is revoked now
    assert first.refreshed(after_401_of="access-canary-1") == "access-canary-2"


def test_many_threads_one_refresh(world: SignedIn) -> None:
    """Whoever waits gets what the holder brought; with rotation, a second refresh would end all."""
    world.expire()
    pause = threading.Event()

    def wait(_seconds: float) -> None:
        pause.wait(0.01)  # the holder runs in another thread, for which the clock stands still

    sources = [world.tokens(sleep=wait, patience=math.inf) for _ in range(20)]
    with ThreadPoolExecutor(20) as pool:
        found = set(pool.map(lambda source: source.token(), sources))
    assert found == {"access-canary-1"}
    assert world.issuer.refreshes == 1


def test_a_provider_that_keeps_its_refresh_token_costs_no_vault_write(world: SignedIn) -> None:
    """The vault is written only where something would be lost, or somebody waits."""
    world.issuer.rotates = False
    world.expire()
    before = world.vault.get(SECRET_REF)
    assert world.tokens().token() == "access-canary-1"
    assert world.vault.get(SECRET_REF) == before


def test_whoever_waits_finds_the_token_in_the_vault(world: SignedIn) -> None:
    """A holder that learns of somebody waiting stores its token although nothing rotated."""
    world.issuer.rotates = False
    world.expire()

    def another_waits(_form: object) -> None:
        world.keeper.leases.ask(world.instance.id)

    world.issuer.answer = another_waits
    assert world.tokens().token() == "access-canary-1"
    assert world.stored.access[""].text == "access-canary-1"
    assert world.tokens().token() == "access-canary-1"
    assert world.issuer.refreshes == 1


def test_a_person_does_not_wait_for_ever(world: SignedIn) -> None:
    """While another refreshes, somebody who looks is told to try again."""
    world.expire()
    world.keeper.leases.take(world.instance.id)
    with pytest.raises(TransientError, match="being refreshed"):
        world.tokens(patience=10).token()
    assert world.issuer.asked == []


def test_a_disconnected_instance_has_no_token(world: SignedIn) -> None:
    """A run that is still under way is told so at its next refresh."""
    tokens = world.tokens()
    world.expire()
    world.change_state(secret_ref="")
    with pytest.raises(AuthError, match="not connected any more"):
        tokens.token()


def test_one_refresh_token_serves_each_resource(tmp_path: Path) -> None:
    """Another resource's access token comes of the same consent and is kept beside the first."""
    oauth = make_oauth(
        resources={"": ("https://graph.test/Read",), "bi": ("https://bi.test/Read",)}
    )
    world = signed_in(tmp_path, oauth=oauth)
    assert world.tokens(resource="bi").token() == "access-canary-1"
    assert world.issuer.asked[-1]["scope"] == "https://bi.test/Read"
    assert {name: token.text for name, token in world.stored.access.items()} == {
        "": "access-canary-0",
        "bi": "access-canary-1",
    }
    assert world.tokens().token() == "access-canary-0"
    world.expire()
    assert world.tokens(resource="").token() == "access-canary-2"
    assert world.issuer.asked[-1]["refresh_token"] == "refresh-canary-1"
    world.database.dispose()


def test_a_slow_answer_does_not_lengthen_a_life(world: SignedIn) -> None:
    """A token's life counts from before it was asked for, on our own clock."""
    world.expire()
    asked_at = world.clock()

    def slow(_form: object) -> None:
        world.clock.move(seconds=15)

    world.issuer.answer = slow
    world.tokens().token()
    assert world.stored.access[""].expires_at == asked_at + timedelta(hours=1)
