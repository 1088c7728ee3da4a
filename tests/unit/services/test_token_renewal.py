from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from shared.domain.instances import InstanceStatus, SetupStep
from shared.services.token_renewal import renew_ending
from tests.factories import NOW
from tests.sign_in_kit import SignedIn, make_oauth, refusal, signed_in
from tests.store_kit import make_oauth_state


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SignedIn]:
    made = signed_in(tmp_path, oauth=make_oauth(idle_life=timedelta(days=90)))
    made.change_state(token_expires_at=NOW + timedelta(days=90))
    yield made
    made.database.dispose()


def renew(world: SignedIn) -> int:
    return renew_ending(keeper=world.keeper, sleep=world.sleep)


def test_a_sign_in_is_renewed_a_month_before_it_dies(world: SignedIn) -> None:
    """Sixty days without a sync are enough; then it is good for ninety more."""
    world.clock.move(days=59)
    assert renew(world) == 0
    world.clock.move(days=2)
    assert renew(world) == 1
    assert world.state.token_expires_at == world.clock() + timedelta(days=90)
    assert world.stored.refresh_token == "refresh-canary-1"
    assert renew(world) == 0


def test_every_refresh_moves_the_end(world: SignedIn) -> None:
    """An instance that syncs is never due."""
    world.clock.move(days=50)
    world.tokens().token()
    assert world.state.token_expires_at == world.clock() + timedelta(days=90)


def test_a_sign_in_that_does_not_die_is_left_alone(tmp_path: Path) -> None:
    """A provider whose refresh tokens last is not asked for nothing."""
    world = signed_in(tmp_path)
    world.clock.move(days=400)
    assert renew(world) == 0
    world.tokens().token()
    assert world.state.token_expires_at is None
    world.database.dispose()


def test_a_fresh_access_token_does_not_hide_an_end(world: SignedIn) -> None:
    """What is renewed is the refresh token: the access token may be as good as new."""
    world.change_state(token_expires_at=NOW + timedelta(days=1))
    assert renew(world) == 1


def test_one_that_fails_waits_and_holds_up_no_other(world: SignedIn) -> None:
    """A provider that is away is asked again later; the instance stays as it is."""
    world.clock.move(days=70)
    world.issuer.answer = lambda _form: refusal("server_error", "away")
    assert renew(world) == 0
    asked = len(world.issuer.asked)
    assert renew(world) == 0
    assert len(world.issuer.asked) == asked, "within its cooldown it is not even looked at"
    assert world.read().status is InstanceStatus.ACTIVE
    world.issuer.answer = lambda _form: None
    world.clock.move(hours=1)
    assert renew(world) == 1


def test_a_refused_one_is_told_once(world: SignedIn) -> None:
    """The person hears of it before the next sync; nobody asks the provider again."""
    world.clock.move(days=70)
    world.issuer.is_revoked = True
    assert renew(world) == 0
    assert world.read().status_reason == "needs_reconnect"
    asked = len(world.issuer.asked)
    world.clock.move(days=1)
    assert renew(world) == 0
    assert len(world.issuer.asked) == asked


def test_one_that_is_not_set_up_yet_is_not_broken(world: SignedIn) -> None:
    """Its owner is at the wizard and meets the refusal there."""
    with world.database.open_uow() as uow:
        early = replace(
            world.instance, setup_step=SetupStep.MAPPING, status=InstanceStatus.SETUP_INCOMPLETE
        )
        uow.instances.save(early, expected_version=world.instance.config_version)
        uow.commit()
    world.clock.move(days=70)
    world.issuer.is_revoked = True
    renew(world)
    assert world.read().status is InstanceStatus.SETUP_INCOMPLETE
    assert world.state.refresh_problem


def test_a_deleted_one_is_left_alone(world: SignedIn) -> None:
    """Nothing of it is asked any more."""
    with world.database.open_uow() as uow:
        uow.instances.soft_delete(world.instance.id, now=world.clock())
        uow.commit()
    world.clock.move(days=70)
    assert renew(world) == 0
    assert world.issuer.asked == []


def test_states_nobody_completed_are_forgotten(world: SignedIn) -> None:
    """A day after they ended nothing needs them."""
    with world.database.open_uow() as uow:
        uow.oauth_states.add(make_oauth_state(world.instance, state_hash="a" * 64))
        uow.commit()
    world.clock.move(hours=23)
    renew(world)
    with world.database.open_uow(read_only=True) as uow:
        assert uow.oauth_states.find("a" * 64) is not None
    world.clock.move(hours=2)
    renew(world)
    with world.database.open_uow(read_only=True) as uow:
        assert uow.oauth_states.find("a" * 64) is None
