from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.instances import (
    Frequency,
    Instance,
    InstanceState,
    InstanceStatus,
    SetupStep,
    StatusReason,
)
from shared.domain.providers import Direction
from shared.errors import ConflictError, NotFoundError
from shared.store.database import Database
from tests.factories import NOW, make_instance
from tests.store_kit import LATER, seed_instance, seed_job


def stored(database: Database, instance_id: str) -> Instance:
    with database.open_uow(read_only=True) as uow:
        return uow.instances.get(instance_id, profile_id=None)


def test_an_instance_comes_back_as_it_was(database: Database) -> None:
    """Every field survives."""
    instance = seed_instance(
        database,
        connection_key="prod",
        status_reason=StatusReason.DEAD_LETTER,
        status=InstanceStatus.ERROR,
        setup_step=SetupStep.MAPPING,
        sync_direction=Direction.BIDIRECTIONAL,
        destination="w-1",
        frequency=Frequency.WEEKLY,
        frequency_details={"day": 1},
        time_zone="Europe/Berlin",
        options={"url": "https://x.test"},
        policies={"deletes": "keep"},
        config_version=7,
    )
    assert stored(database, instance.id) == instance


def test_an_instance_belongs_to_its_profile(database: Database) -> None:
    """Another profile's instance looks like none."""
    instance = seed_instance(database)
    with database.open_uow(read_only=True) as uow:
        assert uow.instances.get(instance.id, profile_id=instance.profile_id) == instance
        with pytest.raises(NotFoundError):
            uow.instances.get(instance.id, profile_id="another")


def test_a_profile_has_a_connection_once(database: Database) -> None:
    """A second of the same provider and key conflicts; another key, or after a delete, is fine."""
    first = seed_instance(database)
    with pytest.raises(ConflictError, match="already"):
        seed_instance(database, profile_id=first.profile_id)
    seed_instance(database, profile_id=first.profile_id, connection_key="two")
    with database.open_uow() as uow:
        uow.instances.soft_delete(first.id, now=LATER)
        uow.commit()
    seed_instance(database, profile_id=first.profile_id)


def test_an_instance_needs_its_profile_and_provider(strict_database: Database) -> None:
    """Neither may be missing from the database."""
    with pytest.raises(NotFoundError, match="catalogue"), strict_database.open_uow() as uow:
        uow.instances.add(make_instance())


def test_a_deleted_instance_is_as_good_as_none(database: Database) -> None:
    """It is not found, not listed, and no machine brings it back."""
    instance = seed_instance(database, status=InstanceStatus.ERROR)
    with database.open_uow() as uow:
        uow.instances.soft_delete(instance.id, now=LATER)
        uow.instances.set_status(instance.id, InstanceStatus.ACTIVE, "", now=LATER)
        uow.instances.heal(instance.id, now=LATER)
        uow.commit()
    with database.open_uow() as uow:
        with pytest.raises(NotFoundError):
            uow.instances.get(instance.id, profile_id=None)
        with pytest.raises(NotFoundError):
            uow.instances.soft_delete(instance.id, now=LATER)
        assert uow.instances.get_state(instance.id).instance_id == instance.id


def test_a_save_bumps_the_version_and_refuses_a_stale_one(database: Database) -> None:
    """Of two people who edit the same version, the second must read again."""
    instance = seed_instance(database)
    with database.open_uow() as uow:
        changed = replace(instance, name="New", updated_at=LATER)
        saved = uow.instances.save(changed, expected_version=1)
        assert saved == replace(changed, config_version=2)
        with pytest.raises(ConflictError, match="meanwhile"):
            uow.instances.save(replace(instance, name="Other"), expected_version=1)
        uow.commit()
    assert stored(database, instance.id) == saved


def test_an_unknown_instance_cannot_be_saved(database: Database) -> None:
    """Not found, rather than a conflict."""
    with pytest.raises(NotFoundError), database.open_uow() as uow:
        uow.instances.save(make_instance(), expected_version=1)


def test_a_machine_changes_the_status_without_the_version(database: Database) -> None:
    """A person's ETag stays valid while syncs come and go."""
    instance = seed_instance(database)
    with database.open_uow() as uow:
        reason = StatusReason.NEEDS_RECONNECT
        uow.instances.set_status(instance.id, InstanceStatus.ERROR, reason, now=LATER)
        uow.commit()
    broken = stored(database, instance.id)
    assert (broken.status, broken.status_reason) == (InstanceStatus.ERROR, "needs_reconnect")
    assert broken.config_version == instance.config_version
    with database.open_uow() as uow:
        uow.instances.heal(instance.id, now=LATER)
        uow.commit()
    healed = stored(database, instance.id)
    assert (healed.status, healed.status_reason) == (InstanceStatus.ACTIVE, "")


def test_a_paused_instance_is_not_healed(database: Database) -> None:
    """Only a person ends a pause; what machines find meanwhile is kept as the reason."""
    instance = seed_instance(database, status=InstanceStatus.PAUSED)
    for reason in ("needs_reconnect", ""):
        with database.open_uow() as uow:
            if reason:
                uow.instances.set_status(instance.id, InstanceStatus.ERROR, reason, now=LATER)
            else:
                uow.instances.heal(instance.id, now=LATER)
            uow.commit()
        found = stored(database, instance.id)
        assert (found.status, found.status_reason) == (InstanceStatus.PAUSED, reason)


def test_no_machine_touches_an_unfinished_set_up(database: Database) -> None:
    """Whatever a look at its source ends with, the person in the wizard decides what is next."""
    instance = seed_instance(database, status=InstanceStatus.SETUP_INCOMPLETE)
    with database.open_uow() as uow:
        uow.instances.set_status(instance.id, InstanceStatus.ERROR, "sync_failed", now=LATER)
        uow.instances.heal(instance.id, now=LATER)
        uow.commit()
    assert stored(database, instance.id) == instance


def test_the_state_starts_empty_and_is_kept(database: Database) -> None:
    """What machines know is a row of its own."""
    instance = seed_instance(database)
    with database.open_uow() as uow:
        state = uow.instances.get_state(instance.id)
        assert state == InstanceState(instance_id=instance.id)
        new = InstanceState(
            instance_id=instance.id,
            secret_ref="inst-1",
            token_expires_at=LATER,
            refresh_lease_id="lease",
            refresh_lease_expires_at=LATER,
            last_sync_at=NOW,
            next_sync_at=LATER,
            last_error="x",
            failures_in_a_row=3,
        )
        uow.instances.save_state(new, now=LATER)
        uow.commit()
    with database.open_uow(read_only=True) as uow:
        assert uow.instances.get_state(instance.id) == new


def test_no_state_without_an_instance(database: Database) -> None:
    """Neither read nor written."""
    with database.open_uow() as uow:
        with pytest.raises(NotFoundError):
            uow.instances.get_state("none")
        with pytest.raises(NotFoundError):
            uow.instances.save_state(InstanceState(instance_id="none"), now=NOW)


def schedule(database: Database, instance: Instance, *, minutes: int) -> Instance:
    with database.open_uow() as uow:
        state = uow.instances.get_state(instance.id)
        at = NOW + timedelta(minutes=minutes)
        uow.instances.save_state(replace(state, next_sync_at=at), now=NOW)
        uow.commit()
    return instance


def test_due_are_active_instances_whose_time_has_come(database: Database) -> None:
    """The longest due comes first, busy or not; paused, deleted and later ones do not come."""
    second = schedule(database, seed_instance(database), minutes=0)
    first = schedule(database, seed_instance(database), minutes=-2)
    busy = schedule(database, seed_instance(database), minutes=-1)
    seed_job(database, busy)
    schedule(database, seed_instance(database), minutes=1)
    schedule(database, seed_instance(database, status=InstanceStatus.PAUSED), minutes=-1)
    deleted = schedule(database, seed_instance(database), minutes=-1)
    with database.open_uow() as uow:
        uow.instances.soft_delete(deleted.id, now=NOW)
        uow.commit()
    seed_instance(database)
    with database.open_uow(read_only=True) as uow:
        due = [i.id for i in uow.instances.list_due(now=NOW, limit=9)]
        assert due == [first.id, busy.id, second.id]
        assert len(uow.instances.list_due(now=NOW, limit=1)) == 1
